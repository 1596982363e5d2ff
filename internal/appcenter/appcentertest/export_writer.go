package appcentertest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
)

// write gives the files of an export of the devices, always one or more.
func (s ExportStyle) write(devices []Device) [][]byte {
	blobs := max(s.Blobs, 1)
	size := (len(devices) + blobs - 1) / blobs
	files := make([][]byte, 0, blobs)
	for n := range blobs {
		var lines []string
		for _, d := range devices[min(n*size, len(devices)):min((n+1)*size, len(devices))] {
			lines = append(lines, s.line(d))
		}
		if n == 0 {
			lines = append(lines, s.ExtraLines...)
		}
		files = append(files, s.file(lines))
	}
	return files
}

func (s ExportStyle) file(lines []string) []byte {
	end := "\n"
	if s.CRLF {
		end = "\r\n"
	}
	text := strings.Join(lines, end)
	if len(lines) > 0 && !s.NoFinalNewline {
		text += end
	}
	if s.BOM {
		text = "\ufeff" + text
	}
	if !s.Gzip {
		return []byte(text)
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	// Two members, as concatenated files have: a reader must not stop after the first.
	half := len(text) / 2
	mustWrite(z, text[:half])
	z.Reset(&b)
	mustWrite(z, text[half:])
	return b.Bytes()
}

func mustWrite(z *gzip.Writer, text string) {
	if _, err := z.Write([]byte(text)); err != nil {
		panic("appcentertest: a buffer takes everything: " + err.Error())
	}
	if err := z.Close(); err != nil {
		panic("appcentertest: a buffer takes everything: " + err.Error())
	}
}

// line is one device as one JSON object.
func (s ExportStyle) line(d Device) string {
	var f fields
	add := func(name, value string) {
		if value != "" {
			f.add(name, value)
		}
	}
	props := "customProperties"
	switch s.Keys {
	case Camel:
		add("installId", d.InstallID)
		add("pushToken", d.PushToken)
		add("platform", d.Platform)
		add("userId", d.UserID)
		if d.Locale != "" {
			f.add("device", map[string]string{"locale": d.Locale})
		}
	case Pascal:
		props = "Properties"
		add("InstallId", d.InstallID)
		add("PushToken", d.PushToken)
		add("OsName", d.Platform)
		add("UserId", d.UserID)
		add("Locale", d.Locale)
	case NotificationHub:
		props = "properties"
		add("installationId", d.InstallID)
		add("userID", d.UserID)
		add("platform", d.Platform)
		add("pushChannel", d.PushToken)
	}
	if d.Tags != nil {
		f.add("tags", d.Tags)
	}
	s.props(&f, props, d.Props)
	if !s.EscapeAll {
		return f.String()
	}
	return escapeAll(f.String())
}

func (s ExportStyle) props(f *fields, name string, props map[string]any) {
	var own fields
	list := []any{}
	for _, k := range slices.Sorted(maps.Keys(props)) {
		own.add(k, props[k])
		list = append(list, map[string]any{"type": typeOf(props[k]), "name": k, "value": props[k]})
	}
	switch {
	case props == nil:
	case s.Shape == Object:
		f.add(name, json.RawMessage(own.String()))
	case s.Shape == JSONString:
		f.add(name, own.String())
	case s.Shape == List:
		f.add(name, list)
	case s.Shape == Flat:
		*f = append(*f, own...)
	}
}

// typeOf is the SDK's word for a property's type.
func typeOf(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case time.Time:
		return "dateTime"
	}
	return "number"
}

// fields is a JSON object in the making, in the order of its fields.
type fields []string

func (f *fields) add(name string, value any) {
	k, err := json.Marshal(name)
	if err != nil {
		panic("appcentertest: strings always marshal: " + err.Error())
	}
	v, err := json.Marshal(value)
	if err != nil {
		panic("appcentertest: a device's property does not marshal: " + err.Error())
	}
	*f = append(*f, string(k)+":"+string(v))
}

func (f fields) String() string { return "{" + strings.Join(f, ",") + "}" }

// escapeAll writes every character within the strings of a JSON text as \uXXXX, which is the same JSON.
func escapeAll(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); {
		if text[i] != '"' {
			out.WriteByte(text[i])
			i++
			continue
		}
		end := i + 1
		for ; text[end] != '"'; end++ {
			if text[end] == '\\' {
				end++
			}
		}
		var plain string
		if err := json.Unmarshal([]byte(text[i:end+1]), &plain); err != nil {
			panic("appcentertest: own JSON always parses: " + err.Error())
		}
		out.WriteByte('"')
		for _, u := range utf16.Encode([]rune(plain)) {
			fmt.Fprintf(&out, `\u%04x`, u)
		}
		out.WriteByte('"')
		i = end + 1
	}
	return out.String()
}
