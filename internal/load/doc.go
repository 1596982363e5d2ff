// Package load runs `lethe serve` under load, as a process that is killed in the middle, and counts what is left. `make
// load` runs it at full size.
package load
