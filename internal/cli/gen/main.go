// Command gen writes the manual pages of every command into a folder, from the same
// text as their help. It is a program of its own, for those who make packages: what
// writes pages would be half a megabyte of every dojang.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra/doc"

	"dojang/internal/cli"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gen FOLDER")
		os.Exit(64)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(73)
	}
}

func write(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	root := cli.Commands(cli.Streams{})
	root.DisableAutoGenTag = true
	if err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "dojang", Manual: "Mail filters"}, folder); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "opendkim.8"), []byte(cli.OpendkimPage()), 0o644)
}
