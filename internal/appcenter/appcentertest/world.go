// Package appcentertest simulates App Center Push and the blob container that it exports into: stateful, strict, and
// able to fail and to lie on demand. It is for tests and for the demo.
package appcentertest

import "time"

// World is what a Server holds at its start. The Server copies it.
type World struct {
	Apps []App
}

// App is one app. Its key, by which a Server's methods name it, is "owner/name".
type App struct {
	Owner, Name, Token string
	Container          string // that exports go to; "" for owner-name; apps may share one
	Devices            []Device
	Audiences          []Audience
	Notifications      []Notification
	Export             ExportStyle
	Behaviour          Behaviour
}

// Key is how a Server's methods name the app.
func (a App) Key() string { return a.Owner + "/" + a.Name }

// Device is one installation.
type Device struct {
	InstallID string
	UserID    string
	PushToken string
	Platform  string         // Android, iOS, Windows
	Locale    string         // fr-FR
	Tags      []string       // of Notification Hubs
	Props     map[string]any // custom properties: string, bool, numbers, time.Time; written in the order of their names
}

// Audience is one stored selection.
type Audience struct {
	Name, Description, Definition string
	Disabled                      bool
}

// Notification is one sent notification.
type Notification struct {
	ID, Name, Title, Body string
	Data                  map[string]string // custom data
	Target                Target
	Archived              bool
}

// Target says whom a notification was sent to; the zero value is everybody.
type Target struct {
	Type                                    string // devices_target …; "" for broadcast_target
	Devices, UserIDs, AccountIDs, Audiences []string
}

// Keys is a spelling of an export's field names. Nobody has published a line of a real export; these are the three
// spellings that other interfaces of the same service use.
type Keys int

// The spellings.
const (
	Camel           Keys = iota // installId, userId, customProperties: the SDK's log format
	Pascal                      // InstallId, UserId, Properties: Analytics' export
	NotificationHub             // installationId, userID, pushChannel, tags: the service underneath
)

// Shape is how an export writes custom properties.
type Shape int

// The shapes.
const (
	Object     Shape = iota // {"plan":"gold"}
	JSONString              // "{\"plan\":\"gold\"}"
	List                    // [{"type":"string","name":"plan","value":"gold"}]
	Flat                    // beside the other fields of the device
)

// ExportStyle says how an app's exports are written.
type ExportStyle struct {
	Blobs          int // how many blobs share the devices; 0 for one
	Gzip           bool
	ContentEncoded bool // a gzip blob carries Content-Encoding: gzip
	BOM            bool
	CRLF           bool
	NoFinalNewline bool
	EscapeAll      bool // every character of a string as \uXXXX
	Keys           Keys
	Shape          Shape
	ExtraLines     []string // raw lines at the end of the first blob: unreadable ones, blank ones
	Prefix         string   // before the blobs' names
	Polls          int      // how often the status is InProgress; 0: the files are there when the export is started
}

// LinkForm is what a list's nextLink looks like when there is another page. Behind http.StripPrefix a Server does not
// know the prefix, and its links lack it.
type LinkForm int

// The forms.
const (
	Absolute LinkForm = iota
	Relative          // path and query
	QueryOnly
	Foreign   // another host
	SelfLoop  // the page itself
	Forgetful // absolute, without include_disabled or include_archived
)

// EndForm is what a list's nextLink looks like on the last page.
type EndForm int

// The forms.
const (
	Absent EndForm = iota
	Null
	EmptyString
)

// Behaviour is how an app's answers differ from the plainest ones, and where they lie.
type Behaviour struct {
	AudiencePage      int  // audiences on a page; 0 for all
	BareAudiences     bool // lists of audiences leave out definitions and descriptions
	NextLink          LinkForm
	End               EndForm
	NumericCodes      bool // error codes as numbers
	KeepInstalls      bool // deletes answer well and delete nothing
	KeepAudiences     bool
	KeepNotifications bool
	Reregister        int  // this many times, a deleted device is there again at once
	FailExports       int  // the next so many exports end Failed, with what was written left in the container
	HalfBlob          bool // the last blob of an export breaks off in the middle
}

// Call is one call that a Server saw.
type Call struct {
	Op     Op
	App    string // key; "" where the call named no known app
	Object string // install id, audience name, notification id, export id, blob name; ids of a bulk delete with blanks between
	At     time.Time
	Status int // 0 when the connection was closed without an answer
}

// Op is one operation, App Center's or the container's.
type Op string

// All operations.
const (
	StartExport         Op = "StartExport"         // Push_ExportDevices
	ExportStatus        Op = "ExportStatus"        // Push_ExportDevicesStatus
	DeleteInstall       Op = "DeleteInstall"       // Push_DeleteInstallId
	ListAudiences       Op = "ListAudiences"       // Analytics_ListAudiences
	GetAudience         Op = "GetAudience"         // Analytics_GetAudience
	DeleteAudience      Op = "DeleteAudience"      // Analytics_DeleteAudience
	ListNotifications   Op = "ListNotifications"   // Push_List
	GetNotification     Op = "GetNotification"     // Push_Get
	DeleteNotifications Op = "DeleteNotifications" // Push_Delete
	ListBlobs           Op = "ListBlobs"
	GetBlob             Op = "GetBlob"
	GetBlobProperties   Op = "GetBlobProperties"
	DeleteBlob          Op = "DeleteBlob"
	UnknownRoute        Op = "" // anything else
)
