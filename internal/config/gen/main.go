// Command gen writes docs/options.md and opendkim.conf(5) from the table of
// options. It is run from internal/config by go generate.
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"dojang/internal/config"
)

func main() {
	for path, write := range map[string]func(io.Writer) error{
		"../../docs/options.md":               config.WriteMarkdown,
		"../../packaging/man/opendkim.conf.5": config.WriteMan,
	} {
		var b bytes.Buffer
		err := write(&b)
		if err == nil {
			err = os.WriteFile(path, b.Bytes(), 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "gen:", err)
			os.Exit(1)
		}
	}
}
