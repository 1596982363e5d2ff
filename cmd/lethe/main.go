// Command lethe erases people from push-notification providers, on one machine.
package main

import (
	"os"
	_ "time/tzdata" // schedules name time zones, and not every machine knows them

	"github.com/lethe-dsr/lethe/internal/cli"
)

func main() { os.Exit(cli.Main()) }
