package trial

import (
	"bytes"
	"crypto"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/exit"
	"dojang/internal/explain"
	"dojang/internal/keystore"
	"dojang/internal/keytable"
	"dojang/internal/problem"
)

// Signing is opendkim-testmsg(8)'s way to sign a message.
type Signing struct {
	CRLF             bool // the signature's lines end in CRLF
	Domain, Selector string
	KeyFile          string
	Head, Body       dkim.Canonicalization
	Now              time.Time
}

// Classic signs the message of in onto out as opendkim-testmsg does.
func (o *Signing) Classic(in io.Reader, out io.Writer) error {
	key, err := o.loadKey()
	if err != nil {
		return err
	}
	message, err := read(in)
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
	field, err := o.Field(key, fields, explain.WithCRLF(body))
	if err != nil {
		return exit.Errorf(exit.Software, "dkim_eom(): %w", err)
	}
	if _, err := out.Write(append([]byte(field), message...)); err != nil {
		return exit.Errorf(exit.IOErr, "write(): %w", err)
	}
	return nil
}

// loadKey returns a nil key for a file that holds none.
func (o *Signing) loadKey() (crypto.Signer, error) {
	data, err := os.ReadFile(o.KeyFile)
	if err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			return nil, exit.Errorf(exit.OSErr, "%s: %s(): %s", o.KeyFile, pathErr.Op, problem.Strerror(pathErr.Err))
		}
		return nil, exit.Errorf(exit.OSErr, "%s: %w", o.KeyFile, err)
	}
	key, err := keystore.LoadPrivateKey(data)
	if err != nil {
		return nil, nil
	}
	return key, nil
}

// Field makes the DKIM-Signature field, line end included.
//
// Compat(opendkim 2.11): opendkim-testmsg signs every field. It signs with
// rsa-sha1, which nobody may accept any more (RFC 8301); ours uses SHA-256.
func (o *Signing) Field(key crypto.Signer, fields *header.List, body []byte) (string, error) {
	var names []string
	for i := range fields.Len() {
		names = append(names, string(fields.At(i).Name()))
	}
	var bodies dkim.BodyHashes
	signer, err := dkim.NewSigner(dkim.SignOptions{
		Domain: o.Domain, Selector: o.Selector, Key: key,
		HeaderCanonicalization: o.Head, BodyCanonicalization: o.Body,
		Sign: dkim.NewHeaderSet(names...),
		Omit: dkim.NewHeaderSet(dkim.FieldName),
		Time: o.Now,
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
	field := dkim.FieldName + ":" + value + "\r\n"
	if !o.CRLF {
		field = strings.ReplaceAll(field, "\r\n", "\n")
	}
	return field, nil
}

// signedMessage is the message with the field in front, its line ends as the
// message's own.
func signedMessage(field string, message []byte) []byte {
	if !bytes.Contains(message[:min(len(message), 4096)], []byte("\r\n")) {
		field = strings.ReplaceAll(field, "\r\n", "\n")
	}
	return append([]byte(field), message...)
}

// File signs the message of a file onto out; "-" is in.
func (o *Signing) File(in io.Reader, out io.Writer, files []string) error {
	if o.Domain == "" || o.Selector == "" || o.KeyFile == "" {
		return exit.Errorf(exit.Usage, "to sign, give --domain, --selector and --key")
	}
	if len(files) != 1 {
		return exit.Errorf(exit.Usage, "one message is signed at a time")
	}
	key, err := keytable.LoadFile(o.KeyFile)
	if err != nil {
		return exit.Errorf(exit.NoInput, "--key: %w", err)
	}
	message, fields, body, err := ParseFile(in, files[0])
	if err != nil {
		return err
	}
	field, err := o.Field(key, fields, body)
	if err != nil {
		return exit.Errorf(exit.Software, "%w", err)
	}
	if _, err := out.Write(signedMessage(field, message)); err != nil {
		return exit.Errorf(exit.IOErr, "%w", err)
	}
	return nil
}
