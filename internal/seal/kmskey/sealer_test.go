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

func (c *clock) now() time.Time { return c.t }

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

// A sweep of ten thousand people seals and opens some times as many values.
func TestASweepAsksKMSAFewTimes(t *testing.T) {
	t.Parallel()
	s, l, c := kmstest.Start(t), newLedger(t), &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	key := s.SealingKey()
	door, sweep := mustOpenSealer(t, s, key, l, c.now), mustOpenSealer(t, s, key, l, c.now)
	calls(t, s, 1, 2) // the key for digests
	s.Forget()
	var sealed [][]byte
	for n := range 2*maxUses + 1 {
		sealed = append(sealed, mustSeal(t, door, fmt.Sprint(n)))
	}
	calls(t, s, 3, 0)
	c.t = c.t.Add(maxAge - 1)
	sealed = append(sealed, mustSeal(t, door, fmt.Sprint(len(sealed))))
	calls(t, s, 3, 0)
	c.t = c.t.Add(1)
	sealed = append(sealed, mustSeal(t, door, fmt.Sprint(len(sealed))))
	calls(t, s, 4, 0)
	s.Forget()
	for n, value := range sealed {
		mustOpen(t, sweep, value, fmt.Sprint(n))
		sweep.Digest("scope", "value")
	}
	calls(t, s, 0, 4)
	mustOpen(t, door, sealed[len(sealed)-1], fmt.Sprint(len(sealed)-1)) // its own
	calls(t, s, 0, 4)
}

func TestManyThatNeedOneDataKeyAskOnce(t *testing.T) {
	t.Parallel()
	s, l := kmstest.Start(t), newLedger(t)
	key := s.SealingKey()
	one, again := mustOpenSealer(t, s, key, l, time.Now), mustOpenSealer(t, s, key, l, time.Now)
	s.Forget()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { mustSeal(t, one, "x") })
	}
	wg.Wait()
	sealed := mustSeal(t, one, "x")
	for range 8 {
		wg.Go(func() {
			if _, err := again.Open(context.Background(), "scope", sealed); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	calls(t, s, 1, 1)
}

// A buffer that the caller uses again changes no data key that is known.
func TestKnownDataKeysAreCopies(t *testing.T) {
	t.Parallel()
	s, l := kmstest.Start(t), newLedger(t)
	key := s.SealingKey()
	buffer := mustSeal(t, mustOpenSealer(t, s, key, l, time.Now), "x")
	second := mustSeal(t, mustOpenSealer(t, s, key, l, time.Now), "y")
	k := mustOpenSealer(t, s, key, l, time.Now)
	mustOpen(t, k, buffer, "x")
	copy(buffer, second)
	mustOpen(t, k, buffer, "y")
}

func TestKnownDataKeysAreBounded(t *testing.T) {
	t.Parallel()
	s, l, c := kmstest.Start(t), newLedger(t), &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	key := s.SealingKey()
	var sealed [][]byte
	for range maxKnown + 1 { // as many processes of the door
		sealed = append(sealed, mustSeal(t, mustOpenSealer(t, s, key, l, c.now), "x"))
	}
	k := mustOpenSealer(t, s, key, l, c.now)
	s.Forget()
	for _, value := range sealed[:maxKnown] {
		mustOpen(t, k, value, "x")
	}
	mustOpen(t, k, sealed[0], "x")
	calls(t, s, 0, maxKnown)
	mustOpen(t, k, sealed[maxKnown], "x") // takes the place of what was not used for longest
	mustOpen(t, k, sealed[0], "x")
	calls(t, s, 0, maxKnown+1)
	mustOpen(t, k, sealed[1], "x")
	calls(t, s, 0, maxKnown+2)
	if got := len(k.state().known); got != maxKnown {
		t.Errorf("data keys held: got %d, want %d", got, maxKnown)
	}
}

func TestADisabledKeyIsOfNoUseAfterAnHour(t *testing.T) {
	t.Parallel()
	s, l, c := kmstest.Start(t), newLedger(t), &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
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
	s, l := kmstest.Start(t), newLedger(t)
	key := s.SealingKey()
	s.Alias("alias/lethe", key)
	k := mustOpenSealer(t, s, "alias/lethe", l, time.Now)
	mustOpen(t, mustOpenSealer(t, s, "alias/lethe", l, time.Now), mustSeal(t, k, "x"), "x")
	purposes := map[string]int{}
	for _, c := range s.Calls() {
		purposes[c.Op+" "+c.Context["purpose"]]++
		if c.Context["lethe"] != "ledger" || len(c.Context) != 2 || c.Key != "alias/lethe" {
			t.Errorf("%s: got key %q and context %v", c.Op, c.Key, c.Context)
		}
	}
	want := map[string]int{"GenerateDataKey digests": 1, "Decrypt digests": 2, "GenerateDataKey data": 1, "Decrypt data": 1}
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
	kept, err := l.Keep(t.Context(), "digest-key", func() ([]byte, error) { return nil, errors.New("it is not there") })
	if err != nil || len(kept) < 32 || bytes.Contains(kept, k.state().digests) {
		t.Errorf("got %d bytes and error %v, want the key as KMS encrypted it", len(kept), err)
	}
	// The ledger of one key under another, and a data key in the place of the one for digests.
	_, err = OpenSealer(t.Context(), s.Client(), s.SealingKey(), l.Keep, time.Now)
	if !fault.Is(err, fault.SealBroken) {
		t.Errorf("another KMS key: got error %v, want SealBroken", err)
	}
	mustSeal(t, k, "x")
	swapped := func(context.Context, string, func() ([]byte, error)) ([]byte, error) {
		return k.state().own.wrapped, nil
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
			for what, do := range map[string]func() error{
				"Seal":       func() error { _, err := sealer.Seal(t.Context(), "secret", nil); return err },
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
	if _, err := OpenSealer(ctx, s.Client(), "alias/x", func(context.Context, string, func() ([]byte, error)) ([]byte, error) { return []byte("x"), nil }, time.Now); !errors.Is(err, context.Canceled) {
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
	f.Add([]byte{sealVersion, 0, 1, 'k'})
	f.Add([]byte{sealVersion, 0xff, 0xff, 'k'})
	f.Add([]byte{1, 0, 1, 'k', 'x'})
	f.Fuzz(func(t *testing.T, sealed []byte) {
		wrapped, rest, err := split(sealed)
		switch {
		case err != nil && (wrapped != nil || rest != nil || !fault.Is(err, fault.SealBroken)):
			t.Errorf("got %d and %d bytes and error %v", len(wrapped), len(rest), err)
		case err == nil && (len(wrapped) == 0 || len(wrapped) > maxWrapped || !bytes.Equal(sealed[3:], append(bytes.Clone(wrapped), rest...))):
			t.Errorf("got %d and %d bytes of %d", len(wrapped), len(rest), len(sealed))
		}
	})
}
