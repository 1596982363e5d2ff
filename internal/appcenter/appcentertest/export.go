package appcentertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// export is one export of an app's devices, as they were when it was started.
type export struct {
	status string // InProgress, Completed or Failed
	polls  int    // how often it is still InProgress
	files  [][]byte
	into   *container
	fails  bool
}

func (s *Server) startExport(q *request) answer {
	a := q.app
	var in struct {
		SAS string `json:"blob_container_sas_uri"`
	}
	d := json.NewDecoder(bytes.NewReader(q.body))
	d.DisallowUnknownFields()
	if d.Decode(&in) != nil || d.More() {
		return a.err(http.StatusBadRequest, "body parameter is invalid or empty.")
	}
	into := s.writable(in.SAS)
	if into == nil {
		return a.err(http.StatusBadRequest, "blob container URI is not valid")
	}
	a.settle()
	s.exports++
	id := fmt.Sprintf("00000000-0000-4000-8000-%012d", s.exports)
	e := &export{status: "InProgress", polls: a.Export.Polls, files: a.Export.write(a.Devices), into: into}
	if a.Behaviour.FailExports > 0 {
		a.Behaviour.FailExports--
		e.fails = true
	}
	if last := len(e.files) - 1; a.Behaviour.HalfBlob && last >= 0 {
		e.files[last] = e.files[last][:len(e.files[last])/2]
	}
	a.exports[id] = e
	into.running++
	into.most = max(into.most, into.running)
	if e.polls == 0 {
		a.finish(id, e)
	}
	return jsonAnswer(http.StatusAccepted, map[string]any{"export_id": id})
}

func (s *Server) exportStatus(q *request) answer {
	e := q.app.exports[q.object]
	if e == nil {
		return q.app.err(http.StatusNotFound, "Export not found.")
	}
	if e.status == "InProgress" {
		if e.polls == 0 {
			q.app.finish(q.object, e)
		}
		e.polls--
	}
	return jsonAnswer(http.StatusOK, map[string]any{"export_id": q.object, "status": e.status})
}

// finish writes the export's files; a failing export leaves its first one half-written.
func (a *app) finish(id string, e *export) {
	e.into.running--
	e.status = "Completed"
	if e.fails {
		e.status = "Failed"
		e.files = e.files[:1]
		e.files[0] = e.files[0][:len(e.files[0])/2]
	}
	style := a.Export
	for n, data := range e.files {
		b := &blob{data: data, contentType: "application/octet-stream"}
		name := fmt.Sprintf("%s%s/devices-%04d.json", style.Prefix, id, n)
		if style.Gzip {
			name += ".gz"
			if style.ContentEncoded {
				b.contentEncoding = "gzip"
			}
		}
		e.into.put(name, b)
	}
	e.files = nil
}

// FinishExports ends all exports of the app that are in progress, as time would.
func (s *Server) FinishExports(app string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.app(app)
	for id, e := range a.exports {
		if e.status == "InProgress" {
			a.finish(id, e)
		}
	}
}

// writable gives the container of a SAS URL with the rights that App Center asks for, or nil.
func (s *Server) writable(sas string) *container {
	c, rights := s.signed(sas)
	if c == nil || !strings.Contains(rights, "r") || !strings.Contains(rights, "w") || !strings.Contains(rights, "d") {
		return nil
	}
	return c
}
