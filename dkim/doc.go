// Package dkim is the algorithm of DomainKeys Identified Mail: RFC 6376 with
// the limits of RFC 8301, Ed25519 of RFC 8463 and the international names of
// RFC 8616.
//
// [Sign] and [Verify] take a complete message. One that arrives in pieces goes through the
// package like this, its body hashed as it comes and never kept:
//
//	fields  *header.List            the header, complete
//	bodies  BodyHashes              given the body in chunks of any size
//	signer, err := NewSigner(options, fields, &bodies)      and, or
//	verifier := NewVerifier(options, fields, &bodies)
//	for _, q := range verifier.Queries() { verifier.SetKey(q, AnswerOf(lookup(ctx, q.Name))) }
//	bodies.Write(chunk) ...; bodies.Close()
//	value, err := signer.Sign()
//	results := verifier.Finish()
//
// The package works on bytes. It opens no file, reads no clock, writes no log, and looks
// keys up by what the caller gives it.
//
// A bad signature is not an error: it is a Result with a Status (RFC 8601
// §2.7.1) and a Reason out of a closed list. An error means that this package
// could not do its own work.
package dkim
