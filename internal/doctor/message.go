package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/config"
	"dojang/milter"
)

// Message sends a message of author through the running filter as a client on
// this host would, and has the signatures that it gets checked by verify.
func (r *Report) Message(ctx context.Context, s config.Socket, author string, verify func(context.Context, *header.List, []byte) []dkim.Result) {
	const check = "message"
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	raw := testMessage(author)
	signed, err := sendAs(ctx, s, author, raw)
	if err != nil {
		r.Add(check, Bad, "systemctl status opendkim", "the filter does not take a message: %s", err)
		return
	}
	if kind := signed.Final.Kind; kind != milter.ReplyAccept && kind != milter.ReplyContinue {
		r.Add(check, Bad, "the log names the cause: journalctl -u opendkim -n 20; dojang config check", "a message from %s is answered with %s", author, signed.Final.String())
		return
	}
	fields, body, err := header.Parse(milter.Apply(raw, signed.Edits))
	if err != nil {
		r.Add(check, Bad, "", "the message that came back cannot be read: %s", err)
		return
	}
	results := verify(ctx, fields, body)
	if len(results) == 0 {
		r.Add(check, Bad, "set LogWhy yes, reload, send mail, and read why: is the author's domain in the SigningTable, and 127.0.0.1 in InternalHosts?", "a message from %s was not signed", author)
		return
	}
	for _, result := range results {
		name := result.Signature.Selector + "._domainkey." + result.Signature.Domain
		switch {
		case result.Status == dkim.StatusPass:
			r.Add(check, Good, "", "a message from %s was signed by %s, and the signature holds against the published key", author, name)
		case result.Reason == dkim.ReasonKeyNotFound:
			r.Add(check, Bad, "publish the record that dojang genkey wrote beside the key; then: dojang testkey", "a message from %s was signed, but the key %s is not in DNS: receivers cannot verify it", author, name)
		default:
			r.Add(check, Bad, "dojang testkey --domain "+result.Signature.Domain+" --selector "+result.Signature.Selector, "a message from %s was signed by %s, but: %s", author, name, result.Reason.Explain())
		}
	}
}

func testMessage(author string) []byte {
	return []byte(strings.ReplaceAll(fmt.Sprintf("From: <%s>\nTo: <%[1]s>\nSubject: a test message of dojang doctor\nDate: %s\nMessage-ID: <doctor.%d@localhost>\n\nIt is delivered nowhere.\n",
		author, time.Now().Format(time.RFC1123Z), time.Now().UnixNano()), "\n", "\r\n"))
}

func sendAs(ctx context.Context, s config.Socket, author string, raw []byte) (milter.Outcome, error) {
	client, err := milter.Dial(s.Network, s.DialAddress(), milter.ClientOptions{})
	if err != nil {
		return milter.Outcome{}, err
	}
	defer client.Close()
	return client.Send(ctx, milter.Message{
		Envelope: milter.Envelope{Host: "localhost", Addr: milter.ConnAddr{Family: milter.FamilyInet, Addr: netip.AddrFrom4([4]byte{127, 0, 0, 1})}, From: author, Rcpts: []string{author}},
		Macros:   map[string]string{"i": "DOCTOR", "j": "localhost", "daemon_name": "doctor"},
		Raw:      raw,
	})
}

// Signers sends a message of author through the running filter as a client on this
// host would, and returns the names of the records of the signatures that it gets.
func Signers(ctx context.Context, s config.Socket, author string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	raw := testMessage(author)
	signed, err := sendAs(ctx, s, author, raw)
	if err != nil {
		return nil, err
	}
	fields, _, err := header.Parse(milter.Apply(raw, signed.Edits))
	if err != nil {
		return nil, err
	}
	var names []string
	for i := range fields.Len() {
		if f := fields.At(i); f.Is(dkim.FieldName) {
			if g, err := dkim.ParseSignature(f.Value()); err == nil {
				names = append(names, g.Selector+"._domainkey."+g.Domain)
			}
		}
	}
	return names, nil
}
