package words

import (
	"fmt"
	"strconv"
	"strings"
)

// Cause says in English what made a signature fail, or, with "note" as part, what is worth
// knowing of it: by the code and the arguments that package explain gives. Causes of part
// "key" but for wrong-key are faults: see Fault. An unknown code is its own text.
func Cause(part, code string, args map[string]string) string {
	english, _ := cause(part, code, args)
	return english
}

func cause(part, code string, args map[string]string) (english, korean string) {
	if say, ok := causes[part+"/"+code]; ok {
		return say(values(args))
	}
	return code, code
}

// both is a cause that is always told in the same words.
func both(english, korean string) func(values) (string, string) {
	return func(values) (string, string) { return english, korean }
}

// quoted is a value as it stands in a sentence.
func (v values) quoted(name string) string { return strconv.Quote(v[name]) }

// of is what v has of a name, between two texts; "" without.
func (v values) of(name, before, behind string) string {
	if v[name] == "" {
		return ""
	}
	return before + v[name] + behind
}

// causes has all codes, by part, in English and Korean.
var causes = map[string]func(values) (english, korean string){
	"header/unknown": func(v values) (string, string) {
		e := "one of the signed fields was changed in a way none of the known edits explains: " + v["present"]
		k := "서명된 필드 중 하나가 바뀌었지만, 알려진 변경 유형으로는 설명되지 않습니다: " + v["present"]
		if v["absent"] != "" {
			e, k = e+"; or removed: "+v["absent"], k+". 또는 지워졌습니다: "+v["absent"]
		}
		if v["algorithm"] != "" {
			e += "; or it was not signed with the private key of this record, which an Ed25519 signature does not tell"
			k += ". 또는 이 레코드의 개인 키로 서명한 것이 아닙니다. Ed25519 서명만으로는 구별할 수 없습니다"
		}
		return e, k
	},
	"header/subject-tag": func(v values) (string, string) {
		return "the tag " + v.quoted("tag") + " was put into the Subject", "제목에 " + v.quoted("tag") + " 말머리가 붙었습니다"
	},
	"header/encoding": func(v values) (string, string) {
		return v["field"] + " was encoded anew (RFC 2047)", v["field"] + " 필드가 다시 인코딩되었습니다(RFC 2047)"
	},
	"header/rewritten":      rewrittenCause,
	"header/from-rewritten": fromRewritten,
	"header/addresses":      addressesCause,
	"header/placeholder": func(v values) (string, string) {
		return fmt.Sprintf("%s was put in because the message had none: %s", v["field"], v.quoted("is")),
			fmt.Sprintf("메일에 %s 필드가 없어서 추가되었습니다: %s", v["field"], v.quoted("is"))
	},
	"header/field-added": func(v values) (string, string) {
		if v["count"] != "" {
			return fmt.Sprintf("all %s %s fields were added after signing", v["count"], v["field"]), fmt.Sprintf("%s 필드 %s개가 모두 서명 후에 추가되었습니다", v["field"], v["count"])
		}
		return fmt.Sprintf("%s was added after signing: %s", v["field"], v.quoted("is")), fmt.Sprintf("서명 후에 %s 필드가 추가되었습니다: %s", v["field"], v.quoted("is"))
	},
	"header/field-repeated": func(v values) (string, string) {
		return fmt.Sprintf("%s was repeated; the added one is number %s of %s: %s", v["field"], v["number"], v["count"], v.quoted("is")),
			fmt.Sprintf("%s 필드가 여러 번 있습니다. 추가된 것은 %[3]s개 중 %[2]s번째입니다: %[4]s", v["field"], v["number"], v["count"], v.quoted("is"))
	},
	"header/field-removed": func(v values) (string, string) {
		if v["kept"] != "" {
			return fmt.Sprintf("%s was renamed to %s", v["field"], v["kept"]), fmt.Sprintf("%s 필드의 이름이 바뀌었습니다. 새 이름: %s", v["field"], v["kept"])
		}
		source := sourceOf(v)
		return fmt.Sprintf("%s was removed; it was %s%s", v["field"], v.quoted("was"), source), fmt.Sprintf("%s 필드가 지워졌습니다. 원래 값은 %s%s입니다", v["field"], v.quoted("was"), source)
	},
	"header/field-changed": func(v values) (string, string) {
		source := sourceOf(v)
		return fmt.Sprintf("%s was changed from %s%s to %s", v["field"], v.quoted("was"), source, v.quoted("is")),
			fmt.Sprintf("%s 필드가 바뀌었습니다. 원래 값은 %s%s, 지금 값은 %s입니다", v["field"], v.quoted("was"), source, v.quoted("is"))
	},
	"header/order": func(v values) (string, string) {
		return fmt.Sprintf("the %s %s fields changed their order", v["count"], v["field"]), fmt.Sprintf("%s 필드 %s개의 순서가 바뀌었습니다", v["field"], v["count"])
	},
	"header/white-space": func(v values) (string, string) {
		e, k := "white space in "+v["field"]+", or the case of its name, was changed", v["field"]+" 필드의 공백이나 이름의 대소문자가 바뀌었습니다"
		if v["canonicalization"] == "simple" {
			return e + ", which c=simple does not forgive", k + ". c=simple은 이를 허용하지 않습니다"
		}
		return e, k
	},
	"header/refolded": both("signed fields were folded anew or unfolded", "서명된 필드의 줄바꿈(folding)이 바뀌었습니다"),
	"header/long-lines": func(v values) (string, string) {
		return "a long line of " + v["field"] + " was broken", v["field"] + " 필드의 긴 줄이 나뉘었습니다"
	},
	"header/transfer-encoding": func(v values) (string, string) {
		return fmt.Sprintf("the transfer encoding was changed from %s to %s", v["was"], v["is"]), fmt.Sprintf("전송 인코딩이 바뀌었습니다(%s → %s)", v["was"], v["is"])
	},
	"header/date": func(v values) (string, string) {
		return "Date was written anew; it was " + v.quoted("was"), "Date 필드가 다시 쓰였습니다. 원래 값은 " + v.quoted("was") + "입니다"
	},
	"header/header-cut": func(v values) (string, string) {
		return "an empty line cut the header in two: the fields below it became the beginning of the body: " + v["fields"],
			"빈 줄 때문에 헤더가 둘로 나뉘어 그 아래의 필드가 본문의 앞부분이 되었습니다: " + v["fields"]
	},
	"header/mailing-list": func(v values) (string, string) {
		return "the message came through a mailing list (" + v.quoted("list") + "), and lists change what they forward",
			"메일이 메일링 리스트(" + v.quoted("list") + ")를 거쳤습니다. 메일링 리스트는 전달하는 메일을 바꿉니다"
	},
	"header/exchange": both("the message came through Microsoft Exchange, which writes addresses, dates and MIME fields anew",
		"메일이 Microsoft Exchange를 거쳤습니다. Exchange는 주소, 날짜, MIME 필드를 다시 씁니다"),
	"signature/copied-headers": func(v values) (string, string) {
		return "z=, the signer's copy of the header, cannot be read: " + v["detail"], "서명자가 남긴 헤더 사본 z=를 읽을 수 없습니다: " + v["detail"]
	},
	"signature/white-space": both("white space in the DKIM-Signature field itself was changed, which c=simple does not forgive",
		"DKIM-Signature 필드 자체의 공백이 바뀌었습니다. c=simple은 이를 허용하지 않습니다"),
	"key/wrong-key": both("b= was not made with the private key that belongs to the published record: key and record do not match, or the signature was garbled",
		"b=는 게시된 레코드의 개인 키로 만든 것이 아닙니다. 키와 레코드가 맞지 않거나 서명이 손상되었습니다"),
	"body/unknown": both("the body was changed, or bh= was never right; none of the known edits reproduces what was signed",
		"본문이 바뀌었거나 bh=가 처음부터 틀렸습니다. 알려진 변경 유형으로는 서명 당시의 본문을 복원할 수 없습니다"),
	"body/truncated": func(v values) (string, string) {
		return fmt.Sprintf("the body was cut: l= says %s octets were signed, and %s arrived", v["length"], v["body"]),
			fmt.Sprintf("본문이 잘렸습니다. l=에 따르면 %s바이트가 서명되었는데 %s바이트만 도착했습니다", v["length"], v["body"])
	},
	"body/body-missing": both("the message has no body, and it had one when it was signed: perhaps only its header was saved",
		"메일에 본문이 없지만 서명할 때는 있었습니다. 헤더만 저장한 것일 수 있습니다"),
	"body/too-large": both("the body was changed; it is too large to look for the edit", "본문이 바뀌었습니다. 너무 커서 무엇이 바뀌었는지 찾지 않습니다"),
	"body/footer":    addedCause("at the end of the body or of a part of it", "본문이나 그 일부의 끝에"),
	"body/banner":    addedCause("at the beginning of the body or of a part of it", "본문이나 그 일부의 앞에"),
	"body/inserted": func(v values) (string, string) {
		if v["what"] == "meta" {
			return "a meta tag was put into the HTML, as Microsoft Exchange does it", "Microsoft Exchange가 하듯이 HTML에 meta 태그가 들어갔습니다"
		}
		return addedCause("in the body", "본문 가운데에")(v)
	},
	"body/blank-lines": func(v values) (string, string) {
		if v["how"] == "lost" {
			return "an empty line was left out", "빈 줄 하나가 빠졌습니다"
		}
		if v["lines"] == "1" {
			return "an empty line was added: line " + v["line"], v["line"] + "번째 줄에 빈 줄이 추가되었습니다"
		}
		return fmt.Sprintf("%s empty lines were added, from line %s", v["lines"], v["line"]), fmt.Sprintf("%[2]s번째 줄부터 빈 줄 %[1]s개가 추가되었습니다", v["lines"], v["line"])
	},
	"body/list-wrapping": both("the message was wrapped as a part of another one, as mailing lists do that add a footer",
		"메일링 리스트가 바닥글을 붙일 때처럼 메일이 다른 메일의 한 파트로 들어갔습니다"),
	"body/transfer-encoding": recodedCause,
	"body/signature-blank":   both(`the blank behind the "--" of a mail signature was cut off`, `메일 서명의 "--" 뒤에 있던 공백이 잘렸습니다`),
	"body/white-space": func(v values) (string, string) {
		if v["how"] == "cut" {
			return "blanks at line ends were cut off, which c=simple does not forgive", "줄 끝의 공백이 잘렸습니다. c=simple은 이를 허용하지 않습니다"
		}
		return "blanks at line ends were added", "줄 끝에 공백이 추가되었습니다"
	},
	"body/from-quoting": both(`">" was put before lines that begin with "From "`, `"From "으로 시작하는 줄 앞에 ">"가 붙었습니다`),
	"body/dot-stuffing": func(v values) (string, string) {
		if v["how"] == "single" {
			return "doubled dots at the beginning of lines were made one", "줄 첫머리의 점 두 개가 하나로 줄었습니다"
		}
		return "dots at the beginning of lines were doubled", "줄 첫머리의 점이 두 개로 늘었습니다"
	},
	"body/line-ends": lineEndsCause,
	"body/long-lines": func(v values) (string, string) {
		if v["how"] == "!" {
			return `long lines were broken with "!"`, `긴 줄이 "!"로 나뉘었습니다`
		}
		if v["how"] == "wrap" {
			return "long lines were broken between words", "긴 줄이 낱말 사이에서 나뉘었습니다"
		}
		return "long lines were broken, as mail servers do it above 998 octets", "긴 줄이 나뉘었습니다. 메일 서버는 998바이트를 넘는 줄을 나눕니다"
	},
	"body/tabs": both("tabs became blanks", "탭이 공백으로 바뀌었습니다"),
	"body/charset": func(v values) (string, string) {
		switch v["how"] {
		case "mark-added":
			return "a byte order mark was put before the text", "텍스트 앞에 바이트 순서 표식(BOM)이 붙었습니다"
		case "mark-lost":
			return "the byte order mark before the text was cut off", "텍스트 앞의 바이트 순서 표식(BOM)이 잘렸습니다"
		}
		return "the text was converted from " + v["was"] + " to " + v["is"], "문자 집합이 변환되었습니다(" + v["was"] + " → " + v["is"] + ")"
	},
	"body/charset-label": both("the charset that parts of the body say they have was changed or spelled otherwise", "본문 파트에 적힌 문자 집합(charset)이 바뀌었거나 다르게 적혔습니다"),
	"body/characters": func(v values) (string, string) {
		switch v["how"] {
		case "typographic":
			return "plain quotes and dashes became typographic ones", "보통 따옴표와 줄표가 조판용 문자로 바뀌었습니다"
		case "plain":
			return "typographic quotes and dashes became plain ones", "조판용 따옴표와 줄표가 보통 문자로 바뀌었습니다"
		}
		return fmt.Sprintf("characters were spelled otherwise: %s became %s", v.quoted("was"), v.quoted("is")),
			fmt.Sprintf("문자의 표기가 바뀌었습니다. 원래는 %s, 지금은 %s입니다", v.quoted("was"), v.quoted("is"))
	},
	"body/frame": func(v values) (string, string) {
		if v["how"] == "end" {
			return "the last boundary of the multipart was lost", "멀티파트의 마지막 경계가 없어졌습니다"
		}
		return "the text above the first part of the multipart was changed or left out", "멀티파트 첫 파트 위의 글이 바뀌었거나 빠졌습니다"
	},
	"body/signed-empty": both("an empty body was signed: all of the text was added after that, or the signer was not given the body",
		"빈 본문이 서명되었습니다. 본문이 모두 서명 후에 추가되었거나, 서명자가 본문을 받지 못했습니다"),
	"body/links-rewritten": func(v values) (string, string) {
		return "links in the body were rewritten by " + v["who"] + ": that changes every body it touches; verify before it",
			"본문의 링크가 바뀌었습니다(" + v["who"] + "). 이를 거치는 모든 본문이 바뀌므로 그 앞에서 검증하세요"
	},
	"note/note-length": func(v values) (string, string) {
		return fmt.Sprintf("l=%s: only that many octets of the body are signed%s; anything may have been added behind", v["length"], v.of("body", ", of ", "")),
			fmt.Sprintf("l=%s: 본문%s 중 그만큼만 서명되었습니다. 그 뒤에는 무엇이든 추가되었을 수 있습니다", v["length"], v.of("body", " ", "바이트"))
	},
	"note/note-testing":      both("the key says t=y: the domain only tests DKIM", "키에 t=y가 있습니다. 이 도메인은 DKIM을 테스트하는 중입니다"),
	"note/note-several-keys": both("several TXT records stand at the key's name; the first usable one was taken", "키의 이름에 TXT 레코드가 여럿 있습니다. 쓸 수 있는 첫 번째 것을 썼습니다"),
	"note/note-field-unsigned": func(v values) (string, string) {
		return v["field"] + " is not signed: it may have been changed unseen", v["field"] + " 필드는 서명되지 않았습니다. 바뀌었어도 알 수 없습니다"
	},
	"note/note-expired-since": func(v values) (string, string) {
		return "it expired at " + v["time"] + ", after the message had come: who verifies it now says expired", "메일이 도착한 뒤 " + v["time"] + "에 만료되었습니다. 지금 검증하면 만료로 나옵니다"
	},
}

