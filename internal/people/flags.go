package people

import (
	"strings"

	"github.com/lethe-dsr/lethe/internal/subject"
)

// Flags are the values of --email, --phone, --user-id, --install-id and --property NAME=VALUE, each in the order given.
type Flags struct {
	Emails, Phones, UserIDs, InstallIDs, Properties []string
}

// Empty tells whether no flag was given.
func (f Flags) Empty() bool {
	return len(f.Emails)+len(f.Phones)+len(f.UserIDs)+len(f.InstallIDs)+len(f.Properties) == 0
}

// FromFlags makes one person of all flags of a call. region is the ISO country code of phone numbers without a country
// code, or "". The error is a Problems that names flags and never a value.
func FromFlags(f Flags, region string) (subject.Subject, error) {
	var s subject.Subject
	var found collector
	add := func(flag string, kind subject.Type, name, value string) {
		id, err := identifier(kind, name, value, region)
		if err != nil {
			found.add("%s: %s", flag, strings.TrimPrefix(err.Error(), string(kind)+": "))
			return
		}
		s.Add(id)
	}
	for _, simple := range []struct {
		flag   string
		kind   subject.Type
		values []string
	}{
		{"--email", subject.Email, f.Emails},
		{"--phone", subject.Phone, f.Phones},
		{"--user-id", subject.UserID, f.UserIDs},
		{"--install-id", subject.InstallID, f.InstallIDs},
	} {
		for _, v := range simple.values {
			add(simple.flag, simple.kind, "", v)
		}
	}
	for _, p := range f.Properties {
		name, value, _ := strings.Cut(p, "=")
		c, ok := parseColumn("property:" + name)
		if !ok || value == "" {
			found.add("--property: must be NAME=VALUE")
			continue
		}
		add("--property", subject.Property, c.name, value)
	}
	if f.Empty() {
		found.add("no identifier; give at least one of --email, --phone, --user-id, --install-id and --property NAME=VALUE")
	}
	if err := found.problems(); err != nil {
		return subject.Subject{}, err
	}
	return s, nil
}
