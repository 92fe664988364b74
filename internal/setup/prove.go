package setup

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"dojang/internal/config"
	"dojang/internal/words"
	"dojang/milter"
)

// Prove sends a message through the filter's own socket as a local client, and
// what comes back through it once more as a stranger's.
func (st *State) Prove(ctx context.Context, out io.Writer, socket config.Socket) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	message := []byte(strings.ReplaceAll(fmt.Sprintf(`From: Postmaster <postmaster@%[1]s>
To: friend@example.org
Subject: a first message
Date: %[2]s
Message-ID: <first@%[1]s>

Sealed by dojang.
`, st.Domain, time.Now().Format(time.RFC1123Z)), "\n", "\r\n"))
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
		return fmt.Errorf("signing: %d signatures of %d were made; run: dojang config check --config %s", len(signatures),
			len(st.keys), st.Config)
	}
	for _, text := range signatures {
		fmt.Fprintf(out, "%s\n", strings.ReplaceAll(text, "\r\n", "\n"))
	}
	fmt.Fprintf(out, "\nSigned:   a message from postmaster@%s, with %s\n", st.Domain, words.Count(len(signatures), "key"))

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
	fmt.Fprintf(out, "Verified: both signatures hold against the keys to publish (dkim=pass)\n")
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
func (st *State) test(job string, addr netip.Addr, raw []byte) milter.Message {
	return milter.Message{
		Envelope: milter.Envelope{
			Host: "proof.invalid", Addr: milter.ConnAddr{Family: milter.FamilyInet, Addr: addr, Port: 25},
			From: "postmaster@" + st.Domain, Rcpts: []string{"friend@example.org"},
		},
		Macros: map[string]string{"i": job, "j": "mail." + st.Domain, "daemon_name": "dojang-up"},
		Raw:    raw,
	}
}
