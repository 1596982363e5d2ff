package appcenter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// notificationsPage is how many notifications one call of the list asks for; App Center allows 2000 and gives 30 by
// default. The list's default order (count desc) can shift while it is read, so few pages are safer than many; and a
// page has to fit into one ledger record, ids and names.
const notificationsPage = 500

// NotificationItem is one entry of the list of notifications, which carries no text.
type NotificationItem struct {
	ID   string `json:"notification_id"`
	Name string `json:"name"` // may be empty
}

// Notifications reads one page of the app's notifications, archived ones included (Push_List). link and next are as
// for Audiences.
func (c *Client) Notifications(ctx context.Context, link string) (items []NotificationItem, next string, err error) {
	const doing = "list notifications"
	query := url.Values{"include_archived": {"true"}, "$top": {strconv.Itoa(notificationsPage)}}
	items, next, err = list[NotificationItem](ctx, c, doing, "/push/notifications", query, "include_archived", link)
	for _, n := range items {
		if n.ID == "" {
			return nil, "", malformed(doing, "a notification without an id")
		}
	}
	return items, next, err
}

// Notification is a sent notification with everything in it that may name a person.
type Notification struct {
	ID    string
	Name  string // the content's; where the notification itself has another one, both, on two lines
	Title string
	Body  string
	// Data is the custom data. A key that stands twice has both values; numbers are json.Number, objects
	// map[string]any, in which a key that stood twice has a []any of its values.
	Data       map[string][]any
	TargetType string   // devices_target, user_ids_target, account_ids_target, audiences_target, broadcast_target or ""
	Devices    []string // install ids
	UserIDs    []string
	AccountIDs []string
	Audiences  []string // names
}

// Notification reads one notification (Push_Get). found is false when it is not there, which a wrong owner or app would
// look like too: see DeleteInstall.
func (c *Client) Notification(ctx context.Context, id string) (n Notification, found bool, err error) {
	const doing = "show a notification"
	escaped, err := segment(id)
	if err != nil {
		return Notification{}, false, err
	}
	a, err := c.http.Call(ctx, http.MethodGet, c.root+"/push/notifications/"+escaped, nil, nil)
	if err != nil {
		return Notification{}, false, err
	}
	if gone(a) {
		return Notification{}, false, nil
	}
	var d detail
	if err := decode(doing, a, &d); err != nil {
		return Notification{}, false, err
	}
	switch {
	case !strings.EqualFold(d.ID, id):
		return Notification{}, false, malformed(doing, "another notification, or none")
	case d.Content == nil:
		return Notification{}, false, malformed(doing, "no content")
	}
	return d.notification(), true, nil
}

// detail is the answer of Push_Get.
type detail struct {
	ID      string `json:"notification_id"`
	Name    string `json:"name"`
	Content *struct {
		Name  string `json:"name"`
		Title string `json:"title"`
		Body  string `json:"body"`
		Data  data   `json:"custom_data"`
	} `json:"notification_content"`
	Target struct {
		Type       string   `json:"type"`
		Devices    []string `json:"devices"`
		UserIDs    []string `json:"user_ids"`
		AccountIDs []string `json:"account_ids"`
		Audiences  []string `json:"audiences"`
	} `json:"notification_target"`
}

func (d detail) notification() Notification {
	n := Notification{
		ID: d.ID, Name: d.Content.Name, Title: d.Content.Title, Body: d.Content.Body, Data: d.Content.Data,
		TargetType: d.Target.Type, Devices: d.Target.Devices, UserIDs: d.Target.UserIDs, AccountIDs: d.Target.AccountIDs,
		Audiences: d.Target.Audiences,
	}
	switch {
	case n.Name == "":
		n.Name = d.Name
	case d.Name != "" && d.Name != n.Name:
		n.Name += "\n" + d.Name
	}
	return n
}

// data is custom data: an object, of whose double keys encoding/json would keep the last only.
type data map[string][]any

var errNotObject = errors.New("custom data is no object")

func (d *data) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	t, err := dec.Token()
	if err != nil || t != json.Delim('{') {
		return errNotObject
	}
	*d, err = object(dec)
	return err
}

// object reads the rest of an object after its brace. The depth is bounded by encoding/json, which has checked the
// text before.
func object(dec *json.Decoder) (map[string][]any, error) {
	out := map[string][]any{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		v, err := value(dec)
		if err != nil {
			return nil, err
		}
		out[key.(string)] = append(out[key.(string)], v)
	}
	_, err := dec.Token()
	return out, err
}

func value(dec *json.Decoder) (any, error) {
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		all, err := object(dec)
		if err != nil {
			return nil, err
		}
		out := make(map[string]any, len(all))
		for k, vs := range all {
			out[k] = any(vs)
			if len(vs) == 1 {
				out[k] = vs[0]
			}
		}
		return out, nil
	case json.Delim('['):
		out := []any{}
		for dec.More() {
			v, err := value(dec)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		_, err := dec.Token()
		return out, err
	}
	return t, nil
}
