package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
	"time"
)

//go:embed static/style.css
var style []byte

//go:embed static/icon.svg
var icon []byte

// StylePath is where the style sheet is, and IconPath where the icon is.
const (
	StylePath = "/style.css"
	IconPath  = "/icon.svg"
)

// Register serves what pages load: their style sheet and icon. Pages name the style sheet with its digest, so that browsers keep it
// for a year and still take a new one at once.
func Register(mux *http.ServeMux) {
	mux.Handle("GET "+StylePath, static(style, "text/css; charset=utf-8"))
	mux.Handle("GET "+IconPath, static(icon, "image/svg+xml"))
}

func static(content []byte, contentType string) http.Handler {
	version := digest(content)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("ETag", `"`+version+`"`)
		h.Set("Cache-Control", "no-cache")
		if r.URL.Query().Get("v") == version {
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	})
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}
