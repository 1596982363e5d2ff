package load_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/cli"
)

// asLethe makes the test's own binary run as lethe.
const asLethe = "LETHE_LOAD_AS_LETHE"

func TestMain(m *testing.M) {
	if os.Getenv(asLethe) != "" {
		os.Exit(cli.Main())
	}
	os.Exit(m.Run())
}

// size is how many requests the run submits.
func size(t *testing.T) int {
	t.Helper()
	n := 200
	if v := os.Getenv("LETHE_LOAD_REQUESTS"); v != "" {
		var err error
		if n, err = strconv.Atoi(v); err != nil || n < 10 {
			t.Fatal("LETHE_LOAD_REQUESTS must be a number of at least 10")
		}
	}
	return n
}

const (
	token    = "load-token-0123456789"
	document = `
controller: Load GmbH
targets: [{id: load-batch, provider: batch, api_key: k, rest_key: r, base_url: "http://127.0.0.1:9", custom_id: user_id}]
serve: {listen: "127.0.0.1:0", tokens: [{name: load, role: submit, token: ` + token + `}]}
`
)

// server is the process that serves, which is killed and started again.
type server struct {
	t   *testing.T
	dir string

	mu  sync.RWMutex // held for writing while there is no process
	url string
	cmd *exec.Cmd
}

func (s *server) command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], append(args, "--data", filepath.Join(s.dir, "data"))...)
	cmd.Env = append(os.Environ(), asLethe+"=1")
	return cmd
}

// start starts it and waits until it listens; s.mu is held.
func (s *server) start() {
	s.cmd = s.command("serve", "--config", filepath.Join(s.dir, "config.yaml"))
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "Form"); ok {
			s.url = strings.TrimSpace(rest)
			go io.Copy(io.Discard, out)
			return
		}
	}
	s.t.Fatal("it ended without listening")
}

func (s *server) end(sig os.Signal) error {
	if err := s.cmd.Process.Signal(sig); err != nil {
		return err
	}
	return s.cmd.Wait()
}

// submit sends request n under its own key, and gives the id that was acknowledged; "" when it was not.
func (s *server) submit(client *http.Client, n int) string {
	s.mu.RLock()
	url := s.url
	s.mu.RUnlock()
	body := fmt.Sprintf(`{"subject":{"identifiers":[{"type":"email","value":"person-%d@example.com"},{"type":"user_id","value":"load-%d"}]}}`, n, n)
	req, err := http.NewRequest("POST", url+"/requests", strings.NewReader(body))
	if err != nil {
		s.t.Error(err)
		return ""
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", fmt.Sprintf("load-%d", n))
	res, err := client.Do(req)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	var a struct{ ID string }
	if json.NewDecoder(res.Body).Decode(&a) != nil || res.StatusCode != http.StatusAccepted {
		return ""
	}
	return a.ID
}

// Every request that was acknowledged is in the ledger, once, and nothing else is, although the process was killed in the
// middle and all that was not acknowledged was sent again.
func TestWhatIsAcknowledgedIsInTheLedger(t *testing.T) {
	t.Parallel()
	all, workers := size(t), 16
	s := &server{t: t, dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(s.dir, "config.yaml"), []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	began := time.Now()

	var wg sync.WaitGroup
	var next, done, tries atomic.Int64
	acknowledged := make([]string, all)
	middle := make(chan struct{})
	for range workers {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
			defer client.CloseIdleConnections()
			for n := int(next.Add(1)) - 1; n < all; n = int(next.Add(1)) - 1 {
				for acknowledged[n] == "" && tries.Add(1) < int64(3*all) {
					acknowledged[n] = s.submit(client, n)
				}
				if done.Add(1) == int64(all*2/5) {
					close(middle)
				}
			}
		})
	}
	<-middle
	s.mu.Lock()
	if err := s.end(syscall.SIGKILL); err == nil {
		t.Error("a killed process ended well")
	}
	s.start()
	s.mu.Unlock()
	wg.Wait()
	took := time.Since(began)
	if err := s.end(syscall.SIGTERM); err != nil {
		t.Errorf("it did not end well: %v", err)
	}

	ids := map[string]int{}
	for _, id := range acknowledged {
		ids[id]++
	}
	if len(ids) != all || ids[""] > 0 {
		t.Fatalf("%d different ids for %d requests, %d of them without one", len(ids), all, ids[""])
	}
	out, err := s.command("requests", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var listed []struct{ ID string }
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&listed); err != nil {
		t.Fatal(err)
	}
	for _, r := range listed {
		if ids[r.ID]--; ids[r.ID] < 0 {
			t.Errorf("%s is in the ledger and was not acknowledged, or is there twice", r.ID)
		}
	}
	for id, n := range ids {
		if n > 0 {
			t.Errorf("%s was acknowledged and is not in the ledger", id)
		}
	}
	t.Logf("%d requests acknowledged in %.1f s (%.0f a second), killed and started again after %d; %d submissions; in the ledger: %d",
		all, took.Seconds(), float64(all)/took.Seconds(), all*2/5, tries.Load(), len(listed))
}
