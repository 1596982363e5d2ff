package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

// testKey is the key of a fixed secret: 00 01 02 … 1f.
func testKey(t testing.TB) *Key {
	t.Helper()
	secret := make([]byte, secretSize)
	for n := range secret {
		secret[n] = byte(n)
	}
	k, err := newKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func otherKey(t testing.TB) *Key {
	t.Helper()
	k, err := newKey(bytes.Repeat([]byte{7}, secretSize))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeyFileIsMadeOnceAndReadAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "key")
	made, err := OpenKey(path, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700 | os.ModeDir} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("mode of %s: got %v, want %v", filepath.Base(p), info.Mode(), want)
		}
	}
	again, err := OpenKey(path, iotest.ErrReader(errors.New("the secret is drawn a second time")))
	if err != nil {
		t.Fatal(err)
	}
	if made.Digest("s", "v") != again.Digest("s", "v") {
		t.Error("the key file read again gives another key")
	}
	onlyFile(t, path)
}

func TestKeyFileThatFailsToBeMadeLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := OpenKey(filepath.Join(dir, "key"), strings.NewReader("too little")); err == nil {
		t.Error("a key was made of too little randomness")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestKeyFileMadeByManyAtOnceIsOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	digests := make([]string, 8)
	var wg sync.WaitGroup
	for n := range digests {
		wg.Go(func() {
			k, err := OpenKey(path, rand.Reader)
			if err != nil {
				t.Error(err)
				return
			}
			digests[n] = k.Digest("s", "v")
		})
	}
	wg.Wait()
	for _, d := range digests {
		if d != digests[0] {
			t.Fatalf("several keys were made: %q", digests)
		}
	}
	onlyFile(t, path)
}

func onlyFile(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Errorf("files beside the key: %v", entries)
	}
}

func TestKeyFileOthersMayReadIsRefused(t *testing.T) {
	t.Parallel()
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o602, 0o660, 0o644, 0o777} {
		path := filepath.Join(t.TempDir(), "key")
		if _, err := OpenKey(path, rand.Reader); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := OpenKey(path, rand.Reader)
		if err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %o: got error %v, want one with the chmod to run", mode, err)
		}
	}
}

func TestKeyFileThatIsNoneIsRefusedAndKept(t *testing.T) {
	t.Parallel()
	whole := string(formatKeyFile(bytes.Repeat([]byte{1}, secretSize)))
	digits := strings.Repeat("01", secretSize)
	check := hex.EncodeToString(secretCheck(bytes.Repeat([]byte{1}, secretSize)))
	for name, c := range map[string]struct{ text, want string }{
		"empty":          {"", "is empty"},
		"another file":   {"-----BEGIN PRIVATE KEY-----\n", "not a key file"},
		"newer":          {strings.Replace(whole, "lethe-key-1", "lethe-key-2", 1), "another version"},
		"longer version": {strings.Replace(whole, "lethe-key-1", "lethe-key-10", 1), "another version"},
		"first line":     {keyFileVersion + "\n", "cut off"},
		"a digit less":   {keyFileVersion + "\n" + digits[1:] + "-" + check + "\n", "cut off or altered"},
		"a wrong digit":  {strings.Replace(whole, "0101", "0102", 1), "cut off or altered"},
		"no check":       {keyFileVersion + "\n" + digits + "\n", "cut off or altered"},
		"more after it":  {keyFileVersion + "\n" + digits + "-" + check + "-00\n", "cut off or altered"},
		"two secrets":    {whole + digits + "-" + check + "\n", "cut off or altered"},
		"huge":           {whole + strings.Repeat("x", 1<<20), "cut off or altered"},
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenKey(path, rand.Reader)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want one that says %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), digits[:8]) {
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
		if kept, err := os.ReadFile(path); err != nil || string(kept) != c.text {
			t.Errorf("%s: the file was changed", name)
		}
	}
	for cut := range len(whole) - 1 {
		if _, err := parseKeyFile([]byte(whole[:cut])); err == nil {
			t.Errorf("a key file cut off after %d of %d bytes is taken", cut, len(whole))
		}
	}
	if _, err := OpenKey(t.TempDir(), rand.Reader); err == nil {
		t.Error("a directory is taken for a key file")
	}
}

func TestKeyFileMayBeEditedWhereItDoesNotMatter(t *testing.T) {
	t.Parallel()
	secret := bytes.Repeat([]byte{1}, secretSize)
	text := strings.ReplaceAll(string(formatKeyFile(secret)), "\n", "\r\n") + "\r\n# our note\r\n"
	got, err := parseKeyFile([]byte(text))
	if err != nil || !bytes.Equal(got, secret) {
		t.Errorf("got error %v and an equal secret: %v", err, bytes.Equal(got, secret))
	}
}

func TestKeyCannotBePrinted(t *testing.T) {
	t.Parallel()
	k := testKey(t)
	type holder struct {
		Shown  *Key
		Copied Key
		hidden Key
		inner  struct{ k *Key }
	}
	h := holder{Shown: k, Copied: *k, hidden: *k}
	h.inner.k = k
	var out bytes.Buffer
	for _, v := range []any{k, *k, h, &h, []Key{*k}, map[string]*Key{"k": k}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("text", "key", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "key", v)
		if err := json.NewEncoder(&out).Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	signing, err := k.derived().signing.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for what, secret := range map[string][]byte{"digests": k.derived().digests, "signing": signing} {
		for _, form := range []string{
			string(secret[:4]), fmt.Sprintf("%x", secret[:4]), fmt.Sprintf("%X", secret[:4]),
			strings.Trim(fmt.Sprint(secret[:4]), "[]"), fmt.Sprintf("%#v", secret[:4])[len("[]byte{") : len("[]byte{")+10],
		} {
			if strings.Contains(out.String(), form) {
				t.Errorf("the key for %s is printed as %q", what, form)
			}
		}
	}
	if !strings.Contains(out.String(), redacted) {
		t.Errorf("nothing says that a key was left out")
	}
}

func FuzzKeyFile(f *testing.F) {
	whole := formatKeyFile(bytes.Repeat([]byte{1}, secretSize))
	f.Add(whole)
	f.Add(whole[:len(whole)-10])
	f.Add([]byte(keyFileVersion + "\n\n#\n00-00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		secret, err := parseKeyFile(text)
		if err != nil {
			return
		}
		again, err := parseKeyFile(formatKeyFile(secret))
		if err != nil || !bytes.Equal(again, secret) {
			t.Errorf("a secret that was read is not read again: %v", err)
		}
	})
}
