package appcenter

import (
	"context"
	"net/http"
	"strings"

	"github.com/lethe-dsr/lethe/internal/provider"
)

// ExportStatus says how far an export is.
type ExportStatus string

// The states of an export.
const (
	ExportInProgress ExportStatus = "InProgress"
	ExportCompleted  ExportStatus = "Completed"
	ExportFailed     ExportStatus = "Failed"
)

// StartExport asks App Center to write all devices of the app into the container of the SAS URL, which needs read,
// write and delete rights (Push_ExportDevices). It gives the export's id.
//
// About 15 exports a day are let through (a customer's measurement, MicrosoftDocs/appcenter-docs issue 258), so a call
// that failed is sent again only after a 429. After fault.Unavailable, fault.MalformedAnswer or the context's end an
// export may have been started all the same, and its files may appear in the container.
func (c *Client) StartExport(ctx context.Context, containerSAS string) (string, error) {
	const doing = "start an export"
	body := map[string]string{"blob_container_sas_uri": containerSAS}
	a, err := c.http.Call(provider.Once(ctx), http.MethodPost, c.root+"/push/device_exports", nil, body)
	if err != nil {
		return "", err
	}
	var out struct {
		ID string `json:"export_id"`
	}
	if err := decode(doing, a, &out); err != nil {
		return "", err
	}
	if out.ID == "" {
		return "", malformed(doing, "no export id; an export may have been started")
	}
	return out.ID, nil
}

// ExportStatus asks how far an export is (Push_ExportDevicesStatus).
func (c *Client) ExportStatus(ctx context.Context, exportID string) (ExportStatus, error) {
	const doing = "tell the status of an export"
	id, err := segment(exportID)
	if err != nil {
		return "", err
	}
	a, err := c.http.Call(ctx, http.MethodGet, c.root+"/push/device_exports/"+id, nil, nil)
	if err != nil {
		return "", err
	}
	var out struct {
		ID     string       `json:"export_id"`
		Status ExportStatus `json:"status"`
	}
	if err := decode(doing, a, &out); err != nil {
		return "", err
	}
	if !strings.EqualFold(out.ID, exportID) {
		return "", malformed(doing, "the status of another export")
	}
	switch out.Status {
	case ExportInProgress, ExportCompleted, ExportFailed:
		return out.Status, nil
	}
	return "", malformed(doing, "an unknown status word")
}
