package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"dojang/internal/app"
	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/problem"
	"dojang/internal/rsaengine"
)

// opendkimFlags are what the command line of opendkim(8) says beside options.
type opendkimFlags struct {
	config.Source
	check     bool    // -n
	query     bool    // -Q
	version   bool    // -V
	extract   *string // -e
	testFiles *string // -t
	fixedTime string
	verbose   int
}

// classicOpendkim is opendkim(8).
func classicOpendkim(ctx context.Context, s Streams, args []string) int {
	f, ok := parseOpendkim(s.Err, args)
	if !ok || f.testFiles != nil && *f.testFiles == "" {
		opendkimUsage(s.Err)
		return exit.Usage
	}
	switch {
	case f.version:
		printAbilities(s.Out)
		return exit.OK
	case f.query:
		return classicQuery(ctx, s)
	}
	named := f.File != ""
	c, problems := f.Load()
	if f.verbose > 1 && !named && f.File != "" {
		fmt.Fprintf(s.Err, "opendkim: using default configfile %s\n", f.File)
	}
	switch {
	case problems.HasErrors():
		problems.Write(s.Err)
		return exit.Config
	case f.check:
		return checkConfig(ctx, s, c, problems)
	case f.extract != nil:
		return extractOption(s, c, *f.extract)
	case f.testFiles != nil:
		return testMessageFiles(ctx, s, c, f)
	}
	d := f.service("opendkim", s, c, problems)
	d.Args = strings.TrimSpace(strings.Join(args, " "))
	return d.Run(ctx)
}

// parseOpendkim reads the flags of opendkim(8). It tells each mistake as getopt(3) does.
func parseOpendkim(errs io.Writer, args []string) (f *opendkimFlags, ok bool) {
	f = new(opendkimFlags)
	set, operands, ok := config.ReadFlags(errs, args, f.turn)
	if ok && len(operands) > 0 {
		fmt.Fprintf(errs, "opendkim: what is %q for?\n", operands[0])
		return nil, false
	}
	for _, o := range set {
		if _, err := strconv.ParseUint(o.Value, 0, 32); ok && o.Option == "DNSTimeout" && err != nil {
			fmt.Fprintln(errs, "opendkim: invalid value for -T")
			return nil, false
		}
	}
	f.Overrides = set
	return f, ok
}

// turn obeys a flag that sets no option.
func (f *opendkimFlags) turn(letter byte, value string) {
	switch letter {
	case 'e':
		f.extract = &value
	case 'F':
		f.fixedTime = value
	case 'n':
		f.check = true
	case 'Q':
		f.query = true
	case 't':
		f.testFiles = &value
	case 'v':
		f.verbose++
	case 'V':
		f.version = true
	case 'x':
		f.File = value
	}
}

func opendkimUsage(w io.Writer) {
	fmt.Fprintln(w, "opendkim: usage: opendkim -p socketfile [options]")
	for _, flag := range config.Flags() {
		name := "-" + flag.Letter
		if flag.TakesValue {
			name += " " + flag.Argument
		}
		fmt.Fprintf(w, "\t%-12s\t%s\n", name, flag.Doc)
	}
}

// service is the filter of a configuration that was loaded.
func (f *opendkimFlags) service(name string, s Streams, c *config.Config, warnings problem.List) app.Service {
	return app.Service{Name: name, Err: s.Err, Warnings: warnings, Options: app.Options{Config: c, Path: f.File,
		Load: f.Reload(), Version: Version}}
}

// extractOption is -e: the values given for an option, one a line.
func extractOption(s Streams, c *config.Config, name string) int {
	if config.Find(name) == nil {
		fmt.Fprintf(s.Err, "opendkim: %s: no such option", name)
		if near := config.Nearest(name); near != "" {
			fmt.Fprintf(s.Err, "; did you mean %s?", near)
		}
		fmt.Fprintln(s.Err)
		return exit.DataErr
	}
	values := c.Extract(name)
	for _, v := range values {
		fmt.Fprintln(s.Out, v)
	}
	if len(values) == 0 {
		return exit.Config
	}
	return exit.OK
}

// checkConfig is -n: everything a start would do short of serving.
func checkConfig(ctx context.Context, s Streams, c *config.Config, problems problem.List) int {
	var found problem.List
	s.during("seconds of checking tables and keys", func() { found = build.Check(ctx, c) })
	problems = append(problems, found...)
	problems.Write(s.Err)
	if problems.HasErrors() {
		return exit.Config
	}
	return exit.OK
}

func printAbilities(w io.Writer) {
	without := ""
	if left := build.LeftOut(); len(left) > 0 {
		without = "\tLeft out of this build: " + strings.Join(left, " ") + "\n"
	}
	fmt.Fprintf(w, `opendkim: OpenDKIM Filter v%s
	dojang %s
	RSA signing engine: %s
	Supported signing algorithms:
		rsa-sha1
		rsa-sha256
		ed25519-sha256
	Supported canonicalization algorithms:
		relaxed
		simple
	Active code options:
		QUERY_CACHE
		USE_DB
		USE_LDAP
		USE_LUA
		USE_MDB
		USE_ODBX
		_FFR_ATPS
		_FFR_RBL
		_FFR_REPLACE_RULES
		_FFR_SENDER_MACRO
		_FFR_STATS
		_FFR_VBR
%s`, app.CompatibleVersion, Version, signingEngine(), without)
}

// signingEngine is what SigningEngine auto takes on this machine, and why it is
// not a faster one.
func signingEngine() string {
	e, err := rsaengine.New(rsaengine.Options{})
	if err != nil {
		return err.Error()
	}
	defer e.Close()
	if e.Reason() == "" {
		return e.Name()
	}
	return e.Name() + " (" + e.Reason() + ")"
}
