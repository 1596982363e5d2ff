package boot_test

import (
	"context"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/awslocal"
	"github.com/lethe-dsr/lethe/internal/batch/batchtest"
	"github.com/lethe-dsr/lethe/internal/configfile"
	"github.com/lethe-dsr/lethe/internal/container"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/dynamostore"
	"github.com/lethe-dsr/lethe/internal/ledger/dynamotest"
	"github.com/lethe-dsr/lethe/internal/phone"
	"github.com/lethe-dsr/lethe/internal/provider"
	"github.com/lethe-dsr/lethe/internal/seal/kmskey"
	"github.com/lethe-dsr/lethe/internal/seal/kmstest"
	"github.com/lethe-dsr/lethe/internal/steps"
	"github.com/lethe-dsr/lethe/internal/subject"
	"github.com/lethe-dsr/lethe/statemachine"
)

// crowd is a sweep of many people on DynamoDB and KMS, counted call by call: from one app at App Center, where each has a device
// among ten times as many, and by two keys of Batch. The steps run in this process, so that their time is not that of
// Lambda.
type crowd struct {
	people, devices int
	filed, swept    work
}

// work is what something cost.
type work struct {
	calls       []dynamotest.Call // of DynamoDB
	kms         map[string]int    // calls of KMS, by name
	transitions int
	by          map[string]spent         // what each step did
	took        map[string]time.Duration // by them
	provider    map[appcentertest.Op]int
	batch       int // calls
}

// spent is what a step did.
type spent struct{ invocations, calls, kms, provider int }

// stepError carries a step's error name to the runner.
type stepError struct{ messages.InvokeResponse_Error }

func (e stepError) ErrorName() string { return e.Type }

