package words

import (
	"fmt"

	"dojang/internal/keyrecord"
)

const (
	singleLineKorean = "따옴표와 역슬래시 없이 한 줄로 넣으세요. `dojang genkey --format single-line`이 그렇게 출력합니다"
	longValuesKorean = "DNS 업체가 255자까지만 저장했습니다. 긴 값을 받는 입력란을 쓰거나, 문자열 두 개로 나누거나, Ed25519 키를 쓰세요"
)

// faultsKorean says in Korean what faultsEnglish says: a test compares their codes.
var faultsKorean = map[string]func(values) (text, hint string){
	keyrecord.FaultAbsent: func(v values) (string, string) {
		if v["record"] == "" {
			return "TXT 레코드가 없습니다", "레코드를 게시하세요"
		}
		return v["record"] + "에 TXT 레코드가 없습니다", "레코드를 게시하세요. 방금 게시했다면 레코드가 없다는 응답이 캐시에서 사라질 때까지 기다리세요"
	},
	keyrecord.FaultOneLabelOff: oneLabelOffKorean,
	keyrecord.FaultSeveralRecords: func(v values) (string, string) {
		if v["case"] == "halves" {
			return "키 레코드 하나가 TXT 레코드 두 개로 잘렸습니다", "두 조각을 따옴표 문자열 두 개로 한 레코드에 넣거나, 업체의 입력란에 값을 한 줄로 넣으세요"
		}
		return fmt.Sprintf("이 이름에 TXT 레코드가 %s개 있고 그중 %s개가 키입니다. 수신 서버는 그중 아무것이나 쓰거나 하나도 쓰지 않습니다", v["records"], v["keys"]),
			"레코드 하나만 남기고, 두 번째 키에는 다른 셀렉터를 쓰세요"
	},
	keyrecord.FaultNotAKey: func(v values) (string, string) {
		return fmt.Sprintf("이 이름의 TXT 레코드는 키가 아닙니다: %.60q", v["text"]), "이 이름에 키 레코드를 게시하세요"
	},
	keyrecord.FaultZoneLine: always("값에 존 파일의 한 줄이 이름과 괄호까지 통째로 들어 있습니다", "값만 넣으세요: v=DKIM1; ... p=..."),
	keyrecord.FaultQuotes: func(v values) (string, string) {
		if v["backslashes"] != "" {
			return packagingKorean(v, "값 안에 따옴표와 역슬래시가 들어 있습니다")
		}
		return packagingKorean(v, "값 안에 따옴표가 들어 있습니다")
	},
	keyrecord.FaultBackslashes: func(v values) (string, string) {
		return packagingKorean(v, "값 안에 역슬래시가 들어 있습니다")
	},
	keyrecord.FaultBlanks: always("p= 안에 공백이 있습니다. 문자열 사이에 공백을 넣어 이은 것으로 보이며, 이를 오류로 처리하는 수신 서버가 있습니다",
		"문자열 사이에 공백 없이 게시하세요. 수신 서버는 문자열을 그대로 이어 붙입니다"),
	keyrecord.FaultVersionMissing: always("v=DKIM1이 없습니다. v=DKIM1이 없으면 레코드를 인정하지 않는 수신 서버가 있습니다", "레코드를 v=DKIM1;으로 시작하세요"),
	keyrecord.FaultVersionOrder:   always("v=DKIM1이 첫 태그가 아닙니다. 수신 서버는 이 레코드를 무시해야 합니다", "v=DKIM1;을 맨 앞으로 옮기세요"),
	keyrecord.FaultVersion: func(v values) (string, string) {
		return fmt.Sprintf("v=%s는 키 레코드의 버전이 아닙니다", v.most("v", 40)), "v=DKIM1이라고 쓰세요"
	},
	keyrecord.FaultHash: hashKorean,
	keyrecord.FaultCut: func(v values) (string, string) {
		switch v["case"] {
		case "length":
			return fmt.Sprintf("p=가 잘렸습니다. 레코드가 %s자에서 끝납니다", v["characters"]), longValuesKorean
		case "key":
			return fmt.Sprintf("p=가 잘렸습니다. 키의 길이는 %s바이트인데 %s바이트만 있습니다", v["expected_bytes"], v["bytes"]), longValuesKorean
		}
		return fmt.Sprintf("p=가 base64가 아닙니다. 글자가 빠졌거나 더 들어갔습니다(%s자)", v["characters"]), "레코드를 처음부터 끝까지 다시 게시하세요"
	},
	keyrecord.FaultNoKey: func(v values) (string, string) {
		switch v["case"] {
		case "missing":
			return "키가 들어갈 p=가 없습니다", "레코드 전체를 게시하세요"
		case "url-alphabet":
			return "p=가 URL용 base64(-와 _)로 쓰였습니다", "`dojang genkey`가 출력하는 대로 +와 /를 쓰세요"
		}
		return "p=가 base64가 아닙니다", "레코드를 다시 게시하세요"
	},
	keyrecord.FaultBadKey: func(v values) (string, string) {
		if v["k"] == "ed25519" {
			return fmt.Sprintf("p=가 Ed25519 키가 아닙니다. 32바이트여야 하는데 %s바이트입니다(RFC 8463은 키 자체만 게시합니다)", v["bytes"]),
				"`dojang genkey --type ed25519`가 출력하는 레코드를 게시하세요"
		}
		return "p=가 RSA 공개 키가 아닙니다", "키의 레코드를 게시하세요"
	},
	keyrecord.FaultRevoked: always("키가 폐기되었습니다. p=가 비어 있습니다", "의도한 것이 아니라면 키가 든 레코드를 게시하세요"),
	keyrecord.FaultType: func(v values) (string, string) {
		return fmt.Sprintf("k=%s는 없는 키 종류입니다", v.most("k", 40)), "k=rsa 또는 k=ed25519라고 쓰세요"
	},
	keyrecord.FaultService: func(v values) (string, string) {
		return fmt.Sprintf("s=%s 때문에 이 키로 메일에 서명할 수 없습니다", v.most("s", 40)), "s=email이라고 쓰거나 s=를 빼세요"
	},
	keyrecord.FaultWeak: func(v values) (string, string) {
		if v.number("bits") < 1024 {
			return fmt.Sprintf("키가 %s비트입니다. 수신 서버는 1024비트 미만의 키를 인정해서는 안 됩니다(RFC 8301)", v["bits"]), "2048비트 키를 만드세요"
		}
		return fmt.Sprintf("키가 %s비트입니다. 2048비트를 권합니다(RFC 8301)", v["bits"]), "새 셀렉터로 2048비트 키를 만드세요"
	},
	keyrecord.FaultTesting: always("t=y: 이 도메인이 DKIM을 테스트 중이라고 수신 서버에 알립니다", "문제가 없으면 t=y를 빼세요"),
	keyrecord.FaultSyntax: func(v values) (string, string) {
		switch {
		case v["record"] != "":
			return "도메인 이름이 아닙니다: " + v["record"], "도메인이나 셀렉터를 고치세요"
		case v["case"] == "duplicate":
			return "레코드에 같은 태그가 두 번 있습니다. 두 번 붙여 넣은 듯합니다", "레코드를 한 번만 게시하세요"
		}
		return "레코드를 읽을 수 없습니다: " + v["detail"], "`dojang genkey --format single-line`이 출력하는 대로 게시하세요"
	},
	keyrecord.FaultAliasLoop: func(v values) (string, string) {
		return fmt.Sprintf("%s의 CNAME이 순환하거나 너무 길게 이어집니다", v["record"]), "CNAME이 TXT 레코드가 있는 이름을 가리키게 하세요"
	},
	keyrecord.FaultBogus: func(v values) (string, string) {
		text := "DNSSEC 검증에 실패합니다"
		if v["detail"] != "" {
			text += ": " + v["detail"]
		}
		return text, "존의 DNSSEC 서명을 고치세요. DNSSEC을 검증하는 수신 서버에는 키가 전혀 보이지 않습니다"
	},
	keyrecord.FaultLookup: func(v values) (string, string) {
		text := v["record"] + "에 응답하는 네임 서버가 없습니다"
		if v["detail"] != "" {
			text = "DNS 조회에 실패했습니다: " + v["detail"]
		}
		return text, ""
	},
	keyrecord.FaultMismatch: always("레코드의 키가 개인 키와 맞지 않습니다", "개인 키에 맞는 레코드를 게시하세요"),
	keyrecord.FaultOtherSelector: func(v values) (string, string) {
		const hint = "KeyTable의 셀렉터나 경로를 고치거나, 이 키의 레코드를 게시하세요"
		if v["selector"] != "" {
			return "이 개인 키는 셀렉터 " + v["selector"] + "의 것입니다", hint
		}
		return fmt.Sprintf("레코드에 있는 키는 '%s'의 것입니다(%s)", v["row"], v["place"]), hint
	},
	keyrecord.FaultPrivateKey: func(v values) (string, string) {
		switch v["case"] {
		case "path":
			return "개인 키 파일을 찾을 수 없습니다: " + v["path"], "KeyTable의 경로를 고치세요"
		case "denied":
			return "개인 키를 읽을 권한이 없습니다: " + v["path"], "root나 필터의 사용자로 다시 실행하세요"
		}
		return "개인 키를 읽을 수 없습니다: " + v["detail"], "파일의 권한과 형식을 확인하세요"
	},
	keyrecord.FaultServersDiffer: func(v values) (string, string) {
		const hint = "존이 그 서버로 전송되는지, SOA 시리얼을 올렸는지 확인하세요. 모든 서버가 같아질 때까지 이 키로 서명하지 마세요"
		if v["state"] == "absent" {
			return "네임 서버 " + v.who() + "에는 아직 레코드가 없습니다", hint
		}
		return "네임 서버 " + v.who() + "에는 아직 다른 레코드가 있습니다", hint
	},
	keyrecord.FaultServer: serverErrorKorean,
	keyrecord.FaultUnsigned: func(v values) (string, string) {
		return fmt.Sprintf("존에 DNSSEC 서명이 있는데 네임 서버 %s의 서명이 올바르지 않습니다(%s)", v.who(), v["signature"]),
			"존에 다시 서명하고 전체가 전송되었는지 확인하세요. DNSSEC을 검증하는 수신 서버에는 키가 전혀 보이지 않습니다"
	},
	keyrecord.FaultAliasMissing: func(v values) (string, string) {
		return fmt.Sprintf("%s: %s의 별칭(CNAME)이 아닙니다", v["record"], v["target"]), "이 이름에 CNAME을 넣으세요. 대상: " + v["target"]
	},
	keyrecord.FaultAliasDangling: func(v values) (string, string) {
		return fmt.Sprintf("%s: CNAME이 가리키는 %s에 TXT 레코드가 없습니다", v["record"], v["target"]), "그 이름에 레코드를 게시하거나 CNAME을 고치세요"
	},
	keyrecord.FaultWildcard: always("레코드가 와일드카드(*)입니다. 다른 셀렉터를 조회해도 모두 같은 응답이 나옵니다", "레코드를 정확한 이름에 게시하세요"),
	keyrecord.FaultDelegation: func(v values) (string, string) {
		return fmt.Sprintf("상위 존이 %s 존을 위임한 네임 서버는 %s인데, 존 자체의 NS 레코드에는 %s 서버가 있습니다", v["zone"], v["parent"], v["child"]),
			"두 목록을 일치시키세요. 수신 서버는 이 중 어느 서버든 조회할 수 있습니다"
	},
	keyrecord.FaultCacheDiffers: always("권한 있는 서버에는 모두 올바른 레코드가 있고, 이 서버의 리졸버 캐시에만 다른 응답이 남아 있습니다", "리졸버 캐시에서 이전 응답이 사라질 때까지 기다리세요"),
	keyrecord.FaultLimit: func(v values) (string, string) {
		return "모두 조회하지 못했습니다. 질의 한도 " + v["queries"] + "개에 도달했습니다", ""
	},
}

