package match

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/lethe-dsr/lethe/internal/phone"
)

func TestBlobShapes(t *testing.T) {
	t.Parallel()
	a, b := `{"installId":"a","p":"ann@x.com"}`, `{"installId":"b","p":"ann@x.com"}`
	rows := []struct {
		name, blob string
		want       []string
		unreadable int64
	}{
		{"nothing", "", nil, 0},
		{"no line feed at the end", a + "\n" + b, []string{"a", "b"}, 0},
		{"CRLF and a byte order mark", "\uFEFF" + a + "\r\n" + b + "\r\n", []string{"a", "b"}, 0},
		{"blank lines", "\n \r\n\t\n" + a + "\n\n" + b + "\n\n", []string{"a", "b"}, 0},
		{"spaces around", "  " + a + "  \n\t" + b, []string{"a", "b"}, 0},
		{"a byte order mark in the middle", a + "\n\uFEFF" + b, []string{"a"}, 1},
		{"only a byte order mark", "\uFEFF", nil, 0},
	}
	for _, row := range rows {
		for reader, wrap := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "data with EOF": iotest.DataErrReader,
		} {
			t.Run(row.name+"/"+reader, func(t *testing.T) {
				t.Parallel()
				var got []string
				tally, err := New([]Person{person(t, "ann", "email=ann@x.com")}, phone.In("DE")).Devices(t.Context(), wrap(strings.NewReader(row.blob)), Span{}, nil,
					func(d Device) error { got = append(got, d.InstallID); return nil }, func([]string) error { return nil })
				want := Tally{Devices: int64(len(row.want)), Unreadable: row.unreadable, Bytes: int64(len(row.blob)), Next: int64(len(row.blob))}
				if err != nil || !slices.Equal(got, row.want) || tally != want {
					t.Errorf("got %v %+v %v, want %v %+v", got, tally, err, row.want, want)
				}
			})
		}
	}
}

// However a blob is cut, every line is read once, and by the span in which it begins.
func TestSpansShareABlob(t *testing.T) {
	t.Parallel()
	m := New([]Person{person(t, "ann", "email=ann@x.com")}, phone.In("DE"))
	var blob strings.Builder
	blob.WriteString("\uFEFF")
	var want []string
	for n := range 12 {
		id := fmt.Sprint("d", n)
		want = append(want, id)
		fmt.Fprintf(&blob, `{"installId":%q,"p":"ann@x.com","x":%q}`+"%s\n", id, strings.Repeat("y", n), []string{"", "\r", "\n"}[n%3])
	}
	s := blob.String()
	for first := int64(0); first <= int64(len(s)); first += 7 {
		for _, second := range []int64{first, first + 1, first + 50, int64(len(s))} {
			var got []string
			bytes := int64(0)
			for _, span := range []Span{{0, first}, {first, second}, {second, 0}} {
				if span.Start > int64(len(s)) || span.Start == 0 && span.End == 0 && first == 0 && second != 0 {
					continue
				}
				tally, err := m.Devices(t.Context(), strings.NewReader(s[max(span.Start-1, 0):]), span, nil,
					func(d Device) error { got = append(got, d.InstallID); return nil }, nil)
				if err != nil || span.End > 0 && tally.Next < span.End && tally.Next < int64(len(s)) {
					t.Fatalf("span %v: %+v %v", span, tally, err)
				}
				bytes += tally.Bytes
			}
			if first == 0 { // {0, 0} means everything
				continue
			}
			if !slices.Equal(got, want) || bytes != int64(len(s)) {
				t.Fatalf("cut at %d and %d: got %v (%d bytes), want %v (%d bytes)", first, second, got, bytes, want, len(s))
			}
		}
	}
}

func TestWorkStopsAtALineEndAndGoesOnThere(t *testing.T) {
	t.Parallel()
	m := New([]Person{person(t, "ann", "email=ann@x.com")}, phone.In("DE"))
	var blob strings.Builder
	for n := range 3000 {
		fmt.Fprintf(&blob, `{"installId":"d%d","p":"ann@x.com","x":%q}`+"\n", n, strings.Repeat("y", 1000))
	}
	s := blob.String()
	var span Span
	seen := map[string]int{}
	calls := 0
	for span.Start < int64(len(s)) {
		calls++
		tally, err := m.Devices(t.Context(), strings.NewReader(s[max(span.Start-1, 0):]), span, func() bool { return false },
			func(d Device) error { seen[d.InstallID]++; return nil }, nil)
		if err != nil || tally.Next <= span.Start || tally.Bytes != tally.Next-span.Start || tally.Bytes > 1<<20 || s[tally.Next-1] != '\n' {
			t.Fatalf("from %d: %+v %v", span.Start, tally, err)
		}
		span.Start = tally.Next
	}
	if len(seen) != 3000 || calls < 3 {
		t.Fatalf("%d devices in %d calls, want 3000 in several", len(seen), calls)
	}
	for id, n := range seen {
		if n != 1 {
			t.Fatalf("%s was read %d times", id, n)
		}
	}
}

func TestMoreIsAskedAtLeastOncePerMiB(t *testing.T) {
	t.Parallel()
	m := New(nil, phone.In(""))
	for _, line := range []int{100, 9 << 20} { // the last one is a single line, too long to be kept
		blob := strings.Repeat(strings.Repeat("\u00e9", line/2-1)+"-\n", max(1, (2<<20)/line))
		asked := 0
		tally, err := m.Devices(t.Context(), strings.NewReader(blob), Span{}, func() bool { asked++; return true }, nil, nil)
		if err != nil || asked < len(blob)>>20 || tally.Bytes != int64(len(blob)) {
			t.Errorf("lines of %d: asked %d times in %d bytes, %v", line, asked, tally.Bytes, err)
		}
	}
}

