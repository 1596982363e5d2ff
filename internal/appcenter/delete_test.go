package appcenter_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/fault"
)

func TestDeleteInstall(t *testing.T) {
	t.Parallel()
	s := serve(t, world())
	for _, want := range []bool{false, true} {
		already, err := s.DeleteInstall(t.Context(), install)
		if err != nil || already != want {
			t.Errorf("got already %v, %v, want %v", already, err, want)
		}
	}
	if got := s.Devices(key); len(got) != 1 || got[0].UserID != "bob" {
		t.Errorf("left: %v", got)
	}
}

func TestDeleteInstallThatFails(t *testing.T) {
	t.Parallel()
	s := serve(t, world())
	s.Fail(appcentertest.Fault{Op: appcentertest.DeleteInstall, Status: 500})
	if _, err := s.DeleteInstall(t.Context(), install); !fault.Is(err, fault.Unavailable) || len(s.Devices(key)) != 2 {
		t.Errorf("failed, nothing happened: got %v and %d devices", err, len(s.Devices(key)))
	}
	s.Heal()
	// The first attempt deletes and its answer is lost; the second one finds nothing any more.
	s.Fail(appcentertest.Fault{Op: appcentertest.DeleteInstall, Times: 1, Status: 500, AfterEffect: true})
	if already, err := s.DeleteInstall(t.Context(), install); err != nil || !already || len(s.Devices(key)) != 1 {
		t.Errorf("failed, but it happened: got already %v, %v and %d devices", already, err, len(s.Devices(key)))
	}
}

func TestDeleteAudienceByAnyName(t *testing.T) {
	t.Parallel()
	app := world()
	app.Audiences = append(app.Audiences, appcentertest.Audience{Name: "100% +1 &x=y;z"}, appcentertest.Audience{Name: "..."}, appcentertest.Audience{Name: "a%2Fb"}, appcentertest.Audience{Name: "a/b"})
	s := serve(t, app)
	left := len(app.Audiences)
	for _, a := range app.Audiences {
		for _, want := range []bool{false, true} {
			already, err := s.DeleteAudience(t.Context(), a.Name)
			if err != nil || already != want {
				t.Errorf("%q: got already %v, %v, want %v", a.Name, already, err, want)
			}
		}
		left--
		if got := len(s.Server.Audiences(key)); got != left {
			t.Errorf("%q: %d audiences left, want %d", a.Name, got, left)
		}
	}
}

func TestDeleteAudienceThatFails(t *testing.T) {
	t.Parallel()
	s := serve(t, world())
	s.Fail(appcentertest.Fault{Op: appcentertest.DeleteAudience, Status: 503, Code: 503})
	if _, err := s.DeleteAudience(t.Context(), "gold"); !fault.Is(err, fault.Unavailable) || len(s.Server.Audiences(key)) != 3 {
		t.Errorf("failed, nothing happened: got %v and %d audiences", err, len(s.Server.Audiences(key)))
	}
	s.Heal()
	s.Fail(appcentertest.Fault{Op: appcentertest.DeleteAudience, Times: 1, CloseConnection: true, AfterEffect: true})
	if already, err := s.DeleteAudience(t.Context(), "gold"); err != nil || !already || len(s.Server.Audiences(key)) != 2 {
		t.Errorf("failed, but it happened: got already %v, %v and %d audiences", already, err, len(s.Server.Audiences(key)))
	}
}

// many is a world of n notifications, n-0 and on.
func many(n int) (app appcentertest.App, ids []string) {
	app = world()
	app.Notifications = nil
	for i := range n {
		ids = append(ids, fmt.Sprintf("n-%d", i))
		app.Notifications = append(app.Notifications, appcentertest.Notification{ID: ids[i], Name: "x", Body: "y", Archived: i%2 == 0})
	}
	return app, ids
}

func TestDeleteNotificationsGoesInHundreds(t *testing.T) {
	t.Parallel()
	app, ids := many(251)
	s := serve(t, app)
	already, err := s.DeleteNotifications(t.Context(), ids[:250])
	if err != nil || len(already) > 0 {
		t.Errorf("got already %v, %v", already, err)
	}
	if got := s.Server.Notifications(key); len(got) != 1 || got[0].ID != ids[250] {
		t.Errorf("%d notifications left, want the one that was not named", len(got))
	}
	if got := len(s.Calls(appcentertest.DeleteNotifications)); got != 3 {
		t.Errorf("%d calls, want 3", got)
	}
}

func TestAMissingNotificationDoesNotKeepTheOthers(t *testing.T) {
	t.Parallel()
	app, ids := many(20)
	s := serve(t, app)
	asked := slices.Insert(slices.Clone(ids), 7, "gone-1")
	asked = append(asked, "gone-2")
	already, err := s.DeleteNotifications(t.Context(), asked)
	if err != nil || !slices.Equal(already, []string{"gone-1", "gone-2"}) {
		t.Errorf("got already %v, %v, want the two that are missing", already, err)
	}
	if got := s.Server.Notifications(key); len(got) != 0 {
		t.Errorf("%d notifications left", len(got))
	}
}

func TestDeleteNotificationsThatFails(t *testing.T) {
	t.Parallel()
	app, ids := many(4)
	s := serve(t, app)
	s.Fail(appcentertest.Fault{Op: appcentertest.DeleteNotifications, Status: 500})
	if _, err := s.DeleteNotifications(t.Context(), ids); !fault.Is(err, fault.Unavailable) || len(s.Server.Notifications(key)) != 4 {
		t.Errorf("failed, nothing happened: got %v and %d notifications", err, len(s.Server.Notifications(key)))
	}
	s.Heal()
	s.Fail(appcentertest.Fault{Op: appcentertest.DeleteNotifications, Times: 1, CloseConnection: true, AfterEffect: true})
	if already, err := s.DeleteNotifications(t.Context(), ids); err != nil || len(already) != 4 || len(s.Server.Notifications(key)) != 0 {
		t.Errorf("failed, but it happened: got already %v, %v and %d notifications", already, err, len(s.Server.Notifications(key)))
	}
	if already, err := s.DeleteNotifications(t.Context(), nil); err != nil || already != nil {
		t.Errorf("nothing to delete: got %v, %v", already, err)
	}
}
