package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"

	"dojang/dkim"
	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/getopt"
	"dojang/internal/keycheck"
	"dojang/internal/keytable"
	"dojang/internal/words"
)

// testkeyOptions are opendkim-testkey(8)'s.
type testkeyOptions struct {
	domain, selector, keyPath string
	config                    string
	verbose                   int
}

const classicTestkeyUsage = `opendkim-testkey: usage: opendkim-testkey [options]
	-d domain  	domain name
	-k keypath 	path to private key
	-s selector	selector name
	-v         	increase verbose output
	-x conffile	configuration file
`

// classicTestkey is opendkim-testkey(8).
//
// Compat(opendkim 2.11): a wrong command line ends with EX_CONFIG. Of one key,
// "key OK" and "keys do not match" go to standard output, of a table "key NAME:
// OK" and the count of keys; all else goes to standard error.
func classicTestkey(ctx context.Context, s Streams, args []string) int {
	const program = "opendkim-testkey"
	var o testkeyOptions
	_, ok := getopt.Short(program, s.Err, args, "d:k:s:vx:", func(option byte, value string) {
		switch option {
		case 'd':
			o.domain = value
		case 'k':
			o.keyPath = value
		case 's':
			o.selector = value
		case 'v':
			o.verbose++
		case 'x':
			o.config = value
		}
	})
	if !ok {
		io.WriteString(s.Err, classicTestkeyUsage)
		return exit.Config
	}
	return runClassicTestkey(ctx, program, s, o)
}

func runClassicTestkey(ctx context.Context, program string, s Streams, o testkeyOptions) int {
	say := sayTo(s.Err, program, o.verbose)
	if o.config == "" && fileExists(config.DefaultPath) {
		say(2, "using default configfile %s", config.DefaultPath)
	}
	cfg, err := build.ToolConfig(o.config)
	if err != nil {
		return tell(program, s.Err, err)
	}
	table := cfg.KeyTable.Value
	whole := table != "" && o.domain == "" && o.selector == "" && o.keyPath == ""
	if !whole && o.verbose == 0 {
		table = ""
	}
	tester, err := keytable.NewTester(ctx, table, cfg)
	if err != nil {
		return tell(program, s.Err, err)
	}
	defer tester.Close()
	tester.Diagnose = o.verbose > 0
	c := classicReporter{program: program, s: s, verbose: o.verbose, say: say}
	if whole {
		return c.table(ctx, tester)
	}
	if o.domain == "" {
		o.domain = keytable.FirstDomain(ctx, cfg)
	}
	o.selector = cmp.Or(o.selector, cfg.Selector.Value)
	o.keyPath = cmp.Or(o.keyPath, cfg.KeyFile.Value)
	if o.domain == "" || o.selector == "" {
		io.WriteString(s.Err, classicTestkeyUsage)
		return exit.Config
	}
	if table != "" {
		_ = tester.Rows(ctx, nil, func(string, string) {}, func(row keytable.Row) { tester.Others = append(tester.Others, row) })
	}
	return c.single(tester.Test(ctx, keytable.Single(o.domain, o.selector, o.keyPath)))
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// classicReporter prints as opendkim-testkey does.
type classicReporter struct {
	program string
	s       Streams
	verbose int
	say     func(level int, format string, args ...any)
}

func (c classicReporter) unsafe(r keytable.Report) {
	if r.Unsafe {
		c.say(0, "%s: WARNING: unsafe permissions", r.PrivateKey)
	}
}

// security tells what DNSSEC says of a record that was found.
func (c classicReporter) security(r keytable.Report, name string) {
	if r.Lookup != keycheck.Found || r.Key == nil || r.Reason != dkim.ReasonNone {
		return
	}
	switch r.DNSSEC {
	case "insecure":
		c.say(1, "key %snot secure", name)
	case "secure":
		c.say(1, "key %ssecure", name)
	}
}

// faults tells the causes, which opendkim-testkey does not know.
func (c classicReporter) faults(r keytable.Report) {
	for _, f := range r.Faults {
		if f.Fatal || c.verbose > 3 {
			c.say(1, "  %s: %s", f.Code, f.Text)
			if f.Hint != "" {
				c.say(1, "    hint: %s", f.Hint)
			}
		}
	}
}

func (c classicReporter) single(r keytable.Report) int {
	c.unsafe(r)
	if r.Status == exit.OSErr {
		c.say(0, "%s", r.Problem)
		return r.Status
	}
	if r.Loaded {
		c.say(2, "key loaded from %s", r.PrivateKey)
	}
	c.say(2, "checking key '%s'", r.Asked)
	c.security(r, "")
	if r.Status == exit.DataErr { // keys do not match
		fmt.Fprintf(c.s.Out, "%s: %s\n", c.program, r.Problem)
	} else if !r.OK {
		c.say(0, "%s", r.Problem)
	}
	if !r.OK {
		c.faults(r)
		return r.Status
	}
	if c.verbose > 2 {
		fmt.Fprintf(c.s.Out, "%s: key OK\n", c.program)
	}
	c.faults(r)
	return 0
}

// table tests every key of a KeyTable. Unlike OpenDKIM's it goes on after a key
// it cannot read, and its exit status tells that a key failed.
func (c classicReporter) table(ctx context.Context, k *keytable.Tester) int {
	malformed := 0
	var targets []keytable.Row
	err := k.Rows(ctx, nil, func(place, text string) {
		malformed++
		c.say(0, "%s: %s", place, text)
	}, func(row keytable.Row) { targets = append(targets, row) })
	if err != nil {
		c.say(0, "%v", err)
		return 1
	}
	k.Others = targets
	pass, fail, n := 0, malformed, 0
	k.TestAll(ctx, targets, func(t keytable.Row, r keytable.Report) {
		c.say(2, "record %d for '%s' retrieved", n, t.Name)
		n++
		c.unsafe(r)
		if r.Status != exit.OSErr {
			c.say(2, "checking key '%s'", t.Name)
		}
		if t.Domain == "%" {
			c.say(1, "key %s: for any domain: test one with -d DOMAIN -s %s", t.Name, t.Selector)
			return
		}
		if r.OK {
			pass++
			c.security(r, t.Name+" ")
			if c.verbose > 2 {
				fmt.Fprintf(c.s.Out, "%s: key %s: OK\n", c.program, t.Name)
			}
			c.faults(r)
			return
		}
		fail++
		if r.Status == exit.OSErr {
			c.say(0, "%s", r.Problem)
		} else {
			c.say(0, "key %s: %s", t.Name, r.Problem)
		}
		c.security(r, t.Name+" ")
		c.faults(r)
	})
	if c.verbose > 0 {
		fmt.Fprintf(c.s.Out, "%s: %s checked; %d pass, %d fail\n", c.program, words.Count(pass+fail, "key"), pass, fail)
	}
	if fail > 0 {
		return exit.Unavailable
	}
	return 0
}
