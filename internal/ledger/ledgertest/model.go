package ledgertest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

// model is what a Store should be: a map under which every call is one step.
type model map[ledger.Key]ledger.Item

func (m model) write(changes []ledger.Change) bool {
	for _, c := range changes {
		if !m.holds(c) {
			return false
		}
	}
	for _, c := range changes {
		m.apply(c)
	}
	return true
}

// writeEach gives the indexes of the changes whose condition does not hold.
func (m model) writeEach(changes []ledger.Change) (again []int) {
	for n, c := range changes {
		if m.holds(c) {
			m.apply(c)
		} else {
			again = append(again, n)
		}
	}
	return again
}

func (m model) holds(c ledger.Change) bool {
	return c.Data == nil && c.If == 0 || m[c.Key].Version == c.If
}

func (m model) apply(c ledger.Change) {
	if c.Data == nil {
		delete(m, c.Key)
		return
	}
	m[c.Key] = ledger.Item{Key: c.Key, Version: m[c.Key].Version + 1, Data: c.Data}
}

func (m model) query(partition, prefix, after string, limit int) []ledger.Item {
	var found []ledger.Item
	for k, i := range m {
		if k.Partition == partition && strings.HasPrefix(k.Sort, prefix) && k.Sort > after {
			found = append(found, i)
		}
	}
	slices.SortFunc(found, func(a, b ledger.Item) int { return strings.Compare(a.Sort, b.Sort) })
	return found[:min(limit, len(found))]
}

func equal(a, b []ledger.Item) bool {
	return slices.EqualFunc(a, b, func(a, b ledger.Item) bool {
		return a.Key == b.Key && a.Version == b.Version && bytes.Equal(a.Data, b.Data)
	})
}

// likeModel runs random calls on the Store and on a model, and compares every answer. Keys are few and short, so that
// the calls meet each other.
func likeModel(b *box) {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("ab/ é｡😀")), 1, 2, -1)
	run := 0
	rapid.Check(b.T, func(t *rapid.T) {
		run++
		m := model{}
		partition := rapid.Custom(func(t *rapid.T) string {
			return fmt.Sprintf("%s-%d-%s", b.partition, run, rapid.SampledFrom([]string{"a", "a/", "b"}).Draw(t, "partition"))
		})
		// Half of the keys are ones that are there.
		key := rapid.Custom(func(t *rapid.T) ledger.Key {
			there := slices.SortedFunc(maps.Keys(m), func(a, b ledger.Key) int {
				return strings.Compare(a.Partition+"\x00"+a.Sort, b.Partition+"\x00"+b.Sort)
			})
			if len(there) > 0 && rapid.Bool().Draw(t, "known") {
				return rapid.SampledFrom(there).Draw(t, "there")
			}
			return ledger.Key{Partition: partition.Draw(t, "partition"), Sort: text.Draw(t, "sort")}
		})
		change := rapid.Custom(func(t *rapid.T) ledger.Change {
			c := ledger.Change{Key: key.Draw(t, "key")}
			if rapid.IntRange(0, 3).Draw(t, "delete") != 0 {
				c.Data = append([]byte{}, rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "data")...)
			}
			c.If = m[c.Key].Version
			if rapid.IntRange(0, 9).Draw(t, "guess") == 0 {
				c.If = rapid.Int64Range(0, 3).Draw(t, "if")
			}
			return c
		})
		byKey := func(c ledger.Change) ledger.Key { return c.Key }

		t.Repeat(map[string]func(*rapid.T){
			"write": func(t *rapid.T) {
				changes := rapid.SliceOfNDistinct(change, 1, 5, byKey).Draw(t, "changes")
				want := m.write(changes)
				err := b.s.Write(b.Context(), changes...)
				if (err == nil) != want || (err != nil && !errors.Is(err, ledger.ErrConflict)) {
					t.Fatalf("Write: got error %v, want success: %v", err, want)
				}
			},
			"write each": func(t *rapid.T) {
				changes := rapid.SliceOfNDistinct(change, 1, 5, byKey).Draw(t, "changes")
				want := m.writeEach(changes)
				if again, err := b.s.WriteEach(b.Context(), changes...); err != nil || !slices.Equal(again, want) {
					t.Fatalf("WriteEach: got %v and error %v, want %v", again, err, want)
				}
			},
			"get": func(t *rapid.T) {
				keys := rapid.SliceOfN(key, 0, 5).Draw(t, "keys")
				var want []ledger.Item
				for _, k := range keys {
					if i, ok := m[k]; ok {
						want = append(want, i)
					}
				}
				got, err := b.s.Get(b.Context(), keys...)
				if err != nil || !equal(got, want) {
					t.Fatalf("Get: got %q and error %v, want %q", show(got), err, show(want))
				}
			},
			"query": func(t *rapid.T) {
				p, limit := partition.Draw(t, "partition"), rapid.IntRange(1, 10).Draw(t, "limit")
				maybe := rapid.OneOf(rapid.Just(""), text)
				prefix, after := maybe.Draw(t, "prefix"), maybe.Draw(t, "after")
				want := m.query(p, prefix, after, limit)
				got, err := b.s.Query(b.Context(), p, prefix, after, limit)
				if err != nil || !equal(got, want) {
					t.Fatalf("Query: got %q and error %v, want %q", show(got), err, show(want))
				}
			},
		})
	})
}
