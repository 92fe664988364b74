package cli

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand writes the manual pages of every command, from the same text as
// their help. It is for those who make packages.
func manCommand(s Streams) *cobra.Command {
	return &cobra.Command{
		Use: "man FOLDER", Short: "Write the manual pages of all commands into a folder", Hidden: true,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return exitf(exCantCreate, "%s", err)
			}
			root := rootCommand(s)
			root.DisableAutoGenTag = true
			if err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "dojang", Manual: "Mail filters"}, args[0]); err != nil {
				return exitf(exCantCreate, "%s", err)
			}
			if err := writeOpendkimPage(args[0]); err != nil {
				return exitf(exCantCreate, "%s", err)
			}
			return nil
		},
	}
}
