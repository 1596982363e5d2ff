package people_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/people"
	"github.com/lethe-dsr/lethe/internal/subject"
)

func read(t *testing.T, file string) people.Result {
	t.Helper()
	got, err := people.Read(strings.NewReader(file), "DE")
	if err != nil {
		t.Fatalf("got problems:\n%v", err)
	}
	return got
}

// plain writes people as type[:name]=value, so that tests can compare them.
func plain(all []subject.Subject) (out [][]string) {
	for _, p := range all {
		var ids []string
		for _, id := range p.Identifiers {
			name := string(id.Type)
			if id.Name != "" {
				name += ":" + id.Name
			}
			ids = append(ids, name+"="+id.Value())
		}
		out = append(out, ids)
	}
	return out
}

func wantPeople(t *testing.T, got people.Result, want ...[]string) {
	t.Helper()
	if !slices.EqualFunc(plain(got.People), want, slices.Equal) {
		t.Errorf("got  %q\nwant %q", plain(got.People), want)
	}
}

func TestEveryColumnIsRead(t *testing.T) {
	t.Parallel()
	got := read(t, `email,phone,user_id,install_id,property:Member ID
 Ann@Example.COM ,0151 1234567,"u,1",0A0B0C0D-0000-4000-8000-000000000001,gold 7
bob@example.com,,,,
,,bob  ,,
`)
	wantPeople(t, got,
		[]string{"email=ann@example.com", "phone=+491511234567", "user_id=u,1", "install_id=0a0b0c0d-0000-4000-8000-000000000001", "property:Member ID=gold 7"},
		[]string{"email=bob@example.com"},
		[]string{"user_id=bob  "},
	)
	if got.Rows != 3 || got.Merged != 0 || got.Short != 3 {
		t.Errorf("got %d rows, %d merged, %d short", got.Rows, got.Merged, got.Short)
	}
}

func TestFormsOfTheFile(t *testing.T) {
	t.Parallel()
	want := [][]string{{"user_id=a,b;c", "email=ann@example.com"}, {"email=bob@example.com", "email=b@example.com"}}
	for name, file := range map[string]string{
		"commas":          "user_id,email,email\n\"a,b;c\",ann@example.com,\n,bob@example.com,b@example.com\n",
		"semicolons":      "user_id;email;email\n\"a,b;c\";ann@example.com;\n;bob@example.com;b@example.com\n",
		"CRLF and a BOM":  "\ufeffuser_id,email,email\r\n\"a,b;c\",ann@example.com,\r\n,bob@example.com,b@example.com\r\n",
		"no last newline": "user_id,email,email\n\"a,b;c\",ann@example.com,\n,bob@example.com,b@example.com",
		"blank lines":     "\n\nuser_id,email,email\n\n\"a,b;c\",ann@example.com,\n  \n\t\n,bob@example.com,b@example.com\n\n\n",
		"upper case":      "USER_ID, Email ,EMAIL\n\"a,b;c\",ann@example.com,\n,bob@example.com,b@example.com\n",
		"a quoted header": "\ufeff\"user_id\",\"email\",\"email\"\n\"a,b;c\",\"ann@example.com\",\n,bob@example.com,b@example.com\n",
		"spare cells":     "user_id,email,email\n\"a,b;c\",ann@example.com,,,,\n,bob@example.com,b@example.com, \n",
		"the same twice":  "user_id,email,email\n\"a,b;c\",ann@example.com,Ann@Example.com\n,bob@example.com,b@example.com",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantPeople(t, read(t, file), want...)
			slow, err := people.Read(iotest.OneByteReader(strings.NewReader(file)), "DE")
			if err != nil {
				t.Fatal(err)
			}
			wantPeople(t, slow, want...)
		})
	}
}

