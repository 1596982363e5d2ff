package ledgertest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

func getOrder(b *box) {
	b.write(b.put("a", 0, "1"), b.put("b", 0, "2"), b.put("c", 0, "3"))
	same(b.T, b.get())
	same(b.T, b.get(b.key("missing")))
	same(b.T, b.get(b.key("c"), b.key("missing"), b.key("a"), b.key("c")), "c@1=3", "a@1=1", "c@1=3")

	var keys []ledger.Key
	var want []string
	for n := range 250 { // DynamoDB takes 100 in one call: the driver cuts
		switch n % 3 {
		case 0:
			keys = append(keys, b.key(fmt.Sprint("missing-", n)))
		case 1:
			keys, want = append(keys, b.key("a")), append(want, "a@1=1")
		case 2:
			keys, want = append(keys, b.key("b")), append(want, "b@1=2")
		}
	}
	same(b.T, b.get(keys...), want...)
}

func queryOrder(b *box) {
	// U+FF61 comes before U+1F600 in UTF-8 and after it in UTF-16.
	want := []string{" ", "/", "0", "10", "9", "A", "a", "a ", "a/", "a0", "aa", "b", "é", "｡", "😀"}
	for _, n := range []int{7, 3, 14, 0, 11, 5, 1, 13, 9, 2, 8, 4, 12, 6, 10} {
		b.write(b.put(want[n], 0, ""))
	}
	var got []string
	for _, i := range b.query("", "", 100) {
		got = append(got, i.Sort)
	}
	if !slices.Equal(got, want) {
		b.Errorf("order: got %q, want %q", got, want)
	}
}

func queryPrefix(b *box) {
	for _, sort := range []string{"a", "a#1", "a#2", "a$", "ab", "b", "ü1", "ü2"} {
		b.write(b.put(sort, 0, ""))
	}
	same(b.T, b.query("a#", "", 10), "a#1@1=", "a#2@1=")
	same(b.T, b.query("a#2", "", 10), "a#2@1=")
	same(b.T, b.query("a#3", "", 10))
	same(b.T, b.query("ü", "", 10), "ü1@1=", "ü2@1=")
	same(b.T, b.query("a", "", 3), "a@1=", "a#1@1=", "a#2@1=")
	// after inside, before and behind the prefix's items
	same(b.T, b.query("a#", "a#1", 10), "a#2@1=")
	same(b.T, b.query("a#", "a", 10), "a#1@1=", "a#2@1=")
	same(b.T, b.query("a#", "A", 10), "a#1@1=", "a#2@1=")
	same(b.T, b.query("a#", "a#2", 10))
	same(b.T, b.query("a#", "b", 10))
}

func queryPaging(b *box) {
	var want []string
	var changes []ledger.Change
	for n := range 23 {
		sort := fmt.Sprintf("p-%02d", n)
		changes, want = append(changes, b.put(sort, 0, "x")), append(want, sort+"@1=x")
	}
	b.write(append(changes, b.put("o", 0, ""), b.put("q", 0, ""))...)
	for _, limit := range []int{1, 4, 22, 23, 24, 1000} {
		var got []string
		for after := ""; ; {
			page := b.query("p-", after, limit)
			got = append(got, show(page)...)
			if len(page) > limit {
				b.Fatalf("limit %d: got %d items", limit, len(page))
			}
			if len(page) < limit {
				break
			}
			after = page[len(page)-1].Sort
		}
		if !slices.Equal(got, want) {
			b.Errorf("limit %d: got %q, want %q", limit, got, want)
		}
	}
	same(b.T, b.query("p-", "p-21x", 2), "p-22@1=x") // after need not be there
	for _, limit := range []int{0, -1} {
		_, err := b.s.Query(b.Context(), b.partition, "", "", limit)
		refusal(b.T, fmt.Sprint("limit ", limit), err)
	}
}

func queryEmpty(b *box) {
	b.holds()
	b.write(b.put("a", 0, ""))
	same(b.T, b.query("b", "", 10))
	same(b.T, b.query("", "a", 10))
	b.partition += "-other"
	b.holds()
}