func sourceOf(v values) string {
	if v["from"] == "z" {
		return " (z=)"
	}
	return ""
}

func rewrittenCause(v values) (string, string) {
	e, k := v["field"]+" was written anew", v["field"]+" 필드가 다시 쓰였습니다"
	switch {
	case v["below"] != "":
		return fmt.Sprintf("%s was written anew on the way: it stands below %s, where mailing lists put what they write",
				v["field"], v["below"]),
			fmt.Sprintf("%s 필드가 도중에 다시 쓰였습니다. 메일링 리스트가 쓰는 자리인 %s 아래에 있습니다", v["field"], v["below"])
	case v["was"] == "":
		if v["is"] != "" {
			return e + " on the way: " + v.quoted("is") + " looks like a mailing list's work",
				"도중에 " + k + ". 지금 값은 메일링 리스트가 쓴 것으로 보입니다: " + v.quoted("is")
		}
		return e, k
	case v["kept"] != "":
		return fmt.Sprintf("%s was rewritten to %s; %s keeps what it was: %s", v["field"], v.quoted("is"), v["kept"], v.quoted("was")),
			fmt.Sprintf("%s 필드가 바뀌었습니다. 지금 값은 %s이며, 원래 값은 %s 필드에 남아 있습니다: %s", v["field"], v.quoted("is"), v["kept"], v.quoted("was"))
	}
	return fmt.Sprintf("%s from %s to %s", e, v.quoted("was"), v.quoted("is")),
		fmt.Sprintf("%s. 원래 값은 %s, 지금 값은 %s입니다", k, v.quoted("was"), v.quoted("is"))
}

