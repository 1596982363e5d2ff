package kmstest

import (
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
)

// input is what the offered operations take, https://docs.aws.amazon.com/kms/latest/APIReference/API_Operations.html. Any
// other field is refused.
type input struct {
	KeyId             string
	EncryptionContext map[string]string
	KeySpec           string
	NumberOfBytes     *int

	CiphertextBlob      []byte
	EncryptionAlgorithm string

	Message          []byte
	MessageType      string
	SigningAlgorithm string
}

const (
	maxBlob    = 6144
	maxContext = 8192
)

// binding is the additional data of a blob: the key and the encryption context, in the order of its names.
func (k *key) binding(context map[string]string) []byte {
	b, err := json.Marshal(context)
	if err != nil {
		panic(fmt.Sprintf("kmstest: texts always marshal: %v", err))
	}
	return append([]byte(k.arn+"\n"), b...)
}

func (s *Server) generateDataKey(in input) (any, *refusal) {
	k, bad := s.find(in.KeyId)
	switch {
	case bad != nil:
		return nil, bad
	case k.sealing == nil:
		return nil, refuse("InvalidKeyUsageException", k.arn+" key usage is SIGN_VERIFY which is not valid for GenerateDataKey.")
	case in.KeySpec != "AES_256" || in.NumberOfBytes != nil || in.CiphertextBlob != nil || in.Message != nil:
		return nil, refuse("ValidationException", "kmstest gives data keys of KeySpec AES_256")
	case len(k.binding(in.EncryptionContext)) > maxContext:
		return nil, refuse("ValidationException", "the encryption context is too long")
	}
	plain := make([]byte, 32)
	rand.Read(plain)
	// A real blob also says by which key it was made; length and content are nobody's business but KMS's.
	blob := k.sealing.Seal([]byte(k.arn+"\n"), nil, plain, k.binding(in.EncryptionContext))
	return map[string]any{"KeyId": k.arn, "Plaintext": plain, "CiphertextBlob": blob}, nil
}

func (s *Server) decrypt(in input) (any, *refusal) {
	switch {
	case len(in.CiphertextBlob) < 1 || len(in.CiphertextBlob) > maxBlob:
		return nil, refuse("ValidationException", "Value at 'ciphertextBlob' failed to satisfy constraint: Member must have length between 1 and 6144")
	case in.KeyId == "":
		return nil, refuse("ValidationException", "kmstest wants the key to be named: a blob may come from anybody's account")
	case in.EncryptionAlgorithm != "" && in.EncryptionAlgorithm != "SYMMETRIC_DEFAULT", in.KeySpec != "", in.Message != nil:
		return nil, refuse("ValidationException", "kmstest decrypts with symmetric keys")
	}
	named, bad := s.find(in.KeyId)
	if bad != nil {
		return nil, bad
	}
	arn, blob, _ := strings.Cut(string(in.CiphertextBlob), "\n")
	made := s.keys[arn]
	switch {
	case made == nil || made.sealing == nil:
		return nil, refuse("InvalidCiphertextException", "")
	case made != named:
		return nil, refuse("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")
	}
	plain, err := made.sealing.Open(nil, nil, []byte(blob), made.binding(in.EncryptionContext))
	if err != nil {
		return nil, refuse("InvalidCiphertextException", "")
	}
	return map[string]any{"KeyId": made.arn, "Plaintext": plain, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}, nil
}

func (s *Server) sign(in input) (any, *refusal) {
	k, bad := s.find(in.KeyId)
	switch {
	case bad != nil:
		return nil, bad
	case k.signing == nil:
		return nil, refuse("InvalidKeyUsageException", k.arn+" key usage is ENCRYPT_DECRYPT which is not valid for Sign.")
	case in.EncryptionContext != nil || in.CiphertextBlob != nil || in.KeySpec != "":
		return nil, refuse("SerializationException", "Sign takes a message")
	case in.SigningAlgorithm != k.algorithm():
		return nil, refuse("InvalidKeyUsageException", "Algorithm "+in.SigningAlgorithm+" is incompatible with key spec "+k.spec()+".")
	case in.MessageType != "DIGEST" || len(in.Message) != 32:
		return nil, refuse("ValidationException", "Digest is invalid length for algorithm ECDSA_SHA_256.")
	}
	signature, err := ecdsa.SignASN1(rand.Reader, k.signing, in.Message)
	if err != nil {
		panic(fmt.Sprintf("kmstest: sign: %v", err))
	}
	return map[string]any{"KeyId": k.arn, "Signature": signature, "SigningAlgorithm": in.SigningAlgorithm}, nil
}
