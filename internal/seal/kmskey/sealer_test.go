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
