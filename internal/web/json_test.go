package web_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/web"
)

type order struct {
	Name  string          `json:"name"`
	Count int             `json:"count"`
	Share float64         `json:"share"`
	Open  bool            `json:"open"`
	At    time.Time       `json:"at,omitzero"`
	Items []item          `json:"items"`
	More  map[string]int  `json:"more"`
	Any   any             `json:"any"`
	Raw   json.RawMessage `json:"raw"`
	Next  *item           `json:"next"`
}

type item struct {
	Value string `json:"value"`
}

func post(body string, types ...string) *http.Request {
	r := request("POST", "/", body)
	for _, t := range types {
		r.Header.Add("Content-Type", t)
	}
	return r
}

func TestReadJSONTakesWhatFits(t *testing.T) {
	t.Parallel()
	const body = ` {"name":"Änn 😀","count":-3,"share":0.5,"open":true,"at":"2026-01-15T09:00:00Z","items":[{"value":"a"},{"value":""}],
		"more":{"x":1,"y":2},"any":[null,{"a":1}],"raw":{"b":[null,1]},"next":{"value":"n"}} `
	var got order
	as, err := web.ReadJSON(post(body, "application/json; charset=UTF-8"), &got)
	if err != nil {
		t.Fatal(err)
	}
	if string(as) != body {
		t.Errorf("the body is given as %q", as)
	}
	want := order{
		Name: "Änn 😀", Count: -3, Share: 0.5, Open: true, At: time.Date(2026, 1, 15, 9, 0, 0, 0, time.UTC), Items: []item{{"a"}, {""}},
		More: map[string]int{"x": 1, "y": 2}, Any: []any{nil, map[string]any{"a": 1.0}}, Raw: json.RawMessage(`{"b":[null,1]}`), Next: &item{"n"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestReadJSONNamesTheFieldAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`[`, 16) + strings.Repeat(`]`, 16)
	for _, c := range []struct{ body, field, code string }{
		{`{"ann-marker-0815":1}`, "body", "unknown_field"},
		{`{"Name":"x"}`, "body", "unknown_field"},
		{`{"items":[{"value":"a"},{"value":"b","ann-marker-0815":1}]}`, "items[1]", "unknown_field"},
		{`{"name":"ann-marker-0815","name":"x"}`, "name", "duplicate"},
		{`{"any":{"ann-marker-0815":1,"ann-marker-0815":2}}`, "any.*", "duplicate"},
		{`{"raw":{"ann-marker-0815":1,"ann-marker-0815":2}}`, "raw.*", "duplicate"},
		{`{"more":{"ann-marker-0815":1,"ann-marker-0815":2}}`, "more.*", "duplicate"},
		{`{"more":{"ann-marker-0815":"x"}}`, "more.*", "wrong_type"},
		{`{"name":null}`, "name", "wrong_type"},
		{`{"next":null}`, "next", "wrong_type"},
		{`{"at":null}`, "at", "wrong_type"},
		{`{"name":["ann-marker-0815"]}`, "name", "wrong_type"},
		{`{"count":"ann-marker-0815"}`, "count", "wrong_type"},
		{`{"open":"ann-marker-0815"}`, "open", "wrong_type"},
		{`{"items":{"ann-marker-0815":1}}`, "items", "wrong_type"},
		{`{"items":["ann-marker-0815"]}`, "items[0]", "wrong_type"},
		{`"ann-marker-0815"`, "body", "wrong_type"},
		{`[]`, "body", "wrong_type"},
		{`null`, "body", "wrong_type"},
		{`{"count":1.5}`, "count", "bad_value"},
		{`{"count":1e99}`, "count", "bad_value"},
		{`{"share":1e999}`, "share", "bad_value"},
		{`{"at":"ann-marker-0815"}`, "at", "bad_value"},
		{`{"name":"ann-marker-0815\ud800"}`, "name", "bad_value"},
		{`{"any":{"ann-marker-0815\udc00":1}}`, "any.*", "bad_value"},
		{`{"any":` + deep + `}`, "any[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]", "too_deep"},
		{`{"raw":` + deep + `}`, "raw[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]", "too_deep"},
	} {
		_, err := web.ReadJSON(post(c.body, "application/json"), &order{})
		var invalid *intake.Invalid
		if !errors.As(err, &invalid) || len(invalid.Fields) != 1 || invalid.Fields[0].Name != c.field || invalid.Fields[0].Code != c.code {
			t.Errorf("%s: got %+v, want %s at %s", c.body, err, c.code, c.field)
			continue
		}
		if strings.Contains(invalid.Fields[0].Text+invalid.Fields[0].Name, marker) {
			t.Errorf("%s: the error repeats it: %v", c.body, invalid.Fields)
		}
	}
}

func TestReadJSONTellsEverythingThatIsWrongUpToALimit(t *testing.T) {
	t.Parallel()
	var invalid *intake.Invalid
	_, err := web.ReadJSON(post(`{"name":1,"x":2,"items":[{"value":3}]}`, "application/json"), &order{})
	if !errors.As(err, &invalid) || len(invalid.Fields) != 3 {
		t.Errorf("got %+v", err)
	}
	_, err = web.ReadJSON(post(`{"items":[`+strings.Repeat(`1,`, 500)+`1]}`, "application/json"), &order{})
	if !errors.As(err, &invalid) || len(invalid.Fields) != 20 {
		t.Errorf("got %+v", err)
	}
}

func TestReadJSONRefusesWhatIsNoJSONDocument(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"", " ", "{", `{"name":"x"} {}`, `{"name":"x"}x`, `{"name":"x",}`, "{'name':1}", "{\"name\":\"\xff\"}", "\xef\xbb\xbf{}", "{\"name\":\"\x01\"}", `{"count":01}`,
		strings.Repeat("[", 30000),
	} {
		if _, err := web.ReadJSON(post(body, "application/json"), &order{}); !errors.Is(err, web.ErrMalformed) {
			t.Errorf("%.20q: got %v", body, err)
		}
	}
	large := `{"name":"` + strings.Repeat("x", 64<<10) + `"}`
	var tooLarge *http.MaxBytesError
	if _, err := web.ReadJSON(post(large, "application/json"), &order{}); !errors.As(err, &tooLarge) {
		t.Errorf("a large body: got %v", err)
	}
}

