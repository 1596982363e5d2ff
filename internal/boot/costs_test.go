package boot_test

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
)

// List prices in US dollars, without free tiers, in US East (N. Virginia), November 2026. docs/costs.md names the pages.
const (
	writeUnit     = 0.625 / 1e6   // DynamoDB on demand
	readUnit      = 0.125 / 1e6   //
	transition    = 0.025 / 1e3   // Step Functions, standard workflow
	perInvocation = 0.20 / 1e6    // Lambda
	gbSecond      = 0.0000133334  // Lambda on arm64
	kmsCall       = 0.03 / 10_000 // KMS
	signature     = 0.15 / 10_000 // KMS, asymmetric keys but RSA 2048

	figure = 0.05 // the design's, for 1,000 people
)

// What turns counted calls into GB-seconds without a clock. A call takes longer here than on AWS, and one comes after the
// other, which they do not.
const (
	dynamoSeconds   = 0.010
	kmsSeconds      = 0.020
	providerSeconds = 0.300
	startSeconds    = 0.300 // of an invocation

	perMinute    = 92  // deletes, of App Center's documented 100: provider.Pace says how near it comes
	perBlock     = 8   // deletes for one write of the pace: blocks of 10, and what is left of the limit
	sliceSeconds = 740 // of a step that waits, of its 890
)

// memories reads how much memory each step's function has, in GB, from template.yaml.
func memories(t testing.TB) map[string]float64 {
	t.Helper()
	type function struct {
		MemorySize float64 `yaml:"MemorySize"`
	}
	var template struct {
		Globals struct {
			Function function `yaml:"Function"`
		} `yaml:"Globals"`
		Resources map[string]struct {
			Type       string   `yaml:"Type"`
			Properties function `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	b, err := os.ReadFile("../../template.yaml")
	if err == nil {
		err = yaml.Unmarshal(b, &template)
	}
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for name, r := range template.Resources {
		if step, ok := strings.CutSuffix(name, "Function"); ok && r.Type == "AWS::Serverless::Function" {
			out[step] = cmp.Or(r.Properties.MemorySize, template.Globals.Function.MemorySize) / 1024
		}
	}
	return out
}

// line is one of a bill.
type line struct {
	what   string
	number float64
	price  float64
}

// bill is what the sweep costs as it was counted.
func (c crowd) bill(t testing.TB) []line {
	t.Helper()
	writes, _ := c.swept.units(true)
	reads, _ := c.swept.units(false)
	signatures := float64(c.swept.kms["Sign"])
	deletes := float64(c.swept.provider[appcentertest.DeleteInstall])
	deleting := deletes / perMinute * 60
	slices := math.Floor(deleting / sliceSeconds)
	var invocations, kms, work, waiting float64
	memory := memories(t)
	for step, s := range c.swept.by {
		gb := memory[step]
		if gb == 0 {
			t.Fatalf("template.yaml has no memory for %s", step)
		}
		n, provider := float64(s.invocations), float64(s.provider)
		if step == "DeleteInstall" {
			n, provider, waiting = n+slices, 0, deleting*gb
		}
		calls := float64(s.kms) + 2*n // as if each were a new process: its key for digests, and the data key of today
		invocations, kms = invocations+n, kms+calls
		work += gb * (float64(s.calls)*dynamoSeconds + calls*kmsSeconds + provider*providerSeconds + n*startSeconds)
	}
	return []line{
		{"write units of DynamoDB", writes, writeUnit},
		{"read units of DynamoDB", reads, readUnit},
		{"units of both for the limit of calls", deletes / perBlock, writeUnit + readUnit},
		{"signatures of KMS", signatures, signature},
		{"other calls of KMS", kms - signatures, kmsCall},
		{"state transitions", float64(c.swept.transitions) + 2*slices, transition},
		{"invocations of steps", invocations, perInvocation},
		{"GB-seconds of work", work, gbSecond},
		{"GB-seconds of deletes, at 100 calls a minute", waiting, gbSecond},
	}
}

// billFor is the bill of a sweep of so many people: each line goes on straight from what two crowds were counted to need.
func billFor(t testing.TB, people int, small, large crowd) []line {
	t.Helper()
	out, more := small.bill(t), large.bill(t)
	for n := range out {
		out[n].number += (more[n].number - out[n].number) * float64(people-small.people) / float64(large.people-small.people)
	}
	return out
}

// dollars writes the bill, and gives its sum.
func dollars(to io.Writer, bill []line) (sum float64) {
	for _, l := range bill {
		sum += l.number * l.price
		fmt.Fprintf(to, "  %-45s %11.0f %9.4f cents\n", l.what, l.number, 100*l.number*l.price)
	}
	fmt.Fprintf(to, "  %-45s %11s %9.4f cents\n", "together", "", 100*sum)
	return sum
}

// told finds what docs/costs.md tells of a sweep of 1,000 people, in cents.
var told = regexp.MustCompile(`(?m)^\| \*\*for 1,000 people\*\* .*\*\*(\d\.\d\d)\*\* \|$`)

// costsLittle wants that a sweep of 1,000 people costs what it may, and what docs/costs.md tells in the same way.
func costsLittle(t *testing.T, small, large crowd) {
	var tables strings.Builder
	for _, c := range []crowd{small, large} {
		fmt.Fprintf(&tables, "a sweep of %d people, counted\n", c.people)
		dollars(&tables, c.bill(t))
	}
	fmt.Fprintln(&tables, "a sweep of 1000 people, by these two")
	sum := dollars(&tables, billFor(t, 1000, small, large))
	t.Log("\n" + tables.String())
	if sum > figure {
		t.Errorf("a sweep of 1,000 people costs %.2f cents, want at most %.0f", 100*sum, 100*figure)
	}
	page, err := os.ReadFile("../../docs/costs.md")
	if err != nil {
		t.Fatal(err)
	}
	// Ids are random, and so is which partitions they fall on: some queries read half a unit more.
	if m := told.FindSubmatch(page); m == nil {
		t.Error("docs/costs.md does not tell what a sweep of 1,000 people costs")
	} else if cents, err := strconv.ParseFloat(string(m[1]), 64); err != nil || math.Abs(cents-100*sum) > 0.03 {
		t.Errorf("a sweep of 1,000 people costs %.2f cents, and docs/costs.md says %s; count again, and write down all of the table", 100*sum, m[1])
	}
}

// BenchmarkSweepCosts counts a sweep of 1,000 people, and prints what it and their filing cost at list prices.
func BenchmarkSweepCosts(b *testing.B) {
	const people = 1000
	for b.Loop() {
		c := runCrowd(b, people)
		fmt.Printf("\na sweep of %d people on AWS, counted\n", people)
		sum := dollars(os.Stdout, c.bill(b))
		seconds := 0.0
		for _, d := range c.swept.took {
			seconds += d.Seconds()
		}
		filed, _ := c.filed.units(true)
		fmt.Printf("  filed with %.1f write units each; the steps took %.1f s in this process\n", filed/people, seconds)
		b.ReportMetric(100_000*sum/people, "cents/1000")
	}
}
