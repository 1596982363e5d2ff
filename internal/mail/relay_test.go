package mail_test

import (
	"context"
	"errors"
	"io"
	netmail "net/mail"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/mail"
)

func TestARelayGetsTheWholeMessage(t *testing.T) {
	t.Parallel()
	var from, to string
	var text []byte
	r := mail.NewRelay("Acme Privacy <privacy@acme.example>", func(_ context.Context, f, recipient string, raw []byte) error {
		from, to, text = f, recipient, raw
		return nil
	})
	err := r.Send(t.Context(), mail.Message{ID: "r-1", To: "ann@bücher.example", Subject: "Ihr Anliegen", Text: "Grüße\n", Language: "de", Date: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if from != `"Acme Privacy" <privacy@acme.example>` || to != "ann@xn--bcher-kva.example" {
		t.Errorf("from %s to %s", from, to)
	}
	m, err := netmail.ReadMessage(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(m.Body)
	if m.Header.Get("Message-ID") != "<r-1@acme.example>" || m.Header.Get("To") != "<"+to+">" || !strings.Contains(string(body), "Gr=C3=BC=C3=9Fe") {
		t.Errorf("the message is %s", text)
	}
}

func TestARelayIsNotAskedForWhatIsNoMail(t *testing.T) {
	t.Parallel()
	r := mail.NewRelay("privacy@acme.example", func(context.Context, string, string, []byte) error {
		t.Error("it was asked")
		return nil
	})
	if err := r.Send(t.Context(), mail.Message{ID: "r-1", To: "ann@example.com, bob@example.com", Date: time.Now()}); !errors.Is(err, mail.ErrRefused) {
		t.Errorf("got %v", err)
	}
	failing := errors.New("the service fails")
	r = mail.NewRelay("privacy@acme.example", func(context.Context, string, string, []byte) error { return failing })
	if err := r.Send(t.Context(), mail.Message{ID: "r-1", To: "ann@example.com", Date: time.Now()}); !errors.Is(err, failing) {
		t.Errorf("got %v", err)
	}
}
