package intake_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/duty"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
)

func TestAnApplicationBecomesARequestWhenItIsConfirmed(t *testing.T) {
	t.Parallel()
	d := open(t)
	received := d.Now()
	id := d.apply(intake.Application{Email: " Ann@Example.com ", Phone: "0171 3920042", Account: "AT-1", Language: "de", Client: "192.0.2.1"})
	if _, err := d.Show(t.Context(), id); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("an unconfirmed request is shown: %v", err)
	}
	token := d.Links.VerifyToken(id)
	d.pass(47 * time.Hour)
	for range 3 { // a mail scanner looks
		if c, err := d.CheckVerify(t.Context(), token); err != nil || len(c.Claimed) != 2 {
			t.Fatalf("got %+v, %v: want what was typed beside the address", c, err)
		}
	}
	status := got(d.Confirm(t.Context(), token))(t)
	v := got(d.ByLink(t.Context(), status))(t)
	if v.Status != ledger.Pending || v.Channel != "form" || !v.Verified.Equal(d.Now()) || !v.Due.Equal(duty.Due("gdpr", received)) {
		t.Errorf("got %+v: want pending, verified now, due a month after it came in", v)
	}
	r := got(d.Ledger.Request(t.Context(), id))(t)
	if fmt.Sprint(r.Claimed) != "[user_id phone]" && fmt.Sprint(r.Claimed) != "[phone user_id]" {
		t.Errorf("claimed: got %v, want phone and user_id", r.Claimed)
	}
	address := got(d.Seal.Open(t.Context(), intake.ContactScope(id), r.Contact))(t)
	if string(address) != "ann@example.com" || r.Language != "de" {
		t.Errorf("the person cannot be told: %q, %q", address, r.Language)
	}
	var told []string
	for _, e := range d.events() {
		told = append(told, e.Kind+" "+string(e.Status))
	}
	if got, want := strings.Join(told, ", "), "status unverified, status pending"; got != want {
		t.Errorf("events: got %s, want %s", got, want)
	}
}

func TestALinkWorksOnce(t *testing.T) {
	t.Parallel()
	d := open(t)
	token := d.Links.VerifyToken(d.apply(intake.Application{Email: "ann@example.com", Client: "c"}))
	status := got(d.Confirm(t.Context(), token))(t)
	if again, err := d.Confirm(t.Context(), token); !errors.Is(err, intake.ErrUsed) || again != status {
		t.Errorf("the second time: %v; want ErrUsed and the status page", err)
	}
	if again, err := d.CheckVerify(t.Context(), token); !errors.Is(err, intake.ErrUsed) || again.Status != status {
		t.Errorf("looking at it: %v; want ErrUsed and the status page", err)
	}
	for name, forged := range map[string]string{"status": status, "unknown": d.Links.VerifyToken("R9999"), "empty": "", "garbage": "R0001.x"} {
		if _, err := d.Confirm(t.Context(), forged); !errors.Is(err, intake.ErrLink) {
			t.Errorf("%s token: got %v, want ErrLink", name, err)
		}
	}
	if _, err := d.ByLink(t.Context(), token); !errors.Is(err, intake.ErrLink) {
		t.Errorf("the link to confirm opens the status page: %v", err)
	}
}

