package metric

// Namespace holds all metrics at CloudWatch.
const Namespace = "Lethe"

// Name is a metric's. All but the gauges are counters, whose sum is what counts.
type Name string

// The metrics. template.yaml draws and watches them; a test holds it to this list.
const (
	OpenRequests                Name = "OpenRequests"                // gauge
	DueSoonRequests             Name = "DueSoonRequests"             // gauge: due within duty.Soon
	OverdueRequests             Name = "OverdueRequests"             // gauge
	OldestOpenRequestDays       Name = "OldestOpenRequestDays"       // gauge
	DaysToNearestDueDate        Name = "DaysToNearestDueDate"        // gauge, below 0 when it is over; none while nothing is open
	WaitingPlans                Name = "WaitingPlans"                // gauge: jobs that wait for a person
	HoursSinceSweep             Name = "HoursSinceSweep"             // gauge
	WaitingMessages             Name = "WaitingMessages"             // gauge
	OldestWaitingMessageMinutes Name = "OldestWaitingMessageMinutes" // gauge
	Requests                    Name = "Requests"                    // gauge: open ones, by status

	ProviderCalls     Name = "ProviderCalls"     // attempts, retries included
	ProviderThrottles Name = "ProviderThrottles" // 429
	ProviderRefusals  Name = "ProviderRefusals"  // 401 and 403
	ProviderFailures  Name = "ProviderFailures"  // 5xx, or no answer
	Findings          Name = "Findings"
	Deletions         Name = "Deletions"
	ClosedRequests    Name = "ClosedRequests"
	SweepsBegun       Name = "SweepsBegun"
	StepFaults        Name = "StepFaults"

	FormErrors    Name = "FormErrors"
	FiledRequests Name = "FiledRequests"

	MessagesTold    Name = "MessagesTold"
	MessagesFailed  Name = "MessagesFailed"
	MessagesGivenUp Name = "MessagesGivenUp"

	CanaryRuns     Name = "CanaryRuns"
	CanaryFailures Name = "CanaryFailures"
)

// Dimension is what a metric is told apart by.
type Dimension string

// The dimensions. None may hold anything personal: their values come from the code and the configuration.
const (
	Stack    Dimension = "Stack"    // the stack's name; of all metrics
	Status   Dimension = "Status"   // of a request
	Target   Dimension = "Target"   // id of the configuration
	Area     Dimension = "Area"     // of a target
	Step     Dimension = "Step"     // of the state machine
	Fault    Dimension = "Fault"    // its name
	Channel  Dimension = "Channel"  // by which a request came
	Receiver Dimension = "Receiver" // mail, webhook/NAME of the configuration, or callback
)

// By gives the dimensions by which a metric is told apart, besides Stack.
func By(n Name) []Dimension {
	switch n {
	case ProviderCalls, ProviderThrottles, ProviderRefusals, ProviderFailures:
		return []Dimension{Target}
	case Findings, Deletions:
		return []Dimension{Target, Area}
	case Requests, ClosedRequests:
		return []Dimension{Status}
	case StepFaults:
		return []Dimension{Step, Fault}
	case FiledRequests:
		return []Dimension{Channel}
	case MessagesTold, MessagesFailed, MessagesGivenUp:
		return []Dimension{Receiver}
	}
	return nil
}

// Whole tells whether a metric is there by Stack alone, too. The sum of a gauge's values means nothing.
func Whole(n Name) bool { return n != Requests }

// unit is CloudWatch's word; it has none for hours and days.
func unit(n Name) string {
	switch n {
	case OldestOpenRequestDays, DaysToNearestDueDate, HoursSinceSweep, OldestWaitingMessageMinutes:
		return "None"
	}
	return "Count"
}
