package intake

import (
	"fmt"
	"slices"
	"testing"
)

// Of more requests than a sweep looks at, those that wait for the longest time come first. Of those that have ended, the
// last ones are of interest.
func TestOfVeryManyRequestsTheOldestOpenOnesAreSeen(t *testing.T) {
	t.Parallel()
	ids := make([]string, seen+3)
	for n := range ids {
		ids[n] = fmt.Sprintf("R%06d", n)
	}
	for _, all := range [][]string{ids, ids[:5]} {
		n := min(len(all), seen)
		shuffled := slices.Clone(all)
		slices.Reverse(shuffled) // they come by no order
		if got := within(slices.Clone(shuffled), true); !slices.Equal(got, all[:n]) {
			t.Errorf("of %d open ones: %d, from %s on", len(all), len(got), got[0])
		}
		if got := within(shuffled, false); !slices.Equal(got, all[len(all)-n:]) {
			t.Errorf("of all %d: %d, from %s on", len(all), len(got), got[0])
		}
	}
}
