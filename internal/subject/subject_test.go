package subject_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/phone"
	"github.com/lethe-dsr/lethe/internal/subject"
)

func TestIdentifiersAreNormalisedOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind         subject.Type
		given, value string
	}{
		{subject.Email, "  Ann@Example.COM ", "ann@example.com"},
		{subject.Email, "Chloe\u0301@Example.org", "chloé@example.org"}, // NFC
		{subject.Phone, "0171 3920042", "+491713920042"},
		{subject.Phone, "0049 (171) 39200-42", "+491713920042"},
		{subject.Phone, "+33 6 39 98 04 17", "+33639980417"},
		{subject.InstallID, "0000A1A2-0000-4000-8000-0000000000A2", "0000a1a2-0000-4000-8000-0000000000a2"},
		{subject.UserID, " Exact / as # given % ", " Exact / as # given % "},
	} {
		id, err := subject.New(c.kind, "", c.given, phone.In("DE"))
		if err != nil || id.Value() != c.value {
			t.Errorf("%s: got %q (%v), want %q", c.kind, id.Value(), err, c.value)
		}
	}
}

func TestUnusableIdentifiersAreRefusedByTypeAndNeverRepeated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind        subject.Type
		name, value string
	}{
		{subject.Email, "", "not-an-address-secret"},
		{subject.Email, "", "secret@localhost"},
		{subject.Email, "", "secret@[127.0.0.1]"},
		{subject.Email, "", "Secret Person <secret@example.com>"},
		{subject.Email, "", "secret@exam ple.com"},
		{subject.Email, "", "secret@example..com"},
		{subject.Email, "", strings.Repeat("secret", 50) + "@example.com"},
		{subject.Phone, "", "secret"},
		{subject.Phone, "", "12"},
		{subject.Phone, "", "110"},
		{subject.InstallID, "", "secret-0000-4000"},
		{subject.InstallID, "", "{0000a1a2-0000-4000-8000-0000000000a2}secret"},
		{subject.UserID, "", ""},
		{subject.UserID, "", " \t"},
		{subject.UserID, "", "secret\xff"},
		{subject.UserID, "", strings.Repeat("secret", 200)},
		{subject.UserID, "named", "secret"},
		{subject.Property, "", "secret"},
		{"passport", "", "secret"},
	} {
		_, err := subject.New(c.kind, c.name, c.value, phone.In("DE"))
		if !fault.Is(err, fault.BadInput) {
			t.Errorf("%s %q: %v, want BadInput", c.kind, c.value, err)
			continue
		}
		if strings.Contains(strings.ToLower(err.Error()), "secret") || strings.Contains(err.Error(), "110") {
			t.Errorf("the error repeats the value: %v", err)
		}
	}
	if _, err := subject.New(subject.Phone, "", "0171 3920042", phone.In("")); !fault.Is(err, fault.BadInput) {
		t.Errorf("a national number without a region: %v, want BadInput", err)
	}
}

func TestAPersonCannotBePrinted(t *testing.T) {
	t.Parallel()
	id, err := subject.New(subject.Email, "", "secret@example.com", phone.In(""))
	if err != nil {
		t.Fatal(err)
	}
	s := subject.Subject{Identifiers: []subject.Identifier{id}}
	type holder struct{ inner subject.Subject } // fmt reads unexported fields by reflection
	for _, v := range []any{id, &id, s, &s, holder{s}, []any{s}, map[string]any{"s": s}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			text := strings.ToLower(fmt.Sprintf(verb, v))
			if strings.Contains(text, "secret") || strings.Contains(text, "736563726574") {
				t.Errorf("%s of %T shows the person: %s", verb, v, text)
			}
		}
		if b, err := json.Marshal(v); err == nil && bytes.Contains(b, []byte("secret")) {
			t.Errorf("JSON of %T shows the person: %s", v, b)
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		if strings.Contains(log.String(), "secret") {
			t.Errorf("slog of %T shows the person: %s", v, log.String())
		}
	}
}

func TestWhatIsSealedComesBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s subject.Subject
		for range rapid.IntRange(1, 8).Draw(t, "n") {
			kind := rapid.SampledFrom([]subject.Type{subject.UserID, subject.Property}).Draw(t, "type")
			name := ""
			if kind == subject.Property {
				name = rapid.StringMatching(`[a-zA-Z][a-zA-Z0-9]{0,20}`).Draw(t, "name")
			}
			id, err := subject.New(kind, name, rapid.String().Draw(t, "value"), phone.In(""))
			if err == nil {
				s.Add(id)
			}
		}
		back, err := subject.Decode(s.Encode())
		if err != nil || len(back.Identifiers) != len(s.Identifiers) {
			t.Fatalf("%d identifiers came back of %d: %v", len(back.Identifiers), len(s.Identifiers), err)
		}
		for n := range s.Identifiers {
			if !back.Identifiers[n].Equal(s.Identifiers[n]) {
				t.Fatalf("identifier %d changed", n)
			}
		}
		if a, b := s.Canonical().Encode(), back.Canonical().Canonical().Encode(); !bytes.Equal(a, b) {
			t.Fatal("the canonical form is not stable")
		}
	})
}

func TestTheOrderOfIdentifiersDoesNotMakeAnotherPerson(t *testing.T) {
	t.Parallel()
	a, _ := subject.New(subject.UserID, "", "one", phone.In(""))
	b, _ := subject.New(subject.UserID, "", "two", phone.In(""))
	x := subject.Subject{[]subject.Identifier{a, b, a}}.Canonical().Encode()
	y := subject.Subject{[]subject.Identifier{b, a}}.Canonical().Encode()
	if !bytes.Equal(x, y) {
		t.Errorf("%s and %s", x, y)
	}
}

// Normalising is idempotent: what was normalised on its way in is found when it is normalised again in an export.
func FuzzNormal(f *testing.F) {
	for _, s := range []string{"Ann@Example.com", "0171 3920042", "+49 171 3920042", "0000A1A2-0000-4000-8000-0000000000A2", "ſ@K.com", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if once := subject.NormalEmail(s); subject.IsEmail(once) && subject.NormalEmail(once) != once {
			t.Errorf("e-mail %q", s)
		}
		if once, ok := subject.NormalInstallID(s); ok {
			if twice, ok := subject.NormalInstallID(once); !ok || twice != once {
				t.Errorf("install id %q", s)
			}
		}
		if _, err := subject.Decode([]byte(s)); err != nil && !fault.Is(err, fault.SealBroken) {
			t.Errorf("decode: %v", err)
		}
	})
}
