package header

import "strings"

// Fold folds text at blanks so that lines stay within limit columns where that
// is possible. Column is where the text begins: the length of "Name:". Line
// ends are CRLF, continuation lines begin with a tab. Text must not hold line
// ends.
func Fold(text string, column, limit int) string {
	var b strings.Builder
	for text != "" {
		// A word is its leading blanks and all up to the next blank.
		n := 0
		for n < len(text) && text[n] == ' ' {
			n++
		}
		blanks := n
		for n < len(text) && text[n] != ' ' {
			n++
		}
		word := text[:n]
		text = text[n:]
		if blanks > 0 && column+len(word) > limit && b.Len() > 0 && blanks < len(word) {
			b.WriteString("\r\n\t")
			word = word[blanks:]
			column = 8
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
