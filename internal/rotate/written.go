package rotate

import (
	"slices"
	"strings"

	"dojang/internal/keystore"
)

// written is a row of the KeyTable as somebody wrote it: a dot behind the domain, the
// letters of an algorithm or an empty field stay when its key changes.
type written struct {
	keystore.Row
	values []string // domain, selector, key and, where the row has that field, algorithm
}

func readRow(values []string) (w written, err error) {
	if w.Row, err = keystore.ParseRow(values); err != nil {
		return w, err
	}
	key := strings.Join(values[2:], ":")
	w.values = []string{values[0], values[1], key}
	if i := strings.LastIndexByte(key, ':'); i >= 0 && len(values) > 3 {
		if last := key[i+1:]; w.Algorithm != 0 || strings.TrimSpace(last) == "" {
			w.values = append(w.values[:2], key[:i], last)
		}
	}
	return w, nil
}

// with are the values of the row with another key: as many as it has.
func (w written) with(k *Key, key string) []string {
	if w.values == nil {
		return []string{k.Domain, k.Selector, key}
	}
	values := slices.Clone(w.values)
	values[1], values[2] = k.Selector, key
	if w.Algorithm != 0 && (w.Algorithm.String() == "ed25519-sha256") != (k.Type == "ed25519") {
		values[3] = k.Type + "-sha256"
	}
	return values
}