func fromRewritten(v values) (string, string) {
	return fmt.Sprintf("%s was rewritten from %s to %s, as mailing lists do against DMARC", v["field"], v.quoted("was"), v.quoted("is")),
		fmt.Sprintf("메일링 리스트가 DMARC 때문에 %s 필드를 바꾸었습니다. 원래 값은 %s, 지금 값은 %s입니다", v["field"], v.quoted("was"), v.quoted("is"))
}

func addressesCause(v values) (string, string) {
	field, about := v["field"], v["about"]
	var e, k string
	switch v["how"] {
	case "order":
		e, k = "its addresses stand in another order", "주소의 순서가 바뀌었습니다"
	case "dropped":
		e, k = about+" was left out", "빠진 주소: "+about
	case "repeated":
		e, k = "a second "+about+" was left out", "두 번 적힌 주소가 하나로 줄었습니다: "+about
	case "added":
		e, k = about+" was put in", "추가된 주소: "+about
	case "case":
		e, k = "capital and small letters of its addresses were changed", "주소의 대소문자가 바뀌었습니다"
	case "written":
		e, k = "names are quoted or blanks are set otherwise", "이름의 따옴표나 공백이 달라졌습니다"
	default:
		return fmt.Sprintf("%s was written anew on the way: it stands below %s, where mailing lists put what they write; lists "+
				"change order, names and blanks, and leave out who had a copy", field, v["below"]),
			fmt.Sprintf("%s 필드가 도중에 다시 쓰였습니다. 메일링 리스트가 쓰는 자리인 %s 아래에 있습니다. "+
				"메일링 리스트는 순서와 이름과 공백을 바꾸고, 사본을 받은 사람을 뺍니다", field, v["below"])
	}
	return fmt.Sprintf("%s was written anew: %s; it was %s", field, e, v.quoted("was")),
		fmt.Sprintf("%s 필드가 다시 쓰였습니다. %s. 원래 값은 %s입니다", field, k, v.quoted("was"))
}

