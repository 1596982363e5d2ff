package mail_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/mail"
)

// names lists a folder, sorted.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func folder(t *testing.T) (string, *mail.Folder) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data", "mail")
	f, err := mail.NewFolder(dir, author)
	if err != nil {
		t.Fatal(err)
	}
	return dir, f
}

func TestFilesAreForTheirOwnerAndSortByTime(t *testing.T) {
	t.Parallel()
	dir, f := folder(t)
	zone := time.FixedZone("", -5*3600)
	for _, sent := range []struct {
		id string
		at time.Time
	}{
		{"b", time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)},
		{"a", time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)},
		{"z", time.Date(2026, 2, 28, 23, 0, 0, 0, time.UTC)},
		{"c", time.Date(2026, 3, 1, 7, 0, 0, 1, zone)}, // 12:00 and a bit
	} {
		m := message()
		m.ID, m.Date = sent.id, sent.at
		if err := f.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"20260228T230000.000000000Z-z.eml", "20260301T120000.000000000Z-a.eml",
		"20260301T120000.000000000Z-b.eml", "20260301T120000.000000001Z-c.eml",
	}
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	for path, want := range map[string]fs.FileMode{dir: 0o700 | fs.ModeDir, filepath.Dir(dir): 0o700 | fs.ModeDir, filepath.Join(dir, want[0]): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
	}
}

func TestTheSameMessageAgainIsTheSameFile(t *testing.T) {
	t.Parallel()
	dir, f := folder(t)
	for range 2 {
		if err := f.Send(t.Context(), message()); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("got %q", got)
	}
}

func TestAFolderKeepsTheNewestAndWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	dir, f := folder(t)
	foreign := []string{"00000000.eml", "20010101T000000.000000000Z-a.txt", "notes.eml"}
	for _, name := range foreign {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 1005 {
		name := fmt.Sprintf("20250101T000000.%09dZ-a.eml", n)
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	got := names(t, dir)
	if len(got) != 1000+len(foreign) {
		t.Errorf("%d files are left", len(got))
	}
	for _, name := range append(foreign, "20260301T123000.000000000Z-01JZ-verify.eml", "20250101T000000.000000006Z-a.eml") {
		if !slices.Contains(got, name) {
			t.Errorf("%s is gone", name)
		}
	}
	if slices.Contains(got, "20250101T000000.000000005Z-a.eml") {
		t.Error("an old message is left")
	}
}

func TestAnUnfinishedFileIsNoMessageAndIsReplaced(t *testing.T) {
	t.Parallel()
	dir, f := folder(t)
	secret := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(secret, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	// Left by a process that died, or put there to have another file overwritten.
	if err := os.Symlink(secret, filepath.Join(dir, ".unfinished")); err != nil {
		t.Fatal(err)
	}
	if err := f.Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); len(got) != 1 || got[0] != "20260301T123000.000000000Z-01JZ-verify.eml" {
		t.Errorf("got %q", got)
	}
	if text, err := os.ReadFile(secret); err != nil || string(text) != "kept" {
		t.Errorf("the other file holds %q, %v", text, err)
	}
}

func TestManyWritersOfOneFolder(t *testing.T) {
	t.Parallel()
	dir, f := folder(t)
	var sending sync.WaitGroup
	for n := range 20 {
		sending.Go(func() {
			m := message()
			m.ID = fmt.Sprint(n)
			if err := f.Send(t.Context(), m); err != nil {
				t.Error(err)
			}
		})
	}
	sending.Wait()
	for _, name := range names(t, dir) {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, string(text)); got.body != message().Text {
			t.Errorf("%s holds %q", name, got.body)
		}
	}
	if got := names(t, dir); len(got) != 20 {
		t.Errorf("got %q", got)
	}
}

func TestAFolderThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := mail.NewFolder(file, author); err == nil {
		t.Error("a file is taken for a folder")
	}
	if _, err := mail.NewFolder(t.TempDir(), "nobody"); err == nil {
		t.Error("a folder without an author is taken")
	}
	dir, f := folder(t)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := f.Send(t.Context(), message()); err == nil || errors.Is(err, mail.ErrRefused) {
		t.Errorf("a folder that is gone: got %v", err)
	}
}

func TestAnEndedContextWritesNothing(t *testing.T) {
	t.Parallel()
	dir, f := folder(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Send(ctx, message()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := names(t, dir); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}
