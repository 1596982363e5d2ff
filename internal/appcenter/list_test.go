package appcenter_test

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/appcenter"
	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/fault"
)

// all follows a list to its end.
func all[T any](ctx context.Context, t *testing.T, page func(context.Context, string) ([]T, string, error)) []T {
	t.Helper()
	var out []T
	for link, n := "", 0; n == 0 || link != ""; n++ {
		items, next, err := page(ctx, link)
		if err != nil || n > 50 {
			t.Fatalf("page %d: %v", n, err)
		}
		if strings.Contains(next, "://") {
			t.Errorf("next holds a host")
		}
		out, link = append(out, items...), next
	}
	return out
}

func TestListsAreFollowedToTheirEnd(t *testing.T) {
	t.Parallel()
	for _, row := range []appcentertest.Behaviour{
		{AudiencePage: 1, NextLink: appcentertest.Absolute, End: appcentertest.Absent},
		{AudiencePage: 2, NextLink: appcentertest.Relative, End: appcentertest.Null},
		{AudiencePage: 2, NextLink: appcentertest.QueryOnly, End: appcentertest.EmptyString},
		{AudiencePage: 1, NextLink: appcentertest.Forgetful, End: appcentertest.Absent},
	} {
		app, ids := many(501)
		app.Behaviour = row
		s := serve(t, app)
		var names []string
		for _, a := range all(t.Context(), t, s.Client.Audiences) {
			names = append(names, a.Name)
		}
		if want := []string{"gold", "a/b c%41?#ü", "france"}; !reflect.DeepEqual(names, want) {
			t.Errorf("%+v: got %q, want %q, the disabled one too", row, names, want)
		}
		var got []string
		for _, n := range all(t.Context(), t, s.Client.Notifications) {
			got = append(got, n.ID)
		}
		if !reflect.DeepEqual(got, ids) {
			t.Errorf("%+v: %d notifications, want all %d, archived ones too", row, len(got), len(ids))
		}
		if got := len(s.Calls(appcentertest.ListNotifications)); got != 2 {
			t.Errorf("%+v: %d calls for 501 notifications, want 2", row, got)
		}
	}
}

func TestALinkToAnotherHostIsRefused(t *testing.T) {
	t.Parallel()
	app, _ := many(501)
	app.Behaviour = appcentertest.Behaviour{AudiencePage: 1, NextLink: appcentertest.Foreign}
	s := serve(t, app)
	_, _, audiences := s.Client.Audiences(t.Context(), "")
	_, _, notifications := s.Client.Notifications(t.Context(), "")
	_, _, stored := s.Client.Audiences(t.Context(), "//elsewhere.example/v0.1")
	for _, err := range []error{audiences, notifications, stored} {
		if !fault.Is(err, fault.ForeignLink) {
			t.Errorf("got %v, want ForeignLink", err)
		}
	}
}

func TestAPageThatNamesItselfAsNextIsMalformed(t *testing.T) {
	t.Parallel()
	app, _ := many(501)
	app.Behaviour = appcentertest.Behaviour{AudiencePage: 2, NextLink: appcentertest.SelfLoop}
	s := serve(t, app)
	if _, _, err := s.Client.Audiences(t.Context(), ""); !fault.Is(err, fault.MalformedAnswer) {
		t.Errorf("audiences: got %v, want MalformedAnswer", err)
	}
	if _, _, err := s.Client.Notifications(t.Context(), ""); !fault.Is(err, fault.MalformedAnswer) {
		t.Errorf("notifications: got %v, want MalformedAnswer", err)
	}
}

func TestAudiencesHaveTheirFields(t *testing.T) {
	t.Parallel()
	s := serve(t, world())
	got, next, err := s.Client.Audiences(t.Context(), "")
	want := []appcenter.Audience{
		{Name: "gold", Description: "gold plan", Definition: "plan eq 'gold'", State: "Ready"},
		{Name: "a/b c%41?#ü", Definition: "email eq 'ann@example.com'", State: "Disabled"},
		{Name: "france", Definition: "carrierCountry eq 'FR'", State: "Ready"},
	}
	if err != nil || next != "" || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %q, %v", got, next, err)
	}
}

