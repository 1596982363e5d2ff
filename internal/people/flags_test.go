package people_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/people"
	"github.com/lethe-dsr/lethe/internal/subject"
)

func TestFlagsOfOneCallAreOnePerson(t *testing.T) {
	t.Parallel()
	got, err := people.FromFlags(people.Flags{
		Emails: []string{"Ann@example.com", "ann@example.com", "a@example.com"}, Phones: []string{"0151 1234567"}, UserIDs: []string{"1234"},
		InstallIDs: []string{"0A0B0C0D-0000-4000-8000-000000000001"}, Properties: []string{"Member=7", "a:b = x=y"},
	}, "DE")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"email=ann@example.com", "email=a@example.com", "phone=+491511234567", "user_id=1234",
		"install_id=0a0b0c0d-0000-4000-8000-000000000001", "property:Member=7", "property:a:b= x=y"}
	if got := plain([]subject.Subject{got})[0]; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if n := people.Short(got); n != 3 {
		t.Errorf("%d short ones", n)
	}
}

func TestProblemsNameTheFlag(t *testing.T) {
	t.Parallel()
	_, err := people.FromFlags(people.Flags{
		Emails: []string{"planted", "a@example.com"}, Phones: []string{"planted"}, UserIDs: []string{"", "undefined"}, InstallIDs: []string{"planted"},
		Properties: []string{"planted", "=planted", "planted=", "planted= "},
	}, "")
	want := []string{
		"--email: is not an e-mail address", "--phone: is not a phone number", "--user-id: is empty", `--user-id: is a word for "no value"`, "--install-id: is not a UUID",
		"--property: must be NAME=VALUE", "--property: must be NAME=VALUE", "--property: must be NAME=VALUE", "--property: is empty",
	}
	got, _ := err.(people.Problems)
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("got\n%v\nwant\n%s", err, strings.Join(want, "\n"))
	}
	if !fault.Is(err, fault.BadInput) || strings.Contains(err.Error(), "planted") {
		t.Errorf("the fault is %s, the text %v", fault.NameOf(err), err)
	}
}

func TestNoFlagIsAProblem(t *testing.T) {
	t.Parallel()
	if _, err := people.FromFlags(people.Flags{}, ""); !fault.Is(err, fault.BadInput) || !strings.HasPrefix(err.Error(), "no identifier") {
		t.Errorf("got %v", err)
	}
}