func TestOfManyAtTheSameTimeOneConfirms(t *testing.T) {
	t.Parallel()
	d := open(t)
	token := d.Links.VerifyToken(d.apply(intake.Application{Email: "ann@example.com", Client: "c"}))
	var mu sync.Mutex
	var wg sync.WaitGroup
	count := map[bool]int{}
	for range 8 {
		wg.Go(func() {
			_, err := d.Confirm(context.Background(), token)
			if err != nil && !errors.Is(err, intake.ErrUsed) {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			count[err == nil]++
		})
	}
	wg.Wait()
	if count[true] != 1 {
		t.Errorf("%d of 8 confirmed", count[true])
	}
	if page, _, err := d.List(t.Context(), intake.Filter{}); err != nil || len(page) != 1 || page[0].Status != ledger.Pending {
		t.Errorf("then there is %+v (%v)", page, err)
	}
}

func TestWhatIsNotConfirmedIsDestroyed(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.now = d.now.Add(-49 * time.Hour) // the store has a clock of its own, which shows today
	id := d.apply(intake.Application{Email: "ann@example.com", Client: "c"})
	if id != "" {
		t.Fatal("a request that was received 49 hours ago is there")
	}
	d.pass(49 * time.Hour)
	second := d.apply(intake.Application{Email: "ben@example.com", Client: "c"})
	d.pass(intake.LinkTime)
	if _, err := d.Confirm(t.Context(), d.Links.VerifyToken(second)); !errors.Is(err, intake.ErrLink) {
		t.Errorf("a link of 48 hours ago: got %v, want ErrLink", err)
	}
	// Nothing is in the lists, so that nothing can take it up.
	for _, list := range []func(context.Context, func(string) error) error{d.Ledger.Requests, d.Ledger.OpenRequests} {
		if err := list(t.Context(), func(id string) error { return fmt.Errorf("%s is listed", id) }); err != nil {
			t.Error(err)
		}
	}
}

func TestAnAddressGetsFewMailsAndNobodyLearnsOfIt(t *testing.T) {
	t.Parallel()
	d := open(t)
	sent := 0
	for n := range 5 {
		if d.apply(intake.Application{Email: "ann@example.com", Client: fmt.Sprint(n)}) != "" {
			sent++
		}
	}
	if sent != 3 {
		t.Errorf("%d mails on one day, want 3", sent)
	}
	d.pass(24 * time.Hour)
	if d.apply(intake.Application{Email: "ANN@example.com", Client: "x"}) == "" {
		t.Error("no mail on the next day")
	}
}

func TestClientsAndTheFormAsAWholeAreLimited(t *testing.T) {
	t.Parallel()
	d := open(t)
	n := 0
	send := func(client string) error {
		n++
		return d.Apply(t.Context(), intake.Application{Email: fmt.Sprintf("p%d@example.com", n), Client: client})
	}
	for range 5 {
		if err := send("c1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := send("c1"); !errors.Is(err, intake.ErrTooMany) {
		t.Errorf("the sixth of a client: %v", err)
	}
	for n := range 7 {
		if err := send(fmt.Sprint("other", n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := send("c9"); !errors.Is(err, intake.ErrTooMany) {
		t.Errorf("the thirteenth in an hour: %v", err)
	}
	d.pass(time.Hour)
	if err := send("c1"); err != nil {
		t.Errorf("an hour later: %v", err)
	}
}

func TestTenThousandHostileApplicationsLeaveTheLedgerSmall(t *testing.T) {
	t.Parallel()
	d := open(t)
	refused := 0
	for n := range 10_000 { // from 3,000 clients
		err := d.Apply(t.Context(), intake.Application{Email: fmt.Sprintf("x%d@example.com", n), Account: strings.Repeat("x", 1000), Client: fmt.Sprint(n % 3000)})
		if errors.Is(err, intake.ErrTooMany) {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if refused != 10_000-12 {
		t.Errorf("%d were refused; want all but 12", refused)
	}
	if events := len(d.events()); events != 12 {
		t.Errorf("%d mails are to be sent, want 12", events)
	}
	if file := got(os.Stat(d.path))(t); file.Size() > 4<<20 {
		t.Errorf("the ledger has %d bytes", file.Size())
	}
}

func TestWhatWasTypedWrongIsNamedAndNotRepeated(t *testing.T) {
	t.Parallel()
	d := open(t)
	err := d.Apply(t.Context(), intake.Application{Email: "marker-mail", Phone: "marker-phone", Account: "null\x00marker", Client: "c"})
	var bad *intake.Invalid
	if !errors.As(err, &bad) || len(bad.Fields) < 2 || bad.Fields[0].Name != "email" || bad.Fields[0].Code != "not_email" || bad.Fields[1].Name != "phone" {
		t.Fatalf("got %v %+v", err, bad)
	}
	if strings.Contains(fmt.Sprintf("%v %+v", err, *bad), "marker") {
		t.Error("what was typed is repeated")
	}
	if err := d.Apply(t.Context(), intake.Application{Client: "c"}); !errors.As(err, &bad) || bad.Fields[0].Code != "required" {
		t.Errorf("without an address: %v", err)
	}
	if len(d.events()) > 0 {
		t.Error("something was filed")
	}
}

func TestAskingAgainJoinsTheOpenRequest(t *testing.T) {
	t.Parallel()
	d := open(t)
	first := d.apply(intake.Application{Email: "ann@example.com", Account: "AT-1", Client: "c", Language: "fr"})
	got(d.Confirm(t.Context(), d.Links.VerifyToken(first)))(t)
	id := d.apply(intake.Application{Email: "ann@example.com", Client: "c"})
	token := d.Links.VerifyToken(id)
	status := got(d.Confirm(t.Context(), token))(t)
	if v := got(d.ByLink(t.Context(), status))(t); v.ID != first {
		t.Errorf("the status page shows %s, want the open request %s", v.ID, first)
	}
	if again, err := d.CheckVerify(t.Context(), token); !errors.Is(err, intake.ErrUsed) || again.Status != status {
		t.Errorf("the link afterwards: %v", err)
	}
	if _, err := d.Ledger.Request(t.Context(), id); !errors.Is(err, ledger.ErrNotFound) {
		t.Error("the application is still there")
	}
	last := ledger.Event{}
	for _, e := range d.events() {
		if e.Request == first {
			last = e
		}
	}
	if last.Kind != "joined" {
		t.Errorf("the last event is %q, want joined", last.Kind)
	}
}

// A system may cancel what it filed, so that a person's own wish must not become part of it.
func TestAPersonDoesNotJoinWhatASystemFiled(t *testing.T) {
	t.Parallel()
	d := open(t)
	theirs := got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "ann@example.com"), Channel: "api", By: "crm"}))(t)
	id := d.apply(intake.Application{Email: "ann@example.com", Client: "c"})
	status := got(d.Confirm(t.Context(), d.Links.VerifyToken(id)))(t)
	if v := got(d.ByLink(t.Context(), status))(t); v.ID != id {
		t.Errorf("got %s, want the person's own request %s, and not %s", v.ID, id, theirs.ID)
	}
}

func TestNoIdentifierIsInClearInTheLedger(t *testing.T) {
	t.Parallel()
	d := open(t)
	a := d.apply(intake.Application{Email: "marker-ann@example.com", Phone: "+491713920042", Account: "marker-account", Client: "198.51.100.7"})
	got(d.Confirm(t.Context(), d.Links.VerifyToken(a)))(t)
	got(d.Submit(t.Context(), intake.Submission{
		Subject: person(t, "marker-ben@example.com"), Channel: "opendsr", By: "crm", Key: "marker-key", Body: []byte("marker-body"),
		Callbacks: []string{"https://cb.example/marker"}, External: "11111111-1111-4111-8111-111111111111",
	}))(t)
	file := got(os.ReadFile(d.path))(t)
	for _, secret := range []string{"marker", "491713920042", "198.51.100.7", "@example.com"} {
		if bytes.Contains(file, []byte(secret)) {
			t.Errorf("%q is in the ledger's file", secret)
		}
	}
}

func TestTheTagOfAnAddressIsNoOtherMailbox(t *testing.T) {
	t.Parallel()
	d := open(t)
	sent := 0
	for _, address := range []string{"ann+1@example.com", "ann@example.com", "Ann+shop+2@example.com", "ann+3@example.com", "ann+@example.com"} {
		if d.apply(intake.Application{Email: address, Client: address}) != "" {
			sent++
		}
	}
	if sent != 3 {
		t.Errorf("%d mails to one mailbox on one day, want 3", sent)
	}
	for _, address := range []string{"ann@example.org", "+ann@example.com", "+ben@example.com", "+cleo@example.com", "+dora@example.com", "an@example.com"} {
		if d.apply(intake.Application{Email: address, Client: address}) == "" {
			t.Errorf("%s got no mail because others got some", address)
		}
	}
}

// broken is a ledger's store that takes no more writes.
type broken struct{ ledger.Store }

var errBroken = errors.New("the disk is full")

func (broken) Write(context.Context, ...ledger.Change) error { return errBroken }

func TestABrokenLedgerIsNotToldAsTooMany(t *testing.T) {
	t.Parallel()
	d := open(t)
	store, err := boltstore.Open(d.path+"2", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	d.Ledger = ledger.New(broken{store})
	if err := d.Apply(t.Context(), intake.Application{Email: "ann@example.com", Client: "c"}); !errors.Is(err, errBroken) || errors.Is(err, intake.ErrTooMany) {
		t.Errorf("got %v", err)
	}
}