func TestRowsOfOnePersonAreMerged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, file string
		merged     int
		want       [][]string
	}{
		{"a shared e-mail", "email,user_id\nann@x.de,u-1\nbob@x.de,u-2\nANN@x.de,u-3\n", 1,
			[][]string{{"email=ann@x.de", "user_id=u-1", "user_id=u-3"}, {"email=bob@x.de", "user_id=u-2"}}},
		{"a shared phone", "phone,user_id\n0151 1234567,u-1\n+49 (151) 1234567,u-2\n", 1,
			[][]string{{"phone=+491511234567", "user_id=u-1", "user_id=u-2"}}},
		{"a shared user id", "user_id,email\nu-1,a@x.de\nu-1,b@x.de\nU-1,c@x.de\n", 1,
			[][]string{{"user_id=u-1", "email=a@x.de", "email=b@x.de"}, {"user_id=U-1", "email=c@x.de"}}},
		{"a shared install id", "install_id,user_id\n0a0b0c0d-0000-4000-8000-000000000001,u-1\n0A0B0C0D-0000-4000-8000-000000000001,u-2\n", 1,
			[][]string{{"install_id=0a0b0c0d-0000-4000-8000-000000000001", "user_id=u-1", "user_id=u-2"}}},
		{"over several steps, joined by the last row", "user_id,user_id\na,b\nc,d\nx,\ne,f\nf,c\nd,b\n", 4,
			[][]string{{"user_id=a", "user_id=b", "user_id=c", "user_id=d", "user_id=e", "user_id=f"}, {"user_id=x"}}},
		{"over columns of one kind", "email,email\na@x.de,b@x.de\nc@x.de,a@x.de\n", 1,
			[][]string{{"email=a@x.de", "email=b@x.de", "email=c@x.de"}}},
		{"but not over kinds", "user_id,property:user_id\nann-1,\n,ann-1\n", 0,
			[][]string{{"user_id=ann-1"}, {"property:user_id=ann-1"}}},
		{"and not by a property", "email,property:city\na@x.de,Bonn\nb@x.de,Bonn\n,Bonn\n", 0,
			[][]string{{"email=a@x.de", "property:city=Bonn"}, {"email=b@x.de", "property:city=Bonn"}, {"property:city=Bonn"}}},
		{"equal rows of properties", "property:a,property:b\n1,2\n1,3\n1,2\n1,\n1,\n", 2,
			[][]string{{"property:a=1", "property:b=2"}, {"property:a=1", "property:b=3"}, {"property:a=1"}}},
		{"equal rows of properties in columns of one name", "property:a,property:a\n1,2\n2,1\n1,1\n1,\n", 2,
			[][]string{{"property:a=1", "property:a=2"}, {"property:a=1"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := read(t, c.file)
			wantPeople(t, got, c.want...)
			if got.Merged != c.merged || got.Rows-got.Merged != len(got.People) {
				t.Errorf("%d rows, %d merged, want %d merged", got.Rows, got.Merged, c.merged)
			}
		})
	}
}

func TestShortIdentifiersAreCountedOnce(t *testing.T) {
	t.Parallel()
	got := read(t, "user_id,property:p,email,phone\n1234567,,a@b.de,112233\n1234567,日本語日本語日,a@b.de,\n12345678,日本語日本語日本,,\n")
	if got.Short != 2 { // 1234567 and the property of 7 characters
		t.Errorf("got %d", got.Short)
	}
}

// None of the planted values may stand in an error.
func TestProblemsNameLineAndColumn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, file, want string }{
		{"nothing", "", "line 1: the file is empty"},
		{"blank lines only", "\n\n", "line 1: the file is empty"},
		{"a byte order mark only", "\ufeff", "line 1: the file is empty"},
		{"a header only", "email\n\n", "line 1: the file has a header and nobody below it"},
		{"no header", "planted@example.com\nplanted@example.com\n", "line 1, column 1: is no known column"},
		{"an unknown column", "email,planted,user_id\na@x.de,b,c\n", "line 1, column 2: is no known column"},
		{"an unnamed column", "email,\na@x.de,\n", "line 1, column 2: is no known column"},
		{"a property without a name", "property:\nx\n", "line 1, column 1: is no known column"},
		{"a property with a long name", "property:" + strings.Repeat("planted", 20) + "\nx\n", "line 1, column 1: is no known column"},
		{"an e-mail with a name", "email:planted\na@x.de\n", "line 1, column 1: is no known column"},
		{"UTF-16", "\xff\xfee\x00", "line 1: the file is UTF-16"},
		{"no e-mail", "user_id,email\nx,planted\n", "line 2, column 2: email: is not an e-mail address"},
		{"no phone", "phone\nplanted\n", "line 2, column 1: phone: is not a phone number"},
		{"no install id", "install_id\nplanted\n", "line 2, column 1: install_id: is not a UUID"},
		{"Latin-1", "user_id\nplant\xe9d\n", "line 2, column 1: user_id: is not valid UTF-8"},
		{"a long value", "user_id\n" + strings.Repeat("planted", 200) + "\n", "line 2, column 1: user_id: is longer than 1024"},
		{"a word for no value", "user_id\nNULL\n", `line 2, column 1: user_id: is a word for "no value"`},
		{"the zero UUID", "install_id\n00000000-0000-0000-0000-000000000000\n", `line 2, column 1: install_id: is a word for "no value"`},
		{"a row without identifier", "email,user_id\na@x.de,\n , \n", "line 3: has no identifier"},
		{"a row of delimiters", "email,user_id\n,\na@x.de,\n", "line 2: has no identifier"},
		{"a short row", "email,user_id\nplanted\n", "line 2: has 1 cells where the header has 2"},
		{"a long row", "email,user_id\na@x.de,,planted\n", "line 2: has 3 cells where the header has 2"},
		{"a stray quote", "user_id\nplan\"ted\nok\n", "line 2: a quote that is not closed, or stands where none may be"},
		{"an open quote", "user_id\nok\n\"planted\nplanted\n", "line 4: a quote that is not closed, or stands where none may be; the row begins on line 3"},
		{"a stray quote in the header", "user\"_id\nplanted\n", "line 1: a quote"},
		{"after a cell of several lines", "user_id,email\n\"a\nb\",a@x.de\nx,planted\n", "line 4, column 2: email: is not an e-mail address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := people.Read(strings.NewReader(c.file), "")
			got, ok := err.(people.Problems)
			if !ok || len(got) != 1 || !strings.HasPrefix(got[0], c.want) {
				t.Fatalf("got\n%v\nwant one problem: %s …", err, c.want)
			}
			if !fault.Is(err, fault.BadInput) {
				t.Errorf("the fault is %s", fault.NameOf(err))
			}
			if strings.Contains(err.Error(), "plan") {
				t.Errorf("a value is shown: %v", err)
			}
		})
	}
}

