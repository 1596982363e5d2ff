package match

import (
	"strings"
	"unicode/utf8"
)

// Numbers in a text are looked for in runs: groups of digits with spaces, dots, dashes, slashes and brackets between
// them. A number may be a part of its run, because "12.05.2024 0170 1234567" is one run.

// group is one group of digits of a run.
type group struct {
	from, to int
	digits   int  // in the run, up to and with this group
	spaced   bool // white space stands before it
}

// minForeign is how many digits make a number that may be somebody else's.
const minForeign = 7

// phones calls hit for each number of the people in the text, as E.164.
func (m *Matcher) phones(text string, hit func(e164 string)) {
	if len(m.people.phone) == 0 {
		return
	}
	var r run
	for at := 0; r.next(text, at); at = r.end {
		m.ownPhones(&r, hit)
	}
}

// foreignPhone tells whether the text has a phone number of none of the people: one that says its country and is
// possible, or one that is valid in the region and written like a phone number, with a leading 0 or in groups. Dates
// are none.
func (m *Matcher) foreignPhone(text string) bool {
	var r run
	for at := 0; r.next(text, at); at = r.end {
		m.ownPhones(&r, func(string) {})
		r.coverDates()
		for i := range r.groups {
			for j := i; j < len(r.groups) && r.count(i, j) <= maxPhoneDigits && !r.covered[j]; j++ {
				if r.count(i, j) < minForeign || !r.mayStart(i) || !r.bounded(i, j) {
					continue
				}
				number := r.number(i, j)
				e164, ok := "", false
				switch {
				case startsInternational(number):
					e164, ok = m.numbers.Normal(number)
				case strings.HasPrefix(number, "000"): // valid in some regions by the letter; a filler in real texts
				case number[0] == '0' || j > i:
					e164, ok = m.numbers.Valid(number)
				}
				full, _ := fullNumber(number)
				if ok && !m.people.ownPhone[e164] && !m.people.ownPhone[full] {
					return true
				}
			}
		}
	}
	return false
}

// ownPhones finds the numbers of the people in one run, and covers their groups.
func (m *Matcher) ownPhones(r *run, hit func(e164 string)) {
	for j := range r.groups {
		tail, count := r.tail(j)
		for i := j; i >= 0 && r.count(i, j) <= maxPhoneDigits; i-- {
			if digits := r.count(i, j); !m.filter.tail(tail, min(digits, count)) || !r.mayStart(i) || !r.bounded(i, j) {
				continue
			}
			number := r.number(i, j)
			e164, _ := phoneOf(number, m.numbers)
			if _, known := m.people.phone[e164]; !known {
				e164, _ = fullNumber(number)
			}
			if _, known := m.people.phone[e164]; known {
				hit(e164)
				for n := i; n <= j; n++ {
					r.covered[n] = true
				}
			}
		}
	}
}

// run is a run of groups of digits in a text.
type run struct {
	text    string
	end     int
	plus    bool // before the first group
	groups  []group
	covered []bool // by group: belongs to something that is known
}

// next finds the next run from at on.
func (r *run) next(text string, at int) bool {
	at = nextDigit(text, at)
	if at == len(text) {
		return false
	}
	r.text, r.groups, r.covered = text, r.groups[:0], r.covered[:0]
	r.plus = at > 0 && text[at-1] == '+' || at > 1 && text[at-2:at] == "+("
	digits, spaced := 0, true
	for {
		from := at
		for at < len(text) && isDigit(text[at]) {
			at++
		}
		digits += at - from
		r.groups = append(r.groups, group{from, at, digits, spaced})
		r.covered = append(r.covered, false)
		r.end = at
		n := 0
		spaced = false
		for n < 4 { // more signs between two groups than in ") / (" separate them
			c, size := utf8.DecodeRuneInString(text[at:])
			if size == 0 || c == '+' || c == '＋' || c >= '0' && c <= '9' || !isPhoneRune(c) || c == '\n' || c == '\r' {
				break
			}
			spaced = spaced || c == ' ' || c == '\t' || c == '\u00a0' || c == '\u202f'
			at += size
			n++
		}
		if n == 0 || at == len(text) || !isDigit(text[at]) {
			return true
		}
	}
}

func nextDigit(text string, at int) int {
	for at < len(text) && !isDigit(text[at]) {
		at++
	}
	return at
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// count is the number of digits of the groups i to j.
func (r *run) count(i, j int) int { return r.groups[j].digits - r.before(i) }

func (r *run) before(i int) int {
	if i == 0 {
		return 0
	}
	return r.groups[i-1].digits
}

// tail gives the last digits up to group j, and how many of them there are.
func (r *run) tail(j int) (tail uint32, count int) {
	unit := uint32(1)
	for ; j >= 0; j-- {
		for at := r.groups[j].to - 1; at >= r.groups[j].from; at-- {
			if count == maxPhoneDigits {
				return tail, count
			}
			if count < tailDigits {
				tail += uint32(r.text[at]-'0') * unit
				unit *= 10
			}
			count++
		}
	}
	return tail, count
}

// number is what the groups i to j dial.
func (r *run) number(i, j int) string {
	var b strings.Builder
	if i == 0 && r.plus {
		b.WriteByte('+')
	}
	for ; i <= j; i++ {
		b.WriteString(r.text[r.groups[i].from:r.groups[i].to])
	}
	return b.String()
}

// mayStart tells whether a number may begin with group i. The middle of a number that says its country, or that begins
// with 0, is none: "+44 170 1234567" does not hold the German 0170 1234567.
func (r *run) mayStart(i int) bool {
	if i == 0 {
		return true
	}
	zero := r.text[r.groups[i].from] == '0'
	if !zero && !r.groups[i].spaced {
		return false
	}
	for k := i - 1; k >= 0 && r.before(i)-r.before(k) < minForeign; k-- {
		begin := r.text[r.groups[k].from:r.groups[k].to]
		if k == 0 && r.plus || strings.HasPrefix(begin, "00") || !zero && begin[0] == '0' {
			return false
		}
	}
	return true
}

// bounded tells whether the groups i to j stand without a letter, digit, _ or - next to them.
func (r *run) bounded(i, j int) bool {
	from := r.groups[i].from
	if i == 0 && r.plus {
		from = strings.LastIndexByte(r.text[:from], '+')
	}
	before, n := utf8.DecodeLastRuneInString(r.text[:from])
	return (n == 0 || !isWord(before)) && wordEnds(r.text, r.groups[j].to)
}

// coverDates covers the groups that are a calendar date: 2024-05-31, 31.05.2024, 5/31/2024.
func (r *run) coverDates() {
	for i := 0; i+2 < len(r.groups); i++ {
		a, b, c := r.digits(i), r.digits(i+1), r.digits(i+2)
		if r.groups[i+1].spaced || r.groups[i+2].spaced {
			continue
		}
		if len(a) == 4 && isDayOrMonth(b) && isDayOrMonth(c) || isDayOrMonth(a) && isDayOrMonth(b) && len(c) == 4 {
			r.covered[i], r.covered[i+1], r.covered[i+2] = true, true, true
		}
	}
}

func (r *run) digits(i int) string { return r.text[r.groups[i].from:r.groups[i].to] }

func isDayOrMonth(s string) bool {
	return len(s) == 1 && s != "0" || len(s) == 2 && s != "00" && s <= "31"
}
