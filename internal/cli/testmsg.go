package cli

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/getopt"
	"dojang/internal/keystore"
	"dojang/internal/message"
	"dojang/internal/policy"
	"dojang/internal/problem"
)

const classicTestmsgUsage = `opendkim-testmsg: usage: opendkim-testmsg [options]
Valid options:
	-C         	preserve CRLFs
	-d domain  	set signing domain
	-K         	keep temporary files
	-k keyfile 	private key file
	-s selector	set signing selector
	-t path    	directory for temporary files
`

// testmsgOptions are opendkim-testmsg(8)'s, but for those about temporary
// files: none are made.
type testmsgOptions struct {
	crlf                      bool // the signature's lines end in CRLF
	domain, selector, keyPath string
	head, body                dkim.Canonicalization
	now                       time.Time
}

// classicTestmsg is opendkim-testmsg(8).
func classicTestmsg(ctx context.Context, s Streams, args []string) int {
	const program = "opendkim-testmsg"
	// Compat(opendkim 2.11): relaxed/simple.
	o := testmsgOptions{head: dkim.Relaxed, body: dkim.Simple, now: time.Now()}
	_, ok := getopt.Short(program, s.Err, args, "Cd:Kk:s:t:", func(option byte, value string) {
		switch option {
		case 'C':
			o.crlf = true
		case 'd':
			o.domain = value
		case 'k':
			o.keyPath = value
		case 's':
			o.selector = value
		}
	})
	given := 0
	for _, v := range []string{o.domain, o.keyPath, o.selector} {
		if v != "" {
			given++
		}
	}
	if !ok || given != 0 && given != 3 {
		io.WriteString(s.Err, classicTestmsgUsage)
		return exit.Config
	}
	if given == 0 {
		v, done, err := toolVerifier(ctx, config.New())
		if err != nil {
			return tell(program, s.Err, exit.Errorf(exit.OSErr, "%w", err))
		}
		defer done()
		return tell(program, s.Err, classicVerify(ctx, s.In, v, o.now))
	}
	return tell(program, s.Err, o.classicSign(s))
}

func (o *testmsgOptions) classicSign(s Streams) error {
	key, err := o.loadKey()
	if err != nil {
		return err
	}
	message, err := readMessage(s.In)
	if err != nil {
		return exit.Errorf(exit.IOErr, "read(): %w", err)
	}
	fields, body, err := header.Parse(message)
	if err != nil || !wellFormed(fields) {
		return exit.Errorf(exit.Software, "dkim_chunk(): Syntax error")
	}
	if key == nil {
		return exit.Errorf(exit.Software, "dkim_eom(): Resource unavailable")
	}
	field, err := o.sign(key, fields, withCRLF(body))
	if err != nil {
		return exit.Errorf(exit.Software, "dkim_eom(): %w", err)
	}
	if _, err := s.message().Write(append([]byte(field), message...)); err != nil {
		return exit.Errorf(exit.IOErr, "write(): %w", err)
	}
	return nil
}

// loadKey returns a nil key for a file that holds none.
func (o *testmsgOptions) loadKey() (crypto.Signer, error) {
	data, err := os.ReadFile(o.keyPath)
	if err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			return nil, exit.Errorf(exit.OSErr, "%s: %s(): %s", o.keyPath, pathErr.Op, problem.Strerror(pathErr.Err))
		}
		return nil, exit.Errorf(exit.OSErr, "%s: %w", o.keyPath, err)
	}
	key, err := keystore.LoadPrivateKey(data)
	if err != nil {
		return nil, nil
	}
	return key, nil
}

