package container_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/appcenter"
	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/container"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/provider/contracttest"
)

const (
	key     = "acme/acme-ios"
	token   = "token-of-acme"
	install = "0a1b2c3d-0000-4000-8000-00000000000a"
)

// store is a simulator with two devices and its container, opened.
type store struct {
	*appcentertest.Server
	url string
	box *container.Container
}

func open(t *testing.T) store { return exporting(t, appcentertest.ExportStyle{}) }

func exporting(t *testing.T, style appcentertest.ExportStyle) store {
	t.Helper()
	sim := appcentertest.New(appcentertest.World{Apps: []appcentertest.App{{
		Owner: "acme", Name: "acme-ios", Token: token, Export: style,
		Devices: []appcentertest.Device{{InstallID: install}, {InstallID: "0a1b2c3d-0000-4000-8000-00000000000b"}},
	}}})
	srv := httptest.NewServer(contracttest.Check(t, appcentertest.OpenAPI(), sim))
	t.Cleanup(srv.Close)
	box, err := container.Open(sim.ContainerSAS(srv.URL, key, ""), nil)
	if err != nil {
		t.Fatal(err)
	}
	return store{sim, srv.URL, box}
}

// put writes one blob and lists it.
func (s store) put(t *testing.T, name string, content []byte) appcenter.Blob {
	t.Helper()
	s.PutBlob(key, name, content)
	blobs, err := s.box.List(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(blobs, func(b appcenter.Blob) bool { return b.Name == name })
	if i < 0 {
		t.Fatalf("the blob is not listed")
	}
	return blobs[i]
}

// read gives a blob's bytes from offset.
func (s store) read(t *testing.T, b appcenter.Blob, kind appcenter.Kind, offset int64) (string, error) {
	t.Helper()
	r, err := s.box.Open(t.Context(), b, kind, offset)
	if err != nil {
		return "", err
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	return string(got), err
}

func packed(t *testing.T, members ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, m := range members {
		z := gzip.NewWriter(&b)
		if _, err := z.Write([]byte(m)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func TestOpenContainerSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for sas, want := range map[string]string{
		"":                                   "not the URL",
		"secret":                             "not the URL",
		"ftp://secret.example/c?sig=secret":  "not the URL",
		"https://a:secret@h/c?sig=secret":    "not the URL",
		"https://h/?sig=secret":              "names no container",
		"https://h/secret?sp=r":              "no signature",
		"https://h/secret?sr=b&sig=secret":   "one blob",
		"https://h/%zz?sig=secret":           "no URL",
		"https://secret\x7f.example/c?sig=s": "no URL",
	} {
		_, err := container.Open(sas, nil)
		if !fault.Is(err, fault.BadInput) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v, want BadInput with %q", sas, err, want)
		}
	}
}

func TestAContainersIDHasNoSignature(t *testing.T) {
	t.Parallel()
	for _, sas := range []string{"https://Acct.blob.example/c?sv=1&sig=a", "https://acct.blob.example/c/?sig=b"} {
		c, err := container.Open(sas, nil)
		if err != nil || c.ID() != "acct.blob.example/c" {
			t.Errorf("got %q, %v", c.ID(), err)
		}
	}
}

func TestListGoesThroughAllPages(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.PageBlobs(2)
	want := []string{"a/b c?#%41", "m/1", "m/2", "m/3", "ü"}
	for _, name := range want {
		s.PutBlob(key, name, []byte(name))
	}
	got, err := s.box.List(t.Context(), 5)
	var names []string
	for _, b := range got {
		names = append(names, b.Name)
		if b.Size != int64(len(b.Name)) || b.ETag == "" {
			t.Errorf("got %+v", b)
		}
		if text, err := s.read(t, b, appcenter.Lines, 0); err != nil || text != b.Name {
			t.Errorf("read %q, %v", text, err)
		}
	}
	if err != nil || !slices.Equal(names, want) {
		t.Errorf("got %q, %v", names, err)
	}
	if _, err := s.box.List(t.Context(), 4); !fault.Is(err, fault.ContainerNotOurs) {
		t.Errorf("five blobs where four may be: got %v, want ContainerNotOurs", err)
	}
	for _, name := range append(want, "was never there") {
		if err := s.box.Delete(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	if got := len(s.Blobs(key)); got != 0 {
		t.Errorf("%d blobs left", got)
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	s := open(t)
	const none = appcenter.Kind(-1)
	for content, want := range map[string]appcenter.Kind{
		"":                                  appcenter.Empty,
		"\ufeff":                            appcenter.Empty,
		"\ufeff \r\n\n\t":                   appcenter.Empty,
		"{}":                                appcenter.Lines,
		"\ufeff\r\n{\"a\":1}":               appcenter.Lines,
		"not json":                          appcenter.Lines,
		strings.Repeat("\n", 10000) + "{}":  appcenter.Lines,
		strings.Repeat("x", 10000) + "\x00": appcenter.Lines, // looked at as lines, later
		string(packed(t, "{}\n", "{}\n")):   appcenter.Gzip,
		string(packed(t, "{}\n")[:12]):      appcenter.Gzip, // Open will say that it is broken
		"\x1f\x8b":                          appcenter.Gzip,
		"PK\x03\x04rest":                    none,
		"\xff\xfe{\x00}\x00":                none,
		"\xfe\xff\x00{":                     none,
		"\x28\xb5\x2f\xfdrest":              none,
		"BZh91AY":                           none,
		"\xfd7zXZ\x00rest":                  none,
		"PAR1rest":                          none,
		"Obj\x01rest":                       none,
		"{\x00}":                            none,
		"[{}]":                              none,
		"\ufeff  [{}]":                      none,
		"<xml/>":                            none,
		string(packed(t, "[{}]")):           none,
		string(packed(t, string(packed(t, "{}")))):  none,
		string(packed(t, "PK\x03\x04 within gzip")): none,
	} {
		b := s.put(t, "person@example.com", []byte(content))
		got, err := s.box.Kind(t.Context(), b)
		switch {
		case want == none && !fault.Is(err, fault.UnknownBlobKind):
			t.Errorf("%.20q: got %v, want UnknownBlobKind", content, err)
		case want == none && strings.Contains(err.Error(), "person"):
			t.Errorf("the error holds the blob's name: %v", err)
		case want != none && (err != nil || got != want):
			t.Errorf("%.20q: got %v, %v, want %v", content, got, err, want)
		}
	}
}

func TestOpenReadsFromAnOffset(t *testing.T) {
	t.Parallel()
	s := open(t)
	text := strings.Repeat("{\"installId\":\"0a1b\"}\n", 20000)
	plain := s.put(t, "plain", []byte(text))
	zipped := s.put(t, "zipped", packed(t, text[:100], text[100:150000], text[150000:]))
	for _, offset := range []int64{0, 1, 100, 149999, int64(len(text)) - 1, int64(len(text)), int64(len(text)) + 7} {
		want := text[min(offset, int64(len(text))):]
		if got, err := s.read(t, plain, appcenter.Lines, offset); err != nil || got != want {
			t.Errorf("plain from %d: %d bytes, %v, want %d", offset, len(got), err, len(want))
		}
		if got, err := s.read(t, zipped, appcenter.Gzip, offset); err != nil || got != want {
			t.Errorf("gzip from %d: %d bytes, %v, want %d", offset, len(got), err, len(want))
		}
	}
	if got, err := s.read(t, zipped, appcenter.Lines, 0); err != nil || got != string(s.Blobs(key)["zipped"]) {
		t.Errorf("the stored bytes of a gzip blob: %d bytes, %v", len(got), err)
	}
}

func TestContentEncodingDoesNotUnpack(t *testing.T) {
	t.Parallel()
	s := exporting(t, appcentertest.ExportStyle{Gzip: true, ContentEncoded: true})
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	app := appcenter.New(appcenter.Options{Base: u, Token: token, Owner: "acme", App: "acme-ios"})
	if _, err := app.StartExport(t.Context(), s.ContainerSAS(s.url, key, "")); err != nil {
		t.Fatal(err)
	}
	box, err := container.Open(s.ContainerSAS(s.url, key, ""), http.DefaultTransport.(*http.Transport).Clone())
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := box.List(t.Context(), 1)
	if err != nil || len(blobs) != 1 {
		t.Fatalf("got %d blobs, %v", len(blobs), err)
	}
	kind, err := box.Kind(t.Context(), blobs[0])
	if err != nil || kind != appcenter.Gzip {
		t.Errorf("got kind %v, %v, want Gzip", kind, err)
	}
	got, err := store{s.Server, s.url, box}.read(t, blobs[0], kind, 0)
	if err != nil || strings.Count(got, "\n") != 2 || !strings.Contains(got, install) {
		t.Errorf("got %q, %v, want two lines", got, err)
	}
}

func TestABlobThatIsNotTheListedOneAnyMore(t *testing.T) {
	t.Parallel()
	s := open(t)
	changed := s.put(t, "changed", []byte("{}\n{}\n"))
	s.PutBlob(key, "changed", []byte("{}\n{\n\n"))
	vanished := s.put(t, "vanished", []byte("{}\n"))
	if err := s.box.Delete(t.Context(), "vanished"); err != nil {
		t.Fatal(err)
	}
	for _, b := range []appcenter.Blob{changed, vanished} {
		if _, err := s.read(t, b, appcenter.Lines, 1); !fault.Is(err, fault.ExportUnreadable) {
			t.Errorf("got %v, want ExportUnreadable", err)
		}
		if _, err := s.box.Kind(t.Context(), b); !fault.Is(err, fault.ExportUnreadable) {
			t.Errorf("got %v, want ExportUnreadable", err)
		}
	}
}

func TestABlobThatIsDamaged(t *testing.T) {
	t.Parallel()
	s := open(t)
	whole := packed(t, strings.Repeat("{\"installId\":\"0a1b\"}\n", 500))
	flipped := slices.Clone(whole)
	flipped[len(flipped)/2] ^= 0xff
	for name, content := range map[string][]byte{
		"truncated":     whole[:len(whole)-9],
		"only a header": whole[:10],
		"cut header":    whole[:4],
		"flipped":       flipped,
		"trailing":      append(slices.Clone(whole), "garbage"...),
	} {
		b := s.put(t, "b", content)
		if _, err := s.read(t, b, appcenter.Gzip, 0); !fault.Is(err, fault.ExportUnreadable) {
			t.Errorf("%s: got %v, want ExportUnreadable", name, err)
		}
	}
}

func TestABrokenConnectionIsResumed(t *testing.T) {
	t.Parallel()
	s := open(t)
	text := strings.Repeat("0123456789\n", 100000)
	b := s.put(t, "b", []byte(text))
	s.Fail(appcentertest.Fault{Op: appcentertest.GetBlob, Times: 2, Truncate: true})
	if got, err := s.read(t, b, appcenter.Lines, 5); err != nil || got != text[5:] {
		t.Errorf("got %d bytes, %v, want all %d", len(got), err, len(text)-5)
	}
	s.Heal()
	s.Fail(appcentertest.Fault{Op: appcentertest.GetBlob, Skip: 1, CloseConnection: true}, appcentertest.Fault{Op: appcentertest.GetBlob, Truncate: true})
	if got, err := s.read(t, b, appcenter.Lines, 5); err == nil || !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.ExportUnreadable) {
		t.Errorf("a connection that breaks every time: got %d bytes, %v", len(got), err)
	}
}

func TestAContainerThatRefuses(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.PutBlob(key, "b", []byte("{}"))
	good, err := container.Open(s.ContainerSAS(s.url, key, ""), nil)
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := good.List(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	listOnly, wrong := s.ContainerSAS(s.url, key, "l"), s.ContainerSAS(s.url, key, "")+"wrong"
	for _, sas := range []string{s.ContainerSAS(s.url, key, "w"), wrong, listOnly} {
		box, err := container.Open(sas, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, list := box.List(t.Context(), 1)
		_, kind := box.Kind(t.Context(), blobs[0])
		_, open := box.Open(t.Context(), blobs[0], appcenter.Lines, 0)
		for _, err := range []error{list, kind, open, box.Delete(t.Context(), "b")} {
			if sas == listOnly && err == list {
				continue
			}
			if !fault.Is(err, fault.ContainerRefused) || strings.Contains(err.Error(), "sig") || strings.Contains(err.Error(), "simulated") {
				t.Errorf("got %v, want ContainerRefused and nothing of the URL", err)
			}
		}
	}
	if len(s.Blobs(key)) != 1 {
		t.Error("the blob is gone")
	}
}

func TestAContainerThatFails(t *testing.T) {
	t.Parallel()
	for op, call := range map[appcentertest.Op]func(context.Context, store, appcenter.Blob) error{
		appcentertest.ListBlobs: func(ctx context.Context, s store, _ appcenter.Blob) error {
			_, err := s.box.List(ctx, 1)
			return err
		},
		appcentertest.GetBlob: func(ctx context.Context, s store, b appcenter.Blob) error {
			_, err := s.box.Open(ctx, b, appcenter.Lines, 0)
			return err
		},
		appcentertest.DeleteBlob: func(ctx context.Context, s store, b appcenter.Blob) error { return s.box.Delete(ctx, b.Name) },
	} {
		faults := []appcentertest.Fault{{Op: op, Status: 503}}
		if op == appcentertest.GetBlob {
			faults = append(faults, appcentertest.Fault{Op: op, CloseConnection: true})
		}
		for _, f := range faults {
			t.Run(fmt.Sprint(op, f.Status), func(t *testing.T) {
				t.Parallel()
				s := open(t)
				b := s.put(t, "b", []byte("{}"))
				s.Fail(f)
				if err := call(t.Context(), s, b); !fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "sig") {
					t.Errorf("got %v, want Unavailable and nothing of the URL", err)
				}
				if got := len(s.Calls(op)); got < 3 {
					t.Errorf("%d calls, want some retries", got)
				}
			})
		}
	}
}

func TestDeletingABlobThatFails(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.PutBlob(key, "b", nil)
	s.Fail(appcentertest.Fault{Op: appcentertest.DeleteBlob, Status: 412})
	if err := s.box.Delete(t.Context(), "b"); !fault.Is(err, fault.ExportNotRemoved) {
		t.Errorf("a leased blob: got %v, want ExportNotRemoved", err)
	}
	s.Heal()
	s.Fail(appcentertest.Fault{Op: appcentertest.DeleteBlob, Times: 1, Status: 500, AfterEffect: true})
	if err := s.box.Delete(t.Context(), "b"); err != nil || len(s.Blobs(key)) != 0 {
		t.Errorf("failed, but it happened: got %v", err)
	}
}

func TestAListOfBlobsThatIsNone(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, body := range []string{"<html>", "{}", "<EnumerationResults/>", "<EnumerationResults><Blobs><Blob><Name>x</Name></Blob></Blobs></EnumerationResults>"} {
		s.Heal()
		s.Fail(appcentertest.Fault{Op: appcentertest.ListBlobs, Body: body})
		if _, err := s.box.List(t.Context(), 1); !fault.Is(err, fault.MalformedAnswer) {
			t.Errorf("%s: got %v, want MalformedAnswer", body, err)
		}
	}
}

func TestReadingABlobEndsWithTheContext(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.put(t, "b", []byte("{}"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.box.Open(ctx, b, appcenter.Lines, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's end", err)
	}
}

// TestAServerThatOverlooksRanges would be read from its first byte, which is another part than the one asked for.
func TestAServerThatOverlooksRanges(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"e"`)
		fmt.Fprint(w, "0123456789")
	}))
	t.Cleanup(srv.Close)
	box, err := container.Open(srv.URL+"/account/container?sig=x", nil)
	if err != nil {
		t.Fatal(err)
	}
	b := appcenter.Blob{Name: "b", Size: 10, ETag: "e"}
	if _, err := box.Open(t.Context(), b, appcenter.Lines, 5); !fault.Is(err, fault.MalformedAnswer) {
		t.Errorf("got %v, want MalformedAnswer", err)
	}
	b.Size = 11
	if _, err := (store{box: box}).read(t, b, appcenter.Lines, 0); !fault.Is(err, fault.ExportUnreadable) {
		t.Errorf("a blob shorter than its list says: got %v, want ExportUnreadable", err)
	}
}
