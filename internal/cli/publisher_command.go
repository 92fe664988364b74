package cli

import (
	"os"

	"github.com/spf13/cobra"

	"dojang/internal/build/rotation"
	"dojang/internal/exit"
	"dojang/internal/publish"
)

// publisherCommand is the child's side.
func publisherCommand(s Streams) *cobra.Command {
	return &cobra.Command{
		Use: rotation.PublisherName, Short: "Publish what is asked for on the standard input (started by other " +
			"commands)", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if os.Geteuid() == 0 {
				return exit.Errorf(exit.NoPerm, "not as root: it reads credentials and talks to servers")
			}
			return publish.Serve(c.Context(), s.In, s.Out, s.Err)
		},
	}
}

// hookCommand is `dojang hook`, by which a shell script becomes a hook.
func hookCommand(s Streams) *cobra.Command {
	return &cobra.Command{
		Use: "hook SCRIPT [ARG...]", Short: "Let a shell script publish (started by the script " +
			"itself)", Hidden: true, Args: cobra.MinimumNArgs(1),
		DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			script := publish.Script{Program: args[0], Args: args[1:], Log: s.Err, Look: rotation.LookAtServers}
			return script.Serve(c.Context(), s.In, s.Out)
		},
	}
}
