package match

import (
	"slices"
	"testing"

	"github.com/lethe-dsr/lethe/internal/phone"
)

func TestAudienceDefinition(t *testing.T) {
	t.Parallel()
	ann := person(t, "ann", "email=ann@x.com", "phone=+491711234567", "user_id=1234", "user_id=O'Hara", "install_id="+ids+"a1", "property:plan=gold", "property:size=12.50", "property:vip=true")
	ann.UserIDs = []string{"learned"}
	rows := []struct {
		definition string
		want       []Rule
		others     bool
	}{
		{"carrierCountry eq 'US'", nil, false},
		{"dog-lover eq true and dog-breed eq 'Golden Retriever'", nil, false},
		{"email eq 'Ann@X.com'", []Rule{EmailInDefinition}, false},
		{"'ann@x.com' eq email", []Rule{EmailInDefinition}, false},
		{"email ne 'ann@x.com'", []Rule{EmailInDefinition}, false},
		{"email eq 'joann@x.com'", nil, true},
		{"email eq 'see ann@x.com'", nil, false},
		{"tel eq '0171 1234567'", []Rule{PhoneInDefinition}, false},
		{"tel eq 0171", nil, false},
		{"userId eq '1234'", []Rule{UserIDInDefinition}, false},
		{"userId eq 1234", []Rule{UserIDInDefinition}, false},
		{"userId eq 1234.00", []Rule{UserIDInDefinition}, false},
		{"userId eq 1234L", []Rule{UserIDInDefinition}, false},
		{"userId eq '12345'", nil, false},
		{"userId eq '1234.0'", nil, false},
		{"userId eq 'O''Hara'", []Rule{UserIDInDefinition}, false},
		{"userId eq 'learned'", []Rule{UserIDInDefinition}, false},
		{"userId eq '1234' or userId eq '5678'", []Rule{UserIDInDefinition}, true},
		{"userId eq '1234' or '5678' eq UserId", []Rule{UserIDInDefinition}, true},
		{"userId eq '1234' or userId eq 5678", []Rule{UserIDInDefinition}, true},
		{"userId eq '1234' and plan eq 'silver'", []Rule{UserIDInDefinition}, false},
		{"userId eq '1234' and userId ne ''", []Rule{UserIDInDefinition}, false},
		{"userId eq '1234' or userId eq 'learned'", []Rule{UserIDInDefinition}, false},
		{"userId in ('1234', '5678')", []Rule{UserIDInDefinition}, true},
		{"tolower(userId) eq '1234' or tolower(userId) eq '5678'", []Rule{UserIDInDefinition}, true},
		{"installId eq guid'" + ids + "A1'", []Rule{InstallIDInDefinition}, false},
		{"installId eq " + ids + "A1", []Rule{InstallIDInDefinition}, false},
		{"since gt datetime'2020-01-02T03:04:05Z' and since lt 2021-01-02T03:04:05Z", nil, false},
		{"plan eq 'gold'", []Rule{PropertyInDefinition}, false},
		{"custom_properties/plan eq 'gold'", []Rule{PropertyInDefinition}, false},
		{"'gold' eq plan", []Rule{PropertyInDefinition}, false},
		{"contains(plan, 'gold')", []Rule{PropertyInDefinition}, false},
		{"startswith(tolower(plan),'gold') eq true", []Rule{PropertyInDefinition}, false},
		{"substringof('gold', plan)", []Rule{PropertyInDefinition}, false},
		{"plan in ('silver','gold')", []Rule{PropertyInDefinition}, true},
		{"(plan eq 'gold')", []Rule{PropertyInDefinition}, false},
		{"not (plan eq 'gold')", []Rule{PropertyInDefinition}, false},
		{"tier eq 'gold' and plan eq 'silver'", nil, false},
		{"contains(tier, 'gold') and plan eq 'x'", nil, false},
		{"Plan eq 'gold'", nil, false},
		{"size eq 12.5", []Rule{PropertyInDefinition}, false},
		{"size eq 12.500", []Rule{PropertyInDefinition}, false},
		{"vip eq true", []Rule{PropertyInDefinition}, false},
		{"vip eq false", nil, false},
		{"other eq true", nil, false},
		{"x eq 'y' and note eq 'mail carl@x.com'", nil, true},
		{"phone eq '0171 7654321'", nil, true},
		{"phone eq '+491717654321'", nil, true},
		{"order eq 1717654321", nil, false},
		{"email eq 'ann@x.com", []Rule{EmailInDefinition, EmailInDefinition}, false},
		{"email eq 'x ann@x.com", []Rule{EmailInDefinition}, false},
		{"userId eq '1234", []Rule{UserIDInDefinition}, false},
		{`email eq "ann@x.com"`, []Rule{EmailInDefinition}, false},
		{"x eq 'a'; mail ann@x.com carl@x.com", []Rule{EmailInDefinition}, true},
		{"((", nil, false},
		{"eq 'gold' plan )", nil, false},
	}
	for _, row := range rows {
		t.Run(row.definition, func(t *testing.T) {
			t.Parallel()
			v := New([]Person{ann}, phone.In("DE")).Audience(Audience{Definition: row.definition})
			if got := rules(v.Hits, "ann"); !slices.Equal(got, slices.Compact(row.want)) || v.Others != row.others {
				t.Errorf("got %v others %v, want %v others %v", got, v.Others, row.want, row.others)
			}
		})
	}
}

func TestAudienceOfPeopleOfOneJobNamesNoOthers(t *testing.T) {
	t.Parallel()
	m := New([]Person{person(t, "ann", "user_id=1", "email=ann@x.com"), person(t, "bob", "user_id=2")}, phone.In("DE"))
	v := m.Audience(Audience{Name: "for ann@x.com", Definition: "userId eq '1' or userId eq '2'"})
	if !slices.Equal(refs(v.Hits), []string{"ann", "bob"}) || v.Others {
		t.Errorf("got %+v", v)
	}
}

func FuzzDefinition(f *testing.F) {
	for _, s := range []string{"userId eq '1234' or 'a''b' ne c", "contains(tolower(a/b),'x') and d in ('1',2.0)", "datetime'2020' eq '", "((()))'", "a eq 'b' eq eq (", "in ('x')", "') eq (", "x' eq"} {
		f.Add(s)
	}
	m := New([]Person{person(f, "ann", "user_id=1234", "email=ann@x.com", "property:b=x")}, phone.In("DE"))
	f.Fuzz(func(t *testing.T, definition string) {
		m.Audience(Audience{Definition: definition})
		list, _ := lex(definition)
		for _, l := range list {
			if l.kind == lexWord && l.text == "" {
				t.Errorf("%q has a word of nothing", definition)
			}
		}
		// A definition is joined to what stands before it without touching it, whatever it is.
		if v := m.Audience(Audience{Definition: "userId eq '1234' and " + definition}); !slices.Contains(rules(v.Hits, "ann"), UserIDInDefinition) {
			t.Errorf("%q hides the comparison before it", definition)
		}
	})
}
