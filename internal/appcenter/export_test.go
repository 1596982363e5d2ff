package appcenter_test

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/appcenter"
	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/fault"
)

func TestAnExportGoesFromInProgressToItsEnd(t *testing.T) {
	t.Parallel()
	for end, failures := range map[appcenter.ExportStatus]int{appcenter.ExportCompleted: 0, appcenter.ExportFailed: 1} {
		app := world()
		app.Export.Polls = 2
		app.Behaviour.FailExports = failures
		s := serve(t, app)
		id, err := s.StartExport(t.Context(), s.ContainerSAS(s.url, key, ""))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []appcenter.ExportStatus{appcenter.ExportInProgress, appcenter.ExportInProgress, end, end} {
			got, err := s.ExportStatus(t.Context(), id)
			if err != nil || got != want {
				t.Errorf("got %s, %v, want %s", got, err, want)
			}
		}
		if got := len(s.Blobs(key)); got != 1 {
			t.Errorf("%s: %d blobs in the container, want 1", end, got)
		}
	}
}

func TestAnExportMayStartAlthoughTheCallFailed(t *testing.T) {
	t.Parallel()
	s := serve(t, world())
	sas := s.ContainerSAS(s.url, key, "")

	s.Fail(appcentertest.Fault{Op: appcentertest.StartExport, Times: 1, Status: 503})
	if _, err := s.StartExport(t.Context(), sas); !fault.Is(err, fault.Unavailable) || len(s.Blobs(key)) > 0 {
		t.Errorf("failed, nothing happened: got %v and %d blobs", err, len(s.Blobs(key)))
	}
	s.Heal()
	s.Fail(appcentertest.Fault{Op: appcentertest.StartExport, Times: 1, CloseConnection: true, AfterEffect: true})
	if _, err := s.StartExport(t.Context(), sas); !fault.Is(err, fault.Unavailable) || len(s.Blobs(key)) != 1 {
		t.Errorf("failed, but it happened: got %v and %d blobs", err, len(s.Blobs(key)))
	}
	if got := len(s.Calls(appcentertest.StartExport)); got != 2 {
		t.Errorf("%d calls for two exports", got)
	}
}

func TestAnExportIntoARefusedContainer(t *testing.T) {
	t.Parallel()
	s := serve(t, world())
	for _, sas := range []string{s.ContainerSAS(s.url, key, "rl"), "https://elsewhere.example/c?sig=x", "no url"} {
		if _, err := s.StartExport(t.Context(), sas); !fault.Is(err, fault.Refused) {
			t.Errorf("got %v, want Refused", err)
		}
	}
}

func TestAnUnknownExportIsNotFound(t *testing.T) {
	t.Parallel()
	s := serve(t, world())
	if _, err := s.ExportStatus(t.Context(), "no-such-export"); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v, want NotFound", err)
	}
}