func runCrowd(t testing.TB, people int) crowd {
	t.Helper()
	db, keys := dynamotest.Start(t), kmstest.Start(t)
	db.Table(t, "ledger")
	out := crowd{people: people, devices: 10 * people}

	app := appcentertest.App{Owner: "acme", Name: "ios", Token: "app-token", Export: appcentertest.ExportStyle{Blobs: 4}}
	var users []string
	var crowd []subject.Subject
	for n := range out.devices {
		d := appcentertest.Device{InstallID: fmt.Sprintf("%08x-0000-4000-8000-%012x", n*2654435761%(1<<32), n), UserID: fmt.Sprint("stranger-", n), Platform: "iOS"}
		if n%10 == 0 {
			d.UserID = fmt.Sprintf("customer-%06d", n)
			mail := fmt.Sprintf("person.%d@customers.example.com", n)
			users = append(users, d.UserID)
			var s subject.Subject
			for kind, value := range map[subject.Type]string{subject.Email: mail, subject.UserID: d.UserID} {
				id, err := subject.New(kind, "", value, phone.In("DE"))
				if err != nil {
					t.Fatal(err)
				}
				s.Add(id)
			}
			crowd = append(crowd, s)
		}
		app.Devices = append(app.Devices, d)
	}
	for n := range 20 {
		app.Audiences = append(app.Audiences, appcentertest.Audience{Name: fmt.Sprint("audience ", n), Definition: fmt.Sprintf("plan eq 'p%d'", n)})
		app.Notifications = append(app.Notifications, appcentertest.Notification{ID: fmt.Sprint("n-", n), Name: "Sale", Title: "Sale", Body: "Everything must go."})
	}
	apps := appcentertest.New(appcentertest.World{Apps: []appcentertest.App{app}})
	profiles := batchtest.New("rest-key", map[string][]string{"live-key": users, "dev-key": users})
	appServer, profileServer := httptest.NewServer(apps), httptest.NewServer(profiles)
	t.Cleanup(appServer.Close)
	t.Cleanup(profileServer.Close)
	cfg, err := configfile.Parse(fmt.Appendf(nil, `
controller: Acme GmbH
mode: erase
limits: {share: 1}
targets:
  - {id: acme-ios, provider: appcenter, owner: acme, app: ios, token: app-token, export_container: %q, base_url: %q, requests_per_minute: 0}
  - {id: acme-live, provider: batch, api_key: live-key, rest_key: rest-key, base_url: %q, custom_id: user_id}
  - {id: acme-dev, provider: batch, api_key: dev-key, rest_key: rest-key, base_url: %[3]q, custom_id: user_id}
`, apps.ContainerSAS(appServer.URL, app.Key(), ""), appServer.URL, profileServer.URL), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}

	quiet := func(o *dynamodb.Options) { o.DisableValidateResponseChecksum = true }
	l := ledger.New(dynamostore.New(db.Client(quiet), "ledger"))
	began, sealing := time.Now(), keys.SealingKey()
	process := func() *kmskey.Sealer { // one that stays in the day that it began in
		s, err := kmskey.OpenSealer(t.Context(), keys.Client(), sealing, l.Keep, func() time.Time { return began })
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	signer, err := kmskey.OpenSigner(t.Context(), keys.Client(), keys.SigningKey(elliptic.P256()))
	if err != nil {
		t.Fatal(err)
	}
	b := erase.Base{
		Ledger: l, Seal: process(), Config: cfg, Report: func(erase.Event) {},
		Now:   func() time.Time { return time.Now().UTC().Truncate(time.Millisecond) },
		NewID: func() string { return ledger.NewID(time.Now(), rand.Reader) },
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 10}
	t.Cleanup(transport.CloseIdleConnections)
	link := steps.Link{Targets: cfg.Targets, Paces: map[string]*provider.Pace{}, Transport: transport}
	containers := steps.Containers(link, container.Open)
	// One step at a time, so that it is known which did what, and because steps at the same time share what they read when
	// they are in one process, which on Lambda they are not.
	var mu, alone sync.Mutex
	sweep := work{by: map[string]spent{}, took: map[string]time.Duration{}}
	done := func() spent {
		s := spent{calls: len(db.Calls()), kms: len(keys.Calls()), provider: len(profiles.Calls())}
		for _, n := range apps.Counts() {
			s.provider += n
		}
		return s
	}
	tasks, names := map[string]asl.Task{}, []string{}
	for _, s := range steps.All(b, link, containers, signer, func(context.Context, string) bool { return false }) {
		names = append(names, s.Name()+"FunctionArn")
		tasks[s.Name()+"FunctionArn"] = func(ctx context.Context, in []byte) ([]byte, error) {
			alone.Lock()
			defer alone.Unlock()
			before, began := done(), time.Now()
			answer, err := s.Invoke(ctx, in)
			sweep.took[s.Name()] += time.Since(began)
			now, all := done(), sweep.by[s.Name()]
			sweep.by[s.Name()] = spent{
				all.invocations + 1, all.calls + now.calls - before.calls, all.kms + now.kms - before.kms, all.provider + now.provider - before.provider,
			}
			if named := (messages.InvokeResponse_Error{}); errors.As(err, &named) {
				return nil, stepError{named}
			}
			return answer, err
		}
	}
	m, err := asl.Load(statemachine.Erasure, names)
	if err != nil {
		t.Fatal(err)
	}
	runner, err := asl.New(m, tasks, &awslocal.Records{}, asl.Options{
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Observe: func(e asl.Event) {
			mu.Lock()
			defer mu.Unlock()
			switch e.Kind {
			case asl.Entered:
				sweep.transitions++
			case asl.Retried, asl.Caught, asl.Broken:
				t.Errorf("%s: %s %s", e.State, e.Kind, e.Error)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	count := func() work {
		w := work{calls: db.Calls(), kms: map[string]int{}}
		for _, c := range keys.Calls() {
			w.kms[c.Op]++
		}
		db.Forget()
		keys.Forget()
		return w
	}
	count()
	var requests []string
	for part := range slices.Chunk(crowd, (people+filers-1)/filers) {
		filer := b
		filer.Seal = process()
		filing, err := erase.File(t.Context(), filer, "api", false, part)
		if err != nil {
			t.Fatal(err)
		}
		requests = append(requests, filing.Requests...)
	}
	out.filed = count()
	input, err := json.Marshal(erase.Input{Sweep: true})
	if err != nil {
		t.Fatal(err)
	}
	ended, err := runner.Start(t.Context(), b.NewID(), input)
	if err != nil || ended.Status != asl.Succeeded {
		t.Fatalf("%+v, %v", ended, err)
	}
	counted := count()
	sweep.calls, sweep.kms, sweep.provider, sweep.batch = counted.calls, counted.kms, apps.Counts(), len(profiles.Calls())
	sweep.transitions++ // into the first state; each of the others is counted where it is entered
	out.swept = sweep

	var wrong []string
	err = l.Each(t.Context(), requests, func(r ledger.Request) error {
		if r.Status != ledger.Erased {
			wrong = append(wrong, string(r.Status))
		}
		return nil
	})
	if left := len(apps.Devices(app.Key())); err != nil || len(wrong) > 0 || left != out.devices-people {
		t.Fatalf("%d are not erased (%v), %d devices are left, %v", len(wrong), wrong, left, err)
	}
	return out
}

// units sums up what calls cost, by partition key.
func (w work) units(write bool) (all float64, byKey map[string]float64) {
	byKey = map[string]float64{}
	for _, c := range w.calls {
		for _, l := range c.Loads {
			if l.Write == write {
				all += l.Units
				byKey[l.Partition] += l.Units
			}
		}
	}
	return all, byKey
}

// kind is a partition key's pattern: ids and spreads are left out.
func kind(partition string) string {
	part := strings.Split(partition, "/")
	switch part[0] {
	case "finding":
		return "finding/<job>/<target>/<area>/<s>"
	case "member", "trouble":
		return part[0] + "/<job>/<s>"
	case "open", "requests", "outbox":
		return part[0] + "/<s>"
	}
	return part[0] + "/<id>"
}

// filers are the processes that file a crowd.
const filers = 10

// crowdSize is more than a job with one partition for each kind has.
const crowdSize = 150

func TestASweepOfManyPeople(t *testing.T) {
	t.Parallel()
	c := runCrowd(t, crowdSize)
	t.Run("no key takes its load", c.loadsNoKey)
	t.Run("asks before it writes", c.asks)
	t.Run("asks KMS for one data key", c.sharesAKey)
	t.Run("costs what it may", func(t *testing.T) { costsLittle(t, c, runCrowd(t, 2*crowdSize)) })
}

// sharesAKey wants that all processes of a day have one data key: each that files opens it, beside its key for digests, and
// who works people off opens that one, whoever filed them.
func (c crowd) sharesAKey(t *testing.T) {
	if want := map[string]int{"GenerateDataKey": 1, "Decrypt": 2 * filers}; !maps.Equal(c.filed.kms, want) {
		t.Errorf("to file them KMS was asked for %v, want %v", c.filed.kms, want)
	}
	if want := map[string]int{"Decrypt": 1, "Sign": c.people}; !maps.Equal(c.swept.kms, want) {
		t.Errorf("to erase them KMS was asked for %v, want %v", c.swept.kms, want)
	}
}

// loadsNoKey wants that no partition key takes more than a small part of what each person costs, or what does not grow with
// people. With one partition for all members, findings or marks a person would cost it 3 write units or more.
func (c crowd) loadsNoKey(t *testing.T) {
	alone := []string{"job/<id>", "jobs/<id>", "container/<id>", "kept/<id>", "sweep/<id>"} // they grow with steps, targets and jobs
	for _, side := range []struct {
		write               bool
		each, fixed, person float64 // at most: a key's units a person; those of a key that does not grow; all of a person
		second              float64 // that DynamoDB gives one key
	}{
		{true, 0.7, 200, 36, 1000},
		{false, 0.7, 400, 44, 3000},
	} {
		all, byKey := c.swept.units(side.write)
		if all/float64(c.people) > side.person {
			t.Errorf("write %t: %.1f units a person", side.write, all/float64(c.people))
		}
		most, keys := map[string]float64{}, map[string]int{}
		for p, units := range byKey {
			most[kind(p)] = max(most[kind(p)], units)
			keys[kind(p)]++
		}
		for k, units := range most {
			a := units / float64(c.people)
			switch {
			case slices.Contains(alone, k):
				if units > side.fixed {
					t.Errorf("write %t: %s takes %g units", side.write, k, units)
				}
			case a > side.each || units > 0.02*all:
				t.Errorf("write %t: the busiest of %d keys %s takes %.2f units a person and %.1f %% of all; 10,000 people would keep it busy for %.0f seconds",
					side.write, keys[k], k, a, 100*units/all, 10_000*a/side.second)
			}
		}
	}
}

// asks wants a condition in every Put, and in every Delete but those whose end is the same whatever is there.
func (c crowd) asks(t *testing.T) {
	whatever := []string{
		"finding/<job>/<target>/<area>/<s>", "trouble/<job>/<s>", "job/<id>", // of a job that ends: all of it goes
		"working/<id>",                // once it has
		"open/<s>", "identifier/<id>", // with the request's own record, whose version is asked for
	}
	for _, call := range slices.Concat(c.filed.calls, c.swept.calls) {
		if !slices.Contains([]string{"BatchGetItem", "DeleteItem", "PutItem", "Query", "TransactWriteItems"}, call.Op) {
			t.Errorf("%s was called", call.Op)
		}
		for _, l := range call.Loads {
			if l.Write && !l.Asks && (l.Creates || !slices.Contains(whatever, kind(l.Partition))) {
				t.Errorf("a write of %s asks nothing", kind(l.Partition))
			}
		}
	}
}
