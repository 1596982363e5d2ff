// Package cli is the command line of the local binary: its commands, what they print, and their exit codes.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/local"
)

// Exit codes, for scripts.
const (
	Done          = 0 // erased, nothing found, or previewed
	OtherError    = 1
	BadUsage      = 2 // usage, configuration or people file
	NotAllErased  = 3 // somebody's outcome is partial or failed
	WaitsApproval = 4
)

// IO is what a command reads from and writes to.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
	Env      func(string) (string, bool)
	Now      func() time.Time
	Terminal bool // Out and Err are terminals, and a person is there to answer
	Width    int  // of the terminal, in columns; 0 when unknown
}

// FromOS is the process's own IO.
func FromOS() IO {
	tty := term.IsTerminal(int(os.Stdout.Fd())) && term.IsTerminal(int(os.Stderr.Fd())) && term.IsTerminal(int(os.Stdin.Fd()))
	width, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		width = 0
	}
	return IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.LookupEnv, Now: time.Now, Terminal: tty, Width: width}
}

// exit is an error with its exit code. An empty text was said already.
type exit struct {
	code int
	err  error
}

func (e exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}
func (e exit) Unwrap() error { return e.err }

func usage(err error) error {
	if err == nil {
		return nil
	}
	return exit{BadUsage, err}
}

// Run runs one command and gives the process's exit code.
func Run(ctx context.Context, args []string, io IO) int {
	root := &cobra.Command{
		Use:           "lethe",
		Short:         "Erases people from push-notification providers, and proves it",
		Version:       local.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetArgs(args)
	root.SetIn(io.In)
	root.SetOut(io.Out)
	root.SetErr(io.Err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	root.AddCommand(
		demoCommand(io), previewCommand(io), eraseCommand(io), approveCommand(io),
		requestsCommand(io), showCommand(io), certificateCommand(io), verifyCommand(io),
	)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return Done
	}
	code := OtherError
	var coded exit
	switch {
	case errors.As(err, &coded):
		code = coded.code
	case ctx.Err() != nil:
		err = errors.New("interrupted; run the same command again to go on where it stopped")
	case fault.Is(err, fault.BadInput), fault.Is(err, fault.WrongPlan), isUsage(root, args):
		code = BadUsage
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(io.Err, "lethe: "+text)
	}
	return code
}

// isUsage tells whether cobra itself refused the arguments: an unknown command, or arguments that a command does not take.
func isUsage(root *cobra.Command, args []string) bool {
	c, rest, err := root.Find(args)
	if err != nil {
		return true
	}
	return c.ValidateArgs(c.Flags().Args()) != nil || len(rest) > 0 && c == root
}
