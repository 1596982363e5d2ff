package boltstore

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

// checkChanges refuses what the contract of ledger.Store excludes. bbolt itself would take most of it; DynamoDB would
// not, and what works on one machine has to work there.
func checkChanges(changes []ledger.Change) error {
	if len(changes) > ledger.MaxChanges {
		return fmt.Errorf("ledger: %d changes in one write; at most %d are possible", len(changes), ledger.MaxChanges)
	}
	seen := make(map[ledger.Key]bool, len(changes))
	total := 0
	for _, c := range changes {
		if err := checkKey(c.Key); err != nil {
			return err
		}
		if seen[c.Key] {
			return errors.New("ledger: one write changes the same item twice")
		}
		seen[c.Key] = true
		if c.If < 0 {
			return fmt.Errorf("ledger: there is no version %d", c.If)
		}
		if len(c.Data) > ledger.MaxItem {
			return fmt.Errorf("ledger: an item of %d bytes; at most %d are possible", len(c.Data), ledger.MaxItem)
		}
		total += len(c.Data)
	}
	if total > ledger.MaxWrite {
		return fmt.Errorf("ledger: %d bytes in one write; at most %d are possible", total, ledger.MaxWrite)
	}
	return nil
}

func checkKey(k ledger.Key) error {
	if err := checkPart("partition", k.Partition, ledger.MaxPartition); err != nil {
		return err
	}
	return checkPart("sort", k.Sort, ledger.MaxSort)
}

func checkPart(what, s string, limit int) error {
	switch {
	case s == "":
		return fmt.Errorf("ledger: the %s of a key is empty", what)
	case len(s) > limit:
		return fmt.Errorf("ledger: the %s of a key has %d bytes; at most %d are possible", what, len(s), limit)
	case !utf8.ValidString(s), strings.Contains(s, "\x00"):
		return fmt.Errorf("ledger: the %s of a key is not UTF-8, or holds a NUL", what)
	}
	return nil
}
