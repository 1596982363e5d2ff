package demo

import "fmt"

// Credentials of the simulators. They open nothing else.
const (
	pushToken    = "demo-appcenter-token"
	batchRESTKey = "demo-batch-rest-key"
)

// Config is the configuration that a user would write for this world.
func (w *World) Config() []byte {
	sas := func(a *app) string { return w.push.ContainerSAS(w.pushHost.url, a.Key(), "") }
	android, ios := w.apps[0], w.apps[1]
	return fmt.Appendf(nil, `# What Lethe erases people from. This one is for the demo: the providers are simulators on this machine, which end with
# the demo. Read it, do not run it: later, somebody else may listen at these ports.

controller: Acme Travel GmbH   # who answers for the erasure; printed on certificates
regulation: gdpr               # sets the due dates
mode: approve                  # search, show the plan, erase when somebody says so
phone_region: %[1]s               # 0171 … is a German number

# What one person may lose before somebody looks at it, whatever the mode.
limits:
  devices: 50
  audiences: 3
  notifications: 20
  share: 0.01                  # of the exported devices, for all people of a job together

targets:
  # Tokens and keys stand in clear here because they open nothing. Real ones come from the environment: "${APPCENTER_TOKEN}".
  - id: %[2]s
    provider: appcenter
    base_url: %[3]q   # leave it out for the real App Center
    owner: %[4]s
    app: %[5]s
    token: %[6]q
    export_container: %[7]q
    requests_per_minute: 60000 # simulators have no limit; keep the default of 100 for a real App Center

  - id: %[8]s
    provider: appcenter
    base_url: %[3]q
    owner: %[9]s
    app: %[10]s
    token: %[6]q
    export_container: %[11]q
    requests_per_minute: 60000

  - id: %[12]s
    provider: batch
    base_url: %[13]q   # leave it out for the real Batch
    api_key: %[14]q    # of the app
    rest_key: %[15]q   # of the company
    custom_id: user_id         # what Batch knows our users by

  - id: %[16]s
    provider: batch
    base_url: %[13]q
    api_key: %[17]q
    rest_key: %[15]q
    custom_id: user_id
`, region,
		android.target, w.pushHost.url, android.Owner, android.Name, pushToken, sas(android),
		ios.target, ios.Owner, ios.Name, sas(ios),
		w.bases[0].target, w.batchHost.url, w.bases[0].apiKey, batchRESTKey,
		w.bases[1].target, w.bases[1].apiKey)
}
