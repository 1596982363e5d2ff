package local_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/configfile"
	"github.com/lethe-dsr/lethe/internal/local"
)

// victimDir is the variable by which this test binary is told to be the process that is killed.
const victimDir = "LETHE_TEST_VICTIM"

// victim erases Ann with the configuration in a directory, as the command would, until somebody kills it.
func victim(dir string) {
	err := func() error {
		doc, err := os.ReadFile(filepath.Join(dir, "config.yaml"))
		if err != nil {
			return err
		}
		cfg, err := configfile.Parse(doc, func(string) (string, bool) { return "", false })
		if err != nil {
			return err
		}
		h, err := local.Open(filepath.Join(dir, "data"), true, local.Options{})
		if err != nil {
			return err
		}
		if err := h.Configure(cfg); err != nil {
			return err
		}
		ann, err := subjects([]string{"email", annMail, "user_id", annUser})
		if err != nil {
			return err
		}
		_, err = h.Erase(context.Background(), ann, config.Erase)
		return err
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// The real thing: a process that is killed in the middle of a call, by a signal that it cannot handle.
func TestAKilledProcessIsTakenUp(t *testing.T) {
	t.Parallel()
	for _, at := range []int64{3, 9, 13, 17, 20} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			var child atomic.Pointer[exec.Cmd]
			s := small()
			s.handler = func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					next.ServeHTTP(w, r) // it happens, and nobody hears of it
					if c := child.Load(); c != nil && calls.Add(1) == at {
						if err := c.Process.Kill(); err != nil {
							t.Error(err)
						}
						panic(http.ErrAbortHandler)
					}
				})
			}
			w := newWorld(t, s)
			if err := w.house.Close(); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(w.doc), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), victimDir+"="+dir)
			var errors strings.Builder
			cmd.Stderr = &errors
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			child.Store(cmd)
			err := cmd.Wait()
			child.Store(nil)
			if err == nil || calls.Load() < at {
				t.Fatalf("the process ended by itself: %v %s", err, errors.String())
			}
			w.dir = filepath.Join(dir, "data")
			w.open()
			w.wantNoLeak()
			run := w.erase(ann(t), config.Erase)
			w.wantAsIfNothingHappened(run.Requests[0])
			w.wantNoLeak()
		})
	}
}