func TestAllProblemsComeAtOnce(t *testing.T) {
	t.Parallel()
	_, err := people.Read(strings.NewReader("email,phone\nx,y\na@x.de,\n\nb@x.de\nz,\n,,\n\"\n"), "")
	want := []string{"line 2, column 1", "line 2, column 2", "line 5", "line 6, column 1", "line 7", "line 8"}
	got, _ := err.(people.Problems)
	var places []string
	for _, p := range got {
		place, _, _ := strings.Cut(p, ":")
		places = append(places, place)
	}
	if !slices.Equal(places, want) {
		t.Errorf("got\n%v\nwant %q", err, want)
	}
}

func TestTheListOfProblemsIsBounded(t *testing.T) {
	t.Parallel()
	_, err := people.Read(strings.NewReader("email\n"+strings.Repeat("planted\n", 1234)), "")
	got, _ := err.(people.Problems)
	if len(got) != 51 || got[50] != "and 1184 more" || strings.Contains(err.Error(), "planted") {
		t.Errorf("got %d problems, the last: %s", len(got), got[max(0, len(got)-1)])
	}
}

func TestAnEarlierProblemDoesNotHideTheRest(t *testing.T) {
	t.Parallel()
	// Two bad columns: the rows cannot be read, but both columns are named.
	_, err := people.Read(strings.NewReader("mail,email,tel\na@x.de,a@x.de,1\n"), "")
	if got, _ := err.(people.Problems); len(got) != 2 {
		t.Errorf("got\n%v", err)
	}
}

func TestAFileThatBreaksOffGivesNobody(t *testing.T) {
	t.Parallel()
	broken := io.MultiReader(strings.NewReader("user_id\nann\nbob\n"), iotest.ErrReader(errors.New("open /home/planted/people.csv: gone")))
	got, err := people.Read(broken, "")
	if !fault.Is(err, fault.BadInput) || strings.Contains(err.Error(), "planted") || len(got.People) != 0 {
		t.Errorf("got %d people, error %v", len(got.People), err)
	}
	if _, err := people.Read(iotest.ErrReader(errors.New("planted")), ""); !fault.Is(err, fault.BadInput) || strings.Contains(err.Error(), "planted") {
		t.Errorf("got %v", err)
	}
}

func TestAPersonIsNoLargerThanARequest(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	file.WriteString("email,user_id\nann@x.de,ann\n")
	for n := range 20_000 {
		fmt.Fprintf(&file, "office@x.de,planted-%d\n", n)
	}
	_, err := people.Read(&file, "")
	got, _ := err.(people.Problems)
	if len(got) != 1 || !strings.HasPrefix(got[0], "line 3: the person who begins here has more identifiers") || strings.Contains(err.Error(), "planted") {
		t.Errorf("got %v", err)
	}
}

func TestAHundredThousandPeople(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	file.WriteString("email,phone,user_id\n")
	for n := range 100_000 {
		fmt.Fprintf(&file, "user%d@example.com,,u-%d\n", n, n%50_000)
	}
	got := read(t, file.String())
	if len(got.People) != 50_000 || got.Merged != 50_000 || got.Rows != 100_000 {
		t.Errorf("got %d people of %d rows, %d merged", len(got.People), got.Rows, got.Merged)
	}
}

func BenchmarkRead(b *testing.B) {
	var file bytes.Buffer
	file.WriteString("email,phone,user_id\n")
	for n := range 100_000 {
		fmt.Fprintf(&file, "user%d@example.com,+49151%07d,u-%d\n", n, n, n)
	}
	b.SetBytes(int64(file.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := people.Read(bytes.NewReader(file.Bytes()), "DE"); err != nil {
			b.Fatal(err)
		}
	}
}
