package cli

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/spf13/cobra"
)

// What a person typed where it does not belong may be somebody's e-mail address. So nothing of it is repeated, except
// for words that look like a mistyped command or flag.

// knownCommand refuses what is no command.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := "there is no such command"
	if regexp.MustCompile(`^[a-z-]{1,20}$`).MatchString(args[0]) {
		text = fmt.Sprintf("there is no command %q", args[0])
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			text += fmt.Sprintf("; did you mean %q", near[0])
		}
	}
	return usage(errors.New(text + "; `lethe --help` lists the commands"))
}

// nothing refuses arguments of commands that only have flags.
func nothing(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("%s takes flags only", cmd.CommandPath())
	if cmd.Flags().Lookup("email") != nil {
		text += "; name a person by --email ADDRESS, --user-id ID and so on, or people by --from FILE"
	}
	return usage(errors.New(text))
}

// one asks for exactly one argument.
func one(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return usage(fmt.Errorf("%s needs one %s, and got %d", cmd.CommandPath(), what, len(args)))
	}
}

// badFlags says what is wrong with flags.
func badFlags(cmd *cobra.Command, err error) error {
	text := "the flags cannot be understood"
	known := regexp.MustCompile(`^(unknown flag: --[a-z-]{1,20}|flag needs an argument: --[a-z-]+)$`)
	if known.MatchString(err.Error()) {
		text = err.Error()
	} else if regexp.MustCompile(`^unknown shorthand flag`).MatchString(err.Error()) {
		text = "flags begin with two dashes and are written out, such as --email"
	}
	return usage(fmt.Errorf("%s; `%s --help` lists the flags", text, cmd.CommandPath()))
}
