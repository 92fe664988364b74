package keyrecord

import (
	"fmt"
	"strings"
)

// CorrectHashes turns signature algorithms in an h= list into the hashes they
// use: "rsa-sha256", copied from how-tos, becomes "sha256".
func CorrectHashes(list string) (corrected string, changed bool) {
	var out []string
	for h := range strings.SplitSeq(list, ":") {
		lower := strings.ToLower(strings.TrimSpace(h))
		for _, prefix := range []string{"rsa-", "ed25519-"} {
			if cut, ok := strings.CutPrefix(lower, prefix); ok {
				h, changed = cut, true
			}
		}
		duplicate := false
		for _, o := range out {
			duplicate = duplicate || o == h
		}
		if !duplicate || !changed {
			out = append(out, h)
		}
	}
	if !changed {
		return list, false
	}
	return strings.Join(out, ":"), true
}

// CheckHashes refuses an h= list, "" for none, that no verifier finds its hash in.
func CheckHashes(list string) error {
	if list == "" {
		return nil
	}
	if right, wrong := CorrectHashes(list); wrong {
		return fmt.Errorf("%s: h= names hashes, not signature algorithms: no verifier finds its hash in that list and "+
			"every signature fails; use %s", list, right)
	}
	usable := false
	for h := range strings.SplitSeq(list, ":") {
		switch h {
		case "sha256":
			usable = true
		case "sha1":
		default:
			return fmt.Errorf("%q is no hash of DKIM: use sha256", h)
		}
	}
	if !usable {
		return fmt.Errorf("%s: receivers must not accept SHA-1 (RFC 8301): use sha256", list)
	}
	return nil
}
