package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"dojang/internal/build/pages"
)

// webLoginCommand is `dojang web login`.
func webLoginCommand(s Streams) *cobra.Command {
	return &cobra.Command{
		Use: "login", Short: "Print a fresh address that logs in to the running dojang-web.service",
		Long: `Ask the running dojang-web.service for a fresh address, and print it. It logs in
once, within an hour. Only root and the service's own user may ask.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			line, err := pages.AskLogin()
			if err != nil {
				return err
			}
			fmt.Fprintf(s.Out, "%s", line)
			return nil
		},
	}
}