func TestAudiencesThatAListShowsWithoutDefinitionAreReadOneByOne(t *testing.T) {
	t.Parallel()
	full, app := serve(t, world()), world()
	app.Behaviour = appcentertest.Behaviour{BareAudiences: true, AudiencePage: 2}
	s := serve(t, app)
	if got, want := all(t.Context(), t, s.Client.Audiences), all(t.Context(), t, full.Client.Audiences); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want what a list with definitions gives, %+v", got, want)
	}
	if one, none := len(s.Calls(appcentertest.GetAudience)), len(full.Calls(appcentertest.GetAudience)); one != 3 || none != 0 {
		t.Errorf("%d calls for 3 audiences without definition, %d for those with one", one, none)
	}
	s.Fail(appcentertest.Fault{Op: appcentertest.GetAudience, Object: "gold", Status: 404}) // gone since it was listed
	if got := all(t.Context(), t, s.Client.Audiences); len(got) != 2 || got[0].Name != "a/b c%41?#ü" {
		t.Errorf("got %+v, want all but the one that is gone", got)
	}
}

func TestOnlyAudiencesWithoutDefinitionAreReadAgain(t *testing.T) {
	t.Parallel()
	s := serve(t, world())
	s.Fail(
		appcentertest.Fault{Op: appcentertest.ListAudiences, Body: `{"values":[{"name":"a","definition":""},{"name":"gold","description":"old","definition":null},
			{"name":"france","description":"kept"},{"name":"b","definition":"x eq 'y'"}]}`},
		appcentertest.Fault{Op: appcentertest.GetAudience, Object: "france", Body: `{"definition":""}`},
	)
	got, _, err := s.Client.Audiences(t.Context(), "")
	want := []appcenter.Audience{
		{Name: "a"}, {Name: "gold", Description: "gold plan", Definition: "plan eq 'gold'"},
		{Name: "france", Description: "kept"}, {Name: "b", Definition: "x eq 'y'"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if got := len(s.Calls(appcentertest.GetAudience)); got != 2 {
		t.Errorf("%d audiences were read, want the 2 without definition", got)
	}
}

func TestANotificationHasEverythingThatMayNameAPerson(t *testing.T) {
	t.Parallel()
	s := serve(t, world())
	got, found, err := s.Notification(t.Context(), "n-1")
	want := appcenter.Notification{
		ID: "n-1", Name: "to ann", Title: "Hello", Body: "Dear ann@example.com",
		Data: map[string][]any{"mail": {"ann@example.com"}}, TargetType: "devices_target", Devices: []string{install},
	}
	if err != nil || !found || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, %v", got, found, err)
	}
	if got, _, err := s.Notification(t.Context(), "n-3"); err != nil || !reflect.DeepEqual(got.UserIDs, []string{"bob"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, found, err := s.Notification(t.Context(), "no-such"); err != nil || found {
		t.Errorf("a missing one: found %v, %v", found, err)
	}
}

func TestANotificationOfAnUnusualShape(t *testing.T) {
	t.Parallel()
	s := serve(t, world())
	s.Fail(appcentertest.Fault{Op: appcentertest.GetNotification, Body: "\ufeff" + `{"notification_id":"N-1","name":"list name","state":"New",
		"notification_target":{"type":"account_ids_target","account_ids":["a"],"audiences":["x"]},
		"notification_content":{"name":"content name","title":null,"custom_data":
			{"k":"first","k":12345678901234567890.50,"o":{"in":[1,null,true],"in":"again"},"e":{}}}}`})
	got, found, err := s.Notification(t.Context(), "n-1")
	want := appcenter.Notification{
		ID: "N-1", Name: "content name\nlist name", TargetType: "account_ids_target", AccountIDs: []string{"a"}, Audiences: []string{"x"},
		Data: map[string][]any{
			"k": {"first", json.Number("12345678901234567890.50")},
			"o": {map[string]any{"in": []any{[]any{json.Number("1"), nil, true}, "again"}}},
			"e": {map[string]any{}},
		},
	}
	if err != nil || !found || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, %v\nwant %+v", got, found, err, want)
	}
}
