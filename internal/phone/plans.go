package phone

import (
	_ "embed"
	"math/bits"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// written holds one plan in each line, in fields with tabs between them:
//
//	region  country code  exit code  prefix  what the prefix becomes  leading digits  lengths  local lengths  pattern
//	and then lengths and pattern of each kind of numbers
//
// The first line of a country code is that of its main region. Lines that begin with # are comments. The file comes of
// libphonenumber's data: after an upgrade of the library run `go generate ./internal/phone`. Patterns say by ^ and $
// what they are for.
//
//go:generate go test . -run TestThePlansAreTheLibrarys -update
//go:embed plans.txt
var written string

const maxCode = 3 // digits of a country code

// table finds plans. A plan is read when it is asked for.
type table struct {
	regions map[string]func() *plan   // by ISO country code
	codes   map[string][]func() *plan // by country code; the main region's is the first
}

// of gives the plan of a country code's main region.
func (t table) of(code string) *plan { return t.codes[code][0]() }

// in gives a region's plan; nil where there is none.
func (t table) in(region string) *plan {
	if read := t.regions[region]; read != nil {
		return read()
	}
	return nil
}

// plan is how a region writes its numbers and which it gives out.
type plan struct {
	code    string  // country code
	exit    pattern // what is dialled to get abroad
	prefix  pattern // what is dialled before a number at home
	becomes string  // of the prefix, as regexp's Expand takes it; where empty, the prefix is left out
	leading pattern // of all numbers of this region, where it shares the country code
	any     kind
	local   lengths // of numbers that can only be dialled near by
	kinds   []kind
}

// kind is a kind of numbers, such as those of mobile phones.
type kind struct {
	lengths lengths // 0: those of any number of the plan
	pattern pattern
}

// plans is the table.
var plans = sync.OnceValue(func() table {
	t := table{regions: map[string]func() *plan{}, codes: map[string][]func() *plan{}}
	for line := range strings.Lines(written) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		region, rest, _ := strings.Cut(line, "\t")
		code, _, _ := strings.Cut(rest, "\t")
		read := sync.OnceValue(func() *plan { return readPlan(line) })
		t.codes[code] = append(t.codes[code], read)
		if region != world {
			t.regions[region] = read
		}
	}
	return t
})

// readPlan reads one line. Patterns are compiled when they are used.
func readPlan(line string) *plan {
	f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
	p := &plan{
		code: f[1], exit: pattern{text: f[2]}, prefix: pattern{text: f[3]}, becomes: f[4], leading: pattern{text: f[5]},
		local: lengthsOf(f[7]), any: kind{lengthsOf(f[6]), pattern{text: f[8]}},
		kinds: make([]kind, 0, (len(f)-9)/2),
	}
	for f = f[9:]; len(f) > 1; f = f[2:] {
		p.kinds = append(p.kinds, kind{lengthsOf(f[0]), pattern{text: f[1]}})
	}
	return p
}

const world = "001" // the region of country codes that belong to no country, such as those of satellites

// withoutExit takes away what is dialled to get abroad. No country code begins with 0.
func (p *plan) withoutExit(digits string) (rest string, ok bool) {
	at := p.exit.compiled().FindStringIndex(digits)
	if at == nil || strings.HasPrefix(digits[at[1]:], "0") {
		return "", false
	}
	return digits[at[1]:], true
}

// withoutCode takes the country code away from a number that lacks its +: one that is none of the region's with the code
// and one of it without, or that is too long with it.
func (p *plan) withoutCode(digits string) (national string, ok bool) {
	rest, found := strings.CutPrefix(digits, p.code)
	if !found {
		return "", false
	}
	rest = p.withoutPrefix(rest)
	return rest, len(digits) > p.any.lengths.max() || !p.any.pattern.compiled().MatchString(digits) && p.any.pattern.compiled().MatchString(rest)
}

// withoutPrefix takes away what is dialled before a number at home, unless the number is one only with it.
func (p *plan) withoutPrefix(national string) string {
	if p.prefix.text == "" || national == "" {
		return national
	}
	groups := p.prefix.compiled().FindStringSubmatchIndex(national)
	if groups == nil {
		return national
	}
	rest := national[groups[1]:]
	if p.becomes != "" && groups[len(groups)-2] >= 0 {
		rest = string(p.prefix.compiled().ExpandString(nil, p.becomes, national, groups)) + rest
	}
	if p.any.pattern.compiled().MatchString(national) && !p.any.pattern.compiled().MatchString(rest) {
		return national
	}
	return rest
}

// gives tells whether a number is of one of the kinds.
func (p *plan) gives(national string) bool {
	if !p.any.is(national) {
		return false
	}
	for i := range p.kinds {
		if p.kinds[i].is(national) {
			return true
		}
	}
	return false
}

func (k *kind) is(national string) bool {
	return (k.lengths == 0 || k.lengths.has(len(national))) && k.pattern.compiled().MatchString(national)
}

// lengths is a set: bit n is for n digits.
type lengths uint32

func (l lengths) has(n int) bool { return l&(1<<n) != 0 }

func (l lengths) max() int { return bits.Len32(uint32(l)) - 1 }

func lengthsOf(list string) (l lengths) {
	for s := range strings.SplitSeq(list, ",") {
		if n, err := strconv.Atoi(s); err == nil {
			l |= 1 << n
		}
	}
	return l
}

// pattern is a regular expression. It is compiled when it is first used.
type pattern struct {
	text string
	once sync.Once
	re   *regexp.Regexp
}

func (p *pattern) compiled() *regexp.Regexp {
	p.once.Do(func() { p.re = regexp.MustCompile(p.text) })
	return p.re
}
