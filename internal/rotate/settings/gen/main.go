// Command gen writes rotate.conf(5) from the table of options. It is run from
// internal/rotate/settings by go generate.
package main

import (
	"bytes"
	"fmt"
	"os"

	"dojang/internal/rotate/settings"
)

func main() {
	var b bytes.Buffer
	err := settings.WriteMan(&b)
	if err == nil {
		err = os.WriteFile("../../../packaging/man/rotate.conf.5", b.Bytes(), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}
