package keystore

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"

	"dojang/internal/privilege"
)

// A key may be wrapped with age, so that a database of keys alone cannot sign. A
// wrapped key is an age file, armored or not, or "age:" and the base64 of one,
// which fits into a column.
const (
	ageHeader = "age-encryption.org/v1"
	agePrefix = "age:"
)

// errWrapped says what a wrapped key lacks.
var errWrapped = errors.New("it is wrapped with age: name the file of identities that open it in KeyIdentities")

// IsWrapped reports whether key data is wrapped with age.
func IsWrapped(data []byte) bool {
	trimmed := bytes.TrimSpace(data)
	for _, start := range []string{agePrefix, ageHeader, armor.Header} {
		if bytes.HasPrefix(trimmed, []byte(start)) {
			return true
		}
	}
	return false
}

// unwrapper returns a function for Options.Unwrap that opens with the identities
// in a file, as age-keygen writes it.
func unwrapper(identityFile string) (func(data []byte) ([]byte, bool, error), error) {
	f, err := privilege.Open(identityFile)
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
	if !IsWrapped(data) {
		return nil, false, nil
	}
	file, err := ageFile(data)
	if err != nil {
		return nil, true, err
	}
	r, err := age.Decrypt(bytes.NewReader(file), identities...)
	if err != nil {
		return nil, true, err
	}
	plain, err = io.ReadAll(io.LimitReader(r, maxKeyBytes+1))
	if err == nil && len(plain) > maxKeyBytes {
		err = fmt.Errorf("unwrapped key is larger than %d bytes", maxKeyBytes)
	}
	return plain, true, err
}

// ageFile is the age file, without armor, that wrapped key data stands for.
func ageFile(data []byte) ([]byte, error) {
	trimmed := bytes.TrimSpace(data)
	if bytes.HasPrefix(trimmed, []byte(armor.Header)) {
		return io.ReadAll(armor.NewReader(bytes.NewReader(trimmed)))
	}
	text, ok := bytes.CutPrefix(trimmed, []byte(agePrefix))
	if !ok {
		return bytes.TrimLeft(data, " \t\r\n"), nil // its last bytes may be blanks
	}
	raw, err := decodeBase64(text)
	if err != nil {
		return nil, errors.New("what follows age: is not base64")
	}
	return raw, nil
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
	return agePrefix + base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

// Column returns key data, wrapped or not, as a text for the key column of a
// table: one line without a colon but in "age:". Data that cannot be read as a key
// is returned without the blanks around it.
func Column(data []byte) string {
	if IsWrapped(data) {
		if file, err := ageFile(data); err == nil {
			return agePrefix + base64.StdEncoding.EncodeToString(file)
		}
	} else if der, err := keyDER(data); err == nil {
		return base64.StdEncoding.EncodeToString(der)
	}
	return string(bytes.TrimSpace(data))
}

// Recipients are for whom keys are wrapped that the identities of a file open.
func Recipients(identityFile string) (list []string, err error) {
	f, err := privilege.Open(identityFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	identities, err := age.ParseIdentities(f)
	for _, i := range identities {
		switch i := i.(type) {
		case *age.X25519Identity:
			list = append(list, i.Recipient().String())
		case *age.HybridIdentity:
			list = append(list, i.Recipient().String())
		}
	}
	return list, err
}
