package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"dojang/dkim"
	"dojang/internal/build"
	"dojang/internal/exit"
	"dojang/internal/trial"
)

// testmsgCommand is `dojang testmsg`.
func testmsgCommand(s Streams) *cobra.Command {
	o := trial.Signing{CRLF: true}
	var configFile, canonicalization string
	var asJSON, asFilter bool
	c := &cobra.Command{
		Use:   "testmsg [FILE...]",
		Short: "Sign or verify messages from files",
		Long: `Verify the signatures of messages, from files or standard input, and say of each
whether it passes and why not. For a signature that fails, ` + "`dojang explain`" + ` looks
for the cause.

With --domain, --selector and --key, sign one message and write it to standard
output. With --as-filter, decide what the filter would do under its
configuration, and show every step, log line and change; with --json as values.
Nothing is sent, counted or kept, which opendkim -t does as Debian's: it writes
statistics, diagnoses and temporary files.

The exit status is 0 when each message has a signature that passes, else 69.`,
		Example: `  dojang testmsg message.eml
  dojang testmsg < message.eml
  dojang testmsg -d example.com -s mail2026 -k /etc/opendkim/keys/mail2026.private < message.eml > signed.eml
  dojang testmsg --as-filter -x /etc/opendkim.conf message.eml`,
		RunE: func(c *cobra.Command, args []string) error {
			o.Now = time.Now()
			if len(args) == 0 {
				args = []string{"-"}
			}
			if asFilter {
				cfg, err := build.ToolConfig(configFile)
				if err != nil {
					return err
				}
				return testMessages(c.Context(), s, cfg, trial.Filter{Program: "dojang", Files: args, Verbose: 2, Log: true,
					JSON: asJSON, Now: o.Now})
			}
			var err error
			if o.Head, o.Body, err = dkim.ParseCanonicalizations(canonicalization); err != nil {
				return exit.Errorf(exit.Usage, "--canonicalization: %w", err)
			}
			if o.Domain != "" || o.Selector != "" || o.KeyFile != "" {
				return o.File(s.In, s.message(), args)
			}
			return modernVerify(c.Context(), s, configFile, args, asJSON, o.Now)
		},
	}
	f := c.Flags()
	f.StringVarP(&o.Domain, "domain", "d", "", "sign: domain")
	f.StringVarP(&o.Selector, "selector", "s", "", "sign: selector")
	f.StringVarP(&o.KeyFile, "key", "k", "", "sign: private key file")
	f.StringVarP(&canonicalization, "canonicalization", "c", "relaxed/simple", "sign: canonicalization of header and body")
	configFlag(f, &configFile, "x")
	f.BoolVar(&asFilter, "as-filter", false, "do what the filter would do, and show it")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func modernVerify(ctx context.Context, s Streams, configFile string, files []string, asJSON bool, now time.Time) error {
	cfg, err := build.ToolConfig(configFile)
	if err != nil {
		return err
	}
	v, done, err := trial.NewVerifier(ctx, cfg)
	if err != nil {
		return err
	}
	defer done()
	all := true
	messages := []trial.Verified{}
	for _, file := range files {
		_, fields, body, err := trial.ParseFile(s.In, file)
		if err != nil {
			return err
		}
		m := v.Tell(ctx, now, file, fields, body)
		all = all && m.Passed
		messages = append(messages, m)
		if !asJSON {
			m.Print(s.Out)
		}
	}
	if asJSON {
		if err := s.printJSON(messages); err != nil {
			return err
		}
	}
	if !all {
		return exit.Silent(exit.Unavailable)
	}
	return nil
}
