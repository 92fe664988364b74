package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/config"
	"dojang/internal/message"
	"dojang/milter"
)

// verifier checks the signatures of a message as others would; nil for nobody who can.
type verifier func(context.Context, *header.List, []byte) []dkim.Result

const messageName = "message"

// Message sends a message of author through the running filter, by a way by which its
// files have such mail signed, and looks whether it does what they say and whether the
// signatures hold. It is the answer to "is my mail signed".
func (r *Report) Message(ctx context.Context, h *host, rehearsal *rehearsal, s config.Socket, author string, verify verifier) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	raw := testMessage(author)
	way, want, ok := rehearsal.wayOf(ctx, author)
	if !ok {
		way = ways(h.Config, author)[0]
	}
	outcome, err := sendBy(ctx, s, author, way, raw)
	if err != nil {
		r.Add(Finding{Check: messageName, Code: "message-refused", Status: Bad, Remedy: h.restart()},
			"the filter does not take a message: %s", err)
		return
	}
	if kind := outcome.Final.Kind; kind != milter.ReplyAccept && kind != milter.ReplyContinue {
		r.Add(Finding{Check: messageName, Code: "message-answered", Status: Bad,
			Advice: "the log names the cause: journalctl -u opendkim -n 20; dojang config check"},
			"a message from %s is answered with %s", author, outcome.Final.String())
		return
	}
	got := signaturesOf(outcome, raw)
	switch {
	case !sameSigned(got, want):
		r.Add(Finding{Check: messageName, Code: "not-as-configured", Status: Bad, Remedy: h.Reload()},
			"the running filter does not do what its files say: it signed a message from %s with %s, and they say "+
				"%s%s", author, records(got), records(want), scopeWord(got, want))
	case len(want) == 0:
		r.Add(Finding{Check: messageName, Code: "unsigned", Status: Bad,
			Advice: "is the author's domain in the SigningTable, or Domain, and does anything make a client one of ours: " +
				"InternalHosts, MTA, MacroList, a login?"},
			"a message from %s is not signed, whoever sends it", author)
	case verify == nil:
		r.skip(messageName, "unverified", "a message from %s was signed with %s; whether that holds is not asked while no name "+
			"server answers", author, records(got))
		r.local(ctx, h, rehearsal, author, raw)
	default:
		r.verified(ctx, h, author, way, milter.Apply(raw, outcome.Edits), verify)
		r.local(ctx, h, rehearsal, author, raw)
	}
}

// local looks whether what programs on this host send is signed, where InternalHosts
// names networks, which then have no 127.0.0.1 by themselves, or PeerList this host.
func (r *Report) local(ctx context.Context, h *host, rehearsal *rehearsal, author string, raw []byte) {
	option, here := &h.Config.InternalHosts, ways(h.Config, author)[0]
	if option.Value == "-" || option.IsSet() && option.Value == "" || len(rehearsal.signs(ctx, here, author, raw)) > 0 {
		return
	}
	const text, advice = "what programs on this server send (sendmail, cron, web applications) is not signed: ", "unless that is meant"
	if rehearsal.ignores(ctx, here) {
		r.Add(Finding{Check: messageName, Code: "local-unsigned", Status: Warning, Remedy: h.withoutMember(&h.Config.PeerList, here.Client),
			Advice: advice}, text+"PeerList has this host's mail pass the filter by")
	} else if option.IsSet() {
		r.Add(Finding{Check: messageName, Code: "local-unsigned", Status: Warning, Remedy: h.withMember(option, "127.0.0.1"),
			Advice: advice}, text+"InternalHosts is set and leaves out 127.0.0.1")
	}
}

func scopeWord(a, b []signed) string {
	if records(a) == records(b) {
		return ", over other fields"
	}
	return ""
}

// verified checks the signatures that a message got.
func (r *Report) verified(ctx context.Context, h *host, author string, way way, raw []byte, verify verifier) {
	fields, body, err := header.Parse(raw)
	if err != nil {
		return // what was parsed before
	}
	for _, result := range verify(ctx, fields, body) {
		name := result.Signature.Selector + "._domainkey." + result.Signature.Domain
		switch {
		case result.Status == dkim.StatusPass:
			r.good(messageName, "a message from %s, sent by %s, was signed by %s, and the signature holds against the "+
				"published key", author, way.Words, name)
		case result.Reason == dkim.ReasonKeyNotFound:
			r.Add(Finding{Check: messageName, Code: "key-unpublished", Status: Bad,
				Advice: "publish its record: see what is told of " + name + " here"},
				"a message from %s was signed, but the key %s is not in DNS: receivers cannot verify it", author, name)
		default:
			advice := "dojang testkey --domain " + result.Signature.Domain + " --selector " + result.Signature.Selector
			remedy := ""
			if result.Reason == dkim.ReasonSubdomain {
				_, domain, _ := strings.Cut(author, "@")
				remedy = h.withoutIdentity(ctx, domain)
				advice = "take t=s out of the record " + name + ", or the identity out of the SigningTable's row"
			}
			r.Add(Finding{Check: messageName, Code: "signature-fails", Status: Bad, Remedy: remedy, Advice: advice},
				"a message from %s was signed by %s, but: %s", author, name, result.Reason.Explain())
		}
	}
}

// verifies sends a stranger's message through a filter that only verifies.
func (r *Report) verifies(ctx context.Context, h *host, s config.Socket) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	const author = "somebody@example.invalid"
	way := way{Client: stranger, Name: "client.invalid", Macros: map[string]string{"i": "DOCTOR", "j": "localhost",
		"daemon_name": "doctor"}}
	if _, err := sendBy(ctx, s, author, way, testMessage(author)); err != nil {
		r.Add(Finding{Check: messageName, Code: "message-refused", Status: Bad, Remedy: h.restart()},
			"the filter does not take a message: %s", err)
		return
	}
	r.good(messageName, "the filter takes a stranger's message; by its Mode it signs none")
}

func testMessage(author string) []byte {
	return []byte(strings.ReplaceAll(fmt.Sprintf("From: <%s>\nTo: <%[1]s>\nSubject: a test message of dojang doctor\nDate: "+
		"%s\nMessage-ID: <doctor.%d@localhost>\n\nIt is delivered nowhere.\n",
		author, time.Now().Format(time.RFC1123Z), time.Now().UnixNano()), "\n", "\r\n"))
}

func sendBy(ctx context.Context, s config.Socket, author string, w way, raw []byte) (milter.Outcome, error) {
	client, err := milter.Dial(s.Network, s.DialAddress(), milter.ClientOptions{})
	if err != nil {
		return milter.Outcome{}, err
	}
	defer client.Close()
	client.Macro(milter.CommandHelo, message.TestMacro, "yes") // which no filter asks for
	family := milter.FamilyInet
	if w.Client.Is6() {
		family = milter.FamilyInet6
	}
	return client.Send(ctx, milter.Message{
		Envelope: milter.Envelope{Host: w.Name, Addr: milter.ConnAddr{Family: family, Addr: w.Client}, From: author,
			Rcpts: []string{author}},
		Macros: w.Macros,
		Raw:    raw,
	})
}

// Signers sends a message of author through the running filter, by the way by which the
// files have it signed, and returns the names of the records of the signatures that it
// gets.
func Signers(ctx context.Context, s config.Socket, author string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	raw := testMessage(author)
	outcome, err := sendBy(ctx, s, author, ways(config.New(), author)[0], raw)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, g := range signaturesOf(outcome, raw) {
		names = append(names, g.record)
	}
	return names, nil
}
