package match

import (
	"encoding/json"
	"strconv"
)

// Notification is one that was sent.
type Notification struct {
	Name, Title, Body string

	// Data is the custom data: every value of every key, so that a key that stands twice has two. Values are what
	// encoding/json makes of them; numbers should be json.Number.
	Data map[string][]any

	Devices, UserIDs, AccountIDs []string // the target: install ids, user ids, account ids
}

// Notification finds the people whom a notification names: its name, title, body or a value of its custom data holds
// an identifier, or its target is one. The audiences of a target are not looked at: an audience is searched itself.
func (m *Matcher) Notification(n Notification) Verdict {
	f := finds{}
	var v Verdict
	for _, text := range []string{n.Name, n.Title, n.Body} {
		m.search(text, true, inText, f)
		v.Others = v.Others || m.others(text)
	}
	for key, values := range n.Data {
		for _, x := range values {
			v.Others = m.data(x, namesPhone(key), f) || v.Others
		}
	}
	for _, id := range n.Devices {
		own := finds{}
		m.wholeInstall(id, true, inTarget, own)
		v.Others = v.Others || len(own) == 0
		for x := range own {
			f[x] = struct{}{}
		}
	}
	for _, ids := range [][]string{n.UserIDs, n.AccountIDs} {
		for _, id := range ids {
			own := finds{}
			m.whole(value{text: id}, nil, true, inTarget, own)
			v.Others = v.Others || len(own) == 0
			for x := range own {
				f[x] = struct{}{}
			}
		}
	}
	v.Hits = m.hits(f)
	return v
}

// data matches one value of the custom data, nested ones one by one, as a whole value and as a text.
func (m *Matcher) data(x any, phone bool, f finds) (others bool) {
	switch x := x.(type) {
	case map[string]any:
		for key, inner := range x {
			others = m.data(inner, phone || namesPhone(key), f) || others
		}
	case []any:
		for _, inner := range x {
			others = m.data(inner, phone, f) || others
		}
	case string:
		return m.dataValue(value{x, aString}, phone, f)
	case json.Number:
		return m.dataValue(value{x.String(), aNumber}, phone, f)
	case float64:
		return m.dataValue(value{strconv.FormatFloat(x, 'f', -1, 64), aNumber}, phone, f)
	}
	return others
}

func (m *Matcher) dataValue(v value, phone bool, f finds) (others bool) {
	own := finds{}
	m.whole(v, nil, true, inData, own)
	m.search(v.text, true, inData, own)
	for x := range own {
		f[x] = struct{}{}
	}
	return m.foreignValue(v, phone)
}