func TestErrorsComeBackAsTheyAre(t *testing.T) {
	t.Parallel()
	m := New([]Person{person(t, "ann", "email=ann@x.com")}, phone.In("DE"))
	good, bad := `{"installId":"a","p":"ann@x.com"}`+"\n", `{"installId":"b","p":"ann@x.com"`+"\n"
	broken := errors.New("broken")
	fine := func(Device) error { return nil }
	rows := []struct {
		name       string
		r          io.Reader
		device     func(Device) error
		unreadable func([]string) error
		next       int64
	}{
		{"reader", io.MultiReader(strings.NewReader(good+`{"inst`), iotest.ErrReader(broken)), fine, nil, int64(len(good))},
		{"reader in a long line", io.MultiReader(strings.NewReader(good+strings.Repeat("x", maxLine+2)), iotest.ErrReader(broken)), fine, nil, int64(len(good))},
		{"device", strings.NewReader("\n" + good), func(Device) error { return broken }, nil, 1},
		{"unreadable", strings.NewReader(good + bad), fine, func([]string) error { return broken }, int64(len(good))},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			tally, err := m.Devices(t.Context(), row.r, Span{}, nil, row.device, row.unreadable)
			if err != broken || tally.Next != row.next || tally.Bytes != row.next {
				t.Errorf("got %+v %v, want Next %d and the error", tally, err, row.next)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Devices(ctx, strings.NewReader(good), Span{}, nil, fine, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	if _, err := m.Devices(t.Context(), stuck{}, Span{}, nil, fine, nil); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v, want io.ErrNoProgress", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestLongLines(t *testing.T) {
	t.Parallel()
	m := New([]Person{person(t, "ann", "email=ann@x.com")}, phone.In("DE"))
	of := func(length int, mail string) string {
		head, tail := `{"installId":"long","x":"`, `","p":"`+mail+`"}`
		return head + strings.Repeat("y", length-len(head)-len(tail)) + tail
	}
	o := devices(t, m, of(maxLine, "ann@x.com")+"\n"+of(maxLine+1, "ann@x.com")+"\n"+`{"installId":"a","p":"ann@x.com"}`+"\n"+of(maxLine+2, "bob@x.com"))
	if len(o.devices) != 2 || o.devices[0].InstallID != "long" || o.devices[1].InstallID != "a" || o.tally.Devices != 2 || o.tally.Unreadable != 2 ||
		!reflect.DeepEqual(o.unreadable, [][]string{{"ann"}}) {
		t.Fatalf("got %d devices, %v, %+v", len(o.devices), o.unreadable, o.tally)
	}
}

func TestLinesOfNobodyAllocateNothing(t *testing.T) {
	m := New([]Person{person(t, "ann", "email=ann@x.com", "user_id=1234", "phone=+491711234567", "property:plan=gold")}, phone.In("DE"))
	s := scanner{filter: &m.filter}
	lines := [][]byte{
		[]byte(`{"installId":"i","userId":"bob@x.com","customProperties":{"phone":"0171 7654321","n":12.5,"city":"Köln","x":[true,null,{"y":-1}]},"device":{"locale":"de"}}`),
		[]byte(`{"InstallId":"i","Properties":"{\"email\":\"bob@x.org\",\"u\":\"1235\"}"}`),
	}
	for _, line := range lines {
		if !s.plain(line) {
			t.Fatalf("the scanner does not see that %s is nobody's", line)
		}
		if n := testing.AllocsPerRun(100, func() { s.plain(line) }); n != 0 {
			t.Errorf("%v allocations for %s", n, line)
		}
	}
	blob := strings.Repeat(string(lines[0])+"\n"+string(lines[1])+"\n", 2000)
	fixed := testing.AllocsPerRun(5, func() {
		_, _ = m.Devices(context.Background(), strings.NewReader(blob), Span{}, nil, nil, nil)
	})
	if fixed > 20 {
		t.Errorf("%v allocations for 4000 lines", fixed)
	}
}

// Several workers share one matcher.
func TestAMatcherServesSeveralWorkers(t *testing.T) {
	t.Parallel()
	m := New([]Person{person(t, "ann", "email=ann@x.com", "phone=+491711234567")}, phone.In("DE"))
	blob := strings.Repeat(`{"installId":"i","p":"ann@x.com","q":"0171 1234567"}`+"\n"+`{"x":"ann@x.com"}`+"\n", 20)
	done := make(chan int)
	for range 4 {
		go func() {
			hits := 0
			_, _ = m.Devices(context.Background(), strings.NewReader(blob), Span{}, nil, func(Device) error { hits++; return nil }, func([]string) error { hits++; return nil })
			if m.Audience(Audience{Name: "ann@x.com"}).Hits != nil {
				hits++
			}
			done <- hits
		}()
	}
	for range 4 {
		if got := <-done; got != 41 {
			t.Errorf("got %d hits, want 41", got)
		}
	}
}

// A phone number is found by its last six digits first; no region's dialling rules may touch these.
func TestTheFilterSeesEveryPhoneNumberThatTheReaderFinds(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for _, region := range []string{"DE", "US", "GB", "AR", "BR", "MX", "IT", "BS", "SM", "GG", "FR", "CI", "KZ", ""} {
		for range 150 {
			v := make([]byte, 2+random.IntN(14))
			for i := range v {
				v[i] = "0123456789+ -()/."[random.IntN(17)]
			}
			e164, ok := phoneOf(string(v), phone.In(region))
			if !ok {
				continue
			}
			x := newPeople(nil, phone.In(region))
			x.phone[e164] = []int32{0}
			f := newFilter(&x)
			if !f.text(v, true) {
				t.Fatalf("%s: the filter passes over %q, which is the number looked for", region, v)
			}
		}
	}
}
