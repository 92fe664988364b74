package dkim

import "slices"

// InsertTag puts a tag before SignOptions.ExtraTags, for those who learn of it
// when the body has passed already. It must be called before Sign.
func (s *Signer) InsertTag(name, value string) {
	s.o.ExtraTags = slices.Insert(slices.Clone(s.o.ExtraTags), 0, [2]string{name, value})
}
