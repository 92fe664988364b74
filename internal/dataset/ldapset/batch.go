package ldapset

import (
	"context"
	"errors"
	"slices"

	"github.com/go-ldap/ldap/v3"

	"dojang/internal/dataset"
)

// batchSet is a set whose template has the key in comparisons with attributes alone, so that
// one search can ask for several.
type batchSet struct{ *Set }

// maxBatch bounds the keys of one search: directories send 500 entries as a rule.
const maxBatch = 32

// LookupBatch implements dataset.BatchSet. Where the answer to all at once leaves one open, each
// is asked for.
func (s batchSet) LookupBatch(ctx context.Context, keys []string, columns int) ([][]string, error) {
	rows := make([][]string, 0, len(keys))
	for some := range slices.Chunk(keys, maxBatch) {
		found, ok, err := s.together(ctx, some, columns)
		for i := 0; err == nil && !ok && i < len(some); i++ {
			if found[i], err = s.Lookup(ctx, some[i], columns); errors.Is(err, dataset.ErrNotFound) {
				found[i], err = nil, nil
			} else if found[i] == nil {
				found[i] = []string{}
			}
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, found...)
	}
	return rows, nil
}

// together asks for keys by one search. It reports false when the answer may lack some.
func (s batchSet) together(ctx context.Context, keys []string, columns int) (rows [][]string, ok bool, err error) {
	rows = make([][]string, len(keys))
	asked := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return !isKey(key) })
	if len(asked) == 0 {
		return rows, true, nil
	}
	filter := keyEquality.ReplaceAllStringFunc(s.t.filter, func(equality string) string {
		each := ""
		for _, key := range asked {
			each += expand(equality, key, ldap.EscapeFilter)
		}
		return "(|" + each + ")"
	})
	entries, err := s.search(ctx, s.request(s.t.base, filter, columns, entriesPerKey*len(asked)))
	if err != nil {
		if isAnswer(err) {
			err = nil
		}
		return rows, false, err
	}
	for _, e := range entries {
		if len(e.GetEqualFoldAttributeValues(s.t.keyAttribute)) == 0 { // we may search by it but not read it
			return make([][]string, len(keys)), false, nil
		}
		for i, key := range keys {
			if rows[i] == nil && isKey(key) && s.answers(e, key) {
				rows[i] = append([]string{}, s.values(e, columns)...)
			}
		}
	}
	return rows, true, nil
}
