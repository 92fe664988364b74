package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"dojang/dkim"
	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/keytable"
)

// testmsgCommand is `dojang testmsg`.
func testmsgCommand(s Streams) *cobra.Command {
	o := testmsgOptions{crlf: true}
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
			o.now = time.Now()
			if len(args) == 0 {
				args = []string{"-"}
			}
			if asFilter {
				cfg, err := toolConfig(configFile)
				if err != nil {
					return err
				}
				test := filterTest{program: "dojang", files: args, verbose: 2, log: true, json: asJSON, now: o.now}
				if code := testMessages(c.Context(), s, cfg, test); code != 0 {
					return exit.Silent(code)
				}
				return nil
			}
			var err error
			if o.head, o.body, err = dkim.ParseCanonicalizations(canonicalization); err != nil {
				return exit.Errorf(exit.Usage, "--canonicalization: %w", err)
			}
			if o.domain != "" || o.selector != "" || o.keyPath != "" {
				return o.modernSign(s, args)
			}
			return modernVerify(c.Context(), s, configFile, args, asJSON, o.now)
		},
	}
	f := c.Flags()
	f.StringVarP(&o.domain, "domain", "d", "", "sign: domain")
	f.StringVarP(&o.selector, "selector", "s", "", "sign: selector")
	f.StringVarP(&o.keyPath, "key", "k", "", "sign: private key file")
	f.StringVarP(&canonicalization, "canonicalization", "c", "relaxed/simple", "sign: canonicalization of header and body")
	f.StringVarP(&configFile, "config", "x", "", "configuration file ("+config.DefaultPath+")")
	f.BoolVar(&asFilter, "as-filter", false, "do what the filter would do, and show it")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (o *testmsgOptions) modernSign(s Streams, files []string) error {
	if o.domain == "" || o.selector == "" || o.keyPath == "" {
		return exit.Errorf(exit.Usage, "to sign, give --domain, --selector and --key")
	}
	if len(files) != 1 {
		return exit.Errorf(exit.Usage, "one message is signed at a time")
	}
	key, err := keytable.LoadFile(o.keyPath)
	if err != nil {
		return exit.Errorf(exit.NoInput, "--key: %w", err)
	}
	message, fields, body, err := parseMessageFile(s.In, files[0])
	if err != nil {
		return err
	}
	field, err := o.sign(key, fields, body)
	if err != nil {
		return exit.Errorf(exit.Software, "%w", err)
	}
	if _, err := s.message().Write(signedMessage(field, message)); err != nil {
		return exit.Errorf(exit.IOErr, "%w", err)
	}
	return nil
}

// verifiedMessage is the JSON form of one message's results.
type verifiedMessage struct {
	File       string              `json:"file"`
	Passed     bool                `json:"passed"`
	Signatures []verifiedSignature `json:"signatures"`
}

type verifiedSignature struct {
	Result    string `json:"result"` // RFC 8601's word
	Reason    string `json:"reason,omitempty"`
	Text      string `json:"text,omitempty"` // the reason in plain words
	Domain    string `json:"domain"`
	Selector  string `json:"selector"`
	Algorithm string `json:"algorithm"`
	KeyBits   int    `json:"key_bits,omitempty"`
	DNSSEC    string `json:"dnssec"`
}

func modernVerify(ctx context.Context, s Streams, configFile string, files []string, asJSON bool, now time.Time) error {
	cfg, err := toolConfig(configFile)
	if err != nil {
		return err
	}
	v, done, err := toolVerifier(ctx, cfg)
	if err != nil {
		return err
	}
	defer done()
	all := true
	messages := []verifiedMessage{}
	for _, file := range files {
		_, fields, body, err := parseMessageFile(s.In, file)
		if err != nil {
			return err
		}
		m := verifiedMessage{File: file, Signatures: []verifiedSignature{}}
		results := v.byRules(ctx, now, fields, body)
		for i := range results {
			m.Signatures = append(m.Signatures, verifiedOf(&results[i]))
			m.Passed = m.Passed || results[i].Status == dkim.StatusPass
		}
		all = all && m.Passed
		messages = append(messages, m)
		if !asJSON {
			m.print(s.Out)
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

func verifiedOf(r *dkim.Result) verifiedSignature {
	v := verifiedSignature{
		Result: r.Status.String(), Domain: r.Signature.Domain, Selector: r.Signature.Selector,
		Algorithm: r.Signature.Algorithm.String(), KeyBits: r.KeyBits, DNSSEC: r.Security.String(),
	}
	if r.Status != dkim.StatusPass {
		v.Reason, v.Text = r.Reason.String(), r.Reason.Explain()
	}
	return v
}

func (m *verifiedMessage) print(w io.Writer) {
	if len(m.Signatures) == 0 {
		fmt.Fprintf(w, "%s: none: no signature\n", m.File)
	}
	for _, v := range m.Signatures {
		fmt.Fprintf(w, "%s: %s: s=%s d=%s %s", m.File, v.Result, v.Selector, v.Domain, v.Algorithm)
		if v.KeyBits > 0 {
			fmt.Fprintf(w, ", %d-bit key", v.KeyBits)
		}
		if v.Reason != "" {
			fmt.Fprintf(w, ": %s: %s", v.Reason, v.Text)
		}
		fmt.Fprintln(w)
	}
}
