package match

import (
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/phone"
)

func TestDeviceMatches(t *testing.T) {
	t.Parallel()
	ann := []string{"email=ann@x.com", "phone=+491711234567", "user_id=1234", "install_id=" + ids + "A1", "property:plan=gold", "property:size=12.5", "property:vip=true"}
	rows := []struct {
		name, line string
		want       []Rule
	}{
		{"install id in any case", `{"installId":"` + ids + `a1"}`, []Rule{ByInstallID}},
		{"install id as exported in capitals", `{"InstallId":"` + ids + `A1"}`, []Rule{ByInstallID}},
		{"install_id", `{"install_id":"` + ids + `a1"}`, []Rule{ByInstallID}},
		{"installationId", `{"installationId":"` + ids + `a1"}`, []Rule{ByInstallID}},
		{"deviceId where no other is", `{"device-id":"` + ids + `a1"}`, []Rule{ByInstallID}},
		{"deviceId next to an install id", `{"deviceId":"` + ids + `a1","installId":"i"}`, nil},
		{"deviceId next to an empty install id", `{"deviceId":"` + ids + `a1","installId":""}`, []Rule{ByInstallID}},
		{"an alias of the install id", `{"installationId":"` + ids + `a1","installId":"i"}`, []Rule{ByInstallID}},
		{"user id", `{"installId":"i","userId":"1234"}`, []Rule{ByUserID}},
		{"user id in another spelling", `{"installId":"i","User_ID":"1234"}`, []Rule{ByUserID}},
		{"user id as a number", `{"installId":"i","userId":1234}`, []Rule{ByUserID}},
		{"user id as 1234.0", `{"installId":"i","userId":1234.0}`, []Rule{ByUserID}},
		{"user id as 1.234e3", `{"installId":"i","userId":1.234e3}`, []Rule{ByUserID}},
		{"user id as a word 1234.0", `{"installId":"i","userId":"1234.0"}`, nil},
		{"a longer user id", `{"installId":"i","userId":"12345"}`, nil},
		{"user id with spaces", `{"installId":"i","userId":" 1234"}`, nil},
		{"e-mail as user id", `{"installId":"i","userId":" Ann@X.com "}`, []Rule{EmailInUserID}},
		{"phone as user id", `{"installId":"i","userId":"0171 1234567"}`, []Rule{PhoneInUserID}},
		{"install id as user id", `{"installId":"i","userId":"` + ids + `a1"}`, []Rule{InstallIDInUserID}},
		{"e-mail in a property", `{"installId":"i","customProperties":{"mail":"ANN@x.COM"}}`, []Rule{EmailInProperty}},
		{"e-mail with escapes", `{"installId":"i","customProperties":{"mail":"ann\u0040x\u002ecom"}}`, []Rule{EmailInProperty}},
		{"e-mail with other spaces around it", "{\"installId\":\"i\",\"customProperties\":{\"mail\":\"\u00a0ann@x.com\u2003\"}}", []Rule{EmailInProperty}},
		{"install id with other spaces around it", "{\"installId\":\"i\",\"customProperties\":{\"mail\":\"\u00a0" + ids + "a1\u00a0\"}}", []Rule{InstallIDInProperty}},
		{"part of an e-mail", `{"installId":"i","customProperties":{"mail":"joann@x.com","other":"ann@x.com.au"}}`, nil},
		{"e-mail inside a text", `{"installId":"i","customProperties":{"note":"write to ann@x.com"}}`, nil},
		{"phone in a property", `{"installId":"i","customProperties":{"p":"+49 (0)171/123-45.67"}}`, []Rule{PhoneInProperty}},
		{"phone with direction marks", "{\"installId\":\"i\",\"customProperties\":{\"p\":\"\u202a+49\u00a0171\u20111234567\u202c\"}}", []Rule{PhoneInProperty}},
		{"phone as a number", `{"installId":"i","customProperties":{"p":491711234567}}`, []Rule{PhoneInProperty}},
		{"phone as a number with a fraction", `{"installId":"i","customProperties":{"p":491711234567.0}}`, []Rule{PhoneInProperty}},
		{"phone in words", `{"installId":"i","customProperties":{"p":"call 0171 1234567"}}`, nil},
		{"user id in a property", `{"installId":"i","customProperties":{"userId":"1234"}}`, []Rule{UserIDInProperty}},
		{"user id as a number in a property", `{"installId":"i","customProperties":{"userId":1234}}`, []Rule{UserIDInProperty}},
		{"a named property", `{"installId":"i","customProperties":{"plan":"gold"}}`, []Rule{NamedProperty}},
		{"the value under another name", `{"installId":"i","customProperties":{"Plan":"gold","tier":"gold"}}`, nil},
		{"another value under the name", `{"installId":"i","customProperties":{"plan":"Gold"}}`, nil},
		{"a named number", `{"installId":"i","customProperties":{"size":12.50}}`, []Rule{NamedProperty}},
		{"a named boolean", `{"installId":"i","customProperties":{"vip":true,"other":true}}`, []Rule{NamedProperty}},
		{"null and empty", `{"installId":"i","customProperties":{"plan":null,"vip":""}}`, nil},
		{"properties in a string", `{"installId":"i","Properties":"{\"mail\":\"ann@x.com\"}"}`, []Rule{EmailInProperty}},
		{"properties in a string with \\u0022", `{"installId":"i","Properties":" {\u0022mail\u0022:\u0022ann\\u0040x.com\u0022}"}`, []Rule{EmailInProperty}},
		{"typed items in a string", `{"installId":"i","properties":"[{\"type\":\"string\",\"name\":\"plan\",\"value\":\"gold\"}]"}`, []Rule{NamedProperty}},
		{"properties that are one string", `{"installId":"i","properties":"ann@x.com"}`, []Rule{EmailInProperty}},
		{"typed items", `{"installId":"i","custom_properties":[{"value":"gold","type":"string","name":"plan"},{"type":"string","name":"u","value":"1234"}]}`, []Rule{NamedProperty, UserIDInProperty}},
		{"a cleared item", `{"installId":"i","properties":[{"type":"clear","name":"plan","value":"gold"}]}`, nil},
		{"a name and a type are no values", `{"installId":"i","properties":[{"type":"string","name":"1234","value":"x"}]}`, nil},
		{"a list of objects", `{"installId":"i","properties":[{"plan":"gold"},"1234"]}`, []Rule{NamedProperty, UserIDInProperty}},
		{"properties at the top", `{"installId":"i","plan":"gold","u":"1234"}`, []Rule{NamedProperty, UserIDInProperty}},
		{"the provider's own fields", `{"installId":"i","osBuild":"1234","pushToken":"1234","platform":"1234","sid":"1234","type":"1234","language":"1234","templates":{"t":"ann@x.com"},"device":{"osBuild":"1234","timeZoneOffset":1234}}`, nil},
		{"an unknown field of the device", `{"installId":"i","device":{"owner":"1234"}}`, []Rule{UserIDInProperty}},
		{"nested values", `{"installId":"i","customProperties":{"plan":{"a":[{"b":"gold"}]},"contact":{"mail":["x",{"y":"ann@x.com"}]}}}`, []Rule{EmailInProperty, NamedProperty}},
		{"the name of a nested value", `{"installId":"i","customProperties":{"a":{"plan":"gold"}}}`, nil},
		{"a tag", `{"installId":"i","tags":["x","ann@x.com","1234"]}`, []Rule{EmailInTag, UserIDInTag}},
		{"part of a tag", `{"installId":"i","tags":["email_ann@x.com","user:1234"]}`, nil},
		{"the first of two equal keys", `{"installId":"i","userId":"1234","userId":"5","properties":{"mail":"ann@x.com","mail":"bob@x.com"}}`, []Rule{ByUserID, EmailInProperty}},
		{"keys are no values", `{"installId":"i","ann@x.com":"1","properties":{"1234":1}}`, nil},
		{"two containers", `{"installId":"i","properties":{"plan":"gold"},"customProperties":{"u":"1234"}}`, []Rule{NamedProperty, UserIDInProperty}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o := devices(t, New([]Person{person(t, "ann", ann...)}, phone.In("DE")), row.line)
			var got []Rule
			for _, d := range o.devices {
				got = append(got, rules(d.Hits, "ann")...)
			}
			slices.Sort(row.want)
			if !slices.Equal(got, row.want) || o.tally.Devices != 1 || o.tally.Unreadable != 0 {
				t.Errorf("%s: got %v (%+v), want %v", row.line, got, o.tally, row.want)
			}
		})
	}
}

