package dkim

import (
	"bytes"
	"context"
	"errors"
	"net"

	"dojang/header"
)

// Sign signs a complete message and returns the DKIM-Signature field, with
// its line end, that belongs on top of it. It is NewSigner in one call.
//
// The header's lines may end in CRLF or LF. Where no line of the body ends in CRLF, all
// are taken as though they did: what is sent will. An error wraps header.ErrNoFields, or
// is about options that contradict each other or a key that fails.
func Sign(message []byte, o SignOptions) (field []byte, err error) {
	fields, body, bodies, err := parts(message)
	if err != nil {
		return nil, err
	}
	signer, err := NewSigner(o, fields, bodies)
	if err != nil {
		return nil, err
	}
	bodies.Write(body)
	bodies.Close()
	value, err := signer.Sign()
	if err != nil {
		return nil, err
	}
	return []byte(FieldName + ":" + value + "\r\n"), nil
}

// LookupTXT finds the TXT records of a name, one text a record. That of net.Resolver
// will do. An error that is a *net.DNSError with IsNotFound says that there is none; any
// other, that asking later may help.
type LookupTXT func(ctx context.Context, name string) ([]string, error)

// Verify checks the signatures of a complete message, and returns a Result
// for each, top down; none when there is no signature. It is NewVerifier in one call,
// which asks lookup for one key after another: ctx bounds that time.
//
// Line ends are taken as Sign takes them. The error wraps header.ErrNoFields: a signature
// that does not hold is none.
func Verify(ctx context.Context, message []byte, o VerifyOptions, lookup LookupTXT) ([]Result, error) {
	fields, body, bodies, err := parts(message)
	if err != nil {
		return nil, err
	}
	verifier := NewVerifier(o, fields, bodies)
	bodies.NeedTotal = true
	bodies.Write(body)
	bodies.Close()
	for _, q := range verifier.Queries() {
		verifier.SetKey(q, AnswerOf(lookup(ctx, q.Name)))
	}
	return verifier.Finish(), nil
}

// AnswerOf is the answer to a Query whose name a LookupTXT was asked for, with what it
// returned.
func AnswerOf(texts []string, err error) KeyAnswer {
	if err == nil {
		return KeyAnswer{Texts: texts}
	}
	var failure *net.DNSError
	if errors.As(err, &failure) && failure.IsNotFound {
		return KeyAnswer{Err: err, NotFound: true}
	}
	return KeyAnswer{Err: err, Temporary: true}
}

// parts splits a message.
func parts(message []byte) (fields *header.List, body []byte, bodies *BodyHashes, err error) {
	fields, body, err = header.Parse(message)
	if err != nil {
		return nil, nil, nil, err
	}
	return fields, body, &BodyHashes{FixCRLF: !bytes.Contains(body, []byte("\r\n"))}, nil
}
