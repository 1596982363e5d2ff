package ledger

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
)

// Job is one execution over one or many requests. Its id is the execution's name.
type Job struct {
	ID        string     `json:"id"`
	Mode      string     `json:"mode"`
	Opened    time.Time  `json:"opened"`
	Closed    time.Time  `json:"closed,omitzero"`
	Search    []string   `json:"search"`            // targets that are searched
	Order     []string   `json:"order"`             // targets that only take orders
	Pass      int        `json:"pass"`              // of the last search that was reviewed
	Searched  time.Time  `json:"searched,omitzero"` // when that search was reviewed first
	Again     int        `json:"again,omitempty"`   // searches that were made because an approval took long
	Plan      string     `json:"plan,omitempty"`
	Token     string     `json:"token,omitempty"` // task token, while a plan waits
	Approvals []Approval `json:"approvals,omitempty"`
}

// Decided tells whether a person gave a word on the plan that was shown last.
func (j Job) Decided() bool {
	return slices.ContainsFunc(j.Approvals, func(a Approval) bool { return a.Plan == j.Plan })
}

// Waits tells whether the job waits for a person's word on its plan.
func (j Job) Waits() bool { return j.Closed.IsZero() && j.Plan != "" && j.Token != "" && !j.Decided() }

// Approval is a person's word on a plan.
type Approval struct {
	Plan     string    `json:"plan"`
	Approved bool      `json:"approved"`
	Ground   string    `json:"ground,omitempty"` // of a rejection, or of what is kept
	Kept     []string  `json:"kept,omitempty"`   // digests of the objects that are kept of an approved plan
	By       string    `json:"by"`
	At       time.Time `json:"at"`
}

// Member is a request's place in a job. An empty status means that it is not closed there yet.
type Member struct {
	Status Status `json:"status,omitempty"`
}

func jobKey(id string) Key { return Key{"job/" + id, "job"} }
func memberKey(job, request string, b breadth) Key {
	return Key{memberPartition(job, b.of(request)), request}
}

// Job reads a job; ErrNotFound where there is none.
func (l *Ledger) Job(ctx context.Context, id string) (Job, error) {
	j, _, err := read[Job](ctx, l, jobKey(id))
	return j, err
}

// listKey is the job's place in the list of a month's jobs, by time: an execution may have any name.
func (j Job) listKey() Key {
	opened := j.Opened.UTC()
	return Key{"jobs/" + opened.Format("2006-01"), opened.Format("02T15:04:05.000") + "/" + j.ID}
}

// workingKey is its place in the list of the jobs that are not closed.
func (j Job) workingKey() Key { return Key{"working", j.ID} }

// Working gives the ids of the jobs that are not closed, previews among them, oldest first. Some may never have come to be.
func (l *Ledger) Working(ctx context.Context) (ids []string, err error) {
	err = each(ctx, l, Job{}.workingKey().Partition, "", func(id string, _ int64, _ struct{}) error {
		ids = append(ids, id)
		return nil
	})
	return ids, err
}

// NotWorking takes a job that is closed, or never came to be, out of that list.
func (l *Ledger) NotWorking(ctx context.Context, id string) error {
	return l.store.Write(ctx, Change{Key: Job{ID: id}.workingKey()})
}

// list makes an entry of a list, unless it is there: a step may be run again.
func (l *Ledger) list(ctx context.Context, k Key, until time.Time) error {
	entry := []Change{{Key: k, Data: []byte(`{}`), Expires: until}}
	return l.one(ctx, entry, func() ([]Change, error) {
		there, err := l.store.Get(ctx, k)
		if err != nil || len(there) > 0 {
			return nil, err
		}
		return entry, nil
	})
}

// OpenJob writes a new job unless it is there already, and gives the one that is there.
func (l *Ledger) OpenJob(ctx context.Context, j Job) (Job, error) {
	if err := l.list(ctx, j.workingKey(), time.Time{}); err != nil { // first: no job may be without it
		return Job{}, err
	}
	job, err := update(ctx, l, jobKey(j.ID), true, func(there *Job) error {
		if there.ID == "" {
			*there = j
		}
		return nil
	})
	if err != nil || job.Mode == "preview" {
		return job, err
	}
	return job, l.list(ctx, job.listKey(), job.Opened.Add(Retention))
}

