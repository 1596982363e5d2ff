package match

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/lethe-dsr/lethe/internal/phone"
)

func TestNotification(t *testing.T) {
	t.Parallel()
	ann := person(t, "ann", "email=ann@x.com", "phone=+491711234567", "user_id=1234", "user_id=user-1234", "install_id="+ids+"a1", "property:plan=gold", "property:colour=dark blue")
	ann.Installs, ann.UserIDs = []string{"Raw-1"}, []string{"learned"}
	data := func(values ...any) map[string][]any { return map[string][]any{"k": values} }
	rows := []struct {
		name   string
		n      Notification
		want   []Rule
		others bool
	}{
		{"after an elision", Notification{Body: "Message d'ann@x.com"}, []Rule{EmailInText}, true},
		{"the end of another's address", Notification{Body: "Dear o’ann@x.com,"}, []Rule{EmailInText}, true},
		{"in quotes", Notification{Body: "mail 'ann@x.com' now"}, []Rule{EmailInText}, false},
		{"nobody", Notification{Name: "n", Title: "t", Body: "b", Data: data("x", json.Number("1"), true, nil)}, nil, false},
		{"short value as a whole", Notification{Data: data("1234")}, []Rule{UserIDInData}, false},
		{"short value as a number", Notification{Data: data(json.Number("1234.0"))}, []Rule{UserIDInData}, false},
		{"short value as a float", Notification{Data: data(1234.0)}, []Rule{UserIDInData}, false},
		{"short value in a text", Notification{Data: data("Only 1234 left")}, nil, false},
		{"short title", Notification{Title: "1234"}, nil, false},
		{"token in a value", Notification{Data: data("to user-1234!")}, []Rule{UserIDInData}, false},
		{"address in a link", Notification{Data: data("https://x.org/?m=ann%40x.com&a")}, []Rule{EmailInData}, false},
		{"phone as a whole value", Notification{Data: data("0171 1234567")}, []Rule{PhoneInData}, false},
		{"install id", Notification{Data: data(ids + "A1")}, []Rule{InstallIDInData}, false},
		{"a property is bound to its name", Notification{Data: map[string][]any{"plan": {"gold"}}}, nil, false},
		{"a long property value", Notification{Data: data("dark blue")}, []Rule{PropertyInData}, false},
		{"a key that stands twice", Notification{Data: data("x", "ann@x.com")}, []Rule{EmailInData}, false},
		{"nested", Notification{Data: data(map[string]any{"a": []any{"x", map[string]any{"b": "1234"}}})}, []Rule{UserIDInData}, false},
		{"learned user id", Notification{Data: data("learned")}, []Rule{UserIDInData}, false},
		{"another address in a value", Notification{Data: data("ann@x.com", "carl@x.com")}, []Rule{EmailInData}, true},
		{"another phone under a phone's name", Notification{Data: map[string][]any{"mobile": {"0171 7654321"}}}, nil, true},
		{"another bare phone under a phone's name", Notification{Data: map[string][]any{"a": {map[string]any{"mobile": json.Number("1717654321")}}}}, nil, true},
		{"an order number", Notification{Data: data("1717654321", json.Number("1732262400"))}, nil, false},
		{"target install", Notification{Devices: []string{ids + "A1"}}, []Rule{InstallIDTargeted}, false},
		{"learned install", Notification{Devices: []string{"Raw-1"}}, []Rule{InstallIDTargeted}, false},
		{"another install too", Notification{Devices: []string{ids + "a1", ids + "ff"}}, []Rule{InstallIDTargeted}, true},
		{"another install only", Notification{Devices: []string{ids + "ff"}}, nil, true},
		{"target user", Notification{UserIDs: []string{"1234"}}, []Rule{UserIDTargeted}, false},
		{"target account", Notification{AccountIDs: []string{"learned"}}, []Rule{UserIDTargeted}, false},
		{"target address", Notification{UserIDs: []string{"Ann@x.com"}}, []Rule{EmailTargeted}, false},
		{"target phone", Notification{AccountIDs: []string{"+49 171 1234567"}}, []Rule{PhoneTargeted}, false},
		{"another user too", Notification{UserIDs: []string{"1234", "5"}}, []Rule{UserIDTargeted}, true},
		{"another account too", Notification{UserIDs: []string{"1234"}, AccountIDs: []string{"5"}}, []Rule{UserIDTargeted}, true},
		{"an install id among users", Notification{UserIDs: []string{ids + "a1"}}, []Rule{InstallIDTargeted}, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			v := New([]Person{ann}, phone.In("DE")).Notification(row.n)
			if got := rules(v.Hits, "ann"); !slices.Equal(got, row.want) || v.Others != row.others {
				t.Errorf("got %v others %v, want %v others %v", got, v.Others, row.want, row.others)
			}
		})
	}
}
