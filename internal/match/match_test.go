package match

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/subject"
)

// person makes a request from "type=value" and "property:name=value".
func person(t testing.TB, ref string, ids ...string) Person {
	t.Helper()
	p := Person{Ref: ref}
	for _, s := range ids {
		kind, v, _ := strings.Cut(s, "=")
		kind, name, _ := strings.Cut(kind, ":")
		id, err := subject.New(subject.Type(kind), name, v, "DE")
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
	m := New([]Person{person(t, "b", "email=ann@x.com"), person(t, "a", "email=ann@x.com", "user_id=ann")}, "DE")
	o := devices(t, m, `{"installId":"i","userId":"ann","properties":{"a":"ann@x.com","b":"ANN@x.com"}}`)
	want := []Hit{{"b", EmailInProperty}, {"a", ByUserID}, {"a", EmailInProperty}}
	if len(o.devices) != 1 || !slices.Equal(o.devices[0].Hits, want) {
		t.Fatalf("got %v, want hits %v", o.devices, want)
	}
}

// Of somebody whose account id nobody verified, rules say by which identifiers they matched.
func TestRulesTellWhatNobodyVerified(t *testing.T) {
	t.Parallel()
	claimed := person(t, "a", "user_id=account-4711", "phone=+49 30 1234567")
	claimed.Unverified, claimed.Installs = true, []string{"i-claimed"}
	verified := person(t, "a", "email=ann@x.com")
	verified.UserIDs = []string{"account-4711"} // one of her own devices says so
	m := New([]Person{verified, claimed, person(t, "b", "user_id=account-4711")}, "DE")
	for line, want := range map[string][]Rule{
		`{"installId":"i1","userId":"account-4711"}`:                                       {ByUserID.Unverified()},
		`{"installId":"i2","userId":"account-4711","properties":{"mail":"ann@x.com"}}`:     {EmailInProperty, ByUserID.Unverified()},
		`{"installId":"account-4711"}`:                                                     {ByInstallID.Unverified()},
		`{"installId":"i3","properties":{"mobile":"+49301234567","mail":"ann@x.com"}}`:     {EmailInProperty, PhoneInProperty.Unverified()},
		`{"installId":"i4","properties":{"mobile":"+49301234567","mail":"dora@x.com"}}`:    {PhoneInProperty.Unverified()},
		`{"installId":"i5","properties":{"mobile":"+493099999999","mail":"ann@x.com"}}`:    {EmailInProperty},
		`{"installId":"i6","userId":"account-4711","properties":{"mobile":"+4930999999"}}`: {ByUserID.Unverified()},
		`{"installId":"i7","userId":"account-4711","properties":{"mail":"dora@x.com"}}`:    {ByUserID.Unverified()},
	} {
		o := devices(t, m, line)
		if len(o.devices) != 1 || !slices.Equal(rules(o.devices[0].Hits, "a"), sortedRules(want)) {
			t.Errorf("%s: got %v, want %v", line, o.devices, want)
			continue
		}
		if got := rules(o.devices[0].Hits, "b"); slices.ContainsFunc(got, func(r Rule) bool { return !r.Verified() }) {
			t.Errorf("%s: another request with the same id got %v", line, got)
		}
		// Both halves are one request. A number that was only claimed may be somebody else's.
		foreign := strings.Contains(line, "dora") || strings.Contains(line, "mobile")
		if shared := slices.Contains(o.devices[0].Shared, "a"); shared != foreign {
			t.Errorf("%s: shared %v, want %v", line, shared, foreign)
		}
	}
	for _, c := range []struct {
		n    Notification
		want []Rule
	}{
		{Notification{Body: "Dear account-4711"}, []Rule{UserIDInText, UserIDInText.Unverified()}}, // learned, and claimed
		{Notification{Devices: []string{"i-claimed"}}, []Rule{InstallIDTargeted.Unverified()}},
		{Notification{Body: "call +49 30 1234567"}, []Rule{PhoneInText.Unverified()}},
		{Notification{Title: "for ann@x.com"}, []Rule{EmailInText}},
	} {
		if got := rules(m.Notification(c.n).Hits, "a"); !slices.Equal(got, c.want) {
			t.Errorf("%+v: got %v, want %v", c.n, got, c.want)
		}
	}
	// A line that cannot be read is trouble of the request, whichever half it names.
	if o := devices(t, m, `{"userId":"account-4711","mail":"ann@x.com"`); len(o.unreadable) != 1 || !slices.Equal(o.unreadable[0], []string{"a", "b"}) {
		t.Errorf("unreadable for %v, want each request once", o.unreadable)
	}
	for _, r := range []Rule{ByUserID, EmailInText, NamedProperty} {
		if !r.Verified() || r.Unverified().Verified() {
			t.Errorf("%q does not say whether it is verified", r)
		}
	}
}

func sortedRules(rules []Rule) []Rule { return slices.Sorted(slices.Values(rules)) }

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
