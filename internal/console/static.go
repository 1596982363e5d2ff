package console

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
	"time"
)

//go:embed static/live.js
var script []byte

//go:embed static/console.css
var style []byte

const (
	scriptPath = "/console/live.js"
	stylePath  = "/console/console.css"
)

// versioned is a path with the digest of what is there, so that browsers keep it and still take a new one at once.
func versioned(path string, content []byte) string {
	sum := sha256.Sum256(content)
	return path + "?v=" + hex.EncodeToString(sum[:8])
}

func static(path string, content []byte, contentType string) http.Handler {
	current := versioned(path, content)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "no-cache")
		if path+"?"+r.URL.RawQuery == current {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	})
}
