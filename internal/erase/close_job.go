package erase

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// CloseJobIn is CloseJob's input.
type CloseJobIn struct {
	Job   string `json:"job"`
	Pass  int    `json:"pass"`
	Final bool   `json:"final"` // false: only the requests with nothing waiting
}

// CloseJobOut is CloseJob's answer. Left says how the world was left: erased, nothing_found, partial, failed or previewed.
type CloseJobOut struct {
	Done   bool   `json:"done"`
	Left   string `json:"left"`
	Report Report `json:"report"`
}

// Signer signs certificates as compact JWS.
type Signer interface {
	Sign(ctx context.Context, payload []byte, typ string) (string, error)
}

const closeTogether = 200 // requests closed before the step looks at its time

// CloseJob writes outcomes, status and certificate of a slice of the job's requests, and destroys the identifiers of
// those that ended for good; at the end it destroys what the job found. A preview leaves no request behind, and its plan for
// an hour.
func CloseJob(b Base, signer Signer, version string) func(context.Context, CloseJobIn) (CloseJobOut, error) {
	return func(ctx context.Context, in CloseJobIn) (CloseJobOut, error) {
		more := timeLeft(ctx)
		job, err := b.Ledger.Job(ctx, in.Job)
		if errors.Is(err, ledger.ErrNotFound) { // a preview that was closed before: nothing of it is left
			return previewed(in.Job), nil
		}
		if err != nil {
			return CloseJobOut{}, err
		}
		byRequest := map[string]map[[2]string][]*ledger.Finding{}
		err = b.eachFinding(ctx, job, func(f ledger.Finding) {
			k, requests := [2]string{f.Target, f.Area}, f.Requests
			f.Requests = nil // most of its size, with the object; outcomes look at neither
			if f.Area != Devices {
				f.Object = nil
			}
			for id := range requests {
				if byRequest[id] == nil {
					byRequest[id] = map[[2]string][]*ledger.Finding{}
				}
				byRequest[id][k] = append(byRequest[id][k], &f)
			}
		})
		if err != nil {
			return CloseJobOut{}, err
		}
		lanes, err := b.Ledger.Lanes(ctx, in.Job)
		if err != nil {
			return CloseJobOut{}, err
		}
		troubles, err := b.Ledger.Troubles(ctx, in.Job)
		if err != nil {
			return CloseJobOut{}, err
		}
		var open []ledger.Request
		err = b.Ledger.RequestsOf(ctx, in.Job, func(r ledger.Request) error {
			if in.Final || !waits(byRequest[r.ID], in.Pass) {
				open = append(open, r)
			}
			return nil
		})
		if err != nil {
			return CloseJobOut{}, err
		}
		if job.Mode == string(config.Preview) {
			err := b.closePreview(ctx, job, open)
			if errors.Is(err, ledger.ErrNotFound) { // another run of this step was faster
				err = nil
			}
			return previewed(in.Job), err
		}
		for first := true; len(open) > 0 && (first || more()); first = false {
			chunk := open[:min(closeTogether, len(open))]
			open = open[len(chunk):]
			closings := make([]ledger.Closing, len(chunk))
			for n, r := range chunk {
				r.Closed = b.Now()
				outcomes := b.outcomes(job, r.ID, byRequest[r.ID], lanes, troubles)
				if r.LastJob != "" {
					former, err := b.Ledger.Outcomes(ctx, r.ID)
					if err != nil {
						return CloseJobOut{}, err
					}
					carry(outcomes, former)
				}
				r.Status = statusOf(outcomes)
				r.Settled = r.Status == ledger.Partial && settled(outcomes)
				r.Kept = keptFor(r, byRequest[r.ID])
				if !r.Final() {
					if r.Learned, err = b.remember(ctx, job, r, byRequest[r.ID]); err != nil {
						return CloseJobOut{}, err
					}
				}
				payload, err := json.Marshal(b.certificate(job, r, outcomes, approvalsFor(job, byRequest[r.ID]), version))
				if err != nil {
					return CloseJobOut{}, err
				}
				signed, err := signer.Sign(ctx, payload, CertificateType)
				if err != nil {
					return CloseJobOut{}, err
				}
				closings[n] = ledger.Closing{Request: r, Outcomes: outcomes, Certificate: signed}
			}
			if err := b.Ledger.CloseRequests(ctx, in.Job, closings); err != nil {
				return CloseJobOut{}, err
			}
			for _, c := range closings {
				if !c.Ended { // by another run of this step, which counts it
					continue
				}
				b.Tally(Count{What: Closings, N: 1, Status: c.Request.Status})
			}
		}
		out := CloseJobOut{Done: len(open) == 0}
		if !out.Done || !in.Final {
			return out, nil
		}
		if out.Report, err = b.report(ctx, in.Job); err != nil {
			return out, err
		}
		out.Left = left(out.Report.Requests)
		return out, b.Ledger.EndJob(ctx, in.Job, b.Now())
	}
}

