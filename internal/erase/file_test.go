package erase

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/subject"
)

func (m *machine) persons(ids ...string) []subject.Subject {
	return []subject.Subject{m.person(ids...)}
}

func (m *machine) sealed(job string) []byte {
	m.t.Helper()
	sealed, err := m.sealObject(m.t.Context(), job, object{ID: "d1"})
	m.must(err)
	return sealed
}

func TestANewRequestHasItsDefaults(t *testing.T) {
	t.Parallel()
	for webhooks, tell := range map[string]bool{
		"": false,
		"serve: {webhooks: [{name: shop, url: \"https://acme.example/hook\", secret: a-secret-of-enough-characters}]}\n": true,
	} {
		m := newMachine(t, annsDevices(), "", "regulation: ccpa\n"+webhooks)
		now := time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC)
		m.Now = func() time.Time { return now }
		s := m.person("user_id", annUser, "email", annMail)
		r, err := NewRequest(t.Context(), m.Base, s, "api")
		m.must(err)
		if r.ID != "r1" || r.Status != ledger.Pending || r.Channel != "api" || r.Regulation != "ccpa" || r.Preview || len(r.Claimed) > 0 ||
			!r.Received.Equal(now) || !r.Verified.Equal(now) || !r.Due.Equal(now.AddDate(0, 0, 45)) || r.Tell != tell {
			t.Errorf("it is %+v", r)
		}
		plain, err := m.Seal.Open(t.Context(), "request/r1", r.Subject)
		m.must(err)
		if got, err := subject.Decode(plain); err != nil || len(got.Identifiers) != 2 || got.Identifiers[0].Value() != annMail {
			t.Errorf("sealed is another person (%v)", err)
		}
		if r.Person != m.PersonDigest(m.person("email", annMail, "user_id", annUser)) || len(r.Keys) != 2 {
			t.Errorf("known as %q by %d keys", r.Person, len(r.Keys))
		}
		m.must(m.Ledger.File(t.Context(), []ledger.Request{r}))
		if open, err := OpenRequestOf(t.Context(), m.Base, m.person("email", annMail)); err != nil || open.ID != "r1" {
			t.Errorf("found by the address: %q, %v", open.ID, err)
		}
	}
}

func TestAPersonHasSoManyIdentifiers(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsDevices(), "", "")
	var many []string
	for n := range subject.MaxIdentifiers + 1 {
		many = append(many, "user_id", fmt.Sprint("account-", n))
	}
	for _, ids := range [][]string{nil, many} {
		if _, err := NewRequest(t.Context(), m.Base, m.person(ids...), "api"); !fault.Is(err, fault.BadInput) {
			t.Errorf("%d identifiers: %v, want BadInput", len(ids)/2, err)
		}
		for _, preview := range []bool{false, true} {
			if _, err := File(t.Context(), m.Base, "cli", preview, m.persons(ids...)); !fault.Is(err, fault.BadInput) {
				t.Errorf("%d identifiers, filed: %v, want BadInput", len(ids)/2, err)
			}
		}
	}
	if _, err := File(t.Context(), m.Base, "cli", false, m.persons(many[2:]...)); err != nil {
		t.Errorf("as many as may be: %v", err)
	}
}

// Whoever asks again while the job that settled the request is under way gets that one's answer.
func TestASettledRequestOfAJobUnderWayIsJoined(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsDevices(), "", "")
	id := m.file(m.person("email", annMail), "cli", nil)
	m.run("job", config.Approve, id)
	m.decide("job", false, "")
	m.wantEnd(id, ledger.Partial, true)
	for _, c := range []struct {
		underWay []string
		want     string
	}{{[]string{"job"}, id}, {nil, "r2"}} {
		f, err := File(t.Context(), m.Base, "cli", false, m.persons("email", annMail), c.underWay...)
		if err != nil || !slices.Equal(f.Requests, []string{c.want}) {
			t.Errorf("under way %q: filed as %q (%v), want %s", c.underWay, f.Requests, err, c.want)
		}
	}
}

// Whoever vouches for identifiers that somebody only typed into the form must not join a request that leaves them out.
func TestARequestThatLeavesIdentifiersOutIsNotJoined(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsDevices(), "", "")
	both := m.persons("email", annMail, "user_id", annUser)
	typed := m.file(both[0], "form", claims("user_id"))
	for _, c := range []struct {
		who  []subject.Subject
		want string
	}{{both, "r2"}, {m.persons("email", annMail), typed}, {both, "r2"}} {
		f, err := File(t.Context(), m.Base, "cli", false, c.who)
		if err != nil || !slices.Equal(f.Requests, []string{c.want}) {
			t.Errorf("filed as %q (%v), want %s", f.Requests, err, c.want)
		}
	}
	m.run("job", config.Erase, typed)
	m.wantEnd(typed, ledger.Erased, true)
	m.run("job2", config.Erase, "r2")
	again, err := File(t.Context(), m.Base, "cli", false, both, "job", "job2")
	if err != nil || !slices.Equal(again.Requests, []string{"r2"}) {
		t.Errorf("while its job is under way: filed as %q (%v), want r2", again.Requests, err)
	}
	if fresh, err := File(t.Context(), m.Base, "cli", false, both, "job"); err != nil || !slices.Equal(fresh.Requests, []string{"r3"}) {
		t.Errorf("joined %q (%v), which left the account id out", fresh.Requests, err)
	}
}
