package words

// unsignedWords say why mail of ours left unsigned, by the event that tells best.
type unsignedWords struct{ text, hint [2]string } // English and Korean

// Unsigned says in words why a message left unsigned, by the name of its event in the
// log, and what to do. An unknown name is its own text.
func (l Language) Unsigned(event string) (text, hint string) {
	w, ok := unsigned[event]
	if !ok {
		return event, ""
	}
	return l.Say(w.text[0], w.text[1]), l.Say(w.hint[0], w.hint[1])
}

var unsigned = map[string]unsignedWords{
	"key_error": {[2]string{"the private key could not be read", "개인 키를 읽을 수 없었습니다"},
		[2]string{"look into the log for the line before, then check path and permissions of the key file", "로그의 바로 앞줄을 보고 키 파일의 경로와 권한을 확인하세요"}},
	"unknown_key": {[2]string{"the SigningTable names a key that the KeyTable does not have", "SigningTable이 KeyTable에 없는 키를 가리킵니다"},
		[2]string{"add the key to the KeyTable, or correct its name in the SigningTable", "KeyTable에 키를 넣거나 SigningTable의 이름을 고치세요"}},
	"key_undecodable": {[2]string{"the private key's data is no key", "개인 키의 내용이 키가 아닙니다"},
		[2]string{"put the right file there, or make a new key with `dojang genkey`", "올바른 파일로 바꾸거나 `dojang genkey`로 새 키를 만드세요"}},
	"signing_table_error": {[2]string{"the SigningTable could not be asked", "SigningTable을 조회할 수 없었습니다"},
		[2]string{"check the file or the database that SigningTable names", "SigningTable이 가리키는 파일이나 데이터베이스를 확인하세요"}},
	"signing_failed": {[2]string{"signing failed", "서명하지 못했습니다"},
		[2]string{"look into the log for the reason", "로그에서 이유를 찾으세요"}},
	"not_senders": {[2]string{"the sender that logged in may not sign for this domain", "로그인한 발신자는 이 도메인으로 서명할 수 없습니다"},
		[2]string{"check the options that bind senders to domains", "발신자별로 도메인을 제한하는 설정을 확인하세요"}},
	"external_host": {[2]string{"a client that is not in InternalHosts and had not logged in sent mail as one of our domains", "InternalHosts에 없고 로그인하지 않은 클라이언트가 우리 도메인으로 메일을 보냈습니다"},
		[2]string{"if it is one of yours, add its address to InternalHosts, or let it log in (SMTP AUTH)", "우리 호스트라면 그 주소를 InternalHosts에 추가하거나 SMTP AUTH로 로그인하게 하세요"}},
	"dont_sign_mail_to": {[2]string{"a recipient is in DontSignMailTo", "수신자가 DontSignMailTo에 있습니다"},
		[2]string{"take the recipient out of DontSignMailTo if that is not meant", "의도한 것이 아니라면 DontSignMailTo에서 빼세요"}},
	"dataset_error": {[2]string{"a table could not be asked", "테이블을 조회할 수 없었습니다"},
		[2]string{"check the files and databases that the configuration names", "설정이 가리키는 파일과 데이터베이스를 확인하세요"}},
	"exempted": {[2]string{"the domain is in ExemptDomains", "도메인이 ExemptDomains에 있습니다"},
		[2]string{"take the domain out of ExemptDomains if that is not meant", "의도한 것이 아니라면 ExemptDomains에서 빼세요"}},
	"too_much_header": {[2]string{"the header is larger than MaximumHeaders", "헤더가 MaximumHeaders보다 큽니다"},
		[2]string{"raise MaximumHeaders, or find out who makes such headers", "MaximumHeaders를 늘리거나 어디에서 이런 헤더를 만드는지 찾으세요"}},
	"required_headers": {[2]string{"a header field that every message needs is missing or there twice", "모든 메일에 있어야 할 헤더 필드가 없거나 두 번 있습니다"},
		[2]string{"mend the program that wrote the message", "메일을 만든 프로그램을 고치세요"}},
	"no_signing_table_match": {[2]string{"the SigningTable has no row for the author", "SigningTable에 작성자와 일치하는 줄이 없습니다"},
		[2]string{"add a row for the author's domain, as *@example.com", "작성자의 도메인에 맞는 줄을 넣으세요. 예: *@example.com"}},
	"no_signing_domain": {[2]string{"the author's domain is not in Domain", "작성자의 도메인이 Domain에 없습니다"},
		[2]string{"add it to Domain, or set SubDomains yes for a subdomain", "Domain에 넣거나, 하위 도메인이면 SubDomains yes를 쓰세요"}},
	"not_internal": {[2]string{"the client is not in InternalHosts and had not logged in", "클라이언트가 InternalHosts에 없고 로그인하지 않았습니다"},
		[2]string{"add its address to InternalHosts, or let it log in (SMTP AUTH)", "그 주소를 InternalHosts에 추가하거나 SMTP AUTH로 로그인하게 하세요"}},
	"no_mta_match": {[2]string{"the mail server's daemon name is not in MTA", "메일 서버의 daemon 이름이 MTA에 없습니다"},
		[2]string{"add the name that the mail server sends as {daemon_name} to MTA", "메일 서버가 {daemon_name}으로 보내는 이름을 MTA에 넣으세요"}},
	"no_macros_match": {[2]string{"no macro of MacroList has a wanted value", "MacroList에 있는 매크로 중 값이 일치하는 것이 없습니다"},
		[2]string{"check MacroList, and which macros the mail server sends", "MacroList와 메일 서버가 보내는 매크로를 확인하세요"}},
	"other": {[2]string{"no rule wanted a signature", "서명 대상이 되는 규칙이 없었습니다"},
		[2]string{"see the events, and ask `dojang explain` with the message", "이벤트를 확인하고, 그 메일로 `dojang explain`을 실행하세요"}},
}
