package ledger_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
)

func TestARequestIsFiledOnce(t *testing.T) {
	t.Parallel()
	l := open(t)
	must(t, l.File(t.Context(), []ledger.Request{request("r1", "mail"), request("r2", "phone")}))
	if err := l.File(t.Context(), []ledger.Request{request("r2", "other"), request("r3")}); err == nil {
		t.Error("a request was filed twice")
	}
	if r, err := l.Request(t.Context(), "r2"); err != nil || len(r.Keys) != 1 || r.Keys[0] != "phone" {
		t.Errorf("the first filing was changed: %+v, %v", r.Keys, err)
	}
}

// The same person asking again gives the same identifiers, or some of them. More than before is another wish.
func TestSomebodyWithAnOpenRequestJoinsIt(t *testing.T) {
	t.Parallel()
	l := open(t)
	must(t, l.File(t.Context(), []ledger.Request{request("r1", "mail", "user"), request("r2", "phone"), request("r3", "user")}))
	for _, c := range []struct {
		keys []string
		want string // "" for nobody
	}{
		{[]string{"mail", "user"}, "r1"}, {[]string{"user", "mail"}, "r1"}, {[]string{"mail"}, "r1"}, {[]string{"phone"}, "r2"},
		{[]string{"mail", "phone"}, ""}, {[]string{"mail", "user", "more"}, ""}, {[]string{"nobody"}, ""}, {nil, ""},
	} {
		r, err := l.OpenFor(t.Context(), c.keys, nil)
		if c.want == "" && !errors.Is(err, ledger.ErrNotFound) || c.want != "" && (err != nil || r.ID != c.want) {
			t.Errorf("%q: got %s, %v, want %s", c.keys, r.ID, err, c.want)
		}
	}
	for id, want := range map[string]string{"r1": "r1", "r2": ""} {
		r, err := l.OpenFor(t.Context(), []string{"mail"}, func(r ledger.Request) bool { return r.ID == id })
		if want == "" && !errors.Is(err, ledger.ErrNotFound) || want != "" && (err != nil || r.ID != want) {
			t.Errorf("where %s suits: got %s, %v, want %s", id, r.ID, err, want)
		}
	}
	claim(t, l, "job", "r1")
	if r, err := l.OpenFor(t.Context(), []string{"mail"}, nil); err != nil || r.ID != "r1" {
		t.Errorf("a request that runs cannot be joined: %v", err)
	}
	closeRequest(t, l, "job", "r1", ledger.Erased)
	if _, err := l.OpenFor(t.Context(), []string{"mail"}, nil); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("a request that has ended was joined: %v", err)
	}
}

func TestAPreviewIsNeitherOpenNorJoined(t *testing.T) {
	t.Parallel()
	l := open(t)
	r := request("p1", "mail")
	r.Preview = true
	must(t, l.File(t.Context(), []ledger.Request{r}))
	wantIDs(t, "open requests", ids(t, l.OpenRequests))
	wantIDs(t, "requests", ids(t, l.Requests))
	wantIDs(t, "previews", ids(t, l.Previews), "p1")
	if _, err := l.OpenFor(t.Context(), []string{"mail"}, nil); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("a preview was joined: %v", err)
	}
	must(t, l.Destroy(t.Context(), r))
	wantIDs(t, "previews", ids(t, l.Previews))
	if _, err := l.Request(t.Context(), "p1"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("a destroyed request is there: %v", err)
	}
}

func TestTheEndOfARequest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status ledger.Status
		final  bool
	}{{ledger.Erased, true}, {ledger.NothingFound, true}, {ledger.Partial, false}, {ledger.Failed, false}} {
		t.Run(string(c.status), func(t *testing.T) {
			t.Parallel()
			l := open(t)
			must(t, l.File(t.Context(), []ledger.Request{request("r1", "mail")}))
			claim(t, l, "job", "r1")
			closeRequest(t, l, "job", "r1", c.status)
			r, err := l.Request(t.Context(), "r1")
			must(t, err)
			if r.Status != c.status || r.Job != "" || r.LastJob != "job" {
				t.Errorf("%s, held by %q, closed by %q", r.Status, r.Job, r.LastJob)
			}
			_, joins := l.OpenFor(t.Context(), []string{"mail"}, nil)
			if gone := len(r.Subject) == 0 && len(r.Keys) == 0 && errors.Is(joins, ledger.ErrNotFound) && len(ids(t, l.OpenRequests)) == 0; gone != c.final {
				t.Errorf("identifiers destroyed: %v, want %v", gone, c.final)
			}
			if o, err := l.Outcomes(t.Context(), "r1"); err != nil || len(o) != 1 {
				t.Errorf("outcomes: %v, %v", o, err)
			}
			if s, err := l.Certificate(t.Context(), "r1"); err != nil || s != "signed" {
				t.Errorf("certificate: %q, %v", s, err)
			}
			wantIDs(t, "requests", ids(t, l.Requests), "r1")
		})
	}
}

