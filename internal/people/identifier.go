package people

import (
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/phone"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// minSearchable is how many characters an identifier needs to be searched in free text.
const minSearchable = 8

// Short counts a person's identifiers that are too short to search free text with: neither e-mail addresses nor phone
// numbers, and of less than 8 characters. They are matched as whole values only.
func Short(s subject.Subject) (n int) {
	for _, id := range s.Identifiers {
		if id.Type != subject.Email && id.Type != subject.Phone && utf8.RuneCountInString(id.Value()) < minSearchable {
			n++
		}
	}
	return n
}

// identifier makes one, and refuses what programs write where there is no value: it would make one person of all rows
// that have it, and it would match strangers whose app made the same mistake.
func identifier(kind subject.Type, name, value, region string) (subject.Identifier, error) {
	id, err := subject.New(kind, name, value, phone.In(region))
	if err == nil && (kind == subject.UserID && placeholder(value) || kind == subject.InstallID && id.Value() == uuid.Nil.String()) {
		return subject.Identifier{}, fault.New(fault.BadInput, "%s: is a word for \"no value\", and nobody's; leave it out", kind)
	}
	return id, err
}

// placeholder knows the user ids that Batch's SDK refuses, in any case
// (https://github.com/BatchLabs/Batch-Android-SDK, ProfileDataHelper.java).
func placeholder(v string) bool {
	switch strings.ToLower(strings.TrimSpace(v)) {
	case "undefined", "null", "nil", "(null)", "[object object]", "true", "false", "nan", "infinity", "-infinity":
		return true
	}
	return false
}
