package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/awslocal"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/local"
)

// programs are the functions of --functions, and what they run on.
type programs struct {
	dir, dynalite string
	cloud         *awslocal.Cloud
	functions     *awslocal.Functions
}

// usable tells why the demo cannot run so: by its flags, or by what is missing.
func (p *programs) usable(serve, dynaliteGiven bool) error {
	switch {
	case p.dir == "" && dynaliteGiven:
		return errors.New("--dynalite goes with --functions DIR")
	case p.dir == "":
		return nil
	case serve:
		return errors.New("--serve works on a ledger in the data directory, and with --functions the ledger is DynamoDB's, which ends with the story; leave one of them out")
	}
	p.dir = awslocal.ForThisMachine(p.dir)
	return awslocal.Check(p.dir, p.dynalite)
}

// open starts the services of AWS on this machine, and gives a house whose ledger and keys are theirs, and whose steps are
// the programs.
func (p *programs) open(ctx context.Context, document []byte, o local.Options) (*local.House, error) {
	var err error
	if p.cloud, err = awslocal.Start(ctx, p.dynalite); err != nil {
		return nil, err
	}
	p.functions = p.cloud.Functions(p.dir)
	p.cloud.Configure(string(document))
	d := local.Drivers{Store: p.cloud.Store(), Tasks: p.functions.Tasks()}
	if d.Seal, err = p.cloud.Sealer(ctx, ledger.New(d.Store)); err == nil {
		d.Key, err = p.cloud.Signer(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	for resource, task := range d.Tasks {
		d.Tasks[resource] = reported(strings.TrimSuffix(resource, "FunctionArn"), task, o.Report)
	}
	h := local.OpenOn(d, o)
	p.cloud.Executions(func(name string) string {
		if h.Alive(ctx, name) {
			return "RUNNING"
		}
		return ""
	})
	return h, nil
}

// said passes on what the programs printed, for whoever looks for what went wrong.
func (p *programs) said(w io.Writer) {
	if text := p.cloud.Printed(); text != "" {
		fmt.Fprintf(w, "The functions printed:\n%s", text)
	}
}

// close ends the processes and the services, and returns when all have ended.
func (p *programs) close() error {
	p.functions.Close()
	return p.cloud.Close()
}

// ran says what ran.
func (p *programs) ran(s *story) {
	n, took := p.functions.Invocations()
	s.say("Every step ran as a program of %s, as on Lambda: %d processes, %d invocations that took %.1f seconds in all. The ledger was DynamoDB's (dynalite), the keys were KMS's (a simulator).",
		p.dir, p.functions.Processes(), n, took.Seconds())
}

// reported has a step's calls reported as progress: what a program of its own finds out on the way stays in there.
func reported(name string, task asl.Task, report func(erase.Event)) asl.Task {
	doing, area := progressOf(name)
	if doing == "" {
		return task
	}
	return func(ctx context.Context, in []byte) ([]byte, error) {
		var on erase.On
		if err := json.Unmarshal(in, &on); err != nil {
			return task(ctx, in)
		}
		e := erase.Event{Job: on.Job, Target: on.Target, Area: area, Doing: doing, Pass: on.Pass}
		report(e)
		out, err := task(ctx, in)
		var slice erase.Slice
		if err == nil && json.Unmarshal(out, &slice) == nil && slice.Done && doing != "matching" { // its end is that of the last shard
			e.End = true
			report(e)
		}
		return out, err
	}
}

// progressOf says what a step does, in the words of progress.
func progressOf(name string) (doing, area string) {
	switch name {
	case "ExportDevices":
		return "exporting", erase.Devices
	case "MatchSubject":
		return "matching", erase.Devices
	case "ListAudiences":
		return "listing", erase.Audiences
	case "ListNotifications":
		return "listing", erase.Notifications
	case "DeleteInstall":
		return "deleting", erase.Devices
	case "DeleteAudiences":
		return "deleting", erase.Audiences
	case "DeleteNotifications":
		return "deleting", erase.Notifications
	case "BatchDelete":
		return "ordering", erase.Profile
	}
	return "", ""
}
