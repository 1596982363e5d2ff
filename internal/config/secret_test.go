package config_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/lethe-dsr/lethe/internal/config"
)

func TestASecretPrintsNowhere(t *testing.T) {
	t.Parallel()
	s := config.NewSecret("planted-secret")
	type hidden struct{ s config.Secret } // reflection reaches unexported fields, methods do not
	type holder struct {
		S config.Secret
		P *config.Secret
		M map[string]config.Secret
		hidden
	}
	var out bytes.Buffer
	for _, v := range []any{s, &s, holder{s, &s, map[string]config.Secret{"k": s}, hidden{s}}, []config.Secret{s}, config.Target{Token: s, RESTKey: s}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%t"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).Info("m", "v", v, slog.Group("g", "v", v))
		}
		if err := json.NewEncoder(&out).Encode(v); err != nil {
			t.Error(err)
		}
		_ = gob.NewEncoder(&out).Encode(v) // most of these it refuses
	}
	if err := yaml.NewEncoder(&out).Encode(map[string]any{"s": s, "p": &s}); err != nil {
		t.Error(err)
	}
	if hex := fmt.Sprintf("%x", "planted-secret"); strings.Contains(out.String(), "planted") || strings.Contains(strings.ToLower(out.String()), hex) {
		t.Errorf("the secret is in:\n%s", out.String())
	}
	text, err := json.Marshal(map[string]any{"s": s})
	if want := `{"s":"(redacted)"}`; err != nil || string(text) != want {
		t.Errorf("JSON is %s, %v, want %s", text, err, want)
	}
	if got, want := fmt.Sprintf("%d %v", s, s.LogValue()), "(redacted) (redacted)"; got != want {
		t.Errorf("prints %s, want %s", got, want)
	}
	if got := s.Reveal(); got != "planted-secret" {
		t.Errorf("revealed %q", got)
	}
	if got := (config.Secret{}).Reveal(); got != "" {
		t.Errorf("the zero value reveals %q", got)
	}
}
