// Package awstest gives tests what the programs of Lethe's functions need to run: the programs themselves, built for this
// machine, and an account on it that ends with the test.
package awstest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/lethe-dsr/lethe/internal/awslocal"
	"github.com/lethe-dsr/lethe/internal/ledger/dynamotest"
)

// Start starts an account that ends with the test. Where `make tools` has not been run the test is skipped, and fails
// where the environment says CI.
func Start(t testing.TB) *awslocal.Cloud {
	t.Helper()
	c, err := awslocal.Start(t.Context(), dynamotest.Installed(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// Programs builds the programs for this machine and gives the directory in which each is <folder>/bootstrap, as below
// build/ after `make functions`. It is in the repository, so that the next run finds them: go build leaves what has not
// changed. Tests of other packages may ask for them at the same time.
func Programs(t testing.TB) (dir string) {
	t.Helper()
	root := dynamotest.Root(t)
	dir = filepath.Join(root, "build", "host")
	if err := build(root, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// build makes the programs as `make functions` does, but for their build ids, by which go build knows them again.
func build(root, dir string) error {
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer lock.Close() // and it is free
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("wait for another build of the functions: %w", err)
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w",
		"-o", bin+string(filepath.Separator), "./functions/...")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the functions: %w\n%s", err, out)
	}
	built, err := os.ReadDir(bin)
	if err != nil {
		return err
	}
	for _, b := range built {
		link := filepath.Join(dir, b.Name(), "bootstrap")
		if _, err := os.Lstat(link); err == nil {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(filepath.Join("..", "bin", b.Name()), link); err != nil {
			return err
		}
	}
	return nil
}
