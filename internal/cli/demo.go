package cli

import (
	"errors"

	"github.com/spf13/cobra"
)

func demoCommand(io IO) *cobra.Command {
	return &cobra.Command{Use: "demo", Short: "Watch the whole story against built-in simulators", RunE: func(*cobra.Command, []string) error {
		return errors.New("soon")
	}}
}