// Jobs gives the ids of the jobs, previews left out, that were opened in the month of a time, oldest first.
func (l *Ledger) Jobs(ctx context.Context, month time.Time) (ids []string, err error) {
	err = each(ctx, l, Job{Opened: month}.listKey().Partition, "", func(at string, _ int64, _ struct{}) error {
		ids = append(ids, at[strings.LastIndexByte(at, '/')+1:])
		return nil
	})
	return ids, err
}

// EachJob reads jobs and calls do for those that exist, in the order of ids.
func (l *Ledger) EachJob(ctx context.Context, ids []string, do func(Job) error) error {
	return eachOf(ctx, l, ids, jobKey, func(j Job, _ Item) error { return do(j) })
}

// ChangeJob lets change work on a job.
func (l *Ledger) ChangeJob(ctx context.Context, id string, change func(*Job) error) (Job, error) {
	return update(ctx, l, jobKey(id), false, change)
}

// Invite reserves places for requests in a job that is going to be opened, so that its input need not list them:
// Step Functions allows 256 KiB of input, and 10,000 ids are more. The places of a job that is never opened go at until;
// the zero time is never.
func (l *Ledger) Invite(ctx context.Context, job string, requests []string, until time.Time) error {
	if len(requests) == 0 {
		return nil
	}
	b, err := l.spreadOut(ctx, job, len(requests), until)
	if err != nil {
		return err
	}
	all := make([][]Change, len(requests))
	for n, id := range requests {
		all[n] = []Change{{Key: memberKey(job, id, b), Data: encode(Member{}), Expires: until}}
	}
	return l.groups(ctx, all, func(n int) ([]Change, error) {
		there, err := l.store.Get(ctx, all[n][0].Key)
		if err != nil || len(there) > 0 { // invited before
			return nil, err
		}
		return all[n], nil
	})
}

// Uninvite removes the places in a job that will not be opened any more.
func (l *Ledger) Uninvite(ctx context.Context, job string) error {
	b, err := l.breadth(ctx, job)
	if err == nil {
		err = l.clear(ctx, "", b.partitions(func(s string) string { return memberPartition(job, s) })...)
	}
	if err != nil {
		return err
	}
	return l.store.Write(ctx, Change{Key: breadthKey(job)})
}

// Members calls do for a job's requests, in order of their ids.
func (l *Ledger) Members(ctx context.Context, job string, do func(request string, m Member) error) error {
	members, _, err := l.members(ctx, job)
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(members)) {
		if err := do(id, members[id].Member); err != nil {
			return err
		}
	}
	return nil
}

// member is a Member as it is kept.
type member struct {
	Member
	version int64
}

// members reads a job's, by request.
func (l *Ledger) members(ctx context.Context, job string) (map[string]member, breadth, error) {
	b, err := l.breadth(ctx, job)
	if err != nil {
		return nil, b, err
	}
	out := map[string]member{}
	for _, p := range b.partitions(func(s string) string { return memberPartition(job, s) }) {
		err := each(ctx, l, p, "", func(request string, version int64, m Member) error {
			out[request] = member{m, version}
			return nil
		})
		if err != nil {
			return nil, b, err
		}
	}
	return out, b, nil
}

