package dynamostore

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/dynamotest"
)

// box is a Store on a table of its own, which waits for nothing.
type box struct {
	*testing.T
	server *dynamotest.Server
	*Store
}

func newBox(t *testing.T, server *dynamotest.Server) box {
	table := "ledger-" + rand.Text()
	server.Table(t, table)
	server.Forget()
	s := New(server.Client(atOnce), table)
	s.pause = func(int) time.Duration { return 0 }
	return box{t, server, s}
}

// each runs a test per claim, all against one dynalite.
func each(t *testing.T, claims map[string]func(b box)) {
	t.Parallel()
	running := dynamotest.Start(t)
	for name, claim := range claims {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claim(newBox(t, running.Share(t)))
		})
	}
}

// atOnce is the SDK's own retryer, with three tries, without the time between them.
func atOnce(o *dynamodb.Options) {
	o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
	})
}

func key(sort string) ledger.Key { return ledger.Key{Partition: "p", Sort: sort} }

func put(sort string, version int64, data string) ledger.Change {
	return ledger.Change{Key: key(sort), If: version, Data: []byte(data)}
}

func (b box) write(changes ...ledger.Change) {
	b.Helper()
	if err := b.Write(b.Context(), changes...); err != nil {
		b.Fatalf("Write: %v", err)
	}
}

// holds expects the partition's items, as "sort@version=data" each.
func (b box) holds(want string) {
	b.Helper()
	items, err := b.Query(b.Context(), "p", "", "", 1_000_000)
	if err != nil {
		b.Fatalf("Query: %v", err)
	}
	var got []string
	for _, i := range items {
		got = append(got, fmt.Sprintf("%s@%d=%s", i.Sort, i.Version, i.Data))
	}
	if got := strings.Join(got, " "); got != want {
		b.Errorf("items: got %q, want %q", got, want)
	}
}

// ops are the calls so far, by name.
func (b box) ops() string {
	var ops []string
	for _, c := range b.server.Calls() {
		ops = append(ops, c.Op)
	}
	return strings.Join(ops, " ")
}

func TestBatchesAreReadToTheirEnd(t *testing.T) {
	each(t, map[string]func(box){
		"cut by number": func(b box) {
			var changes []ledger.Change
			var keys []ledger.Key
			for n := range 250 {
				keys = append(keys, key(fmt.Sprint(n)))
				if n%5 == 0 {
					changes = append(changes, put(fmt.Sprint(n), 0, "x"))
				}
			}
			b.write(changes...)
			b.server.Forget()
			items, err := b.Get(b.Context(), append(keys, keys...)...)
			if err != nil || len(items) != 100 {
				b.Errorf("got %d items and error %v, want 50 twice", len(items), err)
			}
			if got := fmt.Sprint(b.server.Calls()); !strings.HasPrefix(got, "[{BatchGetItem 100 ") || len(b.server.Calls()) != 3 {
				b.Errorf("calls: got %s, want 100, 100 and 50 keys", got)
			}
		},
		"cut by DynamoDB": func(b box) {
			b.write(put("a", 0, "1"), put("b", 0, "2"), put("c", 0, "3"))
			for _, hold := range []int{3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 1} { // those in a row that bring nothing are what counts
				b.server.Fail(dynamotest.Fault{Op: "BatchGetItem", Times: 1, Hold: hold})
			}
			b.server.Forget()
			items, err := b.Get(b.Context(), key("c"), key("a"), key("b"))
			if err != nil || len(items) != 3 || items[0].Sort+items[1].Sort+items[2].Sort != "cab" {
				b.Errorf("got %v and error %v", items, err)
			}
		},
		"nothing for long": func(b box) {
			b.server.Fail(dynamotest.Fault{Hold: 100})
			_, err := b.Get(b.Context(), key("a"))
			b.fails("Get", err, fault.LedgerBusy)
			if got := len(b.server.Calls()); got != batchTries {
				b.Errorf("calls: got %d, want %d", got, batchTries)
			}
		},
	})
}

func TestThePauseGrows(t *testing.T) {
	t.Parallel()
	var sum time.Duration
	for n := range batchTries {
		if n > 0 && pause(n) != 2*pause(n-1) {
			t.Errorf("pause %d is %v after %v", n, pause(n), pause(n-1))
		}
		sum += pause(n)
	}
	if sum > 10*time.Second {
		t.Errorf("a batch waits for %v in all", sum)
	}
}

