package asl

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// Each archive in testdata/run is one execution: definition.json, input.json (default {}), tasks (see script), and what
// has to come of it: output.json, or error (a line NAME: CAUSE, or NAME alone), or waiting; path, calls and elapsed
// where they are given. A comment that begins with "unordered" has path and calls compared as sets.
func TestRunsAsWritten(t *testing.T) {
	t.Parallel()
	for _, file := range archives(t, "run") {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		archive, sections := readArchive(t, file)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newScript(t, sections["tasks"])
				var heard events
				r := newRunner(t, load(t, sections["definition.json"]), s.tasks(), &memory{}, Options{
					Jitter:  func() float64 { return 0.5 },
					Observe: heard.observe,
				})
				begin := time.Now()
				res, err := r.Start(t.Context(), "case", []byte(sections["input.json"]))
				if err != nil {
					t.Fatal(err)
				}
				elapsed := time.Since(begin).String()
				defer time.Sleep(2 * time.Hour) // in the bubble's time: until a stuck task has ended
				calls := lines(s.called())
				if res.Status == Waiting {
					calls = strings.ReplaceAll(calls, res.Token, "TOKEN")
				}
				got := map[string]string{"elapsed": elapsed, "path": lines(heard.lines), "calls": calls}
				switch res.Status {
				case Succeeded:
					got["output.json"] = string(res.Output)
				case Failed:
					got["error"] = res.Error + ": " + res.Cause
					if !strings.Contains(sections["error"], ":") {
						got["error"] = res.Error
					}
				case Waiting:
					got["waiting"] = ""
				}
				outcomes := 0
				for section, want := range sections {
					switch section {
					case "definition.json", "input.json", "tasks":
						continue
					case "output.json", "error", "waiting":
						outcomes++
					}
					have := got[section]
					if strings.HasSuffix(section, ".json") {
						want = compact(t, want)
					}
					if strings.HasPrefix(string(archive.Comment), "unordered") {
						have, want = sorted(have), sorted(want)
					}
					if strings.TrimSpace(have) != strings.TrimSpace(want) {
						t.Errorf("%s:\ngot\n%s\nwant\n%s", section, have, want)
					}
				}
				if _, ok := sections[map[Status]string{Succeeded: "output.json", Failed: "error", Waiting: "waiting"}[res.Status]]; !ok || outcomes != 1 {
					t.Errorf("got %s (%s: %s), which the case does not expect", res.Status, res.Error, res.Cause)
				}
			})
		})
	}
}

// Each archive in testdata/refused is about one part of the language: NAME.json is a definition, and NAME.want are all
// the problems that Load has to find in it, one a line.
func TestRefusesAsWritten(t *testing.T) {
	t.Parallel()
	for _, file := range archives(t, "refused") {
		_, sections := readArchive(t, file)
		for section, definition := range sections {
			name, ok := strings.CutSuffix(section, ".json")
			if !ok {
				continue
			}
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar")+"/"+name, func(t *testing.T) {
				t.Parallel()
				want, ok := sections[name+".want"]
				if !ok {
					t.Fatalf("there is no %s.want", name)
				}
				_, err := Load([]byte(definition), functions())
				if err == nil {
					t.Fatalf("loaded; want\n%s", want)
				}
				_, got, _ := strings.Cut(err.Error(), "\n")
				if got != strings.TrimSpace(want) {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
			})
		}
	}
}

// Whatever Load accepts, an execution of it ends or waits; tasks answer what nobody expects.
func FuzzLoad(f *testing.F) {
	for _, folder := range []string{"run", "refused"} {
		for _, file := range archives(f, folder) {
			_, sections := readArchive(f, file)
			for section, text := range sections {
				if strings.HasSuffix(section, ".json") {
					f.Add([]byte(text), []byte(sections["input.json"]))
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, definition, input []byte) {
		m, err := Load(definition, functions())
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Error("refused without saying why")
			}
			return
		}
		tasks := map[string]Task{}
		for _, name := range functions() {
			tasks[name] = func(_ context.Context, b []byte) ([]byte, error) { return b, nil }
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		store := &memory{}
		r := newRunner(t, m, tasks, store, Options{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
		res, err := r.Start(ctx, "fuzz", input)
		if err == nil && res.Status == Running {
			t.Error("ended as running")
		}
		if err != nil && ctx.Err() == nil && store.record("fuzz") != "" {
			t.Errorf("stopped although nothing stopped it: %v", err)
		}
	})
}

func archives(t testing.TB, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in testdata/%s (%v)", folder, err)
	}
	return files
}

func readArchive(t testing.TB, file string) (*txtar.Archive, map[string]string) {
	t.Helper()
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, f := range a.Files {
		sections[f.Name] = string(f.Data)
	}
	return a, sections
}

func lines(l []string) string { return strings.Join(l, "\n") }

func sorted(text string) string {
	l := strings.Split(strings.TrimSpace(text), "\n")
	slices.Sort(l)
	return lines(l)
}

func compact(t *testing.T, text string) string {
	t.Helper()
	v, err := decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return string(encode(v))
}
