package local_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/local"
)

// A data directory that is not as Lethe left it is refused before anything in it is used.
func TestADataDirectoryThatIsNotAsItWasIsRefused(t *testing.T) {
	t.Parallel()
	fresh := func() string {
		dir := filepath.Join(t.TempDir(), "data")
		h, err := local.Open(dir, true, local.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	for _, c := range []struct {
		name  string
		spoil func(dir string) error
		want  string
	}{
		{"no key file", func(dir string) error { return os.Remove(filepath.Join(dir, "lethe.key")) }, "its key file lethe.key is missing"},
		{"another ledger's key file", func(dir string) error {
			return os.Rename(filepath.Join(fresh(), "lethe.key"), filepath.Join(dir, "lethe.key"))
		},
			"not the one that this ledger is sealed with"},
		{"writable by everybody", func(dir string) error { return os.Chmod(dir, 0o777) }, "chmod 700"},
		{"no ledger", func(dir string) error { return os.Remove(filepath.Join(dir, "ledger.db")) }, "there is no ledger"},
	} {
		dir := fresh()
		if err := c.spoil(dir); err != nil {
			t.Fatal(err)
		}
		h, err := local.Open(dir, false, local.Options{})
		if err == nil {
			h.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error that says %q", c.name, err, c.want)
		}
	}
}
