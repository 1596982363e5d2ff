package match

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// Device is an exported device that is somebody's.
type Device struct {
	InstallID, UserID string // exactly as exported; UserID is "" where there is none
	Hits              []Hit
	Shared            []string // the refs that must wait for review, because the device carries somebody else's e-mail address or phone number
}

// The fields of an exported device. Microsoft printed no sample of a line: the names are those of App Center's SDK, of
// its continuous export and of a Notification Hubs installation, on which Push was built (reference/providers.md, A1).
// They are compared folded, see foldKey.
type field uint8

const (
	ownProperty field = iota // not a field of the provider's: a custom property
	installField
	userField
	propertiesField
	tagsField
	deviceField
	knownField // the provider's, and nobody's identifier
)

func fieldOf(folded string) field {
	switch folded {
	case "installid", "installationid", "deviceid":
		return installField
	case "userid":
		return userField
	case "customproperties", "properties":
		return propertiesField
	case "tags":
		return tagsField
	case "device":
		return deviceField
	case "pushtoken", "pushchannel", "devicetoken", "token", "platform", "templates", "expirationtime", "lastupdate",
		"type", "timestamp", "sid", "distributiongroupid", "appid", "messagetype", "country", "countrycode", "language":
		return knownField
	}
	if isDeviceInfo(folded) {
		return knownField
	}
	return ownProperty
}

// isDeviceInfo knows the fields of the SDK's device object; the continuous export has them at the top.
func isDeviceInfo(folded string) bool {
	switch folded {
	case "sdkname", "sdkversion", "model", "oemname", "osname", "osversion", "osbuild", "osapilevel", "locale", "timezoneoffset",
		"screensize", "appversion", "carriername", "carriercountry", "appbuild", "appnamespace", "country", "countrycode", "language":
		return true
	}
	return false
}

// reader reads one line exactly. The line is known to be valid JSON, which makes its cursor simple: every method takes
// the position of a value's first byte and gives the position after the value.
type reader struct {
	m        *Matcher
	b        []byte
	finds    finds
	installs [3][]string // by alias: installId, installationId, deviceId
	users    []value
	others   struct{ email, phone bool } // it carries an address, a number of none of the people
	broken   bool                        // a property container that cannot be read
}

// read reads one line. ok is false for an unreadable line: not UTF-8, no JSON object, properties that break off, or no
// install id. A line with several install ids under one name is a device for each.
func (m *Matcher) read(line []byte) (devices []Device, ok bool) {
	if !startsJSON(line) || line[skipSpace(line, 0)] != '{' || !utf8.Valid(line) || !json.Valid(line) {
		return nil, false
	}
	r := reader{m: m, b: line, finds: finds{}}
	r.object(0, func(key string, at int) int { return r.field(key, at) })
	ids := r.installIDs()
	if len(ids) == 0 || r.broken {
		return nil, false
	}
	for _, id := range ids {
		m.wholeInstall(id, false, inInstallID, r.finds)
	}
	if len(r.installs[0]) > 0 { // the other alias is not this device's name, but may be the one that the person knows
		for _, id := range r.installs[1] {
			m.wholeInstall(id, false, inInstallID, r.finds)
		}
	}
	hits := m.hits(r.finds)
	if len(hits) == 0 {
		return nil, true
	}
	user := ""
	if len(r.users) > 0 {
		user = r.users[len(r.users)-1].text
	}
	shared := r.shared()
	for _, id := range ids {
		devices = append(devices, Device{InstallID: id, UserID: user, Hits: hits, Shared: shared})
	}
	return devices, true
}

func (r *reader) installIDs() []string {
	for _, ids := range r.installs {
		if len(ids) > 0 {
			return ids
		}
	}
	return nil
}

// shared lists the requests for which the device may be another person's too: those that matched here by an address or
// number, and those that name one of the kind that is carried here by somebody else.
func (r *reader) shared() []string {
	if !r.others.email && !r.others.phone {
		return nil
	}
	var refs []string
	x := &r.m.people
	for _, f := range r.sorted() {
		ref := r.m.refs[f.person]
		if f.kind == isEmail || f.kind == isPhone || r.others.email && x.namesEmail[f.person] || r.others.phone && x.namesPhone[f.person] {
			if !slices.Contains(refs, ref) {
				refs = append(refs, ref)
			}
		}
	}
	return refs
}

func (r *reader) sorted() []found {
	all := make([]found, 0, len(r.finds))
	for f := range r.finds {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b found) int { return int(a.person) - int(b.person) })
	return all
}

// field reads one field of the top level.
func (r *reader) field(key string, at int) int {
	folded := foldKey(key)
	switch f := fieldOf(folded); f {
	case installField:
		return r.install(folded, at)
	case userField:
		return r.values(at, nil, inUserID, false)
	case propertiesField:
		return r.properties(at)
	case tagsField:
		return r.values(at, nil, inTag, false)
	case deviceField:
		if r.b[at] != '{' {
			return r.skip(at)
		}
		return r.object(at, func(key string, at int) int {
			if isDeviceInfo(foldKey(key)) {
				return r.skip(at)
			}
			return r.values(at, []string{key}, inProperty, namesPhone(key))
		})
	case knownField:
		return r.skip(at)
	default:
		return r.values(at, []string{key}, inProperty, namesPhone(key))
	}
}

func (r *reader) install(folded string, at int) int {
	if r.b[at] != '"' {
		return r.skip(at)
	}
	id, end := r.text(at)
	rank := slices.Index([]string{"installid", "installationid", "deviceid"}, folded)
	if strings.TrimSpace(id) != "" && !slices.Contains(r.installs[rank], id) {
		r.installs[rank] = append(r.installs[rank], id)
	}
	return end
}

