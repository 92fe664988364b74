package policy

import (
	"encoding/base64"
	"strings"
)

// FoldBase64 writes data in base64, four characters at a time, in lines of at
// most 74 columns; column is where it begins and fold what a new line begins
// with. Compat(opendkim 2.11): the length of its lines.
func FoldBase64(data []byte, column int, fold string) string {
	const margin = 74
	text := base64.StdEncoding.EncodeToString(data)
	indent := len(fold) - strings.LastIndexByte(fold, '\n') - 1
	var b strings.Builder
	b.Grow(len(text) + len(text)/(margin-indent)*len(fold) + len(fold))
	for len(text) > 0 {
		n := max(margin-column, 4) &^ 3
		n = min(n, len(text))
		b.WriteString(text[:n])
		if text = text[n:]; text != "" {
			b.WriteString(fold)
			column = indent
		}
	}
	return b.String()
}
