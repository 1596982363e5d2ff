package appcentertest

import (
	"crypto/rand"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed openapi.yaml
var openAPI string

// OpenAPI is the description of everything that a Server answers, for package contracttest.
func OpenAPI() []byte { return []byte(openAPI) }

// Server answers App Center's API and its containers' under one host. It may be used by several goroutines.
type Server struct {
	key []byte // signs container URLs

	mu         sync.Mutex
	apps       map[string]*app
	containers map[string]*container
	faults     []*armed
	calls      []Call
	exports    int // ids given out
	blobPage   int // blobs on a page of a list; 0 for what the caller asks
}

type app struct {
	App
	exports map[string]*export
	back    map[string]int // how often a deleted device came back, by install id

	installs installs
}

// New makes a server of the world. Serve it with net/http/httptest or net/http.
func New(w World) *Server {
	s := &Server{key: []byte(rand.Text()), apps: map[string]*app{}, containers: map[string]*container{}}
	for _, a := range w.Apps {
		if a.Container == "" {
			a.Container = a.Owner + "-" + a.Name
		}
		a.Devices, a.Audiences, a.Notifications = slices.Clone(a.Devices), slices.Clone(a.Audiences), slices.Clone(a.Notifications)
		s.apps[a.Key()] = &app{App: a, exports: map[string]*export{}, back: map[string]int{}}
		s.containers[a.Container] = &container{blobs: map[string]*blob{}}
	}
	return s
}

// request is one call on its way through the server.
type request struct {
	*http.Request
	op     Op
	app    *app   // nil for the container's operations
	object string // decoded last segment of the path, where it names something
	body   []byte
	query  url.Values

	container *container
	rights    string // of the container's SAS that the operation needs
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	q := &request{Request: r, body: body, query: r.URL.Query()}
	handle, no := s.route(q)
	if no != nil {
		s.record(q, no.status)
		no.write(w)
		return
	}
	s.serve(w, q, handle)
}

// route finds the operation, or the answer to a call that does not reach one.
func (s *Server) route(q *request) (handle func(*request) answer, no *answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	segments := decodedSegments(q.URL)
	if len(segments) > 1 && segments[0] == "v0.1" {
		return s.routeAPI(q, segments)
	}
	return s.routeBlob(q, segments)
}

func refused(a answer) (func(*request) answer, *answer) { return nil, &a }

func (s *Server) serve(w http.ResponseWriter, q *request, handle func(*request) answer) {
	f := s.faultFor(q)
	if f != nil && !f.AfterEffect && !f.Truncate {
		s.record(q, f.status())
		f.send(w, q.Request, answer{})
		return
	}
	good := s.locked(q, handle)
	if f != nil {
		s.record(q, f.status())
		f.send(w, q.Request, good)
		return
	}
	s.record(q, good.status)
	good.write(w)
}

func (s *Server) locked(q *request, handle func(*request) answer) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return handle(q)
}

func (f *armed) status() int {
	switch {
	case f.Hang, f.CloseConnection:
		return 0
	case f.Status == 0:
		return http.StatusOK
	}
	return f.Status
}

func (s *Server) faultFor(q *request) *armed {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.fits(q.op, q.appKey(), q.object) {
			return f
		}
	}
	return nil
}

func (q *request) appKey() string {
	if q.app == nil {
		return ""
	}
	return q.app.Key()
}

func (s *Server) record(q *request, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, Call{q.op, q.appKey(), q.object, time.Now(), status})
}

// decodedSegments splits the escaped path, so that a name may hold a slash.
func decodedSegments(u *url.URL) []string {
	segments := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	for i, s := range segments {
		d, err := url.PathUnescape(s)
		if err != nil {
			return nil
		}
		segments[i] = d
	}
	return segments
}

// routeAPI finds the operation and checks what does not depend on it: the app, the token, the query, whether there may
// be a body.
func (s *Server) routeAPI(q *request, segments []string) (func(*request) answer, *answer) {
	if len(segments) < 6 || segments[1] != "apps" || slices.Contains(segments, "") {
		return refused(apiError(http.StatusNotFound, "No such route.", nil))
	}
	handle, body, query := s.operation(q, segments[4], segments[5], segments[6:])
	if handle == nil {
		return refused(apiError(http.StatusNotFound, "No such route.", nil))
	}
	if no := s.authorize(q, segments[2], segments[3]); no != nil {
		return nil, no
	}
	bad := func(format string, args ...any) (func(*request) answer, *answer) {
		return refused(q.app.err(http.StatusBadRequest, format, args...))
	}
	for name, values := range q.query {
		if !slices.Contains(query, name) || len(values) != 1 {
			return bad("unexpected query parameter %s", name)
		}
	}
	isJSON := strings.HasPrefix(q.Header.Get("Content-Type"), "application/json")
	switch {
	case body && (len(q.body) == 0 || !isJSON):
		return bad("body parameter is invalid or empty.")
	case !body && len(q.body) > 0:
		return bad("a body is not expected here")
	}
	return handle, nil
}

func (s *Server) operation(q *request, area, kind string, rest []string) (handle func(*request) answer, body bool, query []string) {
	if len(rest) == 1 {
		q.object = rest[0]
	}
	route := fmt.Sprintf("%s %s/%s %d", q.Method, area, kind, len(rest))
	switch route {
	case "POST push/device_exports 0":
		q.op = StartExport
		return s.startExport, true, nil
	case "GET push/device_exports 1":
		q.op = ExportStatus
		return s.exportStatus, false, nil
	case "DELETE push/devices 1":
		q.op = DeleteInstall
		return s.deleteInstall, false, nil
	case "GET analytics/audiences 0":
		q.op = ListAudiences
		return s.listAudiences, false, []string{"include_disabled", "page"}
	case "GET analytics/audiences 1":
		q.op = GetAudience
		return s.getAudience, false, nil
	case "DELETE analytics/audiences 1":
		q.op = DeleteAudience
		return s.deleteAudience, false, nil
	case "GET push/notifications 0":
		q.op = ListNotifications
		return s.listNotifications, false, []string{"include_archived", "$top", "$skiptoken", "$orderby", "$inlinecount"}
	case "GET push/notifications 1":
		q.op = GetNotification
		return s.getNotification, false, nil
	case "DELETE push/notifications 0":
		q.op = DeleteNotifications
		q.object = strings.Join(idsOf(q.body), " ")
		return s.deleteNotifications, true, nil
	}
	return nil, false, nil
}

// authorize finds the app; a wrong token is told before an unknown app.
func (s *Server) authorize(q *request, owner, name string) *answer {
	token := q.Header.Get("X-API-Token")
	known := false
	for _, a := range s.apps {
		known = known || token != "" && a.Token == token
	}
	a := s.apps[owner+"/"+name]
	switch {
	case !known, a != nil && a.Token != token:
		_, no := refused(apiError(http.StatusUnauthorized, "The token is missing or wrong.", nil))
		return no
	case a == nil:
		_, no := refused(apiError(http.StatusNotFound, "App not found.", nil))
		return no
	}
	q.app = a
	return nil
}

// err is an error answer of the app, its code in the app's way.
func (a *app) err(status int, format string, args ...any) answer {
	var code any
	if a.Behaviour.NumericCodes {
		code = status
	}
	return apiError(status, fmt.Sprintf(format, args...), code)
}
