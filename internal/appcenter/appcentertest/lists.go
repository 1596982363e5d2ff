package appcentertest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

func (s *Server) listAudiences(q *request) answer {
	a := q.app
	all, ok := boolean(q.query, "include_disabled")
	page, err := strconv.Atoi(q.query.Get("page"))
	if !ok || q.query.Has("page") && (err != nil || page < 1) {
		return a.err(http.StatusBadRequest, "a query parameter has a wrong type")
	}
	values := []any{}
	for _, u := range a.Audiences {
		if u.Disabled && !all {
			continue
		}
		value := u.summary()
		if a.Behaviour.BareAudiences {
			delete(value, "definition")
			delete(value, "description")
		}
		values = append(values, value)
	}
	size := a.Behaviour.AudiencePage
	if size <= 0 {
		size = len(values)
	}
	return a.page(q, values, page*size, size, "page", strconv.Itoa(page+1))
}

// summary is an audience as lists have it.
func (u Audience) summary() map[string]any {
	state := "Ready"
	if u.Disabled {
		state = "Disabled"
	}
	return map[string]any{
		"name": u.Name, "description": u.Description, "definition": u.Definition, "state": state, "estimated_count": 1,
	}
}

func (s *Server) getAudience(q *request) answer {
	for _, u := range q.app.Audiences {
		if u.Name != q.object {
			continue
		}
		out := u.summary()
		out["enabled"], out["custom_properties"] = !u.Disabled, map[string]string{}
		out["estimated_total_count"], out["timestamp"] = 1, "2020-03-04T05:06:07Z"
		return jsonAnswer(http.StatusOK, out)
	}
	return q.app.err(http.StatusNotFound, "Audience does not exist.")
}

func (s *Server) listNotifications(q *request) answer {
	a := q.app
	all, ok := boolean(q.query, "include_archived")
	size, err := strconv.Atoi(q.query.Get("$top"))
	if !q.query.Has("$top") {
		size, err = 30, nil
	}
	from := 0
	if t := q.query.Get("$skiptoken"); err == nil && t != "" {
		from, err = strconv.Atoi(t)
	}
	if !ok || err != nil || size < 0 || size > 2000 || from < 0 {
		return a.err(http.StatusBadRequest, "a query parameter has a wrong type or is out of range")
	}
	values := []any{}
	for _, n := range a.Notifications {
		if !n.Archived || all {
			values = append(values, n.summary(Target{Type: n.Target.Type}))
		}
	}
	if size == 0 {
		size = len(values)
	}
	return a.page(q, values, from, size, "$skiptoken", strconv.Itoa(from+size))
}

// boolean reads an optional parameter.
func boolean(q url.Values, name string) (value, ok bool) {
	v := q.Get(name)
	return v == "true", !q.Has(name) || v == "true" || v == "false"
}

// page answers size values from from on; on all pages but the last with a nextLink whose parameter name is token.
func (a *app) page(q *request, values []any, from, size int, name, token string) answer {
	from = min(from, len(values))
	end := min(from+size, len(values))
	out := map[string]any{"values": values[from:end]}
	switch {
	case end < len(values):
		out["nextLink"] = a.nextLink(q, name, token)
	case a.Behaviour.End == Null:
		out["nextLink"] = nil
	case a.Behaviour.End == EmptyString:
		out["nextLink"] = ""
	}
	answer := jsonAnswer(http.StatusOK, out)
	if _, null := out["nextLink"]; null && out["nextLink"] == nil {
		answer.header[deliberate] = "null" // App Center's contract has no null; what it did is not documented
	}
	return answer
}

func (a *app) nextLink(q *request, name, token string) string {
	query := q.URL.Query()
	query.Set(name, token)
	scheme := "http"
	if q.TLS != nil {
		scheme = "https"
	}
	u := url.URL{Scheme: scheme, Host: q.Host, Path: q.URL.Path, RawPath: q.URL.RawPath, RawQuery: query.Encode()}
	switch a.Behaviour.NextLink {
	case Relative:
		return u.RequestURI()
	case QueryOnly:
		return "?" + u.RawQuery
	case Foreign:
		u.Host = "elsewhere.example"
	case SelfLoop:
		u.RawQuery = q.URL.RawQuery
	case Forgetful:
		query.Del("include_disabled")
		query.Del("include_archived")
		u.RawQuery = query.Encode()
	}
	return u.String()
}

func (s *Server) deleteAudience(q *request) answer {
	a := q.app
	i := slices.IndexFunc(a.Audiences, func(u Audience) bool { return u.Name == q.object })
	if i < 0 {
		return a.err(http.StatusNotFound, "Audience does not exist.")
	}
	if !a.Behaviour.KeepAudiences {
		a.Audiences = slices.Delete(a.Audiences, i, i+1)
	}
	return answer{status: http.StatusNoContent}
}

// summary is a notification without its content, as lists have it.
func (n Notification) summary(t Target) map[string]any {
	target := map[string]any{"type": t.Type}
	if t.Type == "" {
		target["type"] = "broadcast_target"
	}
	for field, values := range map[string][]string{"devices": t.Devices, "user_ids": t.UserIDs, "account_ids": t.AccountIDs, "audiences": t.Audiences} {
		if values != nil {
			target[field] = values
		}
	}
	return map[string]any{
		"notification_id": n.ID, "name": n.Name, "state": "Completed", "notification_target": target,
		"send_time": "2020-03-04T05:06:07Z", "pns_send_success": 1, "pns_send_failure": 0,
	}
}

func (s *Server) getNotification(q *request) answer {
	for _, n := range q.app.Notifications {
		if n.ID != q.object {
			continue
		}
		out := n.summary(n.Target)
		content := map[string]any{"name": n.Name, "body": n.Body}
		if n.Title != "" {
			content["title"] = n.Title
		}
		if n.Data != nil {
			content["custom_data"] = n.Data
		}
		out["notification_content"] = content
		out["failure_outcomes"] = []any{}
		return jsonAnswer(http.StatusOK, out)
	}
	return q.app.err(http.StatusNotFound, "Notification not found.")
}

// idsOf reads the body of a bulk delete; nil when it is not one.
func idsOf(body []byte) []string {
	var in struct {
		Values []string `json:"values"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if d.Decode(&in) != nil || d.More() {
		return nil
	}
	return in.Values
}

// deleteNotifications deletes all that are named or, when one of them is not there, none.
func (s *Server) deleteNotifications(q *request) answer {
	a := q.app
	ids := idsOf(q.body)
	if len(ids) == 0 || slices.Contains(ids, "") {
		return a.err(http.StatusBadRequest, "body parameter is invalid or empty.")
	}
	for _, id := range ids {
		if !slices.ContainsFunc(a.Notifications, func(n Notification) bool { return n.ID == id }) {
			return a.err(http.StatusNotFound, "Notification not found.")
		}
	}
	if !a.Behaviour.KeepNotifications {
		a.Notifications = slices.DeleteFunc(a.Notifications, func(n Notification) bool { return slices.Contains(ids, n.ID) })
	}
	return answer{status: http.StatusOK}
}
