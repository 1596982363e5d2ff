package console_test

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/intake"
)

// digest is the keyed digest of a device.
func (w *world) digest(id string) string { return w.base.Seal.Digest("object/acme-ios/devices", id) }

// send posts a form in which names may be there more than once.
func (w *world) send(t *testing.T, path string, keep []string, form ...string) answer {
	t.Helper()
	values := url.Values{"keep": keep}
	for n := 0; n < len(form); n += 2 {
		values.Set(form[n], form[n+1])
	}
	return w.do(t, http.MethodPost, path, values)
}

// boxes are the fields of a page for what is kept: for each digest whether it is ticked, or goes along unseen.
func boxes(t *testing.T, body string) map[string]string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(body))
	must(t, err)
	attributes := func(n *html.Node) map[string]string {
		out := map[string]string{}
		for _, a := range n.Attr {
			out[a.Key] = a.Val
		}
		return out
	}
	texts, out := map[string]string{}, map[string]string{}
	for n := range root.Descendants() {
		if a := attributes(n); a["id"] != "" && n.FirstChild != nil && n.FirstChild.Type == html.TextNode {
			texts[a["id"]] = n.FirstChild.Data
		}
	}
	for n := range root.Descendants() {
		a := attributes(n)
		if n.Data != "input" || a["name"] != "keep" {
			continue
		}
		state := a["type"]
		if _, ticked := a["checked"]; ticked {
			state = "ticked"
		}
		out[a["value"]] = state
		if a["type"] == "hidden" {
			continue
		}
		var label []string
		for _, id := range strings.Fields(a["aria-labelledby"]) {
			label = append(label, texts[id])
		}
		if len(label) != 2 || label[0] != "keep" || !strings.HasPrefix(label[1], "install-") || a["form"] != "approve" {
			t.Errorf("a box is called %q, and belongs to the form %q", label, a["form"])
		}
	}
	return out
}

func TestAPlanIsApprovedWithoutWhatIsTicked(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	r := w.file(t, 0)
	job, hash := w.waiting(t, []string{r}, device("install-a", r), device("install-b", r), device("install-c", r))
	path := "/console/jobs/" + job
	want := map[string]string{w.digest("install-a"): "checkbox", w.digest("install-b"): "checkbox", w.digest("install-c"): "checkbox"}
	if got := boxes(t, w.get(t, path+"/plan").body); !reflect.DeepEqual(got, want) {
		t.Errorf("the boxes are %v, want %v", got, want)
	}
	keep := []string{w.digest("install-c"), w.digest("install-a"), w.digest("install-c")}
	form := []string{"plan", hash, "decision", "approve", "looked", "yes", "ground", erase.OtherPerson}
	w.send(t, path+"/decide", keep, form...).goesTo(t, "approving", path+"?done=approve")
	kept := slices.Sorted(slices.Values(keep[:2]))
	if word := (erase.Word{Plan: hash, By: "dpo", Approved: true, Ground: erase.OtherPerson, Keep: kept}); len(w.words) != 1 || !reflect.DeepEqual(w.words[0], word) {
		t.Errorf("the engine was told %+v, want %+v", w.words, word)
	}
	w.get(t, path).holds(t, "the job", http.StatusOK, "approved</span> 2 kept of it: it belongs to somebody else")
	w.send(t, path+"/decide", keep, form...).goesTo(t, "the same again", path+"?done=approve")
	w.send(t, path+"/decide", keep[:1], form...).holds(t, "keeping something else then", http.StatusConflict, "Another plan waits now")
}

func TestTicksAreNotLostByAMistake(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	r := w.file(t, 0)
	job, hash := w.waiting(t, []string{r}, device("install-a", r), device("install-b", r))
	path := "/console/jobs/" + job
	a, b, form := w.digest("install-a"), w.digest("install-b"), []string{"plan", hash, "decision", "approve", "looked", "yes"}
	for name, c := range map[string]struct {
		keep, form []string
		status     int
		says       string
	}{
		"not looked":   {[]string{a}, append(form, "looked", "no", "ground", erase.LegalDuty), 422, `<option value="legal_duty" selected>`},
		"a ground":     {[]string{a}, append(form, "ground", "<b>"), 422, "Choose one of the grounds"},
		"everything":   {[]string{a, b}, form, 422, "If you mean that, reject the plan."},
		"what is not":  {[]string{a, strings.Repeat("0", 64)}, form, 422, "that is not in the plan"},
		"no digest":    {[]string{a, "<b>"}, form, 422, "that is not in the plan"},
		"another plan": {[]string{a, b}, append(form, "plan", strings.Repeat("0", 64)), 409, "Another plan waits now"},
	} {
		page := w.send(t, path+"/decide", c.keep, c.form...)
		page.holds(t, name, c.status, c.says)
		if c.status != 422 {
			continue
		}
		page.holds(t, name, c.status, "Nothing was decided", hash)
		if got := boxes(t, page.body); len(got) != 2 || got[a] != "ticked" || (got[b] == "ticked") != slices.Contains(c.keep, b) {
			t.Errorf("%s: the boxes are %v", name, got)
		}
	}
	if j, err := w.desk.Job(t.Context(), job); err != nil || j.State != intake.Waiting || len(w.words) > 0 {
		t.Errorf("something was decided: %s, %v (%v)", j.State, w.words, err)
	}
	w.send(t, path+"/decide", nil, append(form, "ground", erase.LegalDuty)...).goesTo(t, "a ground for nothing", path+"?done=approve")
	if len(w.words) != 1 || w.words[0].Ground != "" || len(w.words[0].Keep) > 0 {
		t.Errorf("the engine was told %+v", w.words)
	}
}

func TestTicksGoAlongFromPageToPage(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	r := w.file(t, 0)
	var all []object
	for n := range 501 {
		all = append(all, device("install-"+string(rune('a'+n/26))+string(rune('a'+n%26)), r))
	}
	job, hash := w.waiting(t, []string{r}, all...)
	path := "/console/jobs/" + job
	first, last := w.digest("install-aa"), w.digest(all[500].id)
	a := w.get(t, path+"/plan")
	a.holds(t, "the first page", http.StatusOK, `form="approve" formaction="`+path+`/plan?page=2#entries"`, "Nothing of other pages is ticked")
	if strings.Contains(a.body, `href="`+path+`/plan?page=2`) {
		t.Error("a link leads to the next page, and leaves behind what is ticked")
	}
	a = w.send(t, path+"/plan?page=2", []string{first}, "decision", "approve", "plan", hash, "ground", erase.LegalClaims)
	a.holds(t, "the second page", http.StatusOK, "Page 2 of 2.", "<strong>1</strong> of other pages is ticked", `formaction="`+path+`/plan?page=1#entries"`, `<option value="legal_claims" selected>`)
	if got := boxes(t, a.body); len(got) != 2 || got[first] != "hidden" || got[last] != "checkbox" {
		t.Errorf("the boxes of the second page are %v", got)
	}
	a = w.send(t, path+"/decide", []string{first, last}, "plan", hash, "decision", "approve", "page", "2")
	a.holds(t, "not looked", http.StatusUnprocessableEntity, "Page 2 of 2.", `formaction="`+path+`/plan?page=1#entries"`)
	if got := boxes(t, a.body); got[first] != "hidden" || got[last] != "ticked" {
		t.Errorf("after a mistake the boxes are %v", got)
	}
	if len(w.words) > 0 {
		t.Errorf("turning pages decided something: %+v", w.words)
	}
}
