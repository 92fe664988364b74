// Package agekey opens private keys that are wrapped with age, so that a database
// of keys alone cannot sign. A wrapped key is an age file, armored or not, or
// "age:" and the base64 of one, which fits into a column.
package agekey

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// maxPlainBytes bounds an unwrapped key.
const maxPlainBytes = 64 << 10

const (
	binaryHeader = "age-encryption.org/v1"
	prefix       = "age:"
)

// Unwrapper returns a function for keystore.Options.Unwrap that opens with the
// identities in a file, as age-keygen writes it.
func Unwrapper(identityFile string) (func(data []byte) ([]byte, bool, error), error) {
	f, err := os.Open(identityFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	identities, err := age.ParseIdentities(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", identityFile, err)
	}
	return func(data []byte) ([]byte, bool, error) { return unwrap(data, identities) }, nil
}

func unwrap(data []byte, identities []age.Identity) (plain []byte, wrapped bool, err error) {
	trimmed := bytes.TrimSpace(data)
	var r io.Reader
	switch {
	case bytes.HasPrefix(trimmed, []byte(armor.Header)):
		r = armor.NewReader(bytes.NewReader(trimmed))
	case bytes.HasPrefix(trimmed, []byte(binaryHeader)):
		r = bytes.NewReader(data)
	case bytes.HasPrefix(trimmed, []byte(prefix)):
		text := strings.Join(strings.Fields(string(trimmed[len(prefix):])), "")
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, true, errors.New("what follows age: is not base64")
		}
		r = bytes.NewReader(raw)
	default:
		return nil, false, nil
	}
	if r, err = age.Decrypt(r, identities...); err != nil {
		return nil, true, err
	}
	plain, err = io.ReadAll(io.LimitReader(r, maxPlainBytes+1))
	if err == nil && len(plain) > maxPlainBytes {
		err = fmt.Errorf("unwrapped key is larger than %d bytes", maxPlainBytes)
	}
	return plain, true, err
}

// Wrap wraps a key for recipients ("age1..."), as a text that fits into a column.
func Wrap(plain []byte, recipients ...string) (string, error) {
	parsed, err := age.ParseRecipients(strings.NewReader(strings.Join(recipients, "\n")))
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	w, err := age.Encrypt(&b, parsed...)
	if err != nil {
		return "", err
	}
	if _, err := w.Write(plain); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return prefix + base64.StdEncoding.EncodeToString(b.Bytes()), nil
}
