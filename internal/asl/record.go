package asl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Store keeps one record for each execution, under the execution's name.
type Store interface {
	// Load gives the record as it was saved last, or ErrNoExecution.
	Load(ctx context.Context, name string) ([]byte, error)

	// Save puts the record in the place of the one before, wholly or not at all, and returns when it will survive a
	// crash. After an error either of the two may be there. A Runner never has two calls for the same name under way;
	// no other Runner may have the same execution at the same time.
	Save(ctx context.Context, name string, record []byte) error
}

// ErrNoExecution is what Store.Load answers when there is no record of that name.
var ErrNoExecution = errors.New("there is no execution of this name")

// Status says where an execution is.
type Status string

// The statuses. Running is also what a killed execution has until it is resumed.
const (
	Running   Status = "running"
	Waiting   Status = "waiting" // for a task token
	Succeeded Status = "succeeded"
	Failed    Status = "failed"
)

// record is what the Store keeps: enough to run the current state again, and nothing of the states before it.
type record struct {
	Status  Status          `json:"status"`
	Input   json.RawMessage `json:"input"`
	Started time.Time       `json:"started"`

	State      string          `json:"state,omitempty"` // the current or last top-level one
	StateInput json.RawMessage `json:"state_input,omitempty"`
	Entered    time.Time       `json:"entered,omitzero"`

	Token    string    `json:"token,omitempty"` // of the current attempt; kept when the state is run again
	Answer   *answer   `json:"answer,omitempty"`
	Deadline time.Time `json:"deadline,omitzero"` // of the token, however often it beats
	Beat     time.Time `json:"beat,omitzero"`     // by when it has to beat next; the zero time for never
	Retries  []int     `json:"retries,omitempty"` // used up, by retrier, when the token was made

	Ended  time.Time       `json:"ended,omitzero"`
	Output json.RawMessage `json:"output,omitempty"`
	Error  string          `json:"error,omitempty"`
	Cause  string          `json:"cause,omitempty"`
}

// answer is what came for a token.
type answer struct {
	Output json.RawMessage `json:"output,omitempty"`
	Failed bool            `json:"failed,omitempty"`
	Error  string          `json:"error,omitempty"`
	Cause  string          `json:"cause,omitempty"`
}

// Result is how an execution stands.
type Result struct {
	Status Status
	Output []byte // JSON; when it succeeded
	Error  string // name; when it failed
	Cause  string // when it failed
	Token  string // when it waits
}

func (rec *record) result() Result {
	res := Result{Status: rec.Status, Output: rec.Output, Error: rec.Error, Cause: rec.Cause}
	if rec.Status == Waiting {
		res.Token = rec.Token
	}
	return res
}

// overdue names the failure of a token that is answered or beats no sooner than now, "" while there is time.
func (rec *record) overdue(now time.Time) string {
	beats := rec.Beat.IsZero() || now.Before(rec.Beat)
	switch {
	case beats && now.Before(rec.Deadline):
		return ""
	case beats || !rec.Beat.Before(rec.Deadline): // the first of the two that was over
		return Timeout
	}
	return HeartbeatTimeout
}

func decodeRecord(b []byte) (record, error) {
	var rec record
	if err := json.Unmarshal(b, &rec); err != nil {
		return rec, errors.New("its record cannot be read")
	}
	switch rec.Status {
	case Running, Waiting, Succeeded, Failed:
		return rec, nil
	}
	return rec, fmt.Errorf("its record has an unknown status")
}
