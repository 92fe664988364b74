package policy

import (
	"encoding/base64"
	"regexp"
	"strings"
)

// Encoded words (RFC 2047) as lenient readers have them: anywhere, with anything for
// their text, or with anything but a question mark, which finds the innermost.
var (
	outerWord = regexp.MustCompile(`(?s)=\?([^?]{1,64})\?([bBqQ])\?(.*?)\?=`)
	innerWord = regexp.MustCompile(`(?s)=\?([^?]{1,64})\?([bBqQ])\?([^?]*)\?=`)
)

// wordMarks are what an encoded word begins and ends with, for readers that find such
// words where others do not.
var wordMarks = regexp.MustCompile(`=\?[^?]{1,64}\?[bBqQ]\?|\?=`)

// asciiCharset are character sets in which an octet below 128 is the letter of ASCII,
// or part of a larger character: every address in them is seen in the octets. In UTF-16
// and UTF-32 one of wide letters, or with an ideographic dot, is not.
var asciiCharset = regexp.MustCompile(`(?i)^(utf-?8|(us-)?ascii|ansi_x3.*|(x-)?iso-?8859.*|latin-?\d+|(x-)?(windows|cp)-?12\d\d|(x-)?cp-?(437|8[56]\d|874|932|936|949|950)|ibm-?(437|8[56]\d)` +
	`|koi8.*|gbk?|gb18030|gb_?2312.*|(x-)?gbk|(x-)?big5.*|(x-)?(shift|ms|windows)[-_]?(jis|31j)|(x-)?sjis|(x-)?euc-?(jp|kr|cn|tw)|ks_c_.*|johab|iso-2022-.*|(x-)?mac.*|tis-?620|unknown.*|x-unknown)$`)

// decodeWords decodes the encoded words of a text, with the blanks between two of
// them gone when joined (RFC 2047 §6.2). ok is false for one in a character set in
// which nobody can see in the octets whether it holds an address, such as UTF-7.
func decodeWords(text string, words *regexp.Regexp, joined bool) (plain string, ok bool) {
	var b strings.Builder
	end := 0
	for _, m := range words.FindAllStringSubmatchIndex(text, -1) {
		if between := text[end:m[0]]; !joined || end == 0 || strings.Trim(between, " \t\r\n") != "" {
			b.WriteString(between)
		}
		charset, _, _ := strings.Cut(text[m[2]:m[3]], "*") // RFC 2231 §5: a language may follow
		if !asciiCharset.MatchString(strings.Trim(charset, " \"'")) {
			return "", false
		}
		word := text[m[6]:m[7]]
		if text[m[4]]|0x20 == 'b' {
			word = fromBase64(word)
		} else {
			word = fromQ(word)
		}
		b.WriteString(withoutShifts(word))
		end = m[1]
	}
	b.WriteString(text[end:])
	return b.String(), true
}

// fromBase64 decodes what there is, whatever stands between or lacks at the end.
func fromBase64(word string) string {
	var digits []byte
	for i := range len(word) {
		if c := word[i]; c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '+' || c == '/' {
			digits = append(digits, c)
		}
	}
	if len(digits)%4 == 1 {
		digits = digits[:len(digits)-1]
	}
	plain, _ := base64.RawStdEncoding.DecodeString(string(digits))
	return string(plain)
}

// fromQ decodes the "Q" encoding (RFC 2047 §4.2).
func fromQ(word string) string {
	out := make([]byte, 0, len(word))
	for i := 0; i < len(word); i++ {
		c := word[i]
		switch {
		case c == '_':
			c = ' '
		case c == '=' && i+2 < len(word) && hexDigit(word[i+1]) >= 0 && hexDigit(word[i+2]) >= 0:
			c = byte(hexDigit(word[i+1])<<4 | hexDigit(word[i+2]))
			i += 2
		}
		out = append(out, c)
	}
	return string(out)
}

// hexDigit is what a hexadecimal digit stands for, -1 for anything else.
func hexDigit(c byte) int {
	if 'A' <= c && c <= 'F' {
		c += 'a' - 'A'
	}
	return strings.IndexByte("0123456789abcdef", c)
}

// withoutShifts leaves out the characters of two octets that ISO-2022 shifts to: their
// octets are ASCII's.
func withoutShifts(s string) string {
	if !strings.ContainsAny(s, "\x1b\x0e") {
		return s
	}
	out := make([]byte, 0, len(s))
	shifted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == 0x1b && i+1 < len(s): // ESC $ B and ESC $ ( D begin, ESC ( B and ESC ( J end
			shifted = s[i+1] == '$' && !strings.HasPrefix(s[i+1:], "$)")
			for i++; i+1 < len(s) && (s[i] == '$' || s[i] == '(' || s[i] == ')'); i++ {
			}
		case c == 0x0e || c == 0x0f:
			shifted = c == 0x0e
		case !shifted:
			out = append(out, c)
		}
	}
	return string(out)
}
