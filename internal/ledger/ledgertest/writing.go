package ledgertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

func createdIsReadBack(b *box) {
	b.write(b.put("a", 0, "one"))
	same(b.T, b.get(b.key("a")), "a@1=one")
	if got := b.get(b.key("a"))[0].Key; got != b.key("a") {
		b.Errorf("key: got %v, want %v", got, b.key("a"))
	}
	b.holds("a@1=one")
}

func createOnly(b *box) {
	b.write(b.put("a", 0, "one"))
	b.conflict(b.put("a", 0, "two"))
	b.holds("a@1=one")
	b.write(ledger.Change{Key: b.key("a")})
	b.write(b.put("a", 0, "three"))
	b.holds("a@1=three")
}

func compareAndSwap(b *box) {
	b.conflict(b.put("a", 1, "nothing to replace"))
	b.write(b.put("a", 0, "one"))
	b.write(b.put("a", 1, "two"))
	b.conflict(b.put("a", 1, "late"))
	b.conflict(b.put("a", 3, "early"))
	b.holds("a@2=two")
	b.write(b.put("a", 2, "three"))
	b.refused("a negative version", b.put("b", -1, "x"))
	b.holds("a@3=three")
}

func deleteVersion(b *box) {
	b.conflict(ledger.Change{Key: b.key("a"), If: 1})
	b.write(b.put("a", 0, "one"))
	b.write(b.put("a", 1, "two"))
	b.conflict(ledger.Change{Key: b.key("a"), If: 1})
	b.holds("a@2=two")
	b.write(ledger.Change{Key: b.key("a"), If: 2})
	b.holds()
	b.conflict(ledger.Change{Key: b.key("a"), If: 2})
}

func deleteAny(b *box) {
	b.write(ledger.Change{Key: b.key("a")})
	b.write(b.put("a", 0, "one"))
	b.write(b.put("a", 1, "two"))
	b.write(ledger.Change{Key: b.key("a")})
	b.holds()
}

func allOrNothing(b *box) {
	b.write(b.put("kept", 0, "k"), b.put("deleted", 0, "d"))
	changes := []ledger.Change{b.put("kept", 1, "changed"), {Key: b.key("deleted"), If: 1}}
	for n := range ledger.MaxChanges - 3 {
		changes = append(changes, b.put(fmt.Sprintf("new-%02d", n), 0, "n"))
	}
	for _, broken := range []ledger.Change{b.put("missing", 1, "x"), {Key: b.key("missing"), If: 1}} {
		b.conflict(append(changes[:len(changes):len(changes)], broken)...)
		b.conflict(append([]ledger.Change{broken}, changes...)...)
	}
	b.holds("deleted@1=d", "kept@1=k")

	b.write(append(changes, b.put("missing", 0, "x"))...)
	items := b.query("", "", 1000)
	if got, want := len(items), ledger.MaxChanges-1; got != want {
		b.Errorf("items after the write: got %d, want %d", got, want)
	}
	same(b.T, b.get(b.key("kept"), b.key("deleted"), b.key("missing")), "kept@2=changed", "missing@1=x")
}

func emptyWrite(b *box) {
	b.write()
	b.holds()
}

func limits(b *box) {
	changes := make([]ledger.Change, ledger.MaxChanges+1)
	for n := range changes {
		changes[n] = b.put(fmt.Sprint(n), 0, "x")
	}
	b.refused("too many changes", changes...)

	whole := strings.Repeat("x", ledger.MaxItem)
	b.refused("too large an item", b.put("item", 0, whole+"x"))

	changes = nil
	rest := ledger.MaxWrite
	for ; rest > 0; rest -= ledger.MaxItem {
		changes = append(changes, b.put(fmt.Sprintf("part-%02d", len(changes)), 0, whole[:min(rest, len(whole))]))
	}
	b.refused("too large a write", append(changes, b.put("one more", 0, "x"))...)
	b.holds()

	b.write(changes...)
	got := 0
	for _, i := range b.query("part-", "", 1000) {
		got += len(i.Data)
	}
	if got != ledger.MaxWrite {
		b.Errorf("bytes read back: got %d, want %d", got, ledger.MaxWrite)
	}

	long := ledger.Key{Partition: b.partition + strings.Repeat("ü", (ledger.MaxPartition-len(b.partition))/2), Sort: strings.Repeat("ü", ledger.MaxSort/2)}
	b.write(ledger.Change{Key: long, Data: []byte("x")})
	if got := b.get(long); len(got) != 1 || got[0].Key != long {
		b.Errorf("an item with the longest key is not read back")
	}
	b.refused("too long a partition", ledger.Change{Key: ledger.Key{Partition: long.Partition + "x", Sort: "x"}, Data: []byte("x")})
	b.refused("too long a sort", ledger.Change{Key: b.key(long.Sort + "x"), Data: []byte("x")})
}

func sameKeyTwice(b *box) {
	b.refused("created twice", b.put("a", 0, "one"), b.put("a", 0, "two"))
	b.refused("created and replaced", b.put("a", 0, "one"), b.put("b", 0, "one"), b.put("a", 1, "two"))
	b.refused("deleted and created", ledger.Change{Key: b.key("a")}, b.put("a", 0, "two"))
	b.holds()
}

