package policy

import (
	"strings"

	"dojang/dkim"
	"dojang/taglist"
)

// MaxReplyTextBytes is what is left of a reply line behind code and status (RFC
// 5321 §4.5.3.1.5).
const MaxReplyTextBytes = 512 - len("550 5.7.0 ") - len("\r\n")

// reportName is where the domain of a signature publishes what it wants to be
// said and told of failures (RFC 6651 §3.2); "" where nothing can be.
func reportName(s *dkim.Signature) string {
	if domain, ok := dkim.ToASCII(s.Domain); ok && domain != "" {
		return "_report._domainkey." + domain
	}
	return ""
}

// repliesToFailure reports whether a reply about a signature that fails can bear
// a text of its signer's.
func (v *Verdicts) repliesToFailure() bool { return v.reply(BadSignature).Code != 0 }

// asRequested puts the text that a signer wishes (rs=) before our own.
// Compat(opendkim 2.11): whoever sets r=y gets it, with SendReports or without.
func (v *Verdict) asRequested(reply Reply, s *dkim.Signature) Reply {
	if reply.Code == 0 || !wantsReport(s) {
		return reply
	}
	for _, record := range v.Answers[reportName(s)].Texts {
		text := requestedText(record)
		if text != "" && len(text)+len(": ")+len(reply.Text) <= MaxReplyTextBytes {
			reply.Text = text + ": " + reply.Text
			break
		}
	}
	return reply
}

// requestedText is rs= of a reporting record (RFC 6651 §3.2), "" for none or one
// that is not plain ASCII. It is quoted-printable in which blanks stand for
// themselves; white space of any length, as folding makes it, is one.
func requestedText(record string) string {
	tags, err := taglist.Parse([]byte(record))
	if err != nil {
		return ""
	}
	words := strings.Fields(string(tags.Value("rs")))
	for i, word := range words {
		text, ok := dkim.DecodeQuoted([]byte(word))
		if !ok {
			return ""
		}
		words[i] = text
	}
	text := strings.Join(words, " ")
	if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) {
		return "" // among them what would end the line
	}
	return text
}
