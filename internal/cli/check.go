package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lethe-dsr/lethe/internal/config"
)

func checkCommand(io IO) *cobra.Command {
	var c common
	cmd := &cobra.Command{
		Use:   "check --config FILE",
		Short: "Read a configuration and say what is wrong with it, without running anything",
		Long: `Read a configuration, for this machine or for AWS, and say everything that is wrong with it, by field and line. Nothing
is connected: whether tokens and addresses work, a preview tells. Exit code 0 when it is in order, 2 when it is not.`,
		Example: `  lethe check --config config.yaml`,
		Args:    nothing,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := c.configuration(io)
			if err != nil {
				return err
			}
			at := map[config.Provider][]string{}
			for _, t := range cfg.Targets {
				at[t.Provider] = append(at[t.Provider], t.ID)
			}
			fmt.Fprintf(io.Out, "The configuration is in order: mode %s, regulation %s.\n", cfg.Mode, cfg.Regulation)
			for _, p := range []struct {
				is   config.Provider
				name string
			}{{config.AppCenter, "App Center"}, {config.Batch, "Batch"}} {
				if ids := at[p.is]; len(ids) > 0 {
					fmt.Fprintf(io.Out, "  %-10s  %s\n", p.name, strings.Join(ids, ", "))
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&c.config, "config", "", "configuration `FILE`, YAML or JSON")
	return cmd
}
