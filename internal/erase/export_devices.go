package erase

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lethe-dsr/lethe/internal/appcenter"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// Exporter starts device exports and tells how far they are. StartExport costs quota: when it fails without a clear
// answer, an export may have been started.
type Exporter interface {
	StartExport(ctx context.Context, containerSAS string) (exportID string, err error)
	ExportStatus(ctx context.Context, exportID string) (appcenter.ExportStatus, error)
}

const (
	exportTime = 2 * time.Hour   // an export that takes longer is given up
	maxStarts  = 4               // exports of one job, and one more after a Failed one: about 15 a day were allowed
	busyTime   = 4 * time.Hour   // so is waiting for another job's export in the same container
	maxBefore  = 5_000           // blobs that may lie in the container before: their digests are one ledger item
	maxBlobs   = 20_000          // blobs of one export
	workers    = 16              // shards of a large export
	pieceSize  = int64(64 << 20) // bytes of a plain blob that one worker takes at a time
)

// ExportDevicesOut is ExportDevices' answer.
type ExportDevicesOut struct {
	Done        bool  `json:"done"`
	WaitSeconds int   `json:"wait_seconds"` // before looking again
	Shards      []int `json:"shards"`       // the machine reads it: never left out, also when there are none
}

// piece is a range of one blob; what is sealed in the ledger.
type piece struct {
	Blob       appcenter.Blob `json:"blob"`
	Kind       appcenter.Kind `json:"kind"`
	Start, End int64
}

// ExportDevices starts a target's device export for a pass, or looks how far it is; when it is complete it cuts the
// blobs that appeared into pieces and answers the shards. alive tells whether a job is being worked on now: the
// container of a job that is not is taken over, and what its export left is deleted.
func ExportDevices(b Base, at func(target string) (Exporter, Container, error), alive func(ctx context.Context, job string) bool) func(context.Context, On) (ExportDevicesOut, error) {
	return func(ctx context.Context, in On) (ExportDevicesOut, error) {
		var out ExportDevicesOut
		if err := b.closed(ctx, in, Devices, false); err != nil {
			return out, err
		}
		t, err := b.target(in.Target)
		if err != nil {
			return out, err
		}
		exporter, container, err := at(in.Target)
		if err != nil {
			return out, err
		}
		e, err := b.Ledger.Export(ctx, in.Job, in.Target)
		if err != nil {
			return out, err
		}
		if matched, err := b.matched(ctx, in, e); err != nil || matched {
			return ExportDevicesOut{Done: true, Shards: shards(e.Pieces)}, err
		}
		lease, err := b.lease(ctx, in, container, alive)
		if err != nil {
			return out, err
		}
		if lease == nil { // another job's export runs there
			return b.waitForContainer(ctx, in, e)
		}
		// Again: a container that was just taken makes what was known of an export void.
		if e, err = b.Ledger.Export(ctx, in.Job, in.Target); err != nil {
			return out, err
		}
		if e.Pass == in.Pass && e.Ready {
			return ExportDevicesOut{Done: true, Shards: shards(e.Pieces)}, nil
		}
		if e.Pass != in.Pass || e.ID == "" {
			// What a start before this one left is half an export, or the same devices again.
			if err := b.removeExport(ctx, in.Target, container, *lease); err != nil {
				return out, err
			}
			job, err := b.Ledger.Job(ctx, in.Job)
			if err != nil {
				return out, err
			}
			if most := maxStarts + job.Again; e.Starts >= most && !(e.Retried && e.Starts == most) {
				name := fault.ExportFailed
				if e.ID == "" { // because nobody knows whether the last ones were started
					name = fault.Unavailable
				}
				return out, fault.New(name, "%s: this job has asked for %d device exports, as many as it may; run again later", in.Target, e.Starts)
			}
			// Counted before the call, so that an export nobody heard of is counted too.
			e, err = b.Ledger.ChangeExport(ctx, in.Job, in.Target, func(e *ledger.Export) {
				*e = e.Next(in.Pass)
				e.Starts++
			})
			if err != nil {
				return out, err
			}
			if err := b.Ledger.ClearTroubles(ctx, in.Job, in.Target, Devices); err != nil {
				return out, err
			}
			id, err := exporter.StartExport(ctx, t.ExportContainer.Reveal())
			if err != nil {
				return out, b.notStarted(ctx, in, err)
			}
			e, err = b.Ledger.ChangeExport(ctx, in.Job, in.Target, func(e *ledger.Export) {
				e.ID, e.Started, e.Polls = id, b.Now(), 0
			})
			if err != nil {
				return out, err
			}
			b.Report(Event{Job: in.Job, Target: in.Target, Area: Devices, Doing: "exporting", Pass: in.Pass})
		}
		status, err := exporter.ExportStatus(ctx, e.ID)
		if err != nil {
			return out, err
		}
		switch status {
		case appcenter.ExportCompleted:
			n, err := b.cut(ctx, in, container, *lease)
			if err != nil {
				return out, err
			}
			b.Report(Event{Job: in.Job, Target: in.Target, Area: Devices, Doing: "exporting", Pass: in.Pass, End: true})
			_, err = b.Ledger.ChangeExport(ctx, in.Job, in.Target, func(e *ledger.Export) {
				e.Ready, e.Pieces = true, n
				e.End()
			})
			return ExportDevicesOut{Done: true, Shards: shards(n)}, err
		case appcenter.ExportFailed:
			if e.Retried {
				if _, err := b.Ledger.ChangeExport(ctx, in.Job, in.Target, func(e *ledger.Export) { e.End() }); err != nil {
					return out, err
				}
				return out, fault.New(fault.ExportFailed, "%s: the provider reported the device export as failed, twice; try again later", in.Target)
			}
			_, err := b.Ledger.ChangeExport(ctx, in.Job, in.Target, func(e *ledger.Export) {
				e.End()
				e.Retried, e.ID = true, ""
			})
			return ExportDevicesOut{WaitSeconds: 5}, err
		}
		if b.Now().Sub(e.Started) > exportTime {
			return out, fault.New(fault.ExportTimeout, "%s: the device export did not complete in %s; try again later", in.Target, exportTime)
		}
		_, err = b.Ledger.ChangeExport(ctx, in.Job, in.Target, func(e *ledger.Export) { e.Polls++ })
		return ExportDevicesOut{WaitSeconds: pollWait(e.Polls)}, err
	}
}