func eachForItself(b *box) {
	each := func(want []int, changes ...ledger.Change) {
		b.Helper()
		if again, err := b.s.WriteEach(b.Context(), changes...); err != nil || !slices.Equal(again, want) {
			b.Errorf("WriteEach: got %v and error %v, want %v", again, err, want)
		}
	}
	each(nil)
	each(nil, b.put("a", 0, "one"), b.put("b", 0, "one"), b.put("c", 0, "one"))
	other := ledger.Change{Key: ledger.Key{Partition: b.partition + "-other", Sort: "a"}, Data: []byte("x"), Expires: time.Now().Add(-time.Hour)}
	each([]int{1, 3, 4}, b.put("a", 1, "two"), b.put("b", 0, "two"), ledger.Change{Key: b.key("c"), If: 1}, b.put("d", 1, "two"),
		ledger.Change{Key: b.key("e"), If: 2}, ledger.Change{Key: b.key("f")}, b.put("g", 0, ""), other)
	b.holds("a@2=two", "b@1=one", "g@1=")
	same(b.T, b.get(other.Key))
	each([]int{0}, b.put("a", 1, "late"))

	refused := func(what string, changes ...ledger.Change) {
		b.Helper()
		_, err := b.s.WriteEach(b.Context(), changes...)
		refusal(b.T, what, err)
	}
	refused("too large an item", b.put("x", 0, ""), b.put("y", 0, strings.Repeat("x", ledger.MaxItem+1)))
	refused("twice", b.put("x", 0, ""), b.put("x", 0, ""))
	refused("a negative version", b.put("x", 0, ""), b.put("y", -1, ""))
	refused("no key", b.put("x", 0, ""), b.put("", 0, ""))
	if _, err := b.s.WriteEach(cancelledContext(b.T), b.put("x", 0, "")); !errors.Is(err, context.Canceled) {
		b.Errorf("got error %v, want context.Canceled", err)
	}
	b.holds("a@2=two", "b@1=one", "g@1=")
}

func eachOfMany(b *box) {
	const n = 2*ledger.MaxChanges + 50
	b.write(b.put("107", 0, "there"))
	var changes []ledger.Change
	for i := range n {
		changes = append(changes, b.put(fmt.Sprintf("%03d", i), 0, strings.Repeat("x", ledger.MaxWrite/n+100)))
	}
	if again, err := b.s.WriteEach(b.Context(), changes...); err != nil || !slices.Equal(again, []int{107}) {
		b.Errorf("got %v and error %v, want the one that was there", again, err)
	}
	if got := len(b.query("", "", 1000)); got != n {
		b.Errorf("%d items, want %d", got, n)
	}
}

func anyData(b *box) {
	all := make([]byte, 256)
	for n := range all {
		all[n] = byte(n)
	}
	for name, data := range map[string][]byte{
		"all bytes": all, "large": bytes.Repeat(all, 100), "zeros": make([]byte, 100), "empty": {}, "not UTF-8": []byte("\xff\xfe"),
	} {
		given := bytes.Clone(data)
		b.write(ledger.Change{Key: b.key(name), Data: given})
		clear(given) // the Store may not hold on to it
		for range 2 {
			items := b.get(b.key(name))
			if len(items) != 1 || !bytes.Equal(items[0].Data, data) {
				b.Fatalf("%s: not read back as written", name)
			}
			clear(items[0].Data) // nor give out its own
		}
	}
}

func expired(b *box) {
	past, future := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	until := func(c ledger.Change, t time.Time) ledger.Change { c.Expires = t; return c }

	b.write(until(b.put("a", 0, "old"), past), until(b.put("b", 0, "new"), future))
	b.holds("b@1=new")
	same(b.T, b.get(b.key("a"), b.key("b")), "b@1=new")

	b.conflict(b.put("a", 1, "replaced"))
	b.conflict(ledger.Change{Key: b.key("a"), If: 1})
	b.write(b.put("a", 0, "created again"))
	b.holds("a@1=created again", "b@1=new")

	b.write(until(b.put("a", 1, "over"), past))
	b.holds("b@1=new")
	b.write(ledger.Change{Key: b.key("a")})
	b.holds("b@1=new")
}

func cancelled(b *box) {
	b.write(b.put("a", 0, "one"))
	ctx := cancelledContext(b.T)
	if err := b.s.Write(ctx, b.put("b", 0, "two")); !errors.Is(err, context.Canceled) {
		b.Errorf("Write: got error %v, want context.Canceled", err)
	}
	if _, err := b.s.Get(ctx, b.key("a")); !errors.Is(err, context.Canceled) {
		b.Errorf("Get: got error %v, want context.Canceled", err)
	}
	if _, err := b.s.Query(ctx, b.partition, "", "", 1); !errors.Is(err, context.Canceled) {
		b.Errorf("Query: got error %v, want context.Canceled", err)
	}
	b.holds("a@1=one")
}
