package local_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// TestMain lets many tests run at a time: each waits for its own disk and its own servers most of the time.
func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		victim(dir)
		return
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
