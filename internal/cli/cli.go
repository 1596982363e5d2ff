// Package cli is the command line of the local binary: its commands, what they print, and their exit codes.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
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
	Terminal bool   // Out and Err are terminals, and a person is there to answer
	Width    int    // of the terminal, in columns; 0 when unknown
	Name     string // by which this program was called, for commands that are printed to be copied
}

// FromOS is the process's own IO.
func FromOS() IO {
	tty := term.IsTerminal(int(os.Stdout.Fd())) && term.IsTerminal(int(os.Stderr.Fd())) && term.IsTerminal(int(os.Stdin.Fd()))
	width, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		width = 0
	}
	return IO{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.LookupEnv, Now: time.Now, Terminal: tty, Width: width,
		Name: filepath.ToSlash(os.Args[0]),
	}
}

// Main runs the command that this process was started with, and gives its exit code. An interrupt lets the command stop
// where it can go on later; a second one ends the process at once.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return Run(ctx, os.Args[1:], FromOS())
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

// interrupted says how to go on, where the error comes from an interrupt.
func interrupted(ctx context.Context, err error, next string) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return exit{OtherError, errors.New("interrupted; " + next)}
}

const goesOn = "run the same command again to go on where it stopped"

// Run runs one command and gives the process's exit code.
func Run(ctx context.Context, args []string, io IO) int {
	root := &cobra.Command{
		Use:   "lethe",
		Short: "Erases people from push-notification providers, and proves it",
		Long: `Lethe erases people from push-notification providers, and proves it: it searches App Center Push and Batch for
them, shows what it would delete, deletes it, searches again until nothing is left, and signs a certificate.

Exit codes: 0 done, 1 other error, 2 bad usage, configuration or people file, 3 somebody is not wholly erased,
4 something waits for approval.`,
		Example: `  lethe demo
  lethe preview --config config.yaml --email ann@example.com
  lethe erase --config config.yaml --from people.csv`,
		Version:                    local.Version,
		SuggestionsMinimumDistance: 2,
		SilenceErrors:              true,
		SilenceUsage:               true,
		Args:                       knownCommand,
		RunE:                       func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetArgs(args)
	root.SetIn(io.In)
	root.SetOut(io.Out)
	root.SetErr(io.Err)
	root.SetFlagErrorFunc(badFlags)
	root.AddCommand(
		demoCommand(io), previewCommand(io), eraseCommand(io), approveCommand(io),
		serveCommand(io), checkCommand(io), requestsCommand(io), showCommand(io), certificateCommand(io), verifyCommand(io),
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
		err = errors.New("interrupted")
	case fault.Is(err, fault.BadInput), fault.Is(err, fault.WrongPlan):
		code = BadUsage
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(io.Err, "lethe: "+text)
	}
	return code
}
