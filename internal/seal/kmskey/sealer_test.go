package kmskey

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/seal/kmstest"
)

// clock is a Sealer's time; it is moved between calls only.
type clock struct{ t time.Time }

// noon is today's: the ledger looks at the time of this machine, and would let go of what is older.
func noon() *clock { return &clock{time.Now().UTC().Truncate(day).Add(day / 2)} }

func (c *clock) now() time.Time { return c.t }

// memory keeps what a ledger keeps, until somebody takes it out.
type memory struct {
	kept map[string][]byte
	ends map[string]time.Time
}

func (m memory) keep(_ context.Context, name string, until time.Time, make func() ([]byte, error)) ([]byte, error) {
	if v := m.kept[name]; v != nil {
		return v, nil
	}
	v, err := make()
	m.kept[name], m.ends[name] = v, until
	return v, err
}

// inMemory opens Sealers of one key on one memory.
func inMemory(t *testing.T, s *kmstest.Server, now func() time.Time) (m memory, fresh func() *Sealer) {
	m, key := memory{map[string][]byte{}, map[string]time.Time{}}, s.SealingKey()
	return m, func() *Sealer {
		k, err := OpenSealer(t.Context(), s.Client(), key, m.keep, now)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
}

// counted gives the calls of an operation so far.
func counted(s *kmstest.Server, op string) (n int) {
	for _, c := range s.Calls() {
		if c.Op == op {
			n++
		}
	}
	return n
}

func calls(t *testing.T, s *kmstest.Server, generate, decrypt int) {
	t.Helper()
	if g, d := counted(s, "GenerateDataKey"), counted(s, "Decrypt"); g != generate || d != decrypt {
		t.Errorf("calls: got %d GenerateDataKey and %d Decrypt, want %d and %d", g, d, generate, decrypt)
	}
}

func mustSeal(t testing.TB, k *Sealer, plain string) []byte {
	t.Helper()
	sealed, err := k.Seal(context.Background(), "scope", []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func mustOpen(t *testing.T, k *Sealer, sealed []byte, want string) {
	t.Helper()
	if got, err := k.Open(t.Context(), "scope", sealed); err != nil || string(got) != want {
		t.Fatalf("got %q and error %v, want %q", got, err, want)
	}
}

// Twenty processes file ten thousand values in three days; a job whose steps run in five processes opens all of them.
func TestASweepAsksKMSAFewTimes(t *testing.T) {
	t.Parallel()
	s, l, c := kmstest.Start(t), newLedger(t), noon()
	key := s.SealingKey()
	mustOpenSealer(t, s, key, l, c.now)
	calls(t, s, 1, 1) // the key for digests
	var sealed [][]byte
	for today := range 3 {
		s.Forget()
		for range 20 {
			k := mustOpenSealer(t, s, key, l, c.now)
			for range 170 {
				sealed = append(sealed, mustSeal(t, k, fmt.Sprint(len(sealed))))
			}
		}
		if calls(t, s, 1, 20+20); t.Failed() { // for all, and of each the key for digests and this one
			t.Fatalf("on day %d", today)
		}
		c.t = c.t.Add(day)
	}
	s.Forget()
	for range 5 {
		k := mustOpenSealer(t, s, key, l, c.now)
		for n := range sealed {
			n = n * 7919 % len(sealed) // days by turns
			mustOpen(t, k, sealed[n], fmt.Sprint(n))
			k.Digest("scope", "value")
		}
	}
	calls(t, s, 0, 5+5*3)
}

// A process that seals and opens asks for the key of today once an hour.
func TestADataKeyIsUsedForAnHour(t *testing.T) {
	t.Parallel()
	s, l, c := kmstest.Start(t), newLedger(t), noon()
	k := mustOpenSealer(t, s, s.SealingKey(), l, c.now)
	s.Forget()
	sealed := mustSeal(t, k, "x")
	calls(t, s, 1, 1)
	c.t = c.t.Add(maxAge - 1)
	mustSeal(t, k, "y")
	mustOpen(t, k, sealed, "x")
	calls(t, s, 1, 1)
	c.t = c.t.Add(1)
	mustOpen(t, k, sealed, "x")
	mustSeal(t, k, "y")
	calls(t, s, 1, 2)
	c.t = c.t.Truncate(day).Add(day - 1)
	mustSeal(t, k, "y")
	calls(t, s, 1, 3)
	c.t = c.t.Add(1)
	mustSeal(t, k, "y")
	calls(t, s, 2, 4)
}

// With a sweep over requests of a year, whose days come by turns.
func TestTheDataKeysOfAYearAreEachOpenedOnce(t *testing.T) {
	t.Parallel()
	s, c := kmstest.Start(t), noon()
	_, fresh := inMemory(t, s, c.now)
	const days = 366
	filing := fresh()
	sealed := make([][]byte, days)
	for n := range sealed {
		sealed[n] = mustSeal(t, filing, fmt.Sprint(n))
		c.t = c.t.Add(day)
	}
	k := fresh()
	s.Forget()
	for n := range 10 * days {
		mustOpen(t, k, sealed[n%days], fmt.Sprint(n%days))
	}
	calls(t, s, 0, days)
	if got := len(k.state().known); got != days {
		t.Errorf("data keys held: got %d, want %d", got, days)
	}
	c.t = c.t.Add(maxAge)
	mustOpen(t, k, sealed[0], "0")
	if got := len(k.state().known); got != 1 {
		t.Errorf("data keys held after an hour: got %d, want 1", got)
	}
}

// Of those that begin a day at the same time one makes the key.
func TestProcessesThatBeginADayTogetherShareAKey(t *testing.T) {
	t.Parallel()
	s, l, c := kmstest.Start(t), newLedger(t), noon()
	key := s.SealingKey()
	const processes = 8
	var sealed [processes][]byte
	var wg sync.WaitGroup
	for n := range sealed {
		k := mustOpenSealer(t, s, key, l, c.now)
		wg.Go(func() { sealed[n] = mustSeal(t, k, "x") })
	}
	wg.Wait()
	k := mustOpenSealer(t, s, key, l, c.now)
	s.Forget()
	for _, value := range sealed {
		mustOpen(t, k, value, "x")
	}
	calls(t, s, 0, 1)
}

// A ledger whose answer was lost, and one that somebody died before writing.
func TestAKeyThatWasBegunIsInNobodysWay(t *testing.T) {
	t.Parallel()
	s, l, c := kmstest.Start(t), newLedger(t), noon()
	key := s.SealingKey()
	down := errors.New("the ledger is down")
	for what, keep := range map[string]Keep{
		"it died": func(_ context.Context, _ string, _ time.Time, make func() ([]byte, error)) ([]byte, error) {
			if _, err := make(); err != nil {
				t.Error(err)
			}
			return nil, down
		},
		"its answer was lost": func(ctx context.Context, name string, until time.Time, make func() ([]byte, error)) ([]byte, error) {
			if _, err := l.Keep(ctx, name, until, make); err != nil {
				t.Error(err)
			}
			return nil, down
		},
	} {
		k := mustOpenSealer(t, s, key, l, c.now)
		k.state().keep = keep
		if _, err := k.Seal(t.Context(), "scope", nil); !errors.Is(err, down) {
			t.Errorf("%s: got error %v, want the ledger's", what, err)
		}
		k.state().keep = l.Keep
		sealed := mustSeal(t, k, "x")
		mustOpen(t, mustOpenSealer(t, s, key, l, c.now), sealed, "x")
		c.t = c.t.Add(day)
	}
}

// At midnight, by clocks that differ by minutes.
func TestClocksMayDiffer(t *testing.T) {
	t.Parallel()
	s, l := kmstest.Start(t), newLedger(t)
	key := s.SealingKey()
	midnight := time.Now().UTC().Truncate(day).Add(day)
	late, early := &clock{midnight.Add(-5 * time.Minute)}, &clock{midnight.Add(5 * time.Minute)}
	s.Forget()
	var sealed [][]byte
	for range 3 {
		for _, c := range []*clock{late, early} {
			sealed = append(sealed, mustSeal(t, mustOpenSealer(t, s, key, l, c.now), "x"))
		}
	}
	if got := counted(s, "GenerateDataKey"); got != 3 {
		t.Errorf("got %d keys, want one for digests and two days'", got)
	}
	for _, value := range sealed {
		for _, c := range []*clock{late, early} {
			mustOpen(t, mustOpenSealer(t, s, key, l, c.now), value, "x")
		}
	}
	early.t = late.t // a clock that is set back
	mustSeal(t, mustOpenSealer(t, s, key, l, early.now), "x")
	if got := counted(s, "GenerateDataKey"); got != 3 {
		t.Errorf("got %d keys, want no more", got)
	}
}

// What is sealed opens whatever becomes of the ledger's copy of the data key: it ended, or the ledger is of a time before.
func TestWhatIsSealedOpensWithoutTheLedger(t *testing.T) {
	t.Parallel()
	s, c := kmstest.Start(t), noon()
	m, fresh := inMemory(t, s, c.now)
	k := fresh()
	sealed := mustSeal(t, k, "x")
	name, end := "data-key/"+c.t.Format(time.DateOnly), c.t.Truncate(day).Add(2*day)
	if len(m.kept) != 2 || !m.ends[name].Equal(end) || !m.ends["digest-key"].IsZero() {
		t.Errorf("kept until %v, want the key for digests for good, and %s until %v", m.ends, name, end)
	}
	delete(m.kept, name)
	mustOpen(t, k, mustSeal(t, k, "y"), "y") // with the key in its hand
	mustOpen(t, fresh(), sealed, "x")
	c.t = c.t.Add(maxAge)
	again := mustSeal(t, k, "y") // with another
	c.t = c.t.AddDate(3, 0, 0)
	for _, k := range []*Sealer{k, fresh()} {
		mustOpen(t, k, sealed, "x")
		mustOpen(t, k, again, "y")
	}

	// Who may write the ledger cannot have a data key of another day used, which may have leaked, nor what is none.
	m.kept["data-key/"+c.t.Format(time.DateOnly)] = []byte(k.state().own.head[headSize:])
	if _, err := fresh().Seal(t.Context(), "scope", nil); !fault.Is(err, fault.SealBroken) {
		t.Errorf("another day's data key: got error %v, want SealBroken", err)
	}
	for _, size := range []int{0, maxWrapped + 1} {
		m.kept["data-key/"+c.t.Format(time.DateOnly)] = make([]byte, size)
		if _, err := fresh().Seal(t.Context(), "scope", nil); !fault.Is(err, fault.SealBroken) {
			t.Errorf("%d bytes: got error %v, want SealBroken", size, err)
		}
	}
}

func TestManyThatNeedOneDataKeyAskOnce(t *testing.T) {
	t.Parallel()
	s, l, c := kmstest.Start(t), newLedger(t), noon()
	key := s.SealingKey()
	one, again := mustOpenSealer(t, s, key, l, c.now), mustOpenSealer(t, s, key, l, c.now)
	s.Forget()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { mustSeal(t, one, "x") })
	}
	wg.Wait()
	calls(t, s, 1, 1)
	sealed := mustSeal(t, one, "x")
	for range 8 {
		wg.Go(func() {
			if _, err := again.Open(context.Background(), "scope", sealed); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	calls(t, s, 1, 2)
}

// A buffer that the caller uses again changes no data key that is known.
func TestKnownDataKeysAreCopies(t *testing.T) {
	t.Parallel()
	s, l, c := kmstest.Start(t), newLedger(t), noon()
	key := s.SealingKey()
	buffer := mustSeal(t, mustOpenSealer(t, s, key, l, c.now), "x")
	c.t = c.t.Add(day)
	second := mustSeal(t, mustOpenSealer(t, s, key, l, c.now), "y")
	k := mustOpenSealer(t, s, key, l, c.now)
	mustOpen(t, k, buffer, "x")
	copy(buffer, second)
	mustOpen(t, k, buffer, "y")
}

func TestKnownDataKeysAreBounded(t *testing.T) {
	t.Parallel()
	s, c := kmstest.Start(t), noon()
	_, fresh := inMemory(t, s, c.now)
	k := fresh()
	var sealed [maxKnown + 1][]byte
	for n := range sealed {
		sealed[n] = mustSeal(t, k, "x")
		c.t = c.t.Add(day)
	}
	clear(k.state().known)
	s.Forget()
	for n, value := range sealed {
		mustOpen(t, k, value, "x")
		if c.t = c.t.Add(time.Second); n == maxKnown-1 {
			mustOpen(t, k, sealed[0], "x")
			calls(t, s, 0, maxKnown)
		}
	}
	calls(t, s, 0, maxKnown+1)
	mustOpen(t, k, sealed[1], "x")
	calls(t, s, 0, maxKnown+1)
	mustOpen(t, k, sealed[0], "x") // the last one took the place of what was opened first
	calls(t, s, 0, maxKnown+2)
	if got := len(k.state().known); got != maxKnown {
		t.Errorf("data keys held: got %d, want %d", got, maxKnown)
	}
}

func TestADisabledKeyIsOfNoUseAfterAnHour(t *testing.T) {
	t.Parallel()
	s, l, c := kmstest.Start(t), newLedger(t), noon()
	key := s.SealingKey()
	k := mustOpenSealer(t, s, key, l, c.now)
	sealed := mustSeal(t, k, "x")
	s.Disable(key)
	mustOpen(t, k, sealed, "x")
	mustSeal(t, k, "y")
	c.t = c.t.Add(maxAge)
	for what, do := range map[string]func() error{
		"Open":       func() error { _, err := k.Open(t.Context(), "scope", sealed); return err },
		"Seal":       func() error { _, err := k.Seal(t.Context(), "scope", nil); return err },
		"OpenSealer": func() error { _, err := OpenSealer(t.Context(), s.Client(), key, l.Keep, c.now); return err },
	} {
		if err := do(); !fault.Is(err, fault.Internal) || !strings.Contains(err.Error(), "DisabledException") {
			t.Errorf("%s: got error %v, want one that says DisabledException", what, err)
		}
	}
}

// A key policy may demand this context, and the audit log shows it.
func TestEveryCallTellsKMSWhatItIsFor(t *testing.T) {
	t.Parallel()
	s, l, c := kmstest.Start(t), newLedger(t), &clock{time.Date(2126, 3, 1, 23, 59, 59, 0, time.UTC)}
	key := s.SealingKey()
	s.Alias("alias/lethe", key)
	k := mustOpenSealer(t, s, "alias/lethe", l, c.now)
	mustOpen(t, mustOpenSealer(t, s, "alias/lethe", l, c.now), mustSeal(t, k, "x"), "x")
	purposes := map[string]int{}
	for _, c := range s.Calls() {
		purposes[c.Op+" "+c.Context["purpose"]+" "+c.Context["day"]]++
		if c.Context["lethe"] != "ledger" || len(c.Context) > 3 || c.Key != "alias/lethe" {
			t.Errorf("%s: got key %q and context %v", c.Op, c.Key, c.Context)
		}
	}
	want := map[string]int{"GenerateDataKey digests ": 1, "Decrypt digests ": 2, "GenerateDataKey data 2126-03-01": 1, "Decrypt data 2126-03-01": 2}
	if !maps.Equal(purposes, want) {
		t.Errorf("calls: got %v, want %v", purposes, want)
	}
}

func TestTheKeyForDigestsIsMadeOnceAndKeptSealed(t *testing.T) {
	t.Parallel()
	s, l := kmstest.Start(t), newLedger(t)
	key := s.SealingKey()
	digests := make([]string, 8)
	var wg sync.WaitGroup
	for n := range digests {
		wg.Go(func() {
			k, err := OpenSealer(context.Background(), s.Client(), key, l.Keep, time.Now)
			if err != nil {
				t.Error(err)
				return
			}
			digests[n] = k.Digest("s", "v")
		})
	}
	wg.Wait()
	for _, d := range digests {
		if d != digests[0] {
			t.Fatalf("several keys were made: %q", digests)
		}
	}
	k := mustOpenSealer(t, s, key, l, time.Now)
	kept, err := l.Keep(t.Context(), "digest-key", time.Time{}, func() ([]byte, error) { return nil, errors.New("it is not there") })
	if err != nil || len(kept) < 32 || bytes.Contains(kept, k.state().digests) {
		t.Errorf("got %d bytes and error %v, want the key as KMS encrypted it", len(kept), err)
	}
	// The ledger of one key under another, and a data key in the place of the one for digests.
	_, err = OpenSealer(t.Context(), s.Client(), s.SealingKey(), l.Keep, time.Now)
	if !fault.Is(err, fault.SealBroken) {
		t.Errorf("another KMS key: got error %v, want SealBroken", err)
	}
	mustSeal(t, k, "x")
	swapped := func(context.Context, string, time.Time, func() ([]byte, error)) ([]byte, error) {
		return []byte(k.state().own.head[headSize:]), nil
	}
	if _, err := OpenSealer(t.Context(), s.Client(), key, swapped, time.Now); !fault.Is(err, fault.SealBroken) {
		t.Errorf("a data key for sealing: got error %v, want SealBroken", err)
	}
}

func TestFailuresOfKMSHaveNames(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]kmstest.Fault{
		"throttled": {Kind: "ThrottlingException"}, "internal": {Kind: "KMSInternalException", Status: 500}, "broken off": {Close: true},
		"dependency": {Kind: "DependencyTimeoutException", Status: 500}, "unavailable": {Kind: "KeyUnavailableException", Status: 500},
		"done, the answer lost": {Close: true, After: true},
		"refused":               {Kind: "AccessDeniedException"}, "state": {Kind: "KMSInvalidStateException"}, "odd": {Kind: "odd " + kmstest.Echo},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, passes := fault.Unavailable, true
			switch name {
			case "refused", "state", "odd":
				want, passes = fault.Internal, false
			}
			s, l := kmstest.Start(t), newLedger(t)
			key := s.SealingKey()
			fresh := func() *Sealer { return mustOpenSealer(t, s, key, l, time.Now) }
			sealed := mustSeal(t, fresh(), "x")
			sealer, opener := fresh(), fresh()
			first := mustOpenSealer(t, s, key, l, func() time.Time { return time.Now().Add(2 * day) }) // of its day
			for what, do := range map[string]func() error{
				"Seal":       func() error { _, err := sealer.Seal(t.Context(), "secret", nil); return err },
				"Seal first": func() error { _, err := first.Seal(t.Context(), "secret", nil); return err },
				"Open":       func() error { _, err := opener.Open(t.Context(), "scope", sealed); return err },
				"OpenSealer": func() error { _, err := OpenSealer(t.Context(), s.Client(), key, l.Keep, time.Now); return err },
			} {
				s.Fail(f)
				err := do()
				if !fault.Is(err, want) || strings.Contains(err.Error(), kmstest.Echo) || strings.Contains(err.Error(), "secret") {
					t.Errorf("%s: got error %v, want %s that says nothing of what was sent", what, err, want)
				}
				s.Heal()
				once := f
				once.Times = 2
				if passes {
					s.Fail(once)
				}
				if err := do(); err != nil {
					t.Errorf("%s, later: %v", what, err)
				}
				s.Heal()
			}
		})
	}
}

func TestNobodyWaitsLongerThanItsContext(t *testing.T) {
	t.Parallel()
	s, l := kmstest.Start(t), newLedger(t)
	k := mustOpenSealer(t, s, s.SealingKey(), l, time.Now)
	sealed := mustSeal(t, k, "x")
	k.state().turn <- struct{}{} // somebody asks KMS, and has no answer yet
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.Seal(ctx, "scope", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Seal: got error %v, want context.Canceled", err)
	}
	if _, err := k.Open(ctx, "scope", sealed); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: got error %v, want context.Canceled", err)
	}
	if _, err := OpenSealer(ctx, s.Client(), "alias/x", func(context.Context, string, time.Time, func() ([]byte, error)) ([]byte, error) {
		return []byte("x"), nil
	}, time.Now); !errors.Is(err, context.Canceled) {
		t.Errorf("OpenSealer: got error %v, want context.Canceled", err)
	}
}

