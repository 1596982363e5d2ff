package mail

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"
)

// folderKeeps is how many messages a folder holds; the oldest go first.
const folderKeeps = 1000

// A Folder removes only what has a name of this form.
var fileForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\d{8}T\d{6}\.\d{9}Z-[A-Za-z0-9._-]+\.eml$`) })

// Folder writes messages to files, for development: nothing leaves the machine.
type Folder struct {
	dir  string
	from author
	mu   sync.Mutex // one file at a time
}

// NewFolder makes a sender that writes into dir, which is made with mode 0700 if it is missing. One process at a time may
// use it. From is an address, maybe with a display name.
func NewFolder(dir, from string) (*Folder, error) {
	a, err := parseAuthor(from)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("mail: make the folder: %w", err)
	}
	return &Folder{dir: dir, from: a}, nil
}

// Send writes the message to a file of mode 0600, named by Date and ID, so that names sort by time and the same message
// again is the same file. A file has its name only when it is whole. No more than the newest 1,000 messages are kept.
func (f *Folder) Send(ctx context.Context, m Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l, err := compose(f.from, m, true)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.write(m.Date.UTC().Format("20060102T150405.000000000Z")+"-"+m.ID+".eml", l.text); err != nil {
		return fmt.Errorf("mail: write a message to the folder: %w", err)
	}
	if err := f.trim(); err != nil {
		return fmt.Errorf("mail: remove old messages from the folder: %w", err)
	}
	return nil
}

// write goes through one name for all unfinished files: a process that dies leaves one at most, which the next replaces.
func (f *Folder) write(name string, text []byte) error {
	unfinished := filepath.Join(f.dir, ".unfinished")
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(unfinished, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(unfinished, filepath.Join(f.dir, name))
}

func (f *Folder) trim() error {
	entries, err := os.ReadDir(f.dir) // sorted by name
	if err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		if fileForm().MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	for _, name := range names[:max(0, len(names)-folderKeeps)] {
		if err := os.Remove(filepath.Join(f.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
