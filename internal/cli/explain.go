package cli

import (
	"context"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"dojang/internal/build"
	"dojang/internal/exit"
	"dojang/internal/message"
	"dojang/internal/trial"
)

// explainOptions are those of `dojang explain`.
type explainOptions struct {
	config        string
	client        string // address the message came from
	clientName    string
	authenticated bool
	sender        string
	recipients    []string
	json          bool
}

// explainCommand is `dojang explain`.
func explainCommand(s Streams) *cobra.Command {
	var o explainOptions
	c := &cobra.Command{
		Use:   "explain FILE...",
		Short: "Tell a message's whole story: what is done with it, and why its signatures fail",
		Long: `For each message, say what the filter does with it under its configuration and
which rule decides that; then, for each signature, its key, its state and, when
it fails, whether the header or the body no longer fits, which field, and what
most likely changed it.

Everything is checked that can be: expired signatures, rsa-sha1, those beyond
MaximumSignaturesToVerify and those that the filter leaves out. What cannot be
checked, for want of a key, is said to be not known. A message is judged by the
time at which it arrived, which its topmost Received field tells, and a signature
that has expired since is told. Key files are judged as the filter's user.

Causes are searched for, not guessed: what Postfix, Sendmail, Exchange, Mailman,
Google Groups and others do to messages (subject tags, footers and banners, Cc
and other lists of addresses written anew, the From of mailing lists, white
space, long lines, line ends, charsets, quotes and dashes, the transfer encoding,
removed, added, repeated or reordered fields, a header cut in two) is undone one
by one and together. A cause is "proved" when undoing it reproduces the hash that was
signed; "likely" is what something in the message points to. When the signature
carries a copy of its header (z=), the copy is compared. The search ends after
20 seconds.

Whether d= aligns with From is said as DMARC asks: strict when it is the same
domain, relaxed when it is one of the same organizational domain.

The message should be as it was received: a mail program's "save as" may change
it itself. "-" is standard input.`,
		Example: `  dojang explain message.eml
  dojang explain --client 192.0.2.7 --auth --sender joe@example.com message.eml
  dojang explain --json message.eml | jq '.[].signatures[].causes'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runExplain(c.Context(), s, o, args, time.Now()) },
	}
	f := c.Flags()
	configFlag(f, &o.config, "c")
	f.StringVar(&o.client, "client", "", "address of the client the message came from (one that is not internal)")
	f.StringVar(&o.clientName, "client-name", "", "host name of that client")
	f.BoolVar(&o.authenticated, "auth", false, "the client had logged in")
	f.StringVar(&o.sender, "sender", "", "envelope sender")
	f.StringSliceVar(&o.recipients, "recipient", nil, "envelope recipient")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return c
}

func runExplain(ctx context.Context, s Streams, o explainOptions, files []string, now time.Time) error {
	e, err := o.envelope()
	if err != nil {
		return err
	}
	cfg, err := build.ToolConfig(o.config)
	if err != nil {
		return err
	}
	explainer, err := trial.NewExplainer(ctx, cfg, Version)
	if err != nil {
		return err
	}
	defer explainer.Close()
	stories := []trial.Story{}
	for _, file := range files {
		fields, body, messages, err := trial.ParseSource(s.In, file)
		if err != nil {
			return err
		}
		story := explainer.Tell(ctx, e, fields, body, now)
		story.File, story.Messages = file, messages
		stories = append(stories, story)
		if !o.json {
			story.Print(s.Out)
		}
	}
	if o.json {
		return s.printJSON(stories)
	}
	return nil
}

func (o explainOptions) envelope() (message.Envelope, error) {
	e := message.Envelope{Origin: message.Origin{ClientName: o.clientName}, Sender: o.sender, Recipients: o.recipients}
	if e.ClientName == "" {
		e.ClientName = "unknown"
	}
	// RFC 5737: an address that is nobody's, and so in no list of hosts.
	e.ClientAddr = netip.AddrFrom4([4]byte{192, 0, 2, 1})
	if o.client != "" {
		addr, err := netip.ParseAddr(o.client)
		if err != nil {
			return e, exit.Errorf(exit.Usage, "--client %q is no address", o.client)
		}
		e.ClientAddr = addr
	}
	e.Macro = func(name string) string {
		if o.authenticated && name == "auth_type" {
			return "PLAIN"
		}
		return ""
	}
	return e, nil
}
