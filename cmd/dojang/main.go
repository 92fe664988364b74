// Command dojang signs and verifies mail for Postfix and Sendmail. Called by
// the name of an OpenDKIM tool it is that tool.
package main

import (
	"context"
	"os"

	"dojang/internal/cli"
)

func main() {
	os.Exit(cli.Main(context.Background(), os.Args, cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
