package boltstore_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
)

// The test binary is also the process that gets killed: with these variables set it writes until then.
const (
	killPath    = "BOLTSTORE_TEST_KILL_PATH"
	killCompact = "BOLTSTORE_TEST_KILL_COMPACT"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(killPath); path != "" {
		fmt.Fprintln(os.Stderr, writeUntilKilled(path, os.Getenv(killCompact) != ""))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeUntilKilled creates items in pairs, and prints the number of each pair that was acknowledged.
func writeUntilKilled(path string, compact bool) error {
	s, err := boltstore.Open(path, time.Minute)
	if err != nil {
		return err
	}
	last, err := count(s)
	if err != nil {
		return err
	}
	for n := last; ; n++ {
		if err := s.Write(context.Background(), pair(n)...); err != nil {
			return err
		}
		fmt.Println(n)
		if compact {
			if err := s.Compact(); err != nil {
				return err
			}
		}
	}
}

// pair is the n-th write: two items of several pages, one in each partition.
func pair(n int) []ledger.Change {
	data := []byte(strings.Repeat(fmt.Sprintf("%06d ", n), 1500))
	sort := fmt.Sprintf("%06d", n)
	return []ledger.Change{
		{Key: ledger.Key{Partition: "left", Sort: sort}, Data: data},
		{Key: ledger.Key{Partition: "right", Sort: sort}, Data: data},
	}
}

// count reads everything back, and fails unless it is whole pairs without a gap.
func count(s *boltstore.Store) (int, error) {
	var numbers [2]int
	for side, partition := range []string{"left", "right"} {
		items, err := s.Query(context.Background(), partition, "", "", 1_000_000)
		if err != nil {
			return 0, err
		}
		for n, i := range items {
			if want := pair(n)[side]; i.Key != want.Key || string(i.Data) != string(want.Data) || i.Version != 1 {
				return 0, fmt.Errorf("item %d of partition %s is not the one that was written", n, partition)
			}
		}
		numbers[side] = len(items)
	}
	if numbers[0] != numbers[1] {
		return 0, fmt.Errorf("half a write is there: %d items left, %d right", numbers[0], numbers[1])
	}
	return numbers[0], nil
}

func TestKilledLedgerHoldsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	for name, compact := range map[string]string{"while writing": "", "while writing and compacting": "1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "ledger")
			for _, kills := range []int{1, 7, 12, 20} {
				acknowledged := killAfter(t, path, compact, kills)
				s, err := boltstore.Open(path, time.Minute)
				if err != nil {
					t.Fatalf("the ledger does not open: %v", err)
				}
				got, err := count(s)
				if err != nil {
					t.Error(err)
				}
				// The write under way may have happened or not.
				if got < acknowledged || got > acknowledged+1 {
					t.Errorf("writes: got %d, acknowledged were %d", got, acknowledged)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
					t.Errorf("left behind beside the ledger: %v", entries)
				}
			}
		})
	}
}

// killAfter runs the writing process, kills it when it has acknowledged so many writes, and answers how many it has
// acknowledged in all by then.
func killAfter(t *testing.T, path, compact string, writes int) int {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), killPath+"="+path, killCompact+"="+compact)
	var stderr strings.Builder
	child.Stderr = &stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	acknowledged := 0
	for lines := bufio.NewScanner(out); lines.Scan(); { // also what was on its way when it died
		if _, err := fmt.Sscan(lines.Text(), &acknowledged); err != nil {
			t.Errorf("the process printed %q", lines.Text())
		}
		acknowledged++
		if writes--; writes == 0 {
			if err := child.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	child.Wait() // its error is the kill
	if stderr.Len() > 0 || writes > 0 {
		t.Fatalf("the process ended by itself: %s", stderr.String())
	}
	return acknowledged
}
