package dkim

import (
	"bytes"
	"errors"
	"strings"
)

// CopiedField is one field as the signer saw it, out of z=.
type CopiedField struct {
	Name  string
	Value string // what stood behind the colon
}

// Raw returns the field as in header.Field.Raw.
func (f CopiedField) Raw() []byte { return []byte(f.Name + ":" + f.Value) }

// ErrCopiedHeaders is returned for a z= that cannot be read.
var ErrCopiedHeaders = errors.New("syntax error in the copied header fields (z=)")

// CopiedHeaderFields reads z= (RFC 6376 §3.5), nil when there is none. What
// could be read before an error comes with it.
func (s *Signature) CopiedHeaderFields() ([]CopiedField, error) {
	if s.CopiedHeaders == "" {
		return nil, nil
	}
	var fields []CopiedField
	for part := range strings.SplitSeq(s.CopiedHeaders, "|") {
		text, ok := decodeQuoted(make([]byte, 0, len(part)), []byte(part))
		name, value, found := bytes.Cut(text, []byte(":"))
		if !ok || !found || len(name) == 0 {
			return fields, ErrCopiedHeaders
		}
		fields = append(fields, CopiedField{Name: string(name), Value: string(value)})
	}
	return fields, nil
}