// addedCause tells of text that was added somewhere.
func addedCause(where, korean string) func(values) (string, string) {
	return func(v values) (string, string) {
		lines := v["lines"] + " lines"
		if v["lines"] == "1" {
			lines = "one line"
		}
		return fmt.Sprintf("text was added %s: %s, from line %s, beginning with %s", where, lines, v["line"], v.quoted("first")),
			fmt.Sprintf("%s 텍스트가 추가되었습니다. %s번째 줄부터 %s줄이며, 이렇게 시작합니다: %s", korean, v["line"], v["lines"], v.quoted("first"))
	}
}

func recodedCause(v values) (string, string) {
	switch how := v["how"]; {
	case how == "again":
		return "the body was encoded anew on the way, in the other of quoted-printable and base64 or in lines of another length",
			"본문이 도중에 quoted-printable과 base64 중 다른 쪽으로, 또는 다른 줄 길이로 다시 인코딩되었습니다"
	case how == "parts":
		return "parts of the body were converted to quoted-printable or base64 on the way",
			"본문의 일부가 도중에 quoted-printable이나 base64로 인코딩되었습니다"
	case strings.HasPrefix(how, "from-"):
		return "the body was " + how[5:] + " when signed and was decoded on the way", "서명할 때 본문 인코딩은 " + how[5:] + "였는데 도중에 디코딩되었습니다"
	default:
		return "the body was converted to " + strings.TrimPrefix(how, "to-") + " on the way",
			"본문이 도중에 다시 인코딩되었습니다: " + strings.TrimPrefix(how, "to-")
	}
}

func lineEndsCause(v values) (string, string) {
	switch v["how"] {
	case "crcrlf":
		return "the body had CR CR LF as line ends when signed", "서명할 때 본문의 줄 끝은 CR CR LF였습니다"
	case "lf":
		return "CR was put before line ends that had none when signed", "서명할 때 없던 CR이 줄 끝에 붙었습니다"
	case "cr":
		return "a bare CR became a line end", "단독 CR이 줄 끝으로 바뀌었습니다"
	}
	return "line ends were doubled", "줄 끝이 두 번씩 들어갔습니다"
}