func TestDeviceComesBackAsExported(t *testing.T) {
	t.Parallel()
	m := New([]Person{person(t, "ann", "email=ann@x.com", "install_id="+ids+"b2")}, phone.In("DE"))
	o := devices(t, m, `{"InstallId":" not-A-uuid ","userId":1234.0,"p":"ann@x.com"}`+"\n"+`{"InstallId":"`+ids+`B2","UserId":"Bob"}`)
	if len(o.devices) != 2 || o.devices[0].InstallID != " not-A-uuid " || o.devices[0].UserID != "1234.0" || o.devices[1].InstallID != ids+"B2" || o.devices[1].UserID != "Bob" {
		t.Fatalf("got %+v", o.devices)
	}
}

func TestALineWithTwoInstallIDsIsTwoDevices(t *testing.T) {
	t.Parallel()
	o := devices(t, New([]Person{person(t, "ann", "email=ann@x.com")}, phone.In("DE")), `{"installId":"a","installId":"b","installId":"a","deviceId":"c","p":"ann@x.com"}`)
	if len(o.devices) != 2 || o.devices[0].InstallID != "a" || o.devices[1].InstallID != "b" || o.tally.Devices != 1 {
		t.Fatalf("got %+v", o)
	}
}

func TestLearnedIdsOnDevices(t *testing.T) {
	t.Parallel()
	ann := person(t, "ann", "email=ann@x.com")
	ann.Installs, ann.UserIDs = []string{ids + "C3", "Raw-1"}, []string{"shared-tablet"}
	m := New([]Person{ann, person(t, "bob", "email=bob@x.com")}, phone.In("DE"))
	o := devices(t, m, `{"installId":"`+ids+`c3"}`+"\n"+`{"installId":"Raw-1"}`+"\n"+`{"installId":"raw-1"}`+"\n"+`{"installId":"i","userId":"shared-tablet"}`)
	if len(o.devices) != 2 || o.devices[0].InstallID != ids+"c3" || o.devices[1].InstallID != "Raw-1" {
		t.Fatalf("got %+v, want the two learned installs and no match by the learned user id", o.devices)
	}
	o = devices(t, m, `{"installId":"i","userId":"shared-tablet","p":"bob@x.com"}`+"\n"+`{"userId":"shared-tablet","p":"bob@x.com"}`)
	if len(o.devices) != 1 || !slices.Equal(refs(o.devices[0].Hits), []string{"bob"}) || len(o.unreadable) != 1 || !slices.Equal(o.unreadable[0], []string{"bob"}) {
		t.Fatalf("got %+v, want bob alone: a learned user id is not searched for on devices", o)
	}
}

