package people

import (
	"strings"
	"testing"
)

func TestRowsAreBounded(t *testing.T) {
	t.Parallel()
	if _, err := read(strings.NewReader("user_id\na\n\nb\nc\n\n"), "", 3, 1000); err != nil {
		t.Errorf("three rows of three: %v", err)
	}
	_, err := read(strings.NewReader("user_id\na\n\nb\nc\nplanted\nplanted\n"), "", 3, 1000)
	if want := "line 6: the file has more than 3 people; split it"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestBytesAreBounded(t *testing.T) {
	t.Parallel()
	file := "user_id\n" + strings.Repeat("planted\n", 100)
	if got, err := read(strings.NewReader(file), "", 1000, int64(len(file))); err != nil || got.Rows != 100 {
		t.Errorf("got %d rows, %v", got.Rows, err)
	}
	for _, endless := range []string{file + "x", `user_id` + "\n" + `"` + strings.Repeat("planted", 1000)} {
		_, err := read(strings.NewReader(endless), "", 1000, int64(len(file)))
		if want := "the file is too large; split it"; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
