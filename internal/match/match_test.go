package match

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/phone"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// person makes a request from "type=value" and "property:name=value".
func person(t testing.TB, ref string, ids ...string) Person {
	t.Helper()
	p := Person{Ref: ref}
	for _, s := range ids {
		kind, v, _ := strings.Cut(s, "=")
		kind, name, _ := strings.Cut(kind, ":")
		id, err := subject.New(subject.Type(kind), name, v, phone.In("DE"))
		if err != nil {
			t.Fatal(err)
		}
		p.Identifiers = append(p.Identifiers, id)
	}
	return p
}

// outcome is all that a call of Devices reports.
type outcome struct {
	devices    []Device
	unreadable [][]string
	tally      Tally
}

func devices(t testing.TB, m *Matcher, blob string) outcome {
	t.Helper()
	var o outcome
	var err error
	o.tally, err = m.Devices(context.Background(), strings.NewReader(blob), Span{}, nil,
		func(d Device) error { o.devices = append(o.devices, d); return nil },
		func(refs []string) error { o.unreadable = append(o.unreadable, refs); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// rules lists what one request matched by.
func rules(hits []Hit, ref string) []Rule {
	var out []Rule
	for _, h := range hits {
		if h.Ref == ref {
			out = append(out, h.Rule)
		}
	}
	slices.Sort(out)
	return out
}

func refs(hits []Hit) []string {
	var out []string
	for _, h := range hits {
		out = append(out, h.Ref)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

const ids = "00000000-0000-0000-0000-0000000000"

func TestEveryRuleHasItsWords(t *testing.T) {
	t.Parallel()
	for p := inInstallID; p <= inTarget; p++ {
		for k := isEmail; k <= isProperty; k++ {
			if ruleOf(k, p) == "" {
				t.Errorf("kind %d in place %d has no rule", k, p)
			}
		}
	}
}

func TestHitsAreUniqueAndInTheOrderOfPeople(t *testing.T) {
	t.Parallel()
	m := New([]Person{person(t, "b", "email=ann@x.com"), person(t, "a", "email=ann@x.com", "user_id=ann")}, phone.In("DE"))
	o := devices(t, m, `{"installId":"i","userId":"ann","properties":{"a":"ann@x.com","b":"ANN@x.com"}}`)
	want := []Hit{{"b", EmailInProperty}, {"a", ByUserID}, {"a", EmailInProperty}}
	if len(o.devices) != 1 || !slices.Equal(o.devices[0].Hits, want) {
		t.Fatalf("got %v, want hits %v", o.devices, want)
	}
}

func TestDecimalText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"1234": "1234", "1234.0": "1234", "12.50": "12.5", "1e3": "1000", "1.25e1": "12.5", "125e-1": "12.5", "5e-3": "0.005", "0": "0", "0.0": "0",
		"-7.10": "-7.1", "1E+2": "100", "0e5": "0", "1.5e-1": "0.15", "100": "100",
	} {
		if got, ok := decimal(in); !ok || got != want {
			t.Errorf("decimal(%q) = %q, %v; want %q", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "-", "007", "1.", ".5", "1e", "1e+-2", "1e999", "0x10", "1 ", "NaN", "1.2.3"} {
		if got, ok := decimal(in); ok {
			t.Errorf("decimal(%q) = %q, want none", in, got)
		}
	}
}
