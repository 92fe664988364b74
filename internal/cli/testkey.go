package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"

	"dojang/dkim"
	"dojang/internal/exit"
	"dojang/internal/keycheck"
	"dojang/internal/keystore"
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
	_, ok := shortOptions(program, s.Err, args, "d:k:s:vx:", func(option byte, value string) {
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
	if o.config == "" && fileExists(defaultConfigFile) {
		say(2, "using default configfile %s", defaultConfigFile)
	}
	cfg, err := toolConfig(o.config)
	if err != nil {
		return tell(program, s.Err, err)
	}
	table := cfg.KeyTable.Value
	whole := table != "" && o.domain == "" && o.selector == "" && o.keyPath == ""
	if !whole && o.verbose == 0 {
		table = ""
	}
	tester, err := newKeyTester(ctx, table, cfg)
	if err != nil {
		return tell(program, s.Err, err)
	}
	defer tester.close()
	tester.diagnose = o.verbose > 0
	c := classicReporter{program: program, s: s, verbose: o.verbose, say: say}
	if whole {
		return c.table(ctx, tester)
	}
	if o.domain == "" {
		o.domain = firstDomain(ctx, cfg)
	}
	o.selector = cmp.Or(o.selector, cfg.Selector.Value)
	o.keyPath = cmp.Or(o.keyPath, cfg.KeyFile.Value)
	if o.domain == "" || o.selector == "" {
		io.WriteString(s.Err, classicTestkeyUsage)
		return exit.Config
	}
	if table != "" {
		_ = tester.rows(ctx, nil, func(string, string) {}, func(row keyRow) { tester.others = append(tester.others, row) })
	}
	return c.single(tester.test(ctx, singleKey(o.domain, o.selector, o.keyPath)))
}

// singleKey is a key that no table names; without a path it has no private half.
func singleKey(domain, selector, path string) keyRow {
	if path == "" {
		return keyRow{Row: keystore.Row{Domain: domain, Selector: selector}}
	}
	return keyRow{Row: keystore.FileRow(domain, selector, path)}
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// maxKeysAtOnce is how many keys are tested side by side.
const maxKeysAtOnce = 16

// testAll tests the keys and hands over the reports in the rows' order.
func (k *keyTester) testAll(ctx context.Context, targets []keyRow, f func(keyRow, keyReport)) {
	reports := make([]chan keyReport, len(targets))
	slots := make(chan struct{}, maxKeysAtOnce)
	for i := range targets {
		reports[i] = make(chan keyReport, 1)
	}
	go func() {
		for i, t := range targets {
			slots <- struct{}{}
			go func() {
				reports[i] <- k.test(ctx, t)
				<-slots
			}()
		}
	}()
	for i, t := range targets {
		f(t, <-reports[i])
	}
}

// classicReporter prints as opendkim-testkey does.
type classicReporter struct {
	program string
	s       Streams
	verbose int
	say     func(level int, format string, args ...any)
}

func (c classicReporter) unsafe(r keyReport) {
	if r.unsafe {
		c.say(0, "%s: WARNING: unsafe permissions", r.PrivateKey)
	}
}

// security tells what DNSSEC says of a record that was found.
func (c classicReporter) security(r keyReport, name string) {
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
func (c classicReporter) faults(r keyReport) {
	for _, f := range r.Faults {
		if f.Fatal || c.verbose > 3 {
			c.say(1, "  %s: %s", f.Code, f.Text)
			if f.Hint != "" {
				c.say(1, "    hint: %s", f.Hint)
			}
		}
	}
}

func (c classicReporter) single(r keyReport) int {
	c.unsafe(r)
	if r.code == exit.OSErr {
		c.say(0, "%s", r.Problem)
		return r.code
	}
	if r.loaded {
		c.say(2, "key loaded from %s", r.PrivateKey)
	}
	c.say(2, "checking key '%s'", r.asked)
	c.security(r, "")
	if r.code == exit.DataErr { // keys do not match
		fmt.Fprintf(c.s.Out, "%s: %s\n", c.program, r.Problem)
	} else if !r.OK {
		c.say(0, "%s", r.Problem)
	}
	if !r.OK {
		c.faults(r)
		return r.code
	}
	if c.verbose > 2 {
		fmt.Fprintf(c.s.Out, "%s: key OK\n", c.program)
	}
	c.faults(r)
	return 0
}

// table tests every key of a KeyTable. Unlike OpenDKIM's it goes on after a key
// it cannot read, and its exit status tells that a key failed.
func (c classicReporter) table(ctx context.Context, k *keyTester) int {
	malformed := 0
	var targets []keyRow
	err := k.rows(ctx, nil, func(place, text string) {
		malformed++
		c.say(0, "%s: %s", place, text)
	}, func(row keyRow) { targets = append(targets, row) })
	if err != nil {
		c.say(0, "%v", err)
		return 1
	}
	k.others = targets
	pass, fail, n := 0, malformed, 0
	k.testAll(ctx, targets, func(t keyRow, r keyReport) {
		c.say(2, "record %d for '%s' retrieved", n, t.name)
		n++
		c.unsafe(r)
		if r.code != exit.OSErr {
			c.say(2, "checking key '%s'", t.name)
		}
		if t.Domain == "%" {
			c.say(1, "key %s: for any domain: test one with -d DOMAIN -s %s", t.name, t.Selector)
			return
		}
		if r.OK {
			pass++
			c.security(r, t.name+" ")
			if c.verbose > 2 {
				fmt.Fprintf(c.s.Out, "%s: key %s: OK\n", c.program, t.name)
			}
			c.faults(r)
			return
		}
		fail++
		if r.code == exit.OSErr {
			c.say(0, "%s", r.Problem)
		} else {
			c.say(0, "key %s: %s", t.name, r.Problem)
		}
		c.security(r, t.name+" ")
		c.faults(r)
	})
	if c.verbose > 0 {
		plural := "s"
		if pass+fail == 1 {
			plural = ""
		}
		fmt.Fprintf(c.s.Out, "%s: %d key%s checked; %d pass, %d fail\n", c.program, pass+fail, plural, pass, fail)
	}
	if fail > 0 {
		return exit.Unavailable
	}
	return 0
}