// sign makes the DKIM-Signature field, line end included.
//
// Compat(opendkim 2.11): opendkim-testmsg signs every field. It signs with
// rsa-sha1, which nobody may accept any more (RFC 8301); ours uses SHA-256.
func (o *testmsgOptions) sign(key crypto.Signer, fields *header.List, body []byte) (string, error) {
	var names []string
	for i := range fields.Len() {
		names = append(names, string(fields.At(i).Name()))
	}
	var bodies dkim.BodyHashes
	signer, err := dkim.NewSigner(dkim.SignOptions{
		Domain: o.domain, Selector: o.selector, Key: key,
		HeaderCanonicalization: o.head, BodyCanonicalization: o.body,
		Sign: dkim.NewHeaderSet(names...),
		Omit: dkim.NewHeaderSet(dkim.FieldName),
		Time: o.now,
	}, fields, &bodies)
	if err != nil {
		return "", err
	}
	bodies.Write(body)
	bodies.Close()
	value, err := signer.Sign()
	if err != nil {
		return "", err
	}
	field := signer.FieldName() + ":" + value + "\r\n"
	if !o.crlf {
		field = strings.ReplaceAll(field, "\r\n", "\n")
	}
	return field, nil
}

// classicVerify verifies the message and is silent when a signature passes.
func classicVerify(ctx context.Context, in io.Reader, v verifier, now time.Time) error {
	message, err := readMessage(in)
	if err != nil {
		return exit.Errorf(exit.IOErr, "read(): %w", err)
	}
	fields, body, err := header.Parse(message)
	if err != nil || !wellFormed(fields) {
		return exit.Errorf(exit.Software, "dkim_chunk(): Syntax error")
	}
	results := v.byRules(ctx, now, fields, withCRLF(body))
	i := new(policy.Plan).Deciding(results)
	if i < 0 {
		return exit.Errorf(exit.Software, "dkim_chunk(): No signature")
	}
	result := &results[i]
	if result.Status == dkim.StatusPass {
		return nil
	}
	where, what := libraryStatus(result.Reason)
	return exit.Errorf(exit.Software, "%s(): %s", where, what)
}

// verifier verifies messages that are there whole, by the way that the filter's go.
type verifier struct{ snapshot *message.Snapshot }

// verify judges signatures by o.
func (v verifier) verify(ctx context.Context, o dkim.VerifyOptions, fields *header.List, body []byte) []dkim.Result {
	return message.NewServices(nil, func() time.Time { return o.Now }).Verify(ctx, v.snapshot, o, fields, body)
}

// byRules judges signatures by the rules of the configuration.
func (v verifier) byRules(ctx context.Context, now time.Time, fields *header.List, body []byte) []dkim.Result {
	return v.verify(ctx, v.snapshot.Rules.Verdicts.VerifyOptions(new(policy.Plan), now), fields, body)
}

// toolVerifier verifies by a configuration, of which no table or key is read.
func toolVerifier(ctx context.Context, cfg *config.Config) (v verifier, done func(), err error) {
	snapshot, done, problems := build.Verifying(ctx, cfg, build.ToolParts(Version))
	if snapshot == nil {
		return verifier{}, nil, exit.Problems(problems)
	}
	return verifier{snapshot}, done, nil
}

// libraryStatus is the call of OpenDKIM's library that fails for a reason, and
// its words.
func libraryStatus(r dkim.Reason) (call, status string) {
	switch r {
	case dkim.ReasonBadSignature, dkim.ReasonBodyHash:
		return "dkim_eom", "Bad signature"
	case dkim.ReasonKeyRevoked:
		return "dkim_eom", "Revoked key"
	case dkim.ReasonKeyNotFound, dkim.ReasonKeyQuery, dkim.ReasonKeyReply:
		return "dkim_eom", "Key retrieval failed"
	case dkim.ReasonSyntax, dkim.ReasonDuplicateTag, dkim.ReasonDomainMissing, dkim.ReasonSelectorMissing, dkim.ReasonAlgorithmMissing,
		dkim.ReasonHeadersMissing, dkim.ReasonSignatureMissing, dkim.ReasonBodyHashMissing, dkim.ReasonVersionMissing, dkim.ReasonTimestamp:
		return "dkim_chunk", "Syntax error"
	}
	return "dkim_eom", "Unable to verify"
}

// signedMessage is the message with the field in front, its line ends as the
// message's own.
func signedMessage(field string, message []byte) []byte {
	if !bytes.Contains(message[:min(len(message), 4096)], []byte("\r\n")) {
		field = strings.ReplaceAll(field, "\r\n", "\n")
	}
	return append([]byte(field), message...)
}