// matched tells whether the export of this pass was read to its end. Then it is not needed again, though a crash has
// sent the job back to it and its files are gone.
func (b Base) matched(ctx context.Context, in On, e ledger.Export) (bool, error) {
	if e.Pass != in.Pass || !e.Ready {
		return false, nil
	}
	for _, n := range shards(e.Pieces) {
		cur, err := b.Ledger.Cursor(ctx, in.Job, shardName(in.Target, n), in.Pass)
		if err != nil || !cur.Done {
			return false, err
		}
	}
	return true, nil
}

// notStarted gives the error of a StartExport back, and takes the export out of the count where the provider said
// clearly that it started none.
func (b Base) notStarted(ctx context.Context, in On, err error) error {
	switch fault.NameOf(err) {
	case fault.Throttled, fault.Unauthorized, fault.ProviderClosed, fault.NotFound, fault.Refused:
		if _, err := b.Ledger.ChangeExport(ctx, in.Job, in.Target, func(e *ledger.Export) { e.Starts-- }); err != nil {
			return err
		}
	}
	return err
}

// pollWait grows from a second to a minute, so that small exports are seen at once and large ones cost few calls.
func pollWait(polls int) int { return min(1<<min(polls, 6), 60) }

func shards(pieces int) []int {
	out := make([]int, min(pieces, workers))
	for n := range out {
		out[n] = n
	}
	return out
}

// cut divides the export's blobs into pieces: ranges of plain blobs, gzip blobs whole because they cannot be entered in
// the middle. Empty blobs give none.
func (b Base) cut(ctx context.Context, in On, c Container, l ledger.Lease) (int, error) {
	blobs, err := b.newBlobs(ctx, c, l)
	if err != nil {
		return 0, err
	}
	if len(blobs) == 0 && !b.emptied(ctx, in) {
		return 0, fault.New(fault.ExportUnreadable, "%s: the provider calls the export complete, but it wrote no file; check the container's permissions and try again", in.Target)
	}
	var sealed [][]byte
	for _, blob := range blobs {
		kind, err := c.Kind(ctx, blob)
		if err != nil {
			return 0, err
		}
		if kind == appcenter.Empty {
			continue
		}
		step := pieceSize
		if kind == appcenter.Gzip {
			step = blob.Size
		}
		for start := int64(0); start < blob.Size; start += step {
			p := piece{blob, kind, start, start + step}
			if p.End >= blob.Size {
				p.End = 0 // to the end
			}
			plain, err := json.Marshal(p)
			if err != nil {
				return 0, err
			}
			s, err := b.Seal.Seal(ctx, "job/"+in.Job, plain)
			if err != nil {
				return 0, err
			}
			sealed = append(sealed, s)
		}
	}
	return len(sealed), b.Ledger.SetPieces(ctx, in.Job, in.Target, in.Pass, sealed)
}

// emptied tells whether an export without any file can be true: an earlier one of this job saw devices, and all of them
// were deleted since.
func (b Base) emptied(ctx context.Context, in On) bool {
	lanes, err := b.Ledger.Lanes(ctx, in.Job)
	seen := lanes[[2]string{in.Target, Devices}].Seen
	if err != nil || seen == 0 {
		return false
	}
	err = b.Ledger.Findings(ctx, in.Job, in.Target, Devices, func(f ledger.Finding) error {
		if !f.Deleted.IsZero() {
			seen--
		}
		return nil
	})
	return err == nil && seen <= 0
}

// shardName is the cursor of one shard's matching.
func shardName(target string, shard int) string { return fmt.Sprintf("shard/%s/%02d", target, shard) }
