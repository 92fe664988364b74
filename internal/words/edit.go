package words

import "strings"

// editWords are of an edit on a message's way.
type editWords struct {
	korean string    // what was done
	helps  [2]string // what helps, in English and Korean
}

var (
	listHelps  = [2]string{"a mailing list or a gateway does this: have it leave the message alone, or sign anew under its own domain; at the receiver ARC helps", "메일링 리스트나 게이트웨이가 이렇게 합니다. 메일을 건드리지 않게 하거나 제 도메인으로 다시 서명하게 하세요. 받는 쪽에서는 ARC가 도움이 됩니다"}
	relayHelps = [2]string{"a relay does this: sign behind it, on the last host that touches the message", "중계 서버가 이렇게 합니다. 메일을 마지막으로 만지는 호스트에서, 그 뒤에 서명하세요"}
	spaceHelps = [2]string{"sign with relaxed canonicalization, which does not mind white space", "공백을 문제 삼지 않는 relaxed 정규화로 서명하세요"}
	keyHelps   = [2]string{"publish the record of the key that signs, or sign with the key that is published", "서명하는 키의 레코드를 게시하거나, 게시된 키로 서명하세요"}
)

// Edit says in the language what an edit did, and what helps against it, by its code; ok
// is false for one that has no words, or in English, where its own text says more.
func (l Language) Edit(code string) (what, helps string, ok bool) {
	var whats []string
	for part := range strings.SplitSeq(code, "+") {
		w, known := edits[part]
		if !known {
			return "", "", false
		}
		whats = append(whats, w.korean)
		helps = l.Say(w.helps[0], w.helps[1])
	}
	return strings.Join(whats, ". "), helps, true
}

var edits = map[string]editWords{
	"subject-tag":       {"제목(Subject) 앞에 꼬리표가 붙었습니다", listHelps},
	"from-rewritten":    {"From 필드가 다시 쓰였습니다", listHelps},
	"mailing-list":      {"메일링 리스트를 거쳤습니다", listHelps},
	"list-wrapping":     {"메일이 다른 메일의 한 부분으로 싸였습니다", listHelps},
	"footer":            {"본문 끝에 글이 덧붙었습니다", listHelps},
	"banner":            {"본문 앞에 글이 덧붙었습니다", listHelps},
	"html-footer":       {"HTML 본문에 글이 덧붙었습니다", listHelps},
	"html-banner":       {"HTML 본문 앞에 글이 덧붙었습니다", listHelps},
	"attachment":        {"첨부가 더해졌습니다", listHelps},
	"links-rewritten":   {"본문의 링크가 다시 쓰였습니다", [2]string{"a filter that rewrites links breaks every body: verify before it", "링크를 다시 쓰는 필터는 모든 본문을 깨뜨립니다. 그 앞에서 검증하세요"}},
	"field-added":       {"서명한 뒤에 머리말 필드가 더해졌습니다", relayHelps},
	"field-removed":     {"서명한 머리말 필드가 사라졌습니다", relayHelps},
	"field-repeated":    {"서명한 머리말 필드가 되풀이되었습니다", relayHelps},
	"field-changed":     {"서명한 머리말 필드의 값이 바뀌었습니다", relayHelps},
	"field-missing":     {"서명한 머리말 필드가 없습니다", relayHelps},
	"order":             {"같은 이름의 머리말 필드들이 순서가 바뀌었습니다", relayHelps},
	"white-space":       {"공백이나 줄 나눔이 바뀌었습니다", spaceHelps},
	"transfer-encoding": {"전송 부호화(Content-Transfer-Encoding)가 바뀌었습니다", [2]string{"a server without 8BITMIME does this: convert to 7 bit before signing", "8BITMIME이 없는 서버가 이렇게 합니다. 서명하기 전에 7비트로 바꾸세요"}},
	"signature-blank":   {"서명 구분줄 \"-- \"의 끝 공백이 잘렸습니다", spaceHelps},
	"from-quoting":      {"\"From \"으로 시작하는 줄 앞에 \">\"가 붙었습니다", relayHelps},
	"dot-stuffing":      {"줄 맨 앞의 점이 겹쳐지거나 하나로 줄었습니다", relayHelps},
	"line-ends":         {"줄 끝이 바뀌었습니다", relayHelps},
	"long-lines":        {"긴 줄이 잘렸습니다", relayHelps},
	"truncated":         {"본문의 뒷부분이 잘렸습니다", relayHelps},
	"wrong-key":         {"게시된 키가 서명한 키와 다릅니다", keyHelps},
	"copied-headers":    {"서명자가 남긴 머리말 사본 z=를 읽을 수 없습니다", relayHelps},
	"unknown":           {"바뀌었지만, 알려진 변경 가운데 서명한 내용을 되살리는 것이 없습니다", [2]string{"compare with the message as it was sent, hop by hop along Received", "보낸 메일과 Received를 따라 한 단계씩 견주어 보세요"}},
}