func TestAFinalStatusIsNeverOverwritten(t *testing.T) {
	t.Parallel()
	l := open(t)
	must(t, l.File(t.Context(), []ledger.Request{request("r1", "mail"), request("r2", "mail2")}))
	claim(t, l, "job", "r1", "r2")
	stale, err := l.Request(t.Context(), "r1")
	must(t, err)
	closeRequest(t, l, "job", "r1", ledger.Erased)
	stale.Status = ledger.Failed
	must(t, l.CloseRequests(t.Context(), "job", []ledger.Closing{{Request: stale}})) // a step that runs twice
	if _, err := l.ChangeRequest(t.Context(), "r1", time.Now(), func(r *ledger.Request) error { r.Status = ledger.Pending; return nil }); !errors.Is(err, ledger.ErrFinal) {
		t.Errorf("changing a request that has ended: %v, want ErrFinal", err)
	}
	if _, err := l.End(t.Context(), "r1", ledger.Abandoned, "", time.Now()); !errors.Is(err, ledger.ErrFinal) {
		t.Errorf("ending a request that has ended: %v, want ErrFinal", err)
	}
	if held := claim(t, l, "job2", "r1"); len(held) > 0 {
		t.Error("a request that has ended was claimed")
	}
	if s := status(t, l, "r1"); s != ledger.Erased {
		t.Errorf("erased became %s", s)
	}
	// Of two jobs only the one that holds a request may close it.
	r2, err := l.Request(t.Context(), "r2")
	must(t, err)
	r2.Status = ledger.Erased
	must(t, l.CloseRequests(t.Context(), "another", []ledger.Closing{{Request: r2}}))
	if s := status(t, l, "r2"); s != ledger.Running {
		t.Errorf("a job closed another job's request: %s", s)
	}
}

func TestAnAbandonedRequestForgetsThePerson(t *testing.T) {
	t.Parallel()
	l := open(t)
	must(t, l.File(t.Context(), []ledger.Request{request("r1", "mail"), request("r2", "mail2")}))
	claim(t, l, "job", "r1", "r2")
	closeRequest(t, l, "job", "r1", ledger.Partial)
	for id, want := range map[string]error{"r1": nil, "r2": ledger.ErrHeld} {
		if _, err := l.End(t.Context(), id, ledger.Abandoned, "", time.Now()); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", id, err, want)
		}
	}
	r, err := l.Request(t.Context(), "r1")
	must(t, err)
	if r.Status != ledger.Abandoned || len(r.Subject) > 0 || len(r.Keys) > 0 {
		t.Errorf("%s with %d bytes of subject", r.Status, len(r.Subject))
	}
	if s := status(t, l, "r2"); s != ledger.Running {
		t.Errorf("a request that a job holds was abandoned: %s", s)
	}
	wantIDs(t, "open requests", ids(t, l.OpenRequests), "r2")
}

// What cannot be unpacked is an error, and no more than that.
func FuzzEvidence(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte(`{"outcomes":[],"certificate":"signed"}`))
	f.Add([]byte{0x4b, 0x04, 0x00})                         // "a", packed
	f.Add([]byte{0x01, 0x02, 0x00, 0xfd, 0xff, 0x7b, 0x7d}) // "{}", stored
	s, err := boltstore.Open(filepath.Join(f.TempDir(), "ledger.db"), time.Second)
	if err != nil {
		f.Fatal(err)
	}
	defer s.Close()
	l, k := ledger.New(s), ledger.Key{Partition: "request/r1", Sort: "evidence"}
	f.Fuzz(func(t *testing.T, data []byte) {
		must(t, s.Write(t.Context(), ledger.Change{Key: k}))
		must(t, s.Write(t.Context(), ledger.Change{Key: k, Data: append([]byte{}, data...)}))
		_, err1 := l.Outcomes(t.Context(), "r1")
		_, err2 := l.Certificate(t.Context(), "r1")
		if (err1 == nil) != (err2 == nil) || errors.Is(err1, ledger.ErrNotFound) {
			t.Errorf("outcomes: %v; certificate: %v", err1, err2)
		}
	})
}
