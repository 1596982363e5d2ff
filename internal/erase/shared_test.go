package erase

import (
	"errors"
	"sync"
	"testing"
)

// Those who need a value at the same time share one; it is gone when the last of them is done.
func TestSharedLivesAsLongAsItsUsers(t *testing.T) {
	t.Parallel()
	var s shared[int]
	made := 0
	take := func() (int, func()) {
		v, done, err := s.take("key", func() (int, error) {
			made++
			return made, nil
		})
		if err != nil {
			t.Error(err)
		}
		return v, done
	}
	_, keep := take()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			v, done := take()
			defer done()
			if v != 1 {
				t.Errorf("got value %d, want the one in use", v)
			}
		})
	}
	all.Wait()
	keep()
	if len(s.inUse) > 0 {
		t.Error("a value is kept that nobody uses")
	}
	v, done := take()
	done()
	if v != 2 {
		t.Errorf("got value %d after the last use, want a new one", v)
	}
}

func TestSharedForgetsAFailure(t *testing.T) {
	t.Parallel()
	var s shared[int]
	broken := errors.New("broken")
	_, first, err := s.take("key", func() (int, error) { return 0, broken })
	if err != broken {
		t.Errorf("got error %v, want that of making", err)
	}
	v, second, err := s.take("key", func() (int, error) { return 7, nil })
	if err != nil || v != 7 {
		t.Errorf("after a failure: %d, %v", v, err)
	}
	first() // a late end of the failed use does not end the other's
	if _, third, _ := s.take("key", func() (int, error) { return 8, nil }); s.inUse["key"].users != 2 {
		t.Error("the value in use was lost")
	} else {
		third()
	}
	second()
	if len(s.inUse) > 0 {
		t.Error("a value is kept that nobody uses")
	}
}