func packagingKorean(v values, what string) (text, hint string) {
	if v["mended"] == "yes" {
		return what + ". 그것만 없으면 올바른 레코드입니다", singleLineKorean
	}
	return what, "따옴표와 역슬래시는 존 파일에서만 씁니다. 값만 한 줄로 넣으세요"
}

func hashKorean(v values) (text, hint string) {
	hint = "h=sha256이라고 쓰거나 h=를 빼세요"
	switch h := v.most("h", 60); v["case"] {
	case "sha1":
		return "h=" + h + " 때문에 이 키를 sha256과 함께 쓸 수 없습니다. 모든 서명은 sha256이어야 합니다(RFC 8301)", hint
	case "algorithm":
		return "h=" + h + "는 해시가 아니라 서명 알고리즘의 이름입니다. 어떤 수신 서버도 이 키를 쓸 수 없습니다", hint
	default:
		return "h=" + h + "에 수신 서버가 지원하는 해시가 없습니다", hint
	}
}

func oneLabelOffKorean(v values) (text, hint string) {
	enter := "이름 칸에 " + v["relative"] + " 값을 넣으세요"
	hints := map[string]string{
		"domain-doubled":     "업체가 도메인을 한 번 더 붙였습니다. " + enter,
		"domainkey-appended": "업체가 ._domainkey." + v["domain"] + " 부분을 자동으로 붙였습니다. 이름 칸에 " + v["selector"] + "만 넣으세요",
		"domainkey-doubled":  "업체가 ._domainkey를 자동으로 붙였습니다. 이름 칸에 " + v["selector"] + "만 넣으세요",
		"domainkey-missing":  "._domainkey가 빠졌습니다. " + enter,
		"underscore-missing": "밑줄(_)이 빠졌습니다. " + enter,
		"domainkeys":         "s를 빼세요. " + enter,
		"order":              "라벨의 순서가 바뀌었습니다. " + enter,
		"selector-missing":   "셀렉터가 빠졌습니다. " + enter,
		"name-missing":       "이름이 빠졌습니다. " + enter,
		"parent":             "레코드가 " + v["parent"] + " 아래에 있습니다. " + v["domain"] + " 아래로 옮기세요",
	}
	return "키 레코드가 다른 이름 " + v["found"] + "에 있습니다", hints[v["how"]]
}

func serverErrorKorean(v values) (text, hint string) {
	what := map[string]string{
		"silent":            "응답하지 않습니다",
		"unreachable":       "연결할 수 없습니다",
		"no-route":          "여기서 조회할 수 없습니다. 이 호스트에서 그 주소로 가는 경로가 없습니다",
		"refused":           "응답을 거부합니다",
		"failure":           "오류로 응답합니다",
		"not-authoritative": "권한 있는 응답이 아닙니다. 캐시에서 응답했거나 이 존을 갖고 있지 않습니다",
		"malformed":         "읽을 수 없는 응답을 보냅니다",
		"no-address":        "주소가 없습니다",
		"forbidden":         "조회하지 않습니다",
		"limit":             "조회하지 못했습니다. 검사 한도에 도달했습니다",
	}
	text = "네임 서버 " + v.who() + ": " + or(what[v["error"]], "응답하지 않습니다")
	if v["detail"] != "" {
		text += " (" + v["detail"] + ")"
	}
	return text, ""
}
