// Package rules holds the architecture of Lethe as tests: which package may know which, what every state of the machine
// must have, and that steps, definition and sample events agree. It has no code of its own.
package rules
