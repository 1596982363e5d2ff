package local_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// file brings a person into the ledger and gives the request.
func (w *world) file(s ...subject.Subject) []string {
	w.t.Helper()
	f, err := erase.File(w.t.Context(), w.house.Base, "api", false, s)
	if err != nil {
		w.t.Fatal(err)
	}
	return f.Requests
}

// start runs the first step with an execution's input as it is written.
func (w *world) start(b erase.Base, job, input string) (erase.OpenJobOut, error) {
	w.t.Helper()
	in := erase.OpenJobIn{Job: job}
	if err := json.Unmarshal([]byte(input), &in.Input); err != nil {
		w.t.Fatal(err)
	}
	return erase.OpenJob(b)(w.t.Context(), in)
}

// members lists the requests of a job.
func (w *world) members(job string) (ids []string) {
	w.t.Helper()
	err := w.house.Base.Ledger.Members(w.t.Context(), job, func(id string, _ ledger.Member) error {
		ids = append(ids, id)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return ids
}

const annsSubject = `"subject":{"identifiers":[{"type":"email","value":"` + annMail + `"},{"type":"user_id","value":"` + annUser + `"}]}`

func TestAJobStartsWithGivenRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true, mode: config.Approve})
	ids := w.file(people(t, []string{"email", annMail}, []string{"email", benMail})...)
	for range 2 { // a step may run twice
		out, err := w.start(w.house.Base, "job-1", `{"requests":["`+ids[0]+`"]}`)
		if err != nil || out.Empty || out.Pass != 1 || !slices.Equal(out.Search, []string{"acme-ios"}) || !slices.Equal(out.Order, []string{"acme-batch"}) {
			t.Fatalf("opened %+v: %v", out, err)
		}
	}
	if got := w.members("job-1"); !slices.Equal(got, ids[:1]) {
		t.Errorf("the job has %q", got)
	}
	if j, err := w.house.Base.Ledger.Job(t.Context(), "job-1"); err != nil || j.Mode != string(config.Approve) {
		t.Errorf("mode %q (%v), want the configuration's", j.Mode, err)
	}
	w.wantStatus(ids[1], ledger.Pending)
	if out, err := w.start(w.house.Base, "job-2", `{"requests":["`+ids[0]+`"],"mode":"erase"}`); err != nil || !out.Empty {
		t.Errorf("a request that another job holds was claimed: %+v, %v", out, err)
	}
	if r := w.request(ids[0]); r.Job != "job-1" || r.Attempts != 1 {
		t.Errorf("held by %q after %d attempts", r.Job, r.Attempts)
	}
}

func TestASweepTakesWhatIsOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true})
	if out, err := w.start(w.house.Base, "job-0", `{"sweep":true}`); err != nil || !out.Empty {
		t.Errorf("nobody asked, and a sweep opened %+v: %v", out, err)
	}
	ids := w.file(people(t, []string{"email", annMail}, []string{"email", benMail}, []string{"email", doraMail})...)
	if _, err := w.start(w.house.Base, "job-1", `{"requests":["`+ids[2]+`"]}`); err != nil {
		t.Fatal(err)
	}
	if out, err := w.start(w.house.Base, "job-2", `{"sweep":true,"mode":"erase"}`); err != nil || out.Empty {
		t.Fatalf("opened %+v: %v", out, err)
	}
	want := slices.Sorted(slices.Values(ids[:2]))
	if got := w.members("job-2"); !slices.Equal(got, want) {
		t.Errorf("the sweep took %q, want %q", got, want)
	}
}

// A person in the input is registered once, under the execution's name, though the step is run twice.
func TestASubjectInTheInputIsRegisteredOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true})
	for range 2 {
		if out, err := w.start(w.house.Base, "job-1", `{`+annsSubject+`}`); err != nil || out.Empty {
			t.Fatalf("opened %+v: %v", out, err)
		}
	}
	var all []string
	if err := w.house.Base.Ledger.Requests(t.Context(), func(id string) error { all = append(all, id); return nil }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(all, []string{"job-1"}) || !slices.Equal(w.members("job-1"), all) {
		t.Errorf("requests %q, in the job %q", all, w.members("job-1"))
	}
	if r := w.request("job-1"); r.Channel != "console" || r.Job != "job-1" || len(r.Subject) == 0 {
		t.Errorf("registered by %q, held by %q", r.Channel, r.Job)
	}
}

// A preview of somebody in the input leaves nothing, however often its steps run.
func TestAPreviewOfASubjectInTheInputLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true})
	b := w.house.Base
	for range 2 {
		if out, err := w.start(b, "job-1", `{"mode":"preview",`+annsSubject+`}`); err != nil || out.Empty {
			t.Fatalf("opened %+v: %v", out, err)
		}
	}
	if got := w.members("job-1"); !slices.Equal(got, []string{"job-1"}) {
		t.Errorf("the preview is of %q", got)
	}
	for range 2 {
		out, err := erase.CloseJob(b, w.house.Key, "test")(t.Context(), erase.CloseJobIn{Job: "job-1", Pass: 1, Final: true})
		if err != nil || !out.Done || out.Left != "previewed" {
			t.Fatalf("closed %+v: %v", out, err)
		}
	}
	w.wantNoRequests()
	if _, err := b.Ledger.Request(t.Context(), "job-1"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("the person of the preview is in the ledger: %v", err)
	}
}

func TestAnInputThatCannotBeWorkedOnIsBad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true})
	ids := w.file(ann(t)...)
	for name, input := range map[string]string{
		"unknown mode":           `{"sweep":true,"mode":"delete"}`,
		"unknown request":        `{"requests":["` + ids[0] + `","01UNKNOWN"]}`,
		"unusable e-mail":        `{"subject":{"identifiers":[{"type":"email","value":"ann"}]}}`,
		"unknown identifier":     `{"subject":{"identifiers":[{"type":"shoe_size","value":"42"}]}}`,
		"nobody in the subject":  `{"subject":{"identifiers":[]}}`,
		"a subject and a ghost":  `{"requests":["01UNKNOWN"],` + annsSubject + `}`,
		"preview of nobody real": `{"mode":"preview","requests":["01UNKNOWN"]}`,
	} {
		if _, err := w.start(w.house.Base, "job-bad", input); !fault.Is(err, fault.BadInput) {
			t.Errorf("%s: %v, want BadInput", name, err)
		}
	}
	w.wantStatus(ids[0], ledger.Pending)
	if got := w.members("job-bad"); len(got) > 0 {
		t.Errorf("a job that was not opened has %q", got)
	}
	if out, err := w.start(w.house.Base, "job-0", `{}`); err != nil || !out.Empty {
		t.Errorf("an input that asks for nobody opened %+v: %v", out, err)
	}
}

// brokenStore cannot be read.
type brokenStore struct{ ledger.Store }

var errBroken = errors.New("the table cannot be read")

func (brokenStore) Get(context.Context, ...ledger.Key) ([]ledger.Item, error) { return nil, errBroken }

// A ledger that cannot be read says nothing about the input.
func TestALedgerErrorIsNotABadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true})
	b := w.house.Base
	b.Ledger = ledger.New(brokenStore{})
	for _, input := range []string{`{"requests":["01ANY"]}`, `{` + annsSubject + `}`} {
		if _, err := w.start(b, "job-1", input); !errors.Is(err, errBroken) || fault.Is(err, fault.BadInput) {
			t.Errorf("%v, want the ledger's own error", err)
		}
	}
}