func TestReadJSONRefusesOtherTypes(t *testing.T) {
	t.Parallel()
	for _, types := range [][]string{
		nil, {""}, {"text/plain"}, {"application/x-www-form-urlencoded"}, {"application/json-seq"}, {"application/json; charset=latin1"},
		{"application/json", "text/plain"}, {"application/json;;"}, {"application/" + marker},
	} {
		if _, err := web.ReadJSON(post(`{}`, types...), &order{}); !errors.Is(err, web.ErrMediaType) {
			t.Errorf("%q: got %v", types, err)
		}
	}
	r := post(`{}`, "application/json")
	r.Header.Set("Content-Encoding", "gzip")
	if _, err := web.ReadJSON(r, &order{}); !errors.Is(err, web.ErrMediaType) {
		t.Errorf("a compressed body: got %v", err)
	}
}

// FuzzReadJSON: what is taken is what encoding/json reads strictly, and what is said of the rest is made of our own words.
func FuzzReadJSON(f *testing.F) {
	for _, s := range []string{
		`{"name":"x","count":1,"share":0.1,"open":false,"at":"2026-01-15T09:00:00Z","items":[{"value":"v"}],"more":{"a":1},"any":[{}],"raw":[1],"next":{"value":""}}`,
		`{"name":"x","name":"y"}`, `{"NAME":1}`, `{"any":{"\ud800":1}}`, `[[[[`, `{"items":[null]}`, `{"raw":`, `{"at":1}`, `1 2`,
	} {
		f.Add([]byte(s))
	}
	path := regexp.MustCompile(`^(body|name|count|share|open|at|items|more|any|raw|next|value|\.|\*|\[[0-9]+\])+$`)
	f.Fuzz(func(t *testing.T, body []byte) {
		var got, want order
		r := request("POST", "/", string(body))
		r.Header.Set("Content-Type", "application/json")
		as, err := web.ReadJSON(r, &got)
		var invalid *intake.Invalid
		var tooLarge *http.MaxBytesError
		switch {
		case err == nil:
			d := json.NewDecoder(bytes.NewReader(body))
			d.DisallowUnknownFields()
			if err := d.Decode(&want); err != nil || !reflect.DeepEqual(got, want) || !bytes.Equal(as, body) {
				t.Errorf("%q is taken as %+v, want %+v, %v", body, got, want, err)
			}
		case errors.As(err, &invalid):
			for _, field := range invalid.Fields {
				if !path.MatchString(field.Name) {
					t.Errorf("%q: an error names %q", body, field.Name)
				}
			}
		case !errors.Is(err, web.ErrMalformed) && !errors.As(err, &tooLarge):
			t.Errorf("%q: %v", body, err)
		}
	})
}
