package boot_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/awslocal"
	"github.com/lethe-dsr/lethe/internal/awslocal/awstest"
	"github.com/lethe-dsr/lethe/internal/demo"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/people"
	"github.com/lethe-dsr/lethe/internal/runtimeapi"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// cloud is AWS as the functions of a test meet it.
type cloud struct {
	*awslocal.Cloud
	t testing.TB
}

func newCloud(t testing.TB) *cloud {
	t.Helper()
	return &cloud{awstest.Start(t), t}
}

// function runs the program of a folder until the test ends.
func (c *cloud) function(folder string, env []string) *runtimeapi.Function {
	c.t.Helper()
	f := runtimeapi.New(folder, filepath.Join(awstest.Programs(c.t), folder, "bootstrap"), env, c)
	c.t.Cleanup(f.Close)
	return f
}

// base is the ledger and the sealer of the functions, for the test.
func (c *cloud) base() erase.Base {
	c.t.Helper()
	l := ledger.New(c.Store())
	s, err := c.Sealer(c.t.Context(), l)
	if err != nil {
		c.t.Fatal(err)
	}
	n := 0
	return erase.Base{Ledger: l, Seal: s, Now: time.Now, Report: func(erase.Event) {}, NewID: func() string {
		n++
		return fmt.Sprintf("request-%d", n)
	}}
}

// peopleOf are the demo's people, of the file that a user would write.
func peopleOf(t testing.TB, w *demo.World) []subject.Subject {
	t.Helper()
	read, err := people.Read(bytes.NewReader(w.PeopleCSV()), "DE")
	if err != nil {
		t.Fatal(err)
	}
	return read.People
}
