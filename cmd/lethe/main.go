// Command lethe erases people from push-notification providers, on one machine.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/lethe-dsr/lethe/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, os.Args[1:], cli.FromOS())
	stop()
	os.Exit(code)
}
