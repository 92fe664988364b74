package cli

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"dojang/internal/app"
	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/keyrecord"
	"dojang/internal/logging"
	"dojang/internal/problem"
	"dojang/milter"
)

func runUp(ctx context.Context, s Streams, o upOptions) error {
	st, err := prepareState(o)
	if err != nil {
		return err
	}
	listens, err := config.ParseSocket(o.socket)
	if err != nil {
		return exit.Errorf(exit.Usage, "--socket %s: %w", o.socket, err)
	}
	st.print(s, listens)
	load := func() (*config.Config, problem.List) { return config.Load(st.config) }
	c, problems := load()
	problems.Write(s.Err)
	if problems.HasErrors() {
		return exit.Silent(exit.Config)
	}
	// The sockets of the command line count for this run; the file keeps its own.
	c.Set("Socket", o.socket, config.CommandLine)
	c.Set("Background", "no", config.CommandLine)
	published := map[string]string{}
	for _, k := range st.keys {
		published[strings.TrimSuffix(k.record.Name(), ".")] = k.record.Text()
	}
	a, problems := app.New(ctx, app.Options{
		Config: c, Path: st.config, Load: load, Args: "up", Version: Version, Published: published,
		Console: logging.NewSummary(s.Out),
	})
	problems.Write(s.Err)
	if a == nil {
		return exit.Silent(exit.Config)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var proof error
	err = a.Run(ctx, func() {
		app.Ready()
		if proof = st.prove(ctx, s, c.Sockets()[0]); proof != nil || o.proofOnly {
			stop()
			return
		}
		fmt.Fprintf(s.Out, "\nReady: serving on %s, one line a message. Interrupt (Ctrl-C) to stop.\n", o.socket)
	})
	if err := errors.Join(proof, err); err != nil {
		return exit.Errorf(exit.Unavailable, "%s", err)
	}
	return nil
}

// print tells what to publish and what to paste.
func (st *upState) print(s Streams, socket config.Socket) {
	fmt.Fprintf(s.Out, "Keys, tables and configuration: %s\n\n", st.dir)
	fmt.Fprintf(s.Out, "Publish these DNS records for %s:\n\n", st.domain)
	for _, k := range st.keys {
		_ = keyrecord.Write(s.Out, keyrecord.ZoneLine, k.record) // a terminal that is gone does not mind
	}
	fmt.Fprintf(s.Out, `
Tell Postfix about the filter:

  postconf -e 'smtpd_milters = %s'
  postconf -e 'non_smtpd_milters = $smtpd_milters'
  postconf -e 'milter_protocol = 6'
  postconf -e 'milter_default_action = tempfail'
  postfix reload

`, socket.ForPostfix())
}

// prove sends a message through the filter's own socket as a local client, and
// what comes back through it once more as a stranger's.
func (st *upState) prove(ctx context.Context, s Streams, socket config.Socket) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	message := []byte(strings.ReplaceAll(fmt.Sprintf(`From: Postmaster <postmaster@%[1]s>
To: friend@example.org
Subject: a first message
Date: %[2]s
Message-ID: <first@%[1]s>

Sealed by dojang.
`, st.domain, time.Now().Format(time.RFC1123Z)), "\n", "\r\n"))
	signed, err := send(ctx, socket, st.test("PROOF-SIGN", netip.MustParseAddr("127.0.0.1"), message))
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	var signatures []string
	for _, e := range signed.Edits {
		if strings.EqualFold(e.Name, "DKIM-Signature") {
			signatures = append(signatures, e.Name+":"+e.Value)
		}
	}
	if len(signatures) != len(st.keys) {
		return fmt.Errorf("signing: %d signatures of %d were made; run: dojang config check --config %s", len(signatures), len(st.keys), st.config)
	}
	for _, text := range signatures {
		fmt.Fprintf(s.Out, "%s\n", strings.ReplaceAll(text, "\r\n", "\n"))
	}
	fmt.Fprintf(s.Out, "\nSigned:   a message from postmaster@%s, with %d keys\n", st.domain, len(signatures))

	verified, err := send(ctx, socket, st.test("PROOF-VERIFY", netip.MustParseAddr("192.0.2.1"), milter.Apply(message, signed.Edits)))
	if err != nil {
		return fmt.Errorf("verifying: %w", err)
	}
	passed := 0
	for _, e := range verified.Edits {
		if strings.EqualFold(e.Name, "Authentication-Results") {
			passed = strings.Count(e.Value, "dkim=pass")
		}
	}
	if passed != len(signatures) {
		return fmt.Errorf("verifying: %d of %d signatures hold", passed, len(signatures))
	}
	fmt.Fprintf(s.Out, "Verified: both signatures hold against the keys to publish (dkim=pass)\n")
	return nil
}

// send hands one message to the filter over a connection of its own.
func send(ctx context.Context, socket config.Socket, m milter.Message) (milter.Outcome, error) {
	client, err := milter.Dial(socket.Network, socket.DialAddress(), milter.ClientOptions{})
	if err != nil {
		return milter.Outcome{}, fmt.Errorf("the filter's own socket does not answer: %w", err)
	}
	defer client.Close()
	return client.Send(ctx, m)
}

// test is the message as Postfix would hand it over for a client.
func (st *upState) test(job string, addr netip.Addr, raw []byte) milter.Message {
	return milter.Message{
		Envelope: milter.Envelope{
			Host: "proof.invalid", Addr: milter.ConnAddr{Family: milter.FamilyInet, Addr: addr, Port: 25},
			From: "postmaster@" + st.domain, Rcpts: []string{"friend@example.org"},
		},
		Macros: map[string]string{"i": job, "j": "mail." + st.domain, "daemon_name": "dojang-up"},
		Raw:    raw,
	}
}