func TestSharedDevice(t *testing.T) {
	t.Parallel()
	people := func(t *testing.T) []Person {
		return []Person{
			person(t, "mail", "email=ann@x.com"),
			person(t, "user", "user_id=u1"),
			person(t, "usermail", "user_id=u1", "email=other@x.com"),
			person(t, "userphone", "user_id=u1", "phone=+491711234567"),
			person(t, "address", "user_id=owner@x.com"),
		}
	}
	rows := []struct {
		name, line string
		want       []string
	}{
		{"nobody else", `"userId":"u1","properties":{"a":"ann@x.com"}`, nil},
		{"another address", `"userId":"u1","properties":{"a":"ann@x.com","b":"bob@x.com"}`, []string{"mail", "usermail"}},
		{"another address as user id", `"userId":"bob@x.com","properties":{"a":"ann@x.com"}`, []string{"mail"}},
		{"another address in a tag", `"userId":"u1","tags":["bob@x.com"]`, []string{"usermail"}},
		{"another international number", `"userId":"u1","properties":{"x":"+49 171 7654321","a":"ann@x.com"}`, []string{"mail", "userphone"}},
		{"another number after 00", `"userId":"u1","properties":{"x":"0049 171 7654321"}`, []string{"userphone"}},
		{"another national number under a phone's name", `"userId":"u1","properties":{"mobileNo":"0171 7654321"}`, []string{"userphone"}},
		{"the same as a number, nested", `"userId":"u1","properties":{"x":{"WhatsApp":491717654321}}`, []string{"userphone"}},
		{"a typed phone", `"userId":"u1","properties":[{"type":"string","value":"0171 7654321","name":"cellular"}]`, []string{"userphone"}},
		{"a number under another name", `"userId":"u1","properties":{"order":"0171 7654321"}`, nil},
		{"an impossible number under a phone's name", `"userId":"u1","properties":{"phone":"12"}`, nil},
		{"an address that is somebody's user id here", `"userId":"u1","properties":{"a":"Owner@x.com"}`, nil},
		{"people of the same job", `"userId":"u1","properties":{"a":"ann@x.com","b":"other@x.com","c":"+491711234567"}`, nil},
		{"a user id that nobody names", `"userId":"u2","properties":{"a":"ann@x.com"}`, nil},
		{"an address inside a longer text", `"userId":"u1","properties":{"a":"ann@x.com","b":"see bob@x.com"}`, nil},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o := devices(t, New(people(t), phone.In("DE")), `{"installId":"i",`+row.line+`}`)
			if len(o.devices) != 1 {
				t.Fatalf("got %d devices", len(o.devices))
			}
			if got := o.devices[0].Shared; !slices.Equal(got, row.want) {
				t.Errorf("shared for %v, want %v", got, row.want)
			}
		})
	}
}