func TestSealerCannotBePrinted(t *testing.T) {
	t.Parallel()
	s, l := kmstest.Start(t), newLedger(t)
	k := mustOpenSealer(t, s, s.SealingKey(), l, time.Now)
	type holder struct {
		Shown  *Sealer
		hidden Sealer
	}
	var out bytes.Buffer
	for _, v := range []any{k, *k, holder{k, *k}, &holder{k, *k}, []Sealer{*k}, map[string]*Sealer{"k": k}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "key", v)
		if err := json.NewEncoder(&out).Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	secret := k.state().digests[:4]
	for _, form := range []string{string(secret), fmt.Sprintf("%x", secret), strings.Trim(fmt.Sprint(secret), "[]"), "digests"} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the key for digests is printed as %q", form)
		}
	}
	if !strings.Contains(out.String(), redacted) {
		t.Error("nothing says that a key was left out")
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{sealVersion, 0x4f, 0xff, 0, 1, 'k'})
	f.Add([]byte{sealVersion, 0, 0, 0xff, 0xff, 'k'})
	f.Add([]byte{1, 0, 0, 0, 1, 'k', 'x'})
	f.Fuzz(func(t *testing.T, sealed []byte) {
		head, rest, err := split(sealed)
		switch {
		case err != nil && (head != nil || rest != nil || !fault.Is(err, fault.SealBroken)):
			t.Errorf("got %d and %d bytes and error %v", len(head), len(rest), err)
		case err == nil && (len(head) <= headSize || len(head) > headSize+maxWrapped || !bytes.Equal(sealed, append(bytes.Clone(head), rest...))):
			t.Errorf("got %d and %d bytes of %d", len(head), len(rest), len(sealed))
		}
	})
}