// Claim gives requests to a job that they are invited to: each that has not ended and that no other job holds becomes
// running. A job that was opened as a preview only holds them: it tries nothing, so that their status stays and nobody is
// told. The places of the others are removed. It answers the ids that the job holds now.
func (l *Ledger) Claim(ctx context.Context, job string, requests []string, at time.Time, named ...string) ([]string, error) {
	opened, err := l.Job(ctx, job)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	claim := func(r *Request) bool {
		if r.Job != "" || r.Final() || r.Status == Unverified || !slices.Contains(named, r.ID) && r.Mode == "approve" && opened.Mode == "erase" {
			return false
		}
		if r.Job = job; opened.Mode != "preview" {
			r.Status, r.Attempts = Running, r.Attempts+1
		}
		return true
	}
	if err := l.changeRequests(ctx, requests, at, claim); err != nil {
		return nil, err
	}
	var held []string
	mine := map[string]bool{}
	err = l.eachRequest(ctx, requests, func(r Request, _ Item) error {
		if r.Job == job {
			held, mine[r.ID] = append(held, r.ID), true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	b, err := l.breadth(ctx, job)
	if err != nil {
		return nil, err
	}
	var removed []Change
	for _, id := range requests {
		if !mine[id] {
			removed = append(removed, Change{Key: memberKey(job, id, b)})
		}
	}
	_, err = l.store.WriteEach(ctx, removed...)
	return held, err
}

// Release takes requests from a job that has not closed them: they are free for others. Those that it had begun to work on
// wait again; those of a preview are as they were.
func (l *Ledger) Release(ctx context.Context, job string, requests []string, at time.Time) error {
	return l.changeRequests(ctx, requests, at, func(r *Request) bool {
		if r.Job != job || r.Final() {
			return false
		}
		switch r.Job = ""; {
		case r.Status != Running && r.Status != InReview:
		case r.LastJob != "":
			r.Status = Partial
		default:
			r.Status = Pending
		}
		return true
	})
}

// MarkRequests gives the open requests that a job holds another status.
func (l *Ledger) MarkRequests(ctx context.Context, job string, s Status, at time.Time) error {
	var ids []string
	err := l.RequestsOf(ctx, job, func(r Request) error {
		ids = append(ids, r.ID)
		return nil
	})
	if err != nil {
		return err
	}
	return l.changeRequests(ctx, ids, at, func(r *Request) bool {
		if r.Job != job || r.Status == s || r.Final() {
			return false
		}
		r.Status = s
		return true
	})
}

// changeRequests lets change work on many requests; it tells whether there is anything to write.
func (l *Ledger) changeRequests(ctx context.Context, ids []string, at time.Time, change func(*Request) bool) error {
	for from := 0; from < len(ids); from += MaxChanges {
		var all [][]Change
		var keys []Key
		err := l.eachRequest(ctx, ids[from:min(from+MaxChanges, len(ids))], func(r Request, i Item) error {
			if old := r; change(&r) {
				all, keys = append(all, r.follow(old, i.Version, at)), append(keys, i.Key)
			}
			return nil
		})
		if err != nil {
			return err
		}
		err = l.groups(ctx, all, func(n int) ([]Change, error) {
			r, version, err := read[Request](ctx, l, keys[n])
			old := r
			if err != nil || !change(&r) {
				return nil, err
			}
			return r.follow(old, version, at), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// eachOf reads records of one kind, many at a time, and calls do for those that exist, in the order of ids.
func eachOf[T any](ctx context.Context, l *Ledger, ids []string, key func(id string) Key, do func(T, Item) error) error {
	for chunk := range slices.Chunk(ids, MaxChanges) {
		keys := make([]Key, len(chunk))
		for n, id := range chunk {
			keys[n] = key(id)
		}
		items, err := l.store.Get(ctx, keys...)
		if err != nil {
			return err
		}
		for _, i := range items {
			var v T
			if err := decode(i, &v); err != nil {
				return err
			}
			if err := do(v, i); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Ledger) eachRequest(ctx context.Context, ids []string, do func(Request, Item) error) error {
	return eachOf(ctx, l, ids, requestKey, do)
}

// Each reads requests and calls do for those that exist, in the order of ids.
func (l *Ledger) Each(ctx context.Context, ids []string, do func(Request) error) error {
	return l.eachRequest(ctx, ids, func(r Request, _ Item) error { return do(r) })
}

// RequestsOf calls do for the requests of a job that it still holds.
func (l *Ledger) RequestsOf(ctx context.Context, job string, do func(Request) error) error {
	return l.AllRequestsOf(ctx, job, func(r Request) error {
		if r.Job != job {
			return nil
		}
		return do(r)
	})
}

// AllRequestsOf calls do for all requests of a job, also those that it has closed.
func (l *Ledger) AllRequestsOf(ctx context.Context, job string, do func(Request) error) error {
	var ids []string
	err := l.Members(ctx, job, func(id string, _ Member) error {
		ids = append(ids, id)
		return nil
	})
	if err != nil {
		return err
	}
	return l.Each(ctx, ids, do)
}
