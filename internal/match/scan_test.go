package match

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/lethe-dsr/lethe/internal/phone"
)

// both reads a blob with and without the scanner.
func both(t interface{ Fatalf(string, ...any) }, m *Matcher, blob string) (fast, slow outcome) {
	one := func(readAll bool) (o outcome) {
		s := session{m: m, ctx: context.Background(), readAll: readAll,
			device:     func(d Device) error { o.devices = append(o.devices, d); return nil },
			unreadable: func(refs []string) error { o.unreadable = append(o.unreadable, refs); return nil }}
		s.scanner.filter = &m.filter
		var err error
		if o.tally, err = s.run(strings.NewReader(blob)); err != nil {
			t.Fatalf("%q: %v", blob, err)
		}
		return o
	}
	return one(false), one(true)
}

func crowded(t testing.TB) *Matcher {
	return New([]Person{
		person(t, "ann", "email=ann@x.com", "user_id=1234", "property:plan=gold"),
		person(t, "bob", "phone=+491711234567", "install_id="+ids+"b2", "user_id= Bob ", "property:k=K"),
		person(t, "kim", "email=kälte@x.com", "user_id=Kö@1", "property:n=12.50", "property:vip=false"),
		person(t, "num", "user_id=1000", "user_id=1e3", "property:z=-0", "email=kim@x.com"),
		person(t, "abroad", "phone=+12125551234"),
	}, phone.In("DE"))
}

// nasty draws lines that are nearly devices.
func nasty(t *rapid.T) string {
	words := []string{
		"ann@x.com", " ANN@X.com\t", "joann@x.com", "1234", "12345", "gold", "0171 1234567", "+49 (0)171-1234567", "491711234567", "+1 212 555 1234", ids + "B2", " " + ids + "b2",
		" Bob ", "Bob", "KÄLTE@x.com", "ka\u0308lte@x.com", "\u212Aim@x.com", "Kö@1", "\u212A", "K", "\u00a0ann@x.com", "\u00a0" + ids + "b2", "\u202a+491711234567\u202c", "+４９ 171 1234567",
		"１７１ 1234567", "東京", "", " ", "true", "false", "12.5", "-0", "1e3", "\U0001F600", "{", "[1", `{"a":"ann@x.com"}`, `[{"name":"plan","type":"string","value":"gold"}]`, `{"a":`, "\x7f", "\u2028",
	}
	word := rapid.SampledFrom(words)
	quote := func(s string) string {
		switch rapid.IntRange(0, 5).Draw(t, "escape") {
		case 0: // everything escaped
			var b strings.Builder
			for _, r := range s {
				if r >= 0x10000 {
					r -= 0x10000
					fmt.Fprintf(&b, `\u%04x\u%04X`, 0xD800+r>>10, 0xDC00+r&0x3FF)
				} else {
					fmt.Fprintf(&b, `\u%04x`, r)
				}
			}
			return `"` + b.String() + `"`
		case 1: // somewhat wrong
			return rapid.SampledFrom([]string{`"\ud800"`, `"\x"`, `"\u12"`, "\"\x80\"", "\"\t\"", `"`, `"\"`, `"\/\b\f\n\r\t\\\""`, `"a\u0000"`, "\"ann@x.com\xff\""}).Draw(t, "wrong")
		}
		b, _ := json.Marshal(s)
		return string(b)
	}
	space := rapid.SampledFrom([]string{"", "", "", " ", "\t", " \r", "\f"})
	if rapid.Bool().Draw(t, "tidy") {
		space = rapid.Just("")
	}
	key := rapid.SampledFrom([]string{"installId", "InstallId", "install_id", "installationId", "deviceId", "-device-ID", "userId", "USER-ID", "properties", "customProperties", "_custom_properties",
		"tags", "device", "osBuild", "plan", "n", "vip", "k", "z", "phone", "name", "type", "value", "clé", "", "installIdentifier"})
	number := rapid.SampledFrom([]string{"1234", "1234.0", "1.234e3", "1e3", "1000", "12.5", "12.500", "12.5e0", "-0", "-0.0", "0", "01", "1.", "-", "1e", "491711234567", "1711234567", "171123456.7", "1711234567.0", "1e99", "1.0E+0003", "12125551234"})
	var object, list func(depth int) string
	value := func(depth int) string {
		if depth > 3 {
			return quote(word.Draw(t, "word"))
		}
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			return object(depth + 1)
		case 1:
			return list(depth + 1)
		case 2, 3:
			return number.Draw(t, "number")
		case 4:
			return rapid.SampledFrom([]string{"true", "false", "null", "tru", "nulll", "True"}).Draw(t, "word")
		case 5:
			return quote(object(depth + 1))
		default:
			return quote(word.Draw(t, "word"))
		}
	}
	join := func(parts []string, open, end string) string {
		comma := rapid.SampledFrom([]string{",", ",", ",", ",", ", ", ",,", ""}).Draw(t, "comma")
		if len(parts) < 2 {
			comma = ""
		}
		return open + space.Draw(t, "space") + strings.Join(parts, comma) + space.Draw(t, "space") + end
	}
	object = func(depth int) string {
		var parts []string
		for range rapid.IntRange(0, 4).Draw(t, "members") {
			k := key.Draw(t, "key")
			quoted, _ := json.Marshal(k)
			if rapid.IntRange(0, 15).Draw(t, "odd key") == 0 {
				quoted = []byte(quote(k))
			}
			parts = append(parts, string(quoted)+space.Draw(t, "space")+":"+space.Draw(t, "space")+value(depth))
		}
		return join(parts, "{", "}")
	}
	list = func(depth int) string {
		var parts []string
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			parts = append(parts, value(depth))
		}
		return join(parts, "[", "]")
	}
	line := object(0)
	if rapid.IntRange(0, 3).Draw(t, "named") > 0 { // so that most lines are devices
		line = `{"installId":"i"` + strings.TrimPrefix(strings.Replace(","+line[1:], ",}", "}", 1), ", ")
	}
	switch rapid.IntRange(0, 12).Draw(t, "end") {
	case 0:
		return line[:rapid.IntRange(0, len(line)).Draw(t, "cut")]
	case 1:
		return line + rapid.SampledFrom([]string{"}", " ", "\r", "x", "\uFEFF", "{}"}).Draw(t, "tail")
	}
	return line
}

