package policy

import "dojang/dkim"

// shortB returns for each result what header.b in Authentication-Results shows
// (RFC 6008): the first eight characters of b=, more where two signatures
// share them, "" where there is no b=. Signatures that were not looked at
// (dkim.ReasonTooManySignatures) get eight and are not compared with: there may be
// very many.
func shortB(results []dkim.Result) []string {
	const shortest, maxCompared = 8, 100 // more signatures than anybody reads
	out := make([]string, len(results))
	for i := range results {
		b := results[i].Signature.Encoded
		n := shortest
		for j := range results {
			if j != i && i < maxCompared && j < maxCompared {
				n = max(n, sharedPrefix(b, results[j].Signature.Encoded)+1)
			}
		}
		out[i] = b[:min(n, len(b))]
	}
	return out
}

// sharedPrefix is the length of the common prefix of two different strings,
// 0 for the same: no length tells those apart.
func sharedPrefix(a, b string) int {
	if a == b {
		return 0
	}
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
