package boot

import (
	"net/url"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// Settings are what template.yaml tells a function by its environment. All functions get the same ones, but for
// the URL and the former keys.
type Settings struct {
	Table        string // LETHE_TABLE: the ledger's DynamoDB table, name or ARN
	SealingKey   string // LETHE_SEALING_KEY: a symmetric key at KMS, id or ARN
	SigningKey   string // LETHE_SIGNING_KEY: a key pair at KMS (ECC_NIST_P256), id or ARN
	Config       string // LETHE_CONFIG: the secret at Secrets Manager that holds the configuration, name or ARN
	StateMachine string // LETHE_STATE_MACHINE: ARN, by which executions are asked for
	Stack        string // LETHE_STACK: its name, a dimension of metrics

	URL *url.URL // LETHE_URL: https, by which people reach the service; nil for steps

	// FormerSigningKeys: LETHE_FORMER_SIGNING_KEYS, key pairs at KMS that signed before SigningKey, ids or ARNs with commas
	// between them. Their public halves are published. The door alone gets them.
	FormerSigningKeys []string
}

// isMachineARN tells whether v is arn:partition:states:region:account:stateMachine:name. Without a regular expression: to
// compile one takes a tenth of what an empty function takes to start.
func isMachineARN(v string) bool {
	f := strings.Split(v, ":")
	return len(f) == 7 && !slices.Contains(f, "") && f[0] == "arn" && f[2] == "states" && f[5] == "stateMachine"
}

// Execution is the ARN of a job's execution: arn:…:stateMachine:NAME becomes arn:…:execution:NAME:JOB.
func (s Settings) Execution(job string) string {
	return strings.Replace(s.StateMachine, ":stateMachine:", ":execution:", 1) + ":" + job
}

// Read reads the settings from an environment, as os.Getenv gives it. The error, a fault.BadInput, names all that is
// missing or wrong.
func Read(getenv func(string) string) (Settings, error) {
	var wrong []string
	read := func(name string) string {
		v := getenv(name)
		if v == "" {
			wrong = append(wrong, name+" is not set")
		}
		return v
	}
	s := Settings{
		Table:        read("LETHE_TABLE"),
		SealingKey:   read("LETHE_SEALING_KEY"),
		SigningKey:   read("LETHE_SIGNING_KEY"),
		Config:       read("LETHE_CONFIG"),
		StateMachine: read("LETHE_STATE_MACHINE"),
		Stack:        read("LETHE_STACK"),
	}
	if s.StateMachine != "" && !isMachineARN(s.StateMachine) {
		wrong = append(wrong, "LETHE_STATE_MACHINE is not the ARN of a state machine")
	}
	if at := getenv("LETHE_URL"); at != "" {
		u, err := url.Parse(at)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.RequestURI() != "/" || u.User != nil {
			wrong = append(wrong, "LETHE_URL is not https:// and a host alone")
		}
		s.URL = u
	}
	s.FormerSigningKeys = strings.FieldsFunc(getenv("LETHE_FORMER_SIGNING_KEYS"), func(r rune) bool { return r == ',' || r == ' ' })
	if len(wrong) > 0 {
		return s, fault.New(fault.BadInput, "the function's environment: %s; template.yaml sets it", strings.Join(wrong, ", "))
	}
	return s, nil
}