func TestPagesDoNotEndEarly(t *testing.T) {
	each(t, map[string]func(box){
		"at 1 MB": func(b box) {
			large := strings.Repeat("x", ledger.MaxItem)
			for n := range 7 {
				b.write(put(fmt.Sprint(n), 0, large))
			}
			for _, limit := range []int{6, 7, 100} {
				b.server.Forget()
				items, err := b.Query(b.Context(), "p", "", "", limit)
				if err != nil || len(items) != min(7, limit) {
					b.Errorf("limit %d: got %d items and error %v", limit, len(items), err)
				}
				if got := len(b.server.Calls()); got < 2 {
					b.Errorf("limit %d: %d calls: is there no page of 1 MB?", limit, got)
				}
			}
		},
		"at expired items": func(b box) {
			for n := range 10 {
				var changes []ledger.Change
				for i := range 100 {
					c := put(fmt.Sprintf("%d%02d", n, i), 0, "")
					c.Expires = time.Unix(1, 0)
					changes = append(changes, c)
				}
				b.write(changes...)
			}
			b.write(put("y", 0, ""), put("z", 0, ""))
			b.server.Forget()
			items, err := b.Query(b.Context(), "p", "", "", 1)
			if err != nil || len(items) != 1 || items[0].Sort != "y" {
				b.Errorf("got %v and error %v, want the only one that is there", items, err)
			}
			if got := len(b.server.Calls()); got > 11 {
				b.Errorf("a row of 1000 expired items took %d calls", got)
			}
		},
	})
}

func TestExpiredItemsAreNotSeen(t *testing.T) {
	t.Parallel()
	b := newBox(t, dynamotest.Start(t))
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := start
	b.now = func() time.Time { return at }
	until := func(c ledger.Change, d time.Duration) ledger.Change { c.Expires = start.Add(d); return c }
	b.write(until(put("hour", 0, ""), time.Hour), until(put("part", 0, ""), 1500*time.Millisecond), until(put("renewed", 0, ""), time.Hour),
		until(put("kept", 0, ""), time.Hour), put("never", 0, ""))
	b.write(until(put("renewed", 1, ""), 2*time.Hour))
	b.write(put("kept", 1, ""))
	for _, step := range []struct {
		after time.Duration
		want  string
	}{
		{0, "hour@1= kept@2= never@1= part@1= renewed@2="},
		{1999 * time.Millisecond, "hour@1= kept@2= never@1= part@1= renewed@2="}, // never early: whole seconds are rounded up
		{2 * time.Second, "hour@1= kept@2= never@1= renewed@2="},
		{time.Hour - time.Nanosecond, "hour@1= kept@2= never@1= renewed@2="},
		{time.Hour, "kept@2= never@1= renewed@2="},
		{2 * time.Hour, "kept@2= never@1="},
	} {
		at = start.Add(step.after)
		b.holds(step.want)
	}
	if gone, err := b.Get(b.Context(), key("hour"), key("renewed")); err != nil || len(gone) != 0 {
		b.Errorf("by key: got %v and error %v, want none", gone, err)
	}
	b.conflicts("replace", b.Write(b.Context(), put("hour", 1, "")))
	b.conflicts("replace one of two", b.Write(b.Context(), put("hour", 1, ""), put("other", 0, "")))
	b.conflicts("delete", b.Write(b.Context(), ledger.Change{Key: key("hour"), If: 1}))
	b.write(put("hour", 0, "again"))
	b.write(put("part", 0, "again"), put("renewed", 0, "again")) // the latter in the very second
	b.holds("hour@1=again kept@2= never@1= part@1=again renewed@1=again")
	raw := b.raw("hour")
	if _, still := raw["expires"]; still {
		b.Error("an item written anew without an end has the old one's")
	}
}

// raw is an item as it is stored.
func (b box) raw(sort string) map[string]types.AttributeValue {
	b.Helper()
	out, err := b.client.GetItem(b.Context(), &dynamodb.GetItemInput{TableName: &b.table, Key: keyOf(key(sort))})
	if err != nil {
		b.Fatal(err)
	}
	return out.Item
}

// The table's time to live is a setting of template.yaml, and means this attribute in this form.
func TestStoredForm(t *testing.T) {
	t.Parallel()
	b := newBox(t, dynamotest.Start(t))
	c := put("a", 0, "data")
	c.Expires = time.Unix(4_000_000_000, 0)
	b.write(c)
	b.write(put("a", 1, "data2"), ledger.Change{Key: key("b"), Data: []byte{}})
	want := map[string]types.AttributeValue{"pk": text("p"), "sk": text("a"), "version": number(2), "data": &types.AttributeValueMemberB{Value: []byte("data2")}}
	if got := b.raw("a"); !same(got, want) {
		b.Errorf("got %v, want %v", got, want)
	}
	c.If = 2
	b.write(c)
	want["version"], want["expires"], want["data"] = number(3), number(4_000_000_000), &types.AttributeValueMemberB{Value: []byte("data")}
	if got := b.raw("a"); !same(got, want) {
		b.Errorf("got %v, want %v", got, want)
	}
	if got := b.raw("b"); !same(got, map[string]types.AttributeValue{"pk": text("p"), "sk": text("b"), "version": number(1)}) {
		b.Errorf("empty: got %v", got)
	}
}

func same(a, b map[string]types.AttributeValue) bool {
	show := func(m map[string]types.AttributeValue) string {
		var out bytes.Buffer
		for _, name := range []string{"pk", "sk", "version", "expires", "data"} {
			fmt.Fprintf(&out, "%s %T %v\n", name, m[name], deref(m[name]))
		}
		return out.String()
	}
	return len(a) == len(b) && show(a) == show(b)
}

func deref(v types.AttributeValue) any {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return v.Value
	case *types.AttributeValueMemberB:
		return v.Value
	}
	return nil
}

