package ledger

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// CheckChanges refuses what the contract of Store excludes from one Write; every driver calls it first. bbolt itself
// would take most of it; DynamoDB would not, and what works on one machine has to work there.
func CheckChanges(changes []Change) error {
	if len(changes) > MaxChanges {
		return fmt.Errorf("ledger: %d changes in one write; at most %d are possible", len(changes), MaxChanges)
	}
	total := 0
	for _, c := range changes {
		total += len(c.Data)
	}
	if total > MaxWrite {
		return fmt.Errorf("ledger: %d bytes in one write; at most %d are possible", total, MaxWrite)
	}
	return CheckEach(changes)
}

// CheckEach is CheckChanges for WriteEach.
func CheckEach(changes []Change) error {
	seen := make(map[Key]bool, len(changes))
	for _, c := range changes {
		if err := CheckKeys(c.Key); err != nil {
			return err
		}
		if seen[c.Key] {
			return errors.New("ledger: one write changes the same item twice")
		}
		seen[c.Key] = true
		if c.If < 0 {
			return fmt.Errorf("ledger: there is no version %d", c.If)
		}
		if len(c.Data) > MaxItem {
			return fmt.Errorf("ledger: an item of %d bytes; at most %d are possible", len(c.Data), MaxItem)
		}
	}
	return nil
}

// CheckKeys refuses keys that no item can have.
func CheckKeys(keys ...Key) error {
	for _, k := range keys {
		if err := checkPart("partition", k.Partition, MaxPartition); err != nil {
			return err
		}
		if err := checkPart("sort", k.Sort, MaxSort); err != nil {
			return err
		}
	}
	return nil
}

// CheckQuery refuses what the contract of Store excludes from Query.
func CheckQuery(partition, prefix, after string, limit int) error {
	if err := checkPart("partition", partition, MaxPartition); err != nil {
		return err
	}
	for _, sort := range []string{prefix, after} {
		if err := checkPart("sort", sort, MaxSort); err != nil && sort != "" {
			return err
		}
	}
	if limit < 1 {
		return fmt.Errorf("ledger: a query for %d items; ask for 1 or more", limit)
	}
	return nil
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
