package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/resolver"
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
		return exConfig
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
	tester, err := newKeyTester(ctx, cfg)
	if err != nil {
		return tell(program, s.Err, err)
	}
	tester.diagnose = o.verbose > 0
	c := classicReporter{program: program, s: s, verbose: o.verbose, say: say}
	table := cfg.KeyTable.Value
	if table != "" && o.domain == "" && o.selector == "" && o.keyPath == "" {
		return c.table(ctx, tester, table, cfg)
	}
	if o.domain == "" {
		o.domain = firstDomain(ctx, cfg)
	}
	if o.selector == "" {
		o.selector = cfg.Selector.Value
	}
	if o.keyPath == "" {
		o.keyPath = cfg.KeyFile.Value
	}
	if o.domain == "" || o.selector == "" {
		io.WriteString(s.Err, classicTestkeyUsage)
		return exConfig
	}
	if table != "" && o.verbose > 0 {
		tester.others, _ = tableTargets(ctx, table, cfg, "", func(string, string) {})
	}
	return c.single(tester.test(ctx, keyTarget{domain: o.domain, selector: o.selector, source: o.keyPath}))
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// firstDomain is the first of the configuration's Domain.
func firstDomain(ctx context.Context, cfg *config.Config) string {
	domain := ""
	if spec := cfg.Domain.Value; spec != "" {
		_ = walkTable(ctx, spec, cfg, func(e dataset.Entry) error {
			if domain == "" {
				domain = e.Key
			}
			return nil
		})
	}
	return domain
}

// newKeyTester asks the DNS the configuration names.
func newKeyTester(ctx context.Context, cfg *config.Config) (*keyTester, error) {
	r, _, problems := build.Lookups(ctx, cfg, toolParts())
	if r == nil {
		return nil, configError(problems)
	}
	k := &keyTester{resolver: r}
	k.dns, _ = r.(*resolver.DNS)
	return k, nil
}

// tableTargets are the keys of a KeyTable. A row for any domain ("%") is one
// for the domain given; without one its domain stays "%".
func tableTargets(ctx context.Context, table string, cfg *config.Config, domain string, bad func(place, text string)) ([]keyTarget, error) {
	rows, err := keyTableRows(ctx, table, cfg, bad)
	if err != nil {
		return nil, err
	}
	var targets []keyTarget
	for _, row := range rows {
		if row.domain == "%" && domain != "" {
			row.domain = domain
		}
		if domain != "" && !strings.EqualFold(row.domain, domain) {
			continue
		}
		targets = append(targets, keyTarget(row))
	}
	return targets, nil
}

// maxKeysAtOnce is how many keys are tested side by side.
const maxKeysAtOnce = 16

// testAll tests the keys and hands over the reports in the targets' order.
func (k *keyTester) testAll(ctx context.Context, targets []keyTarget, f func(keyTarget, keyReport)) {
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
	if !r.found {
		return
	}
	switch r.security {
	case resolver.Insecure:
		c.say(1, "key %snot secure", name)
	case resolver.Secure:
		c.say(1, "key %ssecure", name)
	case resolver.Bogus, resolver.SecurityUnknown:
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
	if r.code == exOSErr {
		c.say(0, "%s", r.Problem)
		return r.code
	}
	if r.loaded {
		c.say(2, "key loaded from %s", r.PrivateKey)
	}
	c.say(2, "checking key '%s'", r.Record)
	c.security(r, "")
	if r.code == exDataErr { // keys do not match
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
func (c classicReporter) table(ctx context.Context, k *keyTester, table string, cfg *config.Config) int {
	malformed := 0
	targets, err := tableTargets(ctx, table, cfg, "", func(place, text string) {
		malformed++
		c.say(0, "%s: %s", place, text)
	})
	if err != nil {
		c.say(0, "%v", err)
		return 1
	}
	k.others = targets
	pass, fail, n := 0, malformed, 0
	k.testAll(ctx, targets, func(t keyTarget, r keyReport) {
		c.say(2, "record %d for '%s' retrieved", n, t.name)
		n++
		c.unsafe(r)
		if r.code != exOSErr {
			c.say(2, "checking key '%s'", t.name)
		}
		if t.domain == "%" {
			c.say(1, "key %s: for any domain: test one with -d DOMAIN -s %s", t.name, t.selector)
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
		if r.code == exOSErr {
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
		return exUnavailable
	}
	return 0
}
