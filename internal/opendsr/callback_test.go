package opendsr_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

const hook = "https://examplecontroller.com/opendsr/callbacks"

// events are the events of a request in their order.
func (w *world) events() (out []ledger.Event) {
	w.t.Helper()
	must(w.t, w.base.Ledger.Outbox(w.t.Context(), func(e ledger.Event) error { out = append(out, e); return nil }))
	return out
}

func TestCallbacksTellEachChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	certificate, key := pair()
	w.configure(certificate, key)
	p := w.listen()
	w.call("cdp", "POST", "/v2/requests", body(map[string]any{"status_callback_urls": []string{hook}})).want(201)
	w.pass(time.Hour)
	w.work(id, ledger.Erased)

	events := w.events()
	if len(events) != 3 { // pending, running, erased
		t.Fatalf("got %d events", len(events))
	}
	v := w.view("cdp", id)
	var last statusBody
	for n, e := range events {
		b, h, err := p.Callback(v, e, hook)
		must(t, err)
		checkSignature(t, w.pub, h, b)
		again, _, err := p.Callback(v, e, hook)
		must(t, err)
		if string(again) != string(b) {
			t.Errorf("told in other words at the second attempt: %s, %s", b, again)
		}
		last = statusBody{}
		must(t, json.Unmarshal(b, &last))
		d := last.Extensions[domain]
		if h.Get("Content-Type") != "application/json" || last.URL == nil || *last.URL != hook || last.ID != id || last.Controller != "acme-1" || string(last.Results) != "null" ||
			last.Expected != "2096-04-01T12:00:00Z" || d.Event != e.ID() || d.Kind != "status" || d.Status != string(e.Status) {
			t.Errorf("%d: got %s", n, b)
		}
		if n == 0 && (last.Status != "pending" || d.Ended || d.Outcomes != nil || d.Certificate != "" || d.Changed != "2096-03-01T12:00:00Z") {
			t.Errorf("what came later is told with the first event: %s", b)
		}
	}
	if d := last.Extensions[domain]; last.Status != "completed" || !d.Ended || len(d.Outcomes) != 2 || d.Certificate == "" {
		t.Errorf("the last one tells %+v", last)
	}
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	certificate, key := pair()
	w.configure(certificate, key)
	p := w.listen()
	w.call("cdp", "POST", "/v2/requests", body(nil)).want(201)
	v := w.view("cdp", id)
	for _, c := range []struct {
		status  ledger.Status
		settled bool
		want    string
		ended   bool
	}{
		{ledger.Unverified, false, "pending", false},
		{ledger.Pending, false, "pending", false},
		{ledger.Running, false, "in_progress", false},
		{ledger.InReview, false, "in_progress", false},
		{ledger.Partial, false, "in_progress", false},
		{ledger.Failed, false, "in_progress", false},
		{ledger.Partial, true, "completed", true},
		{ledger.Erased, false, "completed", true},
		{ledger.NothingFound, false, "completed", true},
		{ledger.Cancelled, false, "cancelled", true},
		{ledger.Denied, false, "cancelled", true},
		{ledger.Abandoned, false, "cancelled", true},
	} {
		b, _, err := p.Callback(v, ledger.Event{Request: v.ID, Number: 1, Kind: "status", Status: c.status, Settled: c.settled, At: start}, hook)
		must(t, err)
		var got statusBody
		must(t, json.Unmarshal(b, &got))
		if d := got.Extensions[domain]; got.Status != c.want || d.Status != string(c.status) || d.Settled != c.settled || d.Ended != c.ended {
			t.Errorf("%s, settled %v: got %s", c.status, c.settled, b)
		}
	}
}

func TestADenialTellsItsGround(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.call("cdp", "POST", "/v2/requests", body(nil)).want(201)
	_, err := w.desk.Deny(t.Context(), w.view("cdp", id).ID, "unfounded")
	must(t, err)
	var got statusBody
	w.call("cdp", "GET", "/v2/requests/"+id, "").want(200).into(&got)
	if d := got.Extensions[domain]; got.Status != "cancelled" || d.Status != "denied" || d.Ground != "unfounded" {
		t.Errorf("got %+v", got)
	}
}