// What each kind of call costs, in DynamoDB's units; dynalite counts single calls as DynamoDB does, and a transaction
// is twice its actions.
func TestCallsCostWhatTheyShould(t *testing.T) {
	t.Parallel()
	kilobytes := func(n int) string { return strings.Repeat("x", n<<10-100) } // with keys and names
	b := newBox(t, dynamotest.Start(t))
	cost := func(what string, want string, do func() error) {
		b.Helper()
		b.server.Forget()
		if err := do(); err != nil && !errors.Is(err, ledger.ErrConflict) {
			b.Fatalf("%s: %v", what, err)
		}
		var got []string
		for _, c := range b.server.Calls() {
			got = append(got, fmt.Sprintf("%s %g", c.Op, c.Units))
		}
		if got := strings.Join(got, ", "); got != want {
			b.Errorf("%s: got %s, want %s", what, got, want)
		}
	}
	write := func(changes ...ledger.Change) func() error {
		return func() error { return b.Write(b.Context(), changes...) }
	}
	each := func(changes ...ledger.Change) func() error {
		return func() error { _, err := b.WriteEach(b.Context(), changes...); return err }
	}
	get := func(sorts ...string) func() error {
		return func() error {
			var keys []ledger.Key
			for _, s := range sorts {
				keys = append(keys, key(s))
			}
			_, err := b.Get(b.Context(), keys...)
			return err
		}
	}
	query := func(prefix, after string, limit int) func() error {
		return func() error { _, err := b.Query(b.Context(), "p", prefix, after, limit); return err }
	}
	cost("no change", "", write())
	cost("create 1 KB", "PutItem 1", write(put("a", 0, kilobytes(1))))
	cost("replace 1 KB by 3", "PutItem 3", write(put("a", 1, kilobytes(3))))
	cost("replace 3 KB by 1", "PutItem 3", write(put("a", 2, kilobytes(1))))
	cost("delete 1 KB", "DeleteItem 1", write(ledger.Change{Key: key("a"), If: 3}))
	cost("delete nothing", "DeleteItem 1", write(ledger.Change{Key: key("a")}))
	cost("create 3 in one", "TransactWriteItems 8", write(put("a", 0, kilobytes(1)), put("b", 0, kilobytes(1)), put("c", 0, kilobytes(2))))
	cost("create 2 each for itself", "PutItem 1, PutItem 1", each(put("d", 0, ""), put("e", 0, "")))
	cost("delete 2 each for itself", "DeleteItem 1, DeleteItem 1", each(ledger.Change{Key: key("d")}, ledger.Change{Key: key("e")}))
	cost("get 2 and a missing one", "BatchGetItem 3", get("a", "b", "x"))
	cost("get one twice", "BatchGetItem 1", get("a", "a"))
	cost("get none", "", get())
	cost("query 4 KB", "Query 1", query("", "", 10))
	cost("query one of them", "Query 1", query("", "", 1))
	cost("query a prefix of nothing", "Query 0", query("x", "", 10))
	cost("query behind a prefix", "", query("a", "b", 10))
}

// A page of a partition comes as a row: written as it comes, all calls would meet one key.
func TestPartitionsAreWrittenInTurn(t *testing.T) {
	t.Parallel()
	var changes []ledger.Change
	for _, p := range []string{"a", "b", "c"} {
		for n := range 30 {
			changes = append(changes, ledger.Change{Key: ledger.Key{Partition: p, Sort: fmt.Sprint(n)}})
		}
	}
	order := inTurn(changes)
	for n, i := range order {
		if want := string("abc"[n%3]); changes[i].Partition != want {
			t.Fatalf("change %d is of partition %s, want %s", n, changes[i].Partition, want)
		}
	}
	slices.Sort(order)
	if len(slices.Compact(order)) != len(changes) {
		t.Error("a change is left out")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("p", "s", "1", "0", []byte("x"), 0)
	f.Add("p", "s", "9223372036854775808", "-1", []byte(nil), 3)
	f.Add("", "", "1.5", "1e3", []byte{0}, 31)
	f.Fuzz(func(t *testing.T, pk, sk, version, expires string, data []byte, leave int) {
		all := map[string]types.AttributeValue{"pk": text(pk), "sk": text(sk), "version": &types.AttributeValueMemberN{Value: version},
			"expires": &types.AttributeValueMemberN{Value: expires}, "data": &types.AttributeValueMemberB{Value: data}}
		for n, name := range []string{"pk", "sk", "version", "expires", "data"} {
			switch {
			case leave>>n&1 != 0:
				delete(all, name)
			case leave>>(n+5)&1 != 0:
				all[name] = &types.AttributeValueMemberBOOL{Value: true}
			}
		}
		r, err := decode(all)
		if err == nil && (r.Version < 1 || r.expires < 0 || all["pk"] == nil || all["sk"] == nil || all["version"] == nil) {
			t.Errorf("a damaged item is taken: %+v", r)
		}
		if err != nil && (r.Version != 0 || strings.Contains(err.Error(), aws.ToString(&sk)) && len(sk) > 20) {
			t.Errorf("got %+v and error %v", r, err)
		}
	})
}
