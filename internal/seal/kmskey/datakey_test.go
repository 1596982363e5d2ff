package kmskey

import (
	"context"
	"errors"
	"fmt"
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

// Twenty processes file three thousand values in three days; a job whose steps run in five processes opens all of them.
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
			for range 50 {
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
	for n := range 3 * days {
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

// The one that was opened first makes room.
func TestKnownDataKeysAreBounded(t *testing.T) {
	t.Parallel()
	s, l, c := kmstest.Start(t), newLedger(t), noon()
	key := s.SealingKey()
	k := mustOpenSealer(t, s, key, l, c.now)
	today := mustSeal(t, k, "x")
	tomorrow := mustSeal(t, mustOpenSealer(t, s, key, l, (&clock{c.t.Add(day)}).now), "y")
	for n := range maxKnown - 1 { // of other days
		c.t = c.t.Add(time.Millisecond)
		k.state().remember(dataKey{fmt.Sprint(n), k.state().own.cipher, c.t.Add(maxAge)})
	}
	s.Forget()
	mustOpen(t, k, today, "x")
	calls(t, s, 0, 0)
	c.t = c.t.Add(time.Millisecond)
	mustOpen(t, k, tomorrow, "y")
	calls(t, s, 0, 1)
	if known := k.state().known; len(known) != maxKnown || known["0"].cipher == nil {
		t.Errorf("%d data keys are held, want %d, and only the first one gone", len(known), maxKnown)
	}
	mustOpen(t, k, today, "x")
	mustOpen(t, k, tomorrow, "y")
	calls(t, s, 0, 2)
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
