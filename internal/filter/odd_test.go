package filter_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
)

// withCRLF is a message as it comes by SMTP, whose lines all end in CRLF.
func withCRLF(raw []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
}

// spoiled is a message with some of what else comes by mail.
func spoiled(random *rand.Rand, raw []byte) []byte {
	more := []string{"X-Odd : v", "Subject:", "X-Null: a\x00b", "X-Fold:\r\n \t\r\n\tb  ",
		"X-Canon: relaxed/simple\r\nX-Id: <a@example.com>", "From: other@example.net", "X-VBR-Type: list\r\nX-VBR-Certifiers: v.example", "X-Eight: \xff\xc3\xb6", "VBR-Info: md=example.com; mc=all; mv=v.example", "Reply-To: a@b, c@d",
		"X-Empty:", "From: ", "From: a@b, c@d", "Sender: <>", "To:undisclosed;", "DKIM-Signature: v=1",
		"Authentication-Results: mx.example.org; dkim=pass", "From: =?utf-8?q?a=40b?= <x@\xc3\xbc.example>"}
	for range random.IntN(3) {
		header, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
		fields := bytes.Split(header, []byte("\r\n"))
		switch at := random.IntN(len(fields)); random.IntN(8) {
		case 0:
			fields = slices.Delete(fields, at, at+1)
		case 1:
			body = nil
		case 2:
			body = append(body, "a\nb\rc\r\n\r\n\r\nno end"...)
		default:
			fields = slices.Insert(fields, at, []byte(more[random.IntN(len(more))]))
		}
		raw = append(append(bytes.Join(fields, []byte("\r\n")), "\r\n\r\n"...), body...)
	}
	if random.IntN(6) == 0 {
		raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	}
	return raw
}

// madeOdd is a message some of whose lines are none, or end where no line should, or have
// octets that no text has. It is not for files: opendkim -t takes any line with a colon for
// a field, as OpenDKIM's does.
func madeOdd(random *rand.Rand, raw []byte) []byte {
	lines := bytes.SplitAfter(raw, []byte("\n"))
	at := func(of []byte) int { return random.IntN(len(of) + 1) }
	for range random.IntN(4) {
		i := random.IntN(len(lines))
		line := lines[i]
		switch random.IntN(11) {
		case 0: // an octet of no text
			lines[i] = slices.Insert(bytes.Clone(line), at(line), []byte{0, '\r', 0x80, 0xff, '\t', 0x7f}[random.IntN(6)])
		case 1:
			lines[i] = append(bytes.TrimRight(bytes.Clone(line), "\r\n"), "\r\n"...)
		case 2:
			lines[i] = append(bytes.TrimRight(bytes.Clone(line), "\r\n"), '\n')
		case 3: // twice
			lines = slices.Insert(lines, i, line)
		case 4: // a line of no end
			lines[i] = append(bytes.TrimRight(bytes.Clone(line), "\r\n"), append(bytes.Repeat([]byte("x y "), random.IntN(600)), '\n')...)
		case 5: // ends there
			lines = lines[:i+1]
			if random.IntN(2) == 0 {
				lines[i] = bytes.TrimRight(line, "\r\n")
			}
		case 6: // blanks before the end
			lines[i] = append(bytes.TrimRight(bytes.Clone(line), "\r\n"), []byte("  \t\n")...)
		case 7: // a fold of nothing
			lines = slices.Insert(lines, i+1, []byte(" \n"))
		case 8: // gone
			lines = slices.Delete(lines, i, i+1)
			if len(lines) == 0 {
				return nil
			}
		case 9: // lines that are empty
			for range random.IntN(5) {
				lines = append(lines, []byte("\n"))
			}
		case 10:
			lines[i] = bytes.TrimPrefix(bytes.Clone(line), []byte(" "))
		}
	}
	return bytes.Join(lines, nil)
}
