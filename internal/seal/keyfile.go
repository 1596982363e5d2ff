package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The key file is text: a line with the format's version, a line for its reader, and the secret in hexadecimal with
// the first bytes of its hash, because a secret with a wrong digit would be another valid secret.
const (
	keyFileVersion = "lethe-key-1"
	keyFileNote    = "# Opens what Lethe sealed and signs its certificates. Keep a copy in a safe place; show it to nobody."
	keyFileMax     = 4 << 10
	checkSize      = 4
)

func formatKeyFile(secret []byte) []byte {
	return fmt.Appendf(nil, "%s\n%s\n%x-%x\n", keyFileVersion, keyFileNote, secret, secretCheck(secret))
}

func secretCheck(secret []byte) []byte {
	sum := sha256.Sum256(append([]byte(keyFileVersion+" check "), secret...))
	return sum[:checkSize]
}

// parseKeyFile takes what formatKeyFile writes, with any comments and blank lines after the first line.
func parseKeyFile(text []byte) ([]byte, error) {
	first, rest, _ := strings.Cut(string(text), "\n")
	switch first = strings.TrimSuffix(first, "\r"); {
	case first == "":
		return nil, errors.New("is empty; restore it from a copy, or remove it if nothing was ever sealed with it")
	case first != keyFileVersion && strings.HasPrefix(first, "lethe-key-"):
		return nil, errors.New("is of another version of Lethe; use that version")
	case first != keyFileVersion:
		return nil, errors.New("is not a key file of Lethe; give another path")
	}
	var secrets []string
	for line := range strings.Lines(rest) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") {
			secrets = append(secrets, line)
		}
	}
	damaged := errors.New("is cut off or altered; restore it from a copy")
	if len(secrets) != 1 {
		return nil, damaged
	}
	digits, check, _ := strings.Cut(secrets[0], "-")
	secret, err := hex.DecodeString(digits)
	if err != nil || len(secret) != secretSize || check != hex.EncodeToString(secretCheck(secret)) {
		return nil, damaged
	}
	return secret, nil
}

func readKeyFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file; give the path of a key file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read or changed by others (mode %#o); run: chmod 600 %s", path, mode, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, keyFileMax))
	if err != nil {
		return nil, err
	}
	secret, err := parseKeyFile(text)
	if err != nil {
		return nil, fmt.Errorf("%s %w", path, err)
	}
	return secret, nil
}

// createKeyFile writes a new secret, and reads the file of another process that was faster. The file gets its name when
// it is whole and on disk, by a link, which never replaces: no reader sees half a file, no crash leaves one.
func createKeyFile(path string, rand io.Reader) (_ []byte, err error) {
	secret := make([]byte, secretSize)
	if _, err := io.ReadFull(rand, secret); err != nil {
		return nil, fmt.Errorf("draw a secret: %w", err)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, filepath.Base(path)+".new-*") // O_EXCL, mode 0600
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = io.Copy(f, bytes.NewReader(formatKeyFile(secret)))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
		return readKeyFile(path)
	} else if err != nil {
		return nil, err
	}
	return secret, syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
