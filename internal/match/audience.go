package match

import "strings"

// Audience is a named group of devices, with the filter that makes it.
type Audience struct{ Name, Description, Definition string }

// Verdict says whose an object is.
type Verdict struct {
	Hits   []Hit
	Others bool // it names somebody besides the matcher's people: another e-mail address or phone number, or another id where theirs stands
}

// Audience finds the people whom an audience names: a literal of its definition is an identifier, or its name or
// description holds one. What is not OData in a definition is searched like a text, so that nothing is lost in it.
func (m *Matcher) Audience(a Audience) Verdict {
	f := finds{}
	var v Verdict
	for _, text := range []string{a.Name, a.Description} {
		m.search(text, true, inText, f)
		v.Others = v.Others || m.others(text)
	}
	list, rest := lex(a.Definition)
	if rest != "" {
		m.search(rest, true, inDefinition, f)
		v.Others = v.Others || m.others(rest)
	}
	v.Others = m.definition(comparisons(list), f) || v.Others
	v.Hits = m.hits(f)
	return v
}

// definition matches the literals. others tells that one is another person's address or number, or is compared with
// the same property as one that matched, which makes it another id of the same sort.
func (m *Matcher) definition(list []comparison, f finds) (others bool) {
	matched := map[string]bool{}
	var unmatched []comparison
	for _, c := range list {
		own := finds{}
		m.whole(c.value, c.properties, true, inDefinition, own)
		for x := range own {
			f[x] = struct{}{}
		}
		if len(own) == 0 {
			unmatched = append(unmatched, c)
			continue
		}
		for _, p := range c.properties {
			matched[foldKey(p)] = true
		}
	}
	for _, c := range unmatched {
		if c.value.form == aBool || strings.TrimSpace(c.value.text) == "" {
			continue
		}
		hinted := false
		for _, p := range c.properties {
			others = others || matched[foldKey(p)]
			hinted = hinted || namesPhone(p)
		}
		others = others || m.foreignValue(c.value, hinted)
	}
	return others
}

// foreignValue tells whether a whole value is, or holds, an address or a number of none of the people.
func (m *Matcher) foreignValue(v value, hinted bool) bool {
	email, phone := m.carries(v, hinted)
	return email || phone || v.form == aString && m.others(v.text)
}

// others tells whether a free text has an address or a number of none of the people. The percent-decoded form decides:
// in %20ann@x.com stands ann@x.com and nobody else.
func (m *Matcher) others(text string) bool {
	forms := textForms(text)
	decoded := forms[len(forms)-1]
	return m.emails(strings.ToLower(decoded), func(int, int) {}) || m.foreignPhone(decoded)
}
