package words

// Cause says what made a signature fail, or, with "note" as part, what is worth knowing:
// see the function of that name.
func (l Language) Cause(part, code string, args map[string]string) string {
	english, korean := cause(part, code, args)
	return l.Say(english, korean)
}

// pair is a text in English and Korean.
type pair [2]string

var (
	listHelps = pair{"a mailing list or a gateway does this: have it leave the message alone, or sign anew under its " +
		"own domain; at the receiver ARC helps", "메일링 리스트나 게이트웨이가 하는 일입니다. 메일을 수정하지 않게 하거나 자체 도메인으로 다시 서명하게 하세요. 수신 서버에서는 ARC가 도움이 됩니다"}
	relayHelps = pair{"a relay does this: sign behind it, on the last host that touches the message",
		"중계 서버가 하는 일입니다. 메일을 마지막으로 수정하는 호스트를 지난 뒤에 서명하세요"}
	spaceHelps = pair{"sign with relaxed canonicalization, which does not mind white space", "공백 변화를 허용하는 relaxed 정규화로 서명하세요"}
	sevenBits  = pair{"a server without 8BITMIME does this: convert to 7 bit before signing",
		"8BITMIME을 지원하지 않는 서버가 하는 일입니다. 서명하기 전에 7비트로 변환하세요"}
)

// Helps says what helps against an edit, by the code of its cause; "" where nothing is known.
func (l Language) Helps(code string) string {
	h := helps[code]
	return l.Say(h[0], h[1])
}

var helps = map[string]pair{
	"subject-tag": listHelps, "from-rewritten": listHelps, "addresses": listHelps, "placeholder": listHelps, "mailing-list": listHelps, "list-wrapping": listHelps,
	"footer": listHelps, "banner": listHelps, "inserted": listHelps, "rewritten": listHelps, "links-rewritten": listHelps,
	"field-added": relayHelps, "field-repeated": relayHelps, "field-removed": relayHelps, "field-changed": relayHelps, "order": relayHelps, "date": relayHelps, "encoding": relayHelps,
	"from-quoting": relayHelps, "dot-stuffing": relayHelps, "line-ends": relayHelps, "tabs": relayHelps, "blank-lines": relayHelps, "truncated": relayHelps, "exchange": relayHelps, "header-cut": relayHelps,
	"long-lines":        {"mail servers break lines above 998 octets: have the program that writes the message encode it (quoted-printable)", "메일 서버는 998바이트를 넘는 줄을 나눕니다. 메일을 만드는 프로그램이 quoted-printable로 인코딩하게 하세요"},
	"white-space":       spaceHelps,
	"refolded":          spaceHelps,
	"signature-blank":   spaceHelps,
	"transfer-encoding": sevenBits,
	"charset":           sevenBits,
	"charset-label":     relayHelps,
	"characters":        relayHelps,
	"frame":             relayHelps,
	"signed-empty":      {"if the text stood there before: have the program that signs take in the whole message", "글이 이미 있었다면 서명하는 프로그램이 메일 전체를 받게 하세요"},
	"wrong-key":         {"publish the record of the key that signs, or sign with the key that is published", "서명하는 키의 레코드를 게시하거나, 게시된 키로 서명하세요"},
	"body-missing":      {"take the whole source of the message", "메일 원문 전체를 넣으세요"},
	"unknown":           {"compare with the message as it was sent, hop by hop along Received", "Received를 따라 한 단계씩 보낸 메일과 비교해 보세요"},
}
