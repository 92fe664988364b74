package loadgen

import (
	"bytes"
	"fmt"
)

// Message makes a message of an everyday shape with a body of so many bytes.
func Message(from string, bodyBytes int) []byte { return append(head(from), body(bodyBytes)...) }

// head is the header with the empty line below it.
func head(from string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Received: from client.invalid (client.invalid [192.0.2.1])\r\n\tby mx.invalid (Postfix) with "+
		"ESMTPS id 4XYZ\r\n\tfor <bench@example.org>; Mon, 23 Nov 2026 12:00:00 +0000 (UTC)\r\n")
	fmt.Fprintf(&b, "From: Load Test <%s>\r\nTo: Somebody Else <bench@example.org>\r\nSubject: a message of everyday "+
		"length about nothing\r\n", from)
	b.WriteString("Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: " +
		"<20261123120000.4XYZ@client.invalid>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; " +
		"charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nUser-Agent: load\r\nX-Mailer: load\r\n\r\n")
	return b.Bytes()
}

func body(size int) []byte {
	const line = "The quick brown fox jumps over the lazy dog, and nobody minds it at all.\r\n"
	return bytes.Repeat([]byte(line), size/len(line))
}