// waits tells whether something of a request waits for a person, or for its turn after somebody else's approval.
func waits(found map[[2]string][]*ledger.Finding, pass int) bool {
	for _, fs := range found {
		for _, f := range fs {
			if f.Held || f.Cleared == pass && f.InPass != pass {
				return true
			}
		}
	}
	return false
}

func (b Base) closePreview(ctx context.Context, job ledger.Job, open []ledger.Request) error {
	if err := b.keepPreview(ctx, job.ID); err != nil {
		return err
	}
	var gone []ledger.Request
	var back []string // those that were given to the preview by their ids go on as they were
	for _, r := range open {
		if r.Preview {
			gone = append(gone, r)
		} else {
			back = append(back, r.ID)
		}
	}
	if err := b.Ledger.Release(ctx, job.ID, back, b.Now()); err != nil {
		return err
	}
	if err := b.Ledger.Destroy(ctx, gone...); err != nil {
		return err
	}
	if err := b.followSweep(ctx, job); err != nil {
		return err
	}
	return b.Ledger.EndJob(ctx, job.ID, b.Now())
}

// followSweep notes that another sweep follows the last one, where that one waited no longer for a preview, and began
// without the requests which the preview has let go now.
func (b Base) followSweep(ctx context.Context, preview ledger.Job) error {
	last, err := b.Ledger.LastSweep(ctx)
	if err != nil || !last.Began.After(preview.Opened) {
		return err
	}
	back := false
	err = b.Ledger.AllRequestsOf(ctx, preview.ID, func(ledger.Request) error { // also those that an earlier run of the step let go
		back = true
		return nil
	})
	if err != nil || !back {
		return err
	}
	_, err = b.Ledger.ChangeSweep(ctx, func(s *ledger.Sweep) error {
		if !s.Late {
			s.Late, s.LateMode = true, s.Mode
		}
		return nil
	})
	return err
}

func previewed(job string) CloseJobOut {
	return CloseJobOut{Done: true, Left: "previewed", Report: Report{Job: job, Requests: map[ledger.Status]int{}}}
}

// report counts the job's requests by how they were closed.
func (b Base) report(ctx context.Context, job string) (Report, error) {
	r := Report{Job: job, Requests: map[ledger.Status]int{ledger.Erased: 0, ledger.NothingFound: 0, ledger.Partial: 0, ledger.Failed: 0}}
	err := b.Ledger.Members(ctx, job, func(_ string, m ledger.Member) error {
		if m.Status != "" {
			r.Requests[m.Status]++
		}
		return nil
	})
	return r, err
}

func left(n map[ledger.Status]int) string {
	switch {
	case n[ledger.Partial] > 0, n[ledger.Failed] > 0 && n[ledger.Erased]+n[ledger.NothingFound] > 0:
		return "partial"
	case n[ledger.Failed] > 0:
		return "failed"
	case n[ledger.Erased] > 0:
		return "erased"
	}
	return "nothing_found"
}