func oddKeys(b *box) {
	odd := []string{
		" ", "  ", "/", "//", "..", "a/../b", "#", "?", "%", "%2F", "%00", "&=+", "\"", "'", "`", "\\", "\\u0000", "{}", "[0]", "$", ":v",
		"\t", "\r\n", "\x01", "\x7f", "\u0085", "\u200b", "\u202e", "\ufeff", "\uffff", "\U0010ffff", "e\u0301", "é", "ß", "İ", "日本", "👩‍👩‍👧",
	}
	for n, text := range odd {
		sort, partition := b.key(text), ledger.Key{Partition: b.partition + text, Sort: "x"}
		data := []byte(fmt.Sprint(n))
		b.write(ledger.Change{Key: sort, Data: data}, ledger.Change{Key: partition, Data: data})
	}
	for n, text := range odd {
		for _, key := range []ledger.Key{b.key(text), {Partition: b.partition + text, Sort: "x"}} {
			items := b.get(key)
			if len(items) != 1 || items[0].Key != key || string(items[0].Data) != fmt.Sprint(n) {
				b.Errorf("get of %q: got %q, want its own item", key, show(items))
			}
			items, err := b.s.Query(b.Context(), key.Partition, key.Sort, "", 1)
			if err != nil || len(items) != 1 || items[0].Key != key {
				b.Errorf("query of %q: got %q and error %v, want its own item first", key, show(items), err)
			}
		}
	}
	slices.Sort(odd)
	var got []string
	for _, i := range b.query("", "", 1000) {
		got = append(got, i.Sort)
	}
	if !slices.Equal(got, odd) {
		b.Errorf("order: got %q, want %q", got, odd)
	}
}

func keyBorders(b *box) {
	p := b.partition
	keys := []ledger.Key{
		{Partition: p, Sort: "aab"}, {Partition: p + "a", Sort: "ab"}, {Partition: p + "aa", Sort: "b"},
		{Partition: p, Sort: "/a/b"}, {Partition: p + "/a", Sort: "/b"}, {Partition: p + "/a/", Sort: "b"},
	}
	for n, key := range keys {
		b.write(ledger.Change{Key: key, Data: []byte(fmt.Sprint(n))})
	}
	for n, key := range keys {
		if items := b.get(key); len(items) != 1 || string(items[0].Data) != fmt.Sprint(n) {
			b.Errorf("get of %q: got %q", key, show(items))
		}
	}
	b.holds("/a/b@1=3", "aab@1=0")
	b.partition = p + "a"
	b.holds("ab@1=1")
}

func badKeys(b *box) {
	for what, text := range map[string]string{"empty": "", "not UTF-8": "a\xff", "NUL": "a\x00b", "cut off": "é"[:1]} {
		for _, key := range []ledger.Key{{Partition: b.partition, Sort: text}, {Partition: text, Sort: "a"}} {
			b.refused(what, b.put("good", 0, ""), ledger.Change{Key: key, Data: []byte("x")})
			b.refused(what, ledger.Change{Key: key})
			_, err := b.s.Get(b.Context(), key)
			refusal(b.T, "get, "+what, err)
		}
		_, err := b.s.Query(b.Context(), text, "", "", 1)
		refusal(b.T, "query, "+what, err)
		if text != "" {
			_, err = b.s.Query(b.Context(), b.partition, text, "", 1)
			refusal(b.T, "query of a prefix, "+what, err)
			_, err = b.s.Query(b.Context(), b.partition, "", text, 1)
			refusal(b.T, "query after, "+what, err)
		}
	}
	b.holds()
}

func expiredPaging(b *box) {
	past := time.Now().Add(-time.Hour)
	var changes []ledger.Change
	for n := range 30 {
		c := b.put(fmt.Sprintf("%02d", n), 0, strings.Repeat("x", 10))
		if n%10 != 9 {
			c.Expires = past
		}
		changes = append(changes, c)
	}
	b.write(changes...)
	x := strings.Repeat("x", 10)
	same(b.T, b.query("", "", 2), "09@1="+x, "19@1="+x)
	same(b.T, b.query("", "19", 2), "29@1="+x)
}