// The scanner may only leave out what the reader would not have found.
func TestScannerAndReaderAgree(t *testing.T) {
	t.Parallel()
	m := crowded(t)
	readable, hits, plain := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		line := nasty(t)
		fast, slow := both(t, m, line)
		if !reflect.DeepEqual(fast, slow) {
			t.Fatalf("%q:\nwith the scanner    %+v\nwithout the scanner %+v", line, fast, slow)
		}
		readable += int(slow.tally.Devices)
		hits += len(slow.devices)
		if s := (scanner{filter: &m.filter}); s.plain([]byte(line)) {
			plain++
		}
	})
	if readable == 0 || hits == 0 || plain == 0 {
		t.Errorf("%d readable lines, %d hits, %d proved by the scanner: the lines do not test it", readable, hits, plain)
	}
}

// What the scanner proves must be so: JSON, an object, UTF-8.
func FuzzDevices(f *testing.F) {
	for _, s := range []string{
		`{"installId":"i","p":"ann@x.com"}`, `{"installId":"i","properties":"{\"a\":[1,2.0,\"\\u0041nn@x.com\"]}"}`, `{"deviceId":"i","tags":["1234"],"n":1234.0}`,
		"\uFEFF{\"installId\":\"i\",\"c\":\"K\u00f6\"}\r\n\r\n{\"installId\":", `{"installId":"i","a":{"b":[true,false,null,-0.5e+3]}}`, `{"installId":"\ud83d\ude00","userId":"0171 1234567"}`, "{\"installId\":\"i\",\"p\":\"\xff\"}",
		`{"installId":"i","properties":[{"type":"clear","name":"plan","value":"gold"},{"name":"plan","value":"gold"}]}`, `{"installId":"i"}x`, strings.Repeat(`{"a":`, 70) + "1" + strings.Repeat("}", 70),
	} {
		f.Add(s)
	}
	m := crowded(f)
	f.Fuzz(func(t *testing.T, blob string) {
		fast, slow := both(t, m, blob)
		if !reflect.DeepEqual(fast, slow) {
			t.Fatalf("%q:\nwith the scanner    %+v\nwithout the scanner %+v", blob, fast, slow)
		}
		for line := range strings.SplitSeq(blob, "\n") {
			s := scanner{filter: &m.filter}
			if s.plain([]byte(line)) && (!json.Valid([]byte(line)) || !utf8.ValidString(line) || strings.TrimLeft(line, " \t\r")[0] != '{') {
				t.Fatalf("the scanner takes %q for a device", line)
			}
		}
	})
}

// Strings decode to what encoding/json makes of them.
func FuzzUnescape(f *testing.F) {
	for _, s := range []string{`a\"\\\/\b\f\n\r\t`, `\u0041\u00e9\u20AC`, `\ud83d\ude00`, `\ud83d`, `\ud83d\u0041`, `\ude00\ud83d\ude00`, `\u12`, `\x`, `\`, `\ud83d\`, `\ud83d\u`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, content string) {
		quoted := []byte(`"` + content + `"`)
		end, _, _ := scanString(quoted, 1)
		var want string
		valid := utf8.ValidString(content) && json.Unmarshal(quoted, &want) == nil
		if end != len(quoted)-1 {
			if valid {
				t.Errorf("%q ends at %d, want %d", quoted, end, len(quoted)-1)
			}
			return
		}
		got, ok := unescape(nil, []byte(content))
		if utf8.ValidString(content) && ok != valid || valid && string(got) != want {
			t.Errorf("%q decodes to %q, %v; want %q, %v", content, got, ok, want, valid)
		}
	})
}
