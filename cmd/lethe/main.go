// Command lethe erases people from push-notification providers, on one machine.
package main

import (
	"os"

	"github.com/lethe-dsr/lethe/internal/cli"
)

func main() { os.Exit(cli.Main()) }
