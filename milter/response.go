package milter

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Response is a filter's answer to a step: the octets that follow the frame's
// length. The empty Response is Continue.
type Response string

// Responses. Drop asks the MTA to answer 421 and end the SMTP connection; MTAs
// of protocol versions below 6 may not know it.
const (
	Continue Response = "c"
	Accept   Response = "a"
	Discard  Response = "d"
	Reject   Response = "r"
	TempFail Response = "t"
	Skip     Response = "s"
	Drop     Response = "4"
)

const (
	maxReplyLineBytes = 512 - len("550-5.7.0 \r\n")
	maxReplyLines     = 32
)

// Reply returns an answer with an SMTP code (400 to 599), an enhanced status code
// (RFC 3463; "" for none) and text of one line, or several with "\n" between: at most
// 32, each cut to the 512 octets of RFC 5321 §4.5.3.1.5. Control characters in the text,
// and octets that are no UTF-8, become "?". A code outside that range makes it a
// TempFail, since MTAs refuse others.
func Reply(code int, ecode, text string) Response {
	if code < 400 || code > 599 {
		return TempFail
	}
	number := strconv.Itoa(code)
	if ecode != "" {
		ecode += " "
	}
	lines := strings.Split(strings.TrimSuffix(strings.ReplaceAll(text, "\r\n", "\n"), "\n"), "\n")
	lines = lines[:min(len(lines), maxReplyLines)]
	var b strings.Builder
	b.WriteByte(ReplyCode)
	for i, line := range lines {
		separator, end := "-", "\r\n"
		if i == len(lines)-1 {
			separator, end = " ", "\x00"
		}
		b.WriteString(number + separator + ecode + replyText(line) + end)
	}
	return Response(b.String())
}

// replyText makes a line safe to send. The MTAs read the text as a format, in
// which a percent sign is written twice.
func replyText(line string) string {
	line = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, line)
	line = strings.ToValidUTF8(line[:min(len(line), maxReplyLineBytes)], "")
	return strings.ReplaceAll(line, "%", "%%")
}

// Kind returns the reply's octet.
func (r Response) Kind() byte {
	if r == "" {
		return ReplyContinue
	}
	return r[0]
}

// goesOn reports whether the message's next step follows as usual.
func (r Response) goesOn() bool {
	k := r.Kind()
	return k == ReplyContinue || k == ReplySkip
}

// String returns the response in words for logs: "continue", "accept", …, "550 5.7.0 text".
func (r Response) String() string {
	switch r.Kind() {
	case ReplyContinue:
		return "continue"
	case ReplyAccept:
		return "accept"
	case ReplyDiscard:
		return "discard"
	case ReplyReject:
		return "reject"
	case ReplyTempFail:
		return "tempfail"
	case ReplySkip:
		return "skip"
	case ReplyShutdown:
		return "drop"
	case ReplyCode:
		return strings.ReplaceAll(strings.TrimSuffix(string(r[1:]), "\x00"), "%%", "%")
	}
	return strconv.Quote(string(r[:min(len(r), 256)]))
}
