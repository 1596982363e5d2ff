package page_test

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/page"
)

func fetch(t *testing.T, method, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	mux := http.NewServeMux()
	page.Register(mux)
	r := httptest.NewRequest(method, path, nil)
	if len(header) == 2 {
		r.Header.Set(header[0], header[1])
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

func TestBrowsersKeepTheStyleSheetForAsLongAsItIsTheSame(t *testing.T) {
	t.Parallel()
	w, err := write(t, parse(t, nil, "a.html", "x"), "a.html", page.Page{})
	if err != nil {
		t.Fatal(err)
	}
	linked := regexp.MustCompile(`rel="stylesheet" href="([^"]+)"`).FindStringSubmatch(w.Body.String())
	if linked == nil {
		t.Fatalf("no style sheet in\n%s", w.Body)
	}
	s := fetch(t, "GET", linked[1])
	if s.Code != http.StatusOK || s.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" || s.Header().Get("Content-Type") != "text/css; charset=utf-8" || s.Body.Len() < 1000 {
		t.Errorf("%s: %d %v, %d bytes", linked[1], s.Code, s.Header(), s.Body.Len())
	}
	for _, path := range []string{page.StylePath, page.StylePath + "?v=old", page.IconPath} {
		s := fetch(t, "GET", path)
		if s.Code != http.StatusOK || s.Header().Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d %v", path, s.Code, s.Header())
		}
		tag := s.Header().Get("ETag")
		if again := fetch(t, "GET", path, "If-None-Match", tag); tag == "" || strings.HasPrefix(tag, "W/") || again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%s: ETag %s, then %d", path, tag, again.Code)
		}
	}
	if s := fetch(t, "POST", page.StylePath); s.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", s.Code)
	}
}

// luminance and contrast are those of WCAG 2.2.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	var sum float64
	for n, weight := range []float64{0.2126, 0.7152, 0.0722} {
		v, err := strconv.ParseUint(hex[1+2*n:3+2*n], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(v) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

func contrast(t *testing.T, a, b string) float64 {
	la, lb := luminance(t, a), luminance(t, b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func TestColoursDifferEnoughToRead(t *testing.T) {
	t.Parallel()
	css := fetch(t, "GET", page.StylePath).Body.String()
	schemes := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(css, 2)
	if len(schemes) != 2 {
		t.Fatalf("%d colour schemes", len(schemes))
	}
	for n, scheme := range schemes {
		colour := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`).FindAllStringSubmatch(scheme[1], -1) {
			colour[m[1]] = m[2]
		}
		check := func(least float64, over string, grounds ...string) {
			for _, under := range grounds {
				a, b := colour[over], colour[under]
				if a == "" || b == "" {
					t.Fatalf("scheme %d lacks %s or %s", n, over, under)
				}
				if c := contrast(t, a, b); c < least {
					t.Errorf("scheme %d: %s on %s is %s, want %v", n, over, under, fmt.Sprintf("%.2f", c), least)
				}
			}
		}
		check(4.5, "ink", "ground", "sheet", "plain-ground", "ok-ground", "wait-ground", "bad-ground")
		check(4.5, "soft", "ground", "sheet", "plain-ground")
		check(4.5, "accent", "ground", "sheet", "ok-ground", "wait-ground", "bad-ground", "plain-ground")
		check(4.5, "accent-strong", "ground", "sheet", "plain-ground")
		check(4.5, "on-accent", "accent", "accent-strong")
		check(4.5, "ok", "ok-ground", "ground", "sheet")
		check(4.5, "wait", "wait-ground", "ground", "sheet")
		check(4.5, "bad", "bad-ground", "ground", "sheet")
		check(3, "edge", "ground", "sheet")
		check(3, "focus", "ground", "sheet", "bad-ground")
	}
}
