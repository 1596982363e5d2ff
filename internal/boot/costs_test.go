package boot_test

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"testing"

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

	perMinute    = 100.0 / 6 // deletes of one function: App Center's documented limit, shared as boot shares it
	sliceSeconds = 810       // of a step that waits, of its 900
	working      = 0.25      // GB of memory of a function
	waiting      = 0.125     // of one that deletes, which mostly waits for the limit
)

// line is one of a bill.
type line struct {
	what   string
	number float64
	price  float64
}

// bill is what the sweep costs if it is of so many people: what grows with them is scaled, what does not is as counted.
func (c crowd) bill(people int) []line {
	by := float64(people) / float64(c.people)
	writes, _ := c.swept.units(true)
	reads, _ := c.swept.units(false)
	var invocations, provider, deletes float64
	for _, n := range c.swept.invocations {
		invocations += float64(n)
	}
	for op, n := range c.swept.provider {
		switch op {
		case appcentertest.DeleteInstall:
			deletes += by * float64(n)
		default:
			provider += float64(n)
		}
	}
	provider += float64(c.swept.batch)
	signatures := by * float64(c.swept.kms["Sign"])
	deleting := deletes / perMinute * 60
	slices := math.Floor(deleting / sliceSeconds)
	kms := 2 * (invocations + slices) // as if each were a new process: its key for digests, and the data key of today
	work := by*float64(len(c.swept.calls))*dynamoSeconds + (kms+signatures)*kmsSeconds + provider*providerSeconds + (invocations+slices)*startSeconds
	return []line{
		{"write units of DynamoDB", by * writes, writeUnit},
		{"read units of DynamoDB", by * reads, readUnit},
		{"signatures of KMS", signatures, signature},
		{"other calls of KMS", kms, kmsCall},
		{"state transitions", float64(c.swept.transitions) + 2*slices, transition},
		{"invocations of steps", invocations + slices, perInvocation},
		{"GB-seconds of work", work * working, gbSecond},
		{"GB-seconds of deletes, at 100 calls a minute", deleting * waiting, gbSecond},
	}
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

func (c crowd) costsLittle(t *testing.T) {
	var table strings.Builder
	sum := dollars(&table, c.bill(1000))
	t.Logf("a sweep of 1,000 people\n%s", &table)
	if sum > figure {
		t.Errorf("a sweep of 1,000 people costs %.2f cents, want at most %.0f", 100*sum, 100*figure)
	}
}

// BenchmarkSweepCosts counts sweeps of 500 and 2,000 people, and prints what they and their filing cost at list prices.
func BenchmarkSweepCosts(b *testing.B) {
	for _, people := range []int{500, 2_000} {
		b.Run(fmt.Sprint(people), func(b *testing.B) {
			for b.Loop() {
				c := runCrowd(b, people)
				fmt.Printf("\na sweep of %d people on AWS, counted\n", people)
				sum := dollars(os.Stdout, c.bill(people))
				seconds := 0.0
				for _, d := range c.swept.took {
					seconds += d.Seconds()
				}
				filed, _ := c.filed.units(true)
				fmt.Printf("  %.2f cents for 1,000 people; filed with %.1f write units each; the steps took %.1f s in this process\n", 100_000*sum/float64(people), filed/float64(people), seconds)
				b.ReportMetric(100_000*sum/float64(people), "cents/1000")
			}
		})
	}
}
