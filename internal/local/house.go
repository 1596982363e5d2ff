// Package local is Lethe on one machine: it wires the ledger on bbolt, the key file, the providers' clients and the
// steps to the runner of the state machine, and runs jobs to their end.
package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/container"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
	"github.com/lethe-dsr/lethe/internal/provider"
	"github.com/lethe-dsr/lethe/internal/seal"
	"github.com/lethe-dsr/lethe/internal/steps"
	"github.com/lethe-dsr/lethe/statemachine"
)

// Version is what certificates name as the software.
const Version = steps.Version

// lockWait is how long a command waits for another lethe that has the ledger open.
const lockWait = 3 * time.Second

// Options of a House. The zero value is what a program wants.
type Options struct {
	Now       func() time.Time
	Sleep     func(ctx context.Context, d time.Duration) error // of the state machine's waits
	Transport http.RoundTripper                                // to the providers
	RetryWait time.Duration                                    // of a provider client's first retry
	Report    func(erase.Event)                                // progress of steps
	Observe   func(asl.Event)                                  // progress of the machine
	Serving   bool                                             // jobs run side by side: the ledger is not compacted after each
}

// Key signs certificates and gives the key set that checks them.
type Key interface {
	erase.Signer
	PublicSet() []byte
}

// Drivers are what a House stands on: Open takes those of a data directory.
type Drivers struct {
	Store ledger.Store
	Seal  erase.Sealer
	Key   Key
	Tasks map[string]asl.Task // by resource: what runs the steps; nil for this process
}

// House is an open ledger with its keys, and the steps that work on it. Close it.
type House struct {
	Base  erase.Base
	Key   Key
	tasks map[string]asl.Task
	store *boltstore.Store // of a data directory; nil on other drivers
	opts  Options

	runner   *asl.Runner
	closeJob func(context.Context, erase.CloseJobIn) (erase.CloseJobOut, error)

	mu      sync.Mutex
	running map[string]int // jobs that this process works on now, by calls
	ended   time.Time      // when the first job ended whose traces are not compacted away
}

// Open opens a data directory, which it makes when create is set. Until Configure it can only be read.
func Open(dir string, create bool, o Options) (*House, error) {
	db, keyFile := filepath.Join(dir, "ledger.db"), filepath.Join(dir, "lethe.key")
	_, noLedger := os.Stat(db)
	_, noKey := os.Stat(keyFile)
	switch {
	case errors.Is(noLedger, os.ErrNotExist) && !create:
		return nil, fmt.Errorf("there is no ledger in %s; name the directory of an earlier run with --data", dir)
	case noLedger == nil && errors.Is(noKey, os.ErrNotExist):
		// A new key would open nothing that is sealed in the ledger, and recognise nobody.
		return nil, fmt.Errorf("%s has a ledger, but its key file lethe.key is missing; restore it from where you keep it", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the data directory %s cannot be made: %w", dir, err)
	}
	if at, err := os.Stat(dir); err != nil {
		return nil, err
	} else if at.Mode().Perm()&0o002 != 0 {
		return nil, fmt.Errorf("everybody on this machine may write into %s; run chmod 700 %s", dir, dir)
	}
	key, err := seal.OpenKey(keyFile, rand.Reader)
	if err != nil {
		return nil, err
	}
	store, err := boltstore.Open(db, lockWait)
	if err != nil {
		return nil, err
	}
	l := ledger.New(store)
	if err := l.Belongs(context.Background(), key.Public().KeyID); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", dir, err), store.Close())
	}
	h := OpenOn(Drivers{Store: store, Seal: key, Key: key}, o)
	h.store = store
	return h, nil
}

// OpenOn opens a House that stands on these drivers, which the caller closes after it. Until Configure it can only be
// read. No other House may have the same ledger.
func OpenOn(d Drivers, o Options) *House {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Report == nil {
		o.Report = func(erase.Event) {}
	}
	if o.Observe == nil {
		o.Observe = func(asl.Event) {}
	}
	h := &House{Key: d.Key, tasks: d.Tasks, opts: o, running: map[string]int{}}
	h.Base = erase.Base{
		Ledger: ledger.New(d.Store), Seal: d.Seal,
		Now:    func() time.Time { return o.Now().UTC().Truncate(time.Millisecond) },
		NewID:  func() string { return ledger.NewID(o.Now(), rand.Reader) },
		Report: o.Report,
	}
	return h
}

// Close closes the ledger of a data directory.
func (h *House) Close() error {
	if h.store == nil {
		return nil
	}
	return h.store.Close()
}

// Configure connects the house to the targets of a configuration.
func (h *House) Configure(c config.Config) (err error) {
	h.Base.Config = c
	h.closeJob = erase.CloseJob(h.Base, h.Key, Version)
	tasks := h.tasks
	if tasks == nil {
		if tasks, err = h.steps(c); err != nil {
			return err
		}
	}
	m, err := asl.Load(statemachine.Erasure, slices.Collect(maps.Keys(tasks)))
	if err != nil {
		return err
	}
	h.runner, err = asl.New(m, tasks, executions{h.Base.Ledger}, asl.Options{
		Now: h.opts.Now, Sleep: h.opts.Sleep, Observe: h.opts.Observe, Beats: true,
	})
	return err
}

// steps makes all steps of the state machine in this process.
func (h *House) steps(c config.Config) (map[string]asl.Task, error) {
	paces := map[string]*provider.Pace{}
	for _, t := range c.Targets {
		p := provider.NewPace(t.RequestsPerMinute, h.Base.Ledger.Calls(t.ID))
		p.OnWait(func() { h.opts.Report(erase.Event{Target: t.ID, Doing: "waiting", Total: int64(t.RequestsPerMinute)}) })
		paces[t.ID] = p
	}
	link := steps.Link{Targets: c.Targets, Paces: paces, Transport: h.opts.Transport, RetryWait: h.opts.RetryWait}
	containers := steps.Containers(link, container.Open)
	for _, t := range c.Targets { // here somebody is there to mend it
		if t.Provider == config.AppCenter {
			if _, err := containers(t.ID); err != nil {
				return nil, err
			}
		}
	}
	tasks := map[string]asl.Task{}
	for _, s := range steps.All(h.Base, link, containers, h.Key, h.Alive) {
		tasks[s.Name()+"FunctionArn"] = func(ctx context.Context, in []byte) ([]byte, error) {
			out, err := s.Invoke(ctx, in)
			var named messages.InvokeResponse_Error
			if errors.As(err, &named) {
				return nil, stepError{named}
			}
			return out, err
		}
	}
	return tasks, nil
}

// Alive tells whether this process works on a job. No other process can: the ledger is locked.
func (h *House) Alive(_ context.Context, job string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running[job] > 0
}

// stepError carries a step's error name to the runner.
type stepError struct{ messages.InvokeResponse_Error }

func (e stepError) ErrorName() string { return e.Type }
func (e stepError) Error() string     { return e.Message }

// executions keeps the runner's records in the ledger.
type executions struct{ l *ledger.Ledger }

func (e executions) Load(ctx context.Context, name string) ([]byte, error) {
	b, err := e.l.LoadExecution(ctx, name)
	if errors.Is(err, ledger.ErrNotFound) {
		err = asl.ErrNoExecution
	}
	return b, err
}

func (e executions) Save(ctx context.Context, name string, record []byte) error {
	return e.l.SaveExecution(ctx, name, record)
}
