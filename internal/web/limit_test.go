package web

import (
	"fmt"
	"testing"
	"time"
)

func TestClientsThatTriedAreForgottenBeforeTheyAreTooMany(t *testing.T) {
	t.Parallel()
	k := NewKeys(nil, nil, time.Now)
	for n := range maxClients + 100 {
		if err := k.limit(fmt.Sprint(n), -1); err != nil {
			t.Fatal(err)
		}
	}
	if len(k.tries) != maxClients {
		t.Errorf("%d clients are remembered", len(k.tries))
	}
}
