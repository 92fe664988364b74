package cli

import (
	"context"
	"io"
	"time"

	"dojang/dkim"
	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/getopt"
	"dojang/internal/trial"
)

const classicTestmsgUsage = `opendkim-testmsg: usage: opendkim-testmsg [options]
Valid options:
	-C         	preserve CRLFs
	-d domain  	set signing domain
	-K         	keep temporary files
	-k keyfile 	private key file
	-s selector	set signing selector
	-t path    	directory for temporary files
`

// classicTestmsg is opendkim-testmsg(8).
func classicTestmsg(ctx context.Context, s Streams, args []string) int {
	const program = "opendkim-testmsg"
	// Compat(opendkim 2.11): relaxed/simple.
	o := trial.Signing{Head: dkim.Relaxed, Body: dkim.Simple, Now: time.Now()}
	_, ok := getopt.Short(program, s.Err, args, "Cd:Kk:s:t:", func(option byte, value string) {
		switch option {
		case 'C':
			o.CRLF = true
		case 'd':
			o.Domain = value
		case 'k':
			o.KeyFile = value
		case 's':
			o.Selector = value
		}
	})
	given := 0
	for _, v := range []string{o.Domain, o.KeyFile, o.Selector} {
		if v != "" {
			given++
		}
	}
	if !ok || given != 0 && given != 3 {
		io.WriteString(s.Err, classicTestmsgUsage)
		return exit.Config
	}
	if given == 0 {
		v, done, err := trial.NewVerifier(ctx, config.New())
		if err != nil {
			return tell(program, s.Err, exit.Errorf(exit.OSErr, "%w", err))
		}
		defer done()
		return tell(program, s.Err, trial.ClassicVerify(ctx, s.In, v, o.Now))
	}
	return tell(program, s.Err, o.Classic(s.In, s.message()))
}