// properties reads a property container: an object, a list, or either as a JSON text in a string.
func (r *reader) properties(at int) int {
	switch r.b[at] {
	case '{':
		return r.object(at, func(key string, at int) int {
			return r.values(at, []string{key}, inProperty, namesPhone(key))
		})
	case '[':
		return r.list(at, r.item)
	case '"':
		end := r.skip(at)
		// Decoded in one piece of known size: encoding/json would need a multiple of it, and a line has up to 8 MiB.
		inner, ok := unescape(make([]byte, 0, end-at), r.b[at+1:end-1])
		if !ok {
			r.broken = true // cannot be: the line is valid
			return end
		}
		if !startsJSON(inner) {
			return r.values(at, nil, inProperty, false)
		}
		if !json.Valid(inner) {
			r.broken = true
			return end
		}
		outer := r.b
		r.b = inner
		r.properties(skipSpace(inner, 0))
		r.b = outer
		return end
	}
	return r.values(at, nil, inProperty, false)
}

// item reads one item of a list of properties: {"type":…,"name":…,"value":…}, as the SDK sends them, where the type
// clear means that there is no value; or something else, of which every value counts.
func (r *reader) item(at int) int {
	if r.b[at] != '{' {
		return r.values(at, nil, inProperty, false)
	}
	var names []string
	typed, clear, hinted := false, false, false
	r.object(at, func(key string, at int) int {
		switch foldKey(key) {
		case "name":
			if r.b[at] == '"' {
				name, end := r.text(at)
				names = append(names, name)
				hinted = hinted || namesPhone(name)
				return end
			}
		case "type":
			typed = true
			if r.b[at] == '"' {
				t, end := r.text(at)
				clear = clear || strings.EqualFold(t, "clear")
				return end
			}
		case "value":
			typed = true
		}
		return r.skip(at)
	})
	typed = typed && len(names) > 0
	return r.object(at, func(key string, at int) int {
		if !typed {
			return r.values(at, []string{key}, inProperty, namesPhone(key))
		}
		switch foldKey(key) {
		case "name", "type":
			return r.skip(at)
		case "value":
			if clear {
				return r.skip(at)
			}
		}
		return r.values(at, names, inProperty, hinted)
	})
}

// values reads a value of the properties called names, nested ones one by one. phone tells that a key on the way says
// that this is a phone number.
func (r *reader) values(at int, names []string, p place, phone bool) int {
	switch c := r.b[at]; c {
	case '{':
		return r.object(at, func(key string, at int) int { return r.values(at, names, p, phone || namesPhone(key)) })
	case '[':
		return r.list(at, func(at int) int { return r.values(at, names, p, phone) })
	case '"':
		text, end := r.text(at)
		r.value(value{text, aString}, names, p, phone)
		return end
	case 'n':
		return r.skip(at)
	case 't', 'f':
		end := r.skip(at)
		r.value(value{string(r.b[at:end]), aBool}, names, p, phone)
		return end
	default:
		end := r.skip(at)
		r.value(value{string(r.b[at:end]), aNumber}, names, p, phone)
		return end
	}
}

func (r *reader) value(v value, names []string, p place, phone bool) {
	if v.text == "" {
		return
	}
	if p == inUserID && v.form != aBool {
		r.users = append(r.users, v)
	}
	r.m.whole(v, names, false, p, r.finds)
	email, number := r.m.carries(v, phone)
	r.others.email = r.others.email || email
	r.others.phone = r.others.phone || number
}

// object calls each for every member, duplicates included. each gives the position after the member's value.
func (r *reader) object(at int, each func(key string, at int) int) int {
	at = skipSpace(r.b, skipSpace(r.b, at)+1)
	for r.b[at] != '}' {
		key, end := r.text(at)
		at = skipSpace(r.b, end)
		at = each(key, skipSpace(r.b, at+1))
		at = r.comma(at)
	}
	return at + 1
}

// list calls each for every element.
func (r *reader) list(at int, each func(at int) int) int {
	at = skipSpace(r.b, at+1)
	for r.b[at] != ']' {
		at = r.comma(each(at))
	}
	return at + 1
}

func (r *reader) comma(at int) int {
	at = skipSpace(r.b, at)
	if r.b[at] == ',' {
		at = skipSpace(r.b, at+1)
	}
	return at
}

// text reads a string. Strings that are too long for any identifier come back as "": decoding a string of megabytes
// would cost as much memory again.
func (r *reader) text(at int) (string, int) {
	end := r.skip(at)
	raw := r.b[at:end]
	if len(raw) > maxText {
		return "", end
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), end
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		r.broken = true // cannot be: the line is valid
	}
	return s, end
}

// maxText is the length of the longest string that can be an identifier: 1024 characters (package subject), each
// written as a surrogate pair of twelve bytes, with room for spaces around them.
const maxText = 16 << 10

// skip gives the position after the value at at.
func (r *reader) skip(at int) int {
	switch r.b[at] {
	case '"':
		for at++; r.b[at] != '"'; at++ {
			if r.b[at] == '\\' {
				at++
			}
		}
		return at + 1
	case '{', '[':
		depth := 0
		for {
			switch r.b[at] {
			case '"':
				at = r.skip(at)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return at + 1
				}
			}
			at++
		}
	}
	for at < len(r.b) && !isEnd(r.b[at]) {
		at++
	}
	return at
}

func isEnd(c byte) bool {
	return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\t' || c == '\r' || c == '\n'
}