func TestUnreadableLines(t *testing.T) {
	t.Parallel()
	ann := person(t, "ann", "email=ann@x.com", "phone=+491711234567", "user_id=1234", "install_id="+ids+"a1", "property:plan=gold", "property:nick=the golden one")
	rows := []struct {
		name, line string
		whose      bool
	}{
		{"broken off", `{"installId":"i","mail":"ann@x.com`, true},
		{"broken off, somebody else's", `{"installId":"i","mail":"joann@x.com`, false},
		{"no install id", `{"mail":"ann@x.com"}`, true},
		{"install id that is no string", `{"installId":7,"mail":"ann@x.com"}`, true},
		{"empty install id", `{"installId":" ","mail":"ann@x.com"}`, true},
		{"a list", `["ann@x.com"]`, true},
		{"a string", `"ann@x.com"`, true},
		{"two objects", `{"installId":"i","a":"ann@x.com"}{}`, true},
		{"not UTF-8", "{\"installId\":\"i\",\"city\":\"K\xf6ln\",\"a\":\"ann@x.com\"}", true},
		{"not UTF-8, nobody's", "{\"installId\":\"i\",\"city\":\"K\xf6ln\"}", false},
		{"escaped", `{"mail":"\u0061nn\u0040x.com`, true},
		{"escaped twice", `{"properties":"{\"mail\":\"ann\\u0040x.com`, true},
		{"after a line feed escape", `{"note":"\nann@x.com`, true},
		{"properties that break off", `{"installId":"i","properties":"{\"mail\":\"ann@x.com\""}`, true},
		{"short user id as a string", `{"u":"1234"`, true},
		{"short user id as a number", `{"u":1234,`, true},
		{"short user id as another number", `{"u":1234.0,`, true},
		{"short user id in a text", `{"u":"only 1234 left"`, false},
		{"install id in capitals", `{"x":"` + ids + `A1"`, true},
		{"phone", `{"x":"0171 / 1234567"`, true},
		{"percent-encoded", `{"x":"?m=ann%40x.com"`, true},
		{"short property with its name", `{"plan":"gold"`, true},
		{"short property without its name", `{"tier":"gold"`, false},
		{"long property", `{"x":"the golden one"`, true},
		{"control character", "{\"installId\":\"i\",\"a\":\"ann@x.com\x01\"}", true},
		{"raw tab in a string", "{\"installId\":\"i\",\"a\":\"\tann@x.com\"}", true},
		{"leading zero", `{"installId":"i","a":007}`, false},
		{"lone quote", `"`, false},
		{"blank install id, nobody's", `{"installId":" "}`, false},
		{"no install id, nobody's", `{"installId":""}`, false},
		{"key without its first quote", `{"installId":"i",a":2}`, false},
		{"comma before the end", `{"installId":"i",}`, false},
		{"no comma", `{"installId":"i" "a":2}`, false},
		{"no colon", `{"installId":"i","a" 2}`, false},
		{"wrong bracket", `{"installId":"i","a":[1}}`, false},
		{"not closed", `{"installId":"i","a":{"b":1}`, false},
		{"something after it", `{"installId":"i"} x`, false},
		{"wrong word", `{"installId":"i","a":nul}`, false},
		{"wrong escape", `{"installId":"i","a":"\x"}`, false},
		{"wrong number", `{"installId":"i","a":1.}`, false},
		{"backslash at the end", `{"a":"\`, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o := devices(t, New([]Person{ann}, phone.In("DE")), row.line+"\n"+`{"installId":"i"}`)
			if o.tally.Unreadable != 1 || o.tally.Devices != 1 || len(o.devices) != 0 {
				t.Fatalf("got %+v, want one unreadable line and one device", o)
			}
			if got := len(o.unreadable) == 1 && slices.Equal(o.unreadable[0], []string{"ann"}); got != row.whose {
				t.Errorf("reported %v, want it reported: %v", o.unreadable, row.whose)
			}
		})
	}
}

func TestAWholeLineIsSearchedWhateverItsLength(t *testing.T) {
	t.Parallel()
	m := New([]Person{person(t, "ann", "email=ann@x.com"), person(t, "bob", "email=bob@x.com")}, phone.In("DE"))
	for _, length := range []int{rawWindow - 40, rawWindow + rawOverlap} {
		for shift := 0; shift < 40; shift += 13 {
			line := `{"a":"` + strings.Repeat("é ", (length+shift)/3) + `ann@x.com","b":"xbob@x.com` + strings.Repeat("y", 1000)
			o := devices(t, m, line)
			if len(o.unreadable) != 1 || !slices.Equal(o.unreadable[0], []string{"ann"}) {
				t.Fatalf("length %d: got %v, want ann and not bob", length+shift, o.unreadable)
			}
		}
	}
}
