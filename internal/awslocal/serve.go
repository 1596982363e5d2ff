package awslocal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/lethe-dsr/lethe/internal/awsfault"
)

// service is how calls to one of AWS's services look.
type service struct {
	name string // that calls are signed for
	kind string // the media type of its JSON
	path string // where the operation is not in a header
	do   func(op string, in *json.Decoder) (out any, refused string)
}

func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if target == "" {
		target = r.URL.Path
	}
	switch target {
	case "DynamoDB_20120810":
		c.Dynamo.ServeHTTP(w, r)
	case "TrentService":
		c.KMS.ServeHTTP(w, r)
	case "secretsmanager":
		c.serve(w, r, op, service{name: "secretsmanager", kind: "application/x-amz-json-1.1", path: "/", do: c.secret})
	case "AWSStepFunctions":
		c.serve(w, r, op, service{name: "states", kind: "application/x-amz-json-1.0", path: "/", do: c.states})
	case "/v2/email/outbound-emails":
		c.serve(w, r, "SendEmail", service{name: "ses", kind: "application/json", path: target, do: c.mail})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// maxCall is more than any call that Lethe makes.
const maxCall = 16 << 20

// serve is what the protocols of these services have in common: JSON in, JSON out, a signature, and errors by name.
func (c *Cloud) serve(w http.ResponseWriter, r *http.Request, op string, s service) {
	answer := func(status int, v any) {
		w.Header().Set("Content-Type", s.kind)
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(v)
	}
	refuse := func(status int, name, text string) {
		w.Header().Set("X-Amzn-Errortype", name)
		answer(status, map[string]string{"__type": name, "message": text})
	}
	signed := strings.Contains(r.Header.Get("Authorization"), "/"+Region+"/"+s.name+"/aws4_request,")
	if r.Method != http.MethodPost || r.URL.Path != s.path || r.Header.Get("Content-Type") != s.kind || !signed {
		refuse(http.StatusBadRequest, unknownOperation, "not the protocol of "+s.name)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCall))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	f := c.Meet(op)
	if f != nil && !f.After {
		refuse(f.Answer(), f.Kind, awsfault.Text)
		return
	}
	in := json.NewDecoder(bytes.NewReader(body))
	in.DisallowUnknownFields()
	out, refused := s.do(op, in)
	switch {
	case f != nil:
		refuse(f.Answer(), f.Kind, awsfault.Text)
	case refused != "":
		refuse(http.StatusBadRequest, refused, op+" is refused, says a simulator to "+awsfault.Echo)
	default:
		answer(http.StatusOK, out)
	}
}

// Names of errors that several services have in common.
const (
	unknownOperation = "UnknownOperationException"
	unreadable       = "SerializationException"
)

func (c *Cloud) secret(op string, in *json.Decoder) (any, string) {
	var ask struct{ SecretId string }
	switch err := in.Decode(&ask); {
	case op != "GetSecretValue":
		return nil, unknownOperation
	case err != nil:
		return nil, unreadable
	case ask.SecretId != SecretARN:
		return nil, "ResourceNotFoundException"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
	return map[string]string{"ARN": SecretARN, "Name": "lethe-config", "SecretString": c.document}, ""
}

// Mail is one that was sent by SES.
type Mail struct {
	From                string
	To                  []string
	Raw                 []byte // the whole message, where it was sent as one
	Subject, Text, HTML string
	Headers             map[string]string
}

// Mails are those that were sent so far.
func (c *Cloud) Mails() []Mail {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Mail(nil), c.mails...)
}

// mail is SendEmail of https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html, as far as Lethe may use
// it: one message, simple or raw.
func (c *Cloud) mail(_ string, in *json.Decoder) (any, string) {
	type text struct{ Charset, Data string }
	var ask struct {
		FromEmailAddress, ConfigurationSetName string
		ReplyToAddresses                       []string
		Destination                            struct{ ToAddresses []string }
		EmailTags                              []struct{ Name, Value string }
		Content                                struct {
			Simple *struct {
				Subject text
				Body    struct{ Text, Html text }
				Headers []struct{ Name, Value string }
			}
			Raw *struct{ Data []byte }
		}
	}
	if err := in.Decode(&ask); err != nil {
		return nil, unreadable
	}
	m := Mail{From: ask.FromEmailAddress, To: ask.Destination.ToAddresses, Headers: map[string]string{}}
	switch s, raw := ask.Content.Simple, ask.Content.Raw; {
	case s != nil && raw == nil && m.From != "" && len(m.To) > 0:
		m.Subject, m.Text, m.HTML = s.Subject.Data, s.Body.Text.Data, s.Body.Html.Data
		for _, h := range s.Headers {
			m.Headers[h.Name] = h.Value
		}
	case raw != nil && s == nil && len(raw.Data) > 0:
		m.Raw = raw.Data
	default:
		return nil, "BadRequestException"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mails = append(c.mails, m)
	return map[string]string{"MessageId": fmt.Sprintf("mail-%d", len(c.mails))}, ""
}
