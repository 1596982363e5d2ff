package demo

import (
	"bytes"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/configfile"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/local"
	"github.com/lethe-dsr/lethe/internal/people"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// small keeps the tests quick under the race detector; everything that is planted is there all the same.
func small() sizes { return sizes{android: 1_400, ios: 600} }

func open(t testing.TB, seed uint64, size sizes) *World {
	t.Helper()
	w, err := start(t.Context(), seed, size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func configure(t testing.TB, w *World) config.Config {
	t.Helper()
	c, err := configfile.Parse(w.Config(), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// survivors counts the bystanders that are still there, and how many there are to be.
func (w *World) survivors() (left, of int) {
	for _, a := range w.apps {
		for _, h := range w.held(a) {
			left += len(both(h.ids, a.planted[h.area].bystanders))
			of += len(a.planted[h.area].bystanders)
		}
	}
	for _, b := range w.bases {
		left += len(both(w.profiles.Users(b.apiKey), b.bystanders))
		of += len(b.bystanders)
	}
	return left, of
}

func TestErasureRemovesWhatWasPlantedAndNothingElse(t *testing.T) {
	t.Parallel()
	play(t, open(t, 1, small()))
}

// BenchmarkDemo is the whole story at its full size, which has to take less than ten seconds.
func BenchmarkDemo(b *testing.B) {
	for b.Loop() {
		w := open(b, 1, full())
		play(b, w)
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// play is the demo's story: a preview, and an erasure in which everything that waits is approved.
func play(t testing.TB, w *World) {
	t.Helper()
	before := w.Counts()
	c := configure(t, w)
	h, err := local.Open(t.TempDir(), true, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.Configure(c); err != nil {
		t.Fatal(err)
	}

	preview, err := h.Preview(t.Context(), peopleOf(t, w))
	if err != nil {
		t.Fatal(err)
	}
	checkPlan(t, preview.Plan, before)
	if got := w.Counts(); !reflect.DeepEqual(got, before) {
		t.Errorf("a preview changed the world from %v to %v", before, got)
	}

	run, err := h.Erase(t.Context(), peopleOf(t, w), c.Mode)
	if err != nil {
		t.Fatal(err)
	}
	rounds := 0
	for {
		job, err := h.Base.Ledger.Job(t.Context(), run.Job)
		if err != nil {
			t.Fatal(err)
		}
		if job.Plan == "" {
			break
		}
		if rounds++; rounds > 5 {
			t.Fatal("a plan waits after five approvals")
		}
		if err := h.Decide(t.Context(), run.Job, erase.Word{Plan: job.Plan, By: "test", Approved: true}); err != nil {
			t.Fatal(err)
		}
	}
	if rounds != 1 {
		t.Errorf("got %d approvals, want 1: the demo asks once", rounds)
	}

	for n, after := range w.Counts() {
		if want := before[n].Objects - before[n].OfPeople; after.OfPeople != 0 || after.Objects != want {
			t.Errorf("%s %s: %d objects and %d of the people are left; want %d and 0", after.Target, after.Area, after.Objects, after.OfPeople, want)
		}
	}
	if left, of := w.survivors(); left != of {
		t.Errorf("%d of %d bystanders survived", left, of)
	}
	for n, want := range []ledger.Status{ledger.Erased, ledger.Erased, ledger.NothingFound} {
		r, err := h.Base.Ledger.Request(t.Context(), run.Requests[n])
		if err != nil {
			t.Fatal(err)
		}
		if r.Status != want {
			t.Errorf("person %d is %s, want %s", n, r.Status, want)
		}
	}
	for _, a := range w.apps {
		if n := len(w.push.Blobs(a.Key())); n > 0 {
			t.Errorf("%s: %d exported files are left in the container", a.target, n)
		}
	}
	calls := w.Calls()
	if calls[string(appcentertest.StartExport)] == 0 || calls["BatchDelete"] != len(w.bases) {
		t.Errorf("got calls %v, want exports and one Batch order for each key", calls)
	}
}

// checkPlan checks that a plan has all planted objects, an order for each user id and Batch key, and the two things that
// the guard is meant to stop.
func checkPlan(t testing.TB, p erase.Plan, before []Count) {
	t.Helper()
	got, want := map[string]int{}, map[string]int{}
	var waits []string
	for _, e := range p.Entries {
		got[e.Target+" "+e.Area]++
		for _, ground := range e.Waits {
			waits = append(waits, e.Target+" "+e.Area+": "+ground)
		}
	}
	for _, c := range before {
		want[c.Target+" "+c.Area] = c.OfPeople
		if c.Area == "profile" {
			want[c.Target+" "+c.Area] = 2 // Batch cannot be asked who is known: Ann and Ben are ordered everywhere
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("got a plan of %v, want %v", got, want)
	}
	wantWaits := []string{"acme-android devices: " + erase.SharedDevice, "acme-ios notifications: " + erase.NamesOthers}
	if slices.Sort(waits); !slices.Equal(waits, wantWaits) {
		t.Errorf("the guard stops %q, want %q", waits, wantWaits)
	}
	if len(p.Failed) > 0 {
		t.Errorf("lanes failed: %v", p.Failed)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	w := open(t, 1, full())
	got := map[string]int{}
	for _, c := range w.Counts() {
		got[c.Area] += c.Objects
		if c.OfPeople == 0 {
			t.Errorf("%s %s: nothing of the people", c.Target, c.Area)
		}
	}
	want := map[string]int{devices: 20_000, audiences: 60, notifications: 500, "profile": 5_000}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	seen := map[[3]string]bool{}
	for _, a := range w.apps {
		for _, h := range w.held(a) {
			for _, id := range h.ids {
				if key := [3]string{a.target, h.area, id}; seen[key] {
					t.Errorf("%s: two %s have one id", a.target, h.area)
				} else {
					seen[key] = true
				}
			}
		}
	}
}

// The limits are those of App Center's own contract.
func TestNothingIsTooLongForAppCenter(t *testing.T) {
	t.Parallel()
	apps, _ := content(1, small())
	for _, a := range apps {
		for _, n := range a.Notifications {
			if size := utf8.RuneCountInString(n.Name); size < 3 || size > 64 {
				t.Errorf("%s: notification %q has a name of %d characters", a.target, n.Name, size)
			}
			if n.Body == "" || strings.Contains(n.Name+n.Title+n.Body, "{") || n.Title == "" {
				t.Errorf("%s: notification %q has a hole: %q, %q", a.target, n.Name, n.Title, n.Body)
			}
		}
		for _, u := range a.Audiences {
			if u.Definition == "" || utf8.RuneCountInString(u.Name) > 64 {
				t.Errorf("%s: audience %q lacks a definition or is too long", a.target, u.Name)
			}
		}
	}
}

func TestSameSeedSameWorld(t *testing.T) {
	t.Parallel()
	apps, bases := content(7, small())
	again, basesAgain := content(7, small())
	if !reflect.DeepEqual(apps, again) || !reflect.DeepEqual(bases, basesAgain) {
		t.Error("one seed gave two worlds")
	}
	other, _ := content(8, small())
	for n, a := range apps {
		if a.Devices[0].InstallID == other[n].Devices[0].InstallID {
			t.Errorf("%s: two seeds gave one world", a.target)
		}
	}
}

func TestPeopleFileHasThePeople(t *testing.T) {
	t.Parallel()
	w := open(t, 1, small())
	var got []string
	for _, p := range peopleOf(t, w) {
		for _, i := range p.Identifiers {
			got = append(got, i.Value())
		}
	}
	slices.Sort(got)
	want := []string{"+33639980417", "+491713920042", benUser, annUser, annEmail, benEmail, chloe}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCloseTwice(t *testing.T) {
	t.Parallel()
	w := open(t, 1, small())
	for range 2 {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}

// peopleOf are the demo's people, of the file that a user would write.
func peopleOf(t testing.TB, w *World) []subject.Subject {
	t.Helper()
	read, err := people.Read(bytes.NewReader(w.PeopleCSV()), region)
	if err != nil {
		t.Fatal(err)
	}
	return read.People
}
