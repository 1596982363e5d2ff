package web

import (
	"context"
	"net/http"
	"time"
)

// Health answers 200 and "ok" while check, which reads the ledger, succeeds within 5 seconds, and 503 otherwise. It
// belongs at GET /healthz.
func Health(check func(context.Context) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		if err := check(ctx); err != nil {
			p := NewProblem(Busy).after(5 * time.Second)
			p.cause = err
			WriteProblem(w, p)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
}
