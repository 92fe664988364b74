package lua

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// scriptCase is a configuration, its scripts, and the mail they see. In the
// texts DIR and WORLD are folders; helpers' tell shows values by a field.
type scriptCase struct {
	name                 string
	config               string
	setup, screen, final string
	table                string // DIR/table.lua
	mails                []mail
	// because says why dojang differs on purpose, here or there; ours is what it
	// then does, for each mail.
	because string
	ours    []string
}

// later hands what a script of an earlier hook saw to the end of the message.
const later = `odkim.export(ctx, "seen", words(%))`

func seen(values string) string { return strings.Replace(later, "%", values, 1) }

const tellSeen = `tell(seen)`

const passed = "insert 0 Authentication-Results: mx.example.org; dkim=pass (2048-bit key) header.d=example.com " +
	"header.i=@example.com header.a=rsa-sha256 header.s=sel\n"

var cases = []scriptCase{
	// Looking at the message.
	{name: "envelope", setup: seen(`odkim.get_envfrom(ctx), odkim.get_fromdomain(ctx), odkim.rcpt_count(ctx), odkim.get_clienthost(ctx), odkim.get_clientip(ctx), odkim.internal_ip(ctx), odkim.check_popauth(ctx)`),
		final: tellSeen, mails: []mail{local, external, elsewhere}},
	{name: "header", setup: seen(`odkim.get_header(ctx, "From", 0), odkim.get_header(ctx, "from", 0), odkim.get_header(ctx, "Subject", 1), odkim.get_header(ctx, "Received", -1), odkim.get_header(ctx, "Received", -2),
		odkim.get_header(ctx, "Received", -3), odkim.get_header(ctx, "Received", 1), odkim.get_header(ctx, "None", 0), odkim.get_header(ctx, "From", "0"), odkim.get_header(ctx, 5, 0), odkim.get_header(ctx, "Received", 0.5), odkim.get_header(ctx, "X-Fold", 0)`),
		final: tellSeen, mails: []mail{local}},
	{name: "macros", setup: seen(`odkim.get_mtasymbol(ctx, "j"), odkim.get_mtasymbol(ctx, "{daemon_name}"), odkim.get_mtasymbol(ctx, "i"), odkim.get_mtasymbol(ctx, "nope"), odkim.get_mtasymbol(ctx, 5)`),
		final: tellSeen, mails: []mail{local}},
	{name: "recipients", final: `tell(odkim.get_rcptarray(ctx), odkim.get_rcpt(ctx, 0), odkim.get_rcpt(ctx, 1), odkim.get_rcpt(ctx, 2), odkim.get_rcpt(ctx, -1))`, mails: []mail{local},
		because: "recipients come in their order, each by its number",
		ours:    []string{"insert 0 X-Told: {a@example.net,b@example.net,}|a@example.net|b@example.net|nil|nil\naccept\n"}},
	{name: "addresses", final: `tell(odkim.parse_field("From: a@b"), odkim.parse_field("Joe <joe@example.com> (c)")) tell(odkim.parse_field("grp: a@b, c@d;")) tell(odkim.parse_field("nothing"), odkim.parse_field(""), odkim.parse_field(5))
		tell(odkim.parse_field("a@b, c@d")) tell(odkim.parse_field("<>")) tell(odkim.parse_field('"a b"@x.y'))`, mails: []mail{local}},
	{name: "arguments", setup: `local function why(name, ...) local ok, text = pcall(odkim[name], ...) return (string.gsub(text or "", "^[^ ]*:%d+: ", "")) end
		` + seen(`why("get_header", ctx, "From"), why("get_header", 1, "From", 0), why("get_envfrom"), why("get_envfrom", ctx, 1), why("get_envfrom", nil), why("log", "a", "b"), why("db_check", nil, "x"),
		why("db_open", "csl:A", "true"), why("sign", ctx, nil), why("sign", ctx, "k1", true), why("signfor", ctx, "a@b.c", 5), why("set_result", ctx, "x"), why("export", ctx, "a"), why("export", ctx, "a", {}), why("xtag", ctx, "a"), why("replace_header", ctx, "Date", 0)`),
		final: tellSeen, mails: []mail{local}},

	// Data sets.
	{name: "sets", setup: `local d = odkim.db_open("csl:a,b=c,D") local e = odkim.db_open("csl:A,b", true)
		` + seen(`odkim.db_check(d, "a"), odkim.db_check(d, "b"), odkim.db_check(d, "A"), odkim.db_check(d, "d"), odkim.db_check(d, "zz"), odkim.db_check(e, "a"), odkim.db_check(e, "B"), odkim.db_close(d), pcall(odkim.db_open, "file:/nonexistent") and 1 or 0`),
		final: tellSeen, mails: []mail{local}},
	{name: "handles", config: "SigningTable csl:nobody.example=k1\nMTA MSA\n", setup: `local h = odkim.get_dbhandle(ctx, DB_MTAS)
		` + seen(`h, h and odkim.db_check(h, "MSA"), odkim.get_dbhandle(ctx, DB_DOMAINS)`), final: tellSeen, mails: []mail{local},
		because: "tables of the configuration can be had, as documented", ours: []string{"insert 0 X-Told: userdata|1|nil\naccept\n"}},
	{name: "table", config: "SigningTable lua:DIR/table.lua\n", table: `if query == "example.com" then return "k1", "joe@example.com" end`, mails: []mail{local, elsewhere}},
	{name: "table of recipients", config: "SigningTable csl:example.com=k1\nDontSignMailTo lua:DIR/table.lua\n", table: `if query == "b@example.net" then return 1 end`, mails: []mail{local}},

	// Signing.
	{name: "nothing", setup: `local x = 1`, mails: []mail{local, external, signed, noAuthor}},
	{name: "sign", setup: `odkim.sign(ctx, "k1")`, mails: []mail{local, external, signed, elsewhere}},
	{name: "sign by the author's domain", setup: `odkim.sign(ctx, "any")`, mails: []mail{local, elsewhere}},
	{name: "sign twice", setup: `odkim.sign(ctx, "k1") odkim.sign(ctx, "k2")`, mails: []mail{local}},
	{name: "sign with identity", setup: `odkim.sign(ctx, "k1", "joe@sub.example.com")`, mails: []mail{local}},
	{name: "sign with a foreign identity", setup: `odkim.sign(ctx, "k1", "joe@elsewhere.example")`, mails: []mail{local}},
	{name: "sign with length", setup: `odkim.sign(ctx, "k1", 5) odkim.sign(ctx, "k2", 7, "a@other.example")`, mails: []mail{local}},
	{name: "sign with length 0", setup: `odkim.sign(ctx, "k1", 0)`, mails: []mail{local}},
	{name: "sign with a great length", setup: `odkim.sign(ctx, "k1", 5000)`, mails: []mail{local}},
	{name: "sign with a negative length", setup: `odkim.sign(ctx, "k1", -3)`, mails: []mail{local}},
	{name: "sign with an unknown key", setup: seen(`odkim.sign(ctx, "none"), odkim.sign(ctx)`), final: tellSeen, mails: []mail{local}},
	{name: "sign beside the table", config: "SigningTable csl:example.com=k1\n", setup: `odkim.sign(ctx, "k2")`, mails: []mail{local, external}},
	{name: "sign three times", setup: `odkim.sign(ctx, "k1") odkim.sign(ctx, "any") odkim.sign(ctx, "k2")`, mails: []mail{local},
		because: "every key asked for signs; opendkim forgets those between the first and the last",
		ours:    []string{"insert 0 DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=example.com; s=sel; h=From:To:Subject:Date;\ninsert 0 DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=example.com; s=any; h=From:To:Subject:Date;\ninsert 0 DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=other.example; s=two; h=From:To:Subject:Date;\naccept\n"}},
	{name: "sign with the one key", config: "Domain example.com\nSelector sel\nKeyFile WORLD/key.pem\n", setup: `odkim.sign(ctx)`, mails: []mail{local, external, elsewhere}},
	{name: "sign by name without a table", config: "Domain example.com\nSelector sel\nKeyFile WORLD/key.pem\n", setup: `local ok, why = pcall(odkim.sign, ctx, "k1") ` + seen(`(string.gsub(why, "^[^ ]*:%d+: ", ""))`), final: tellSeen, mails: []mail{elsewhere}},
	{name: "use_ltag", setup: `odkim.sign(ctx, "k1") odkim.use_ltag(ctx)`, mails: []mail{local}},
	{name: "verify", setup: `odkim.verify(ctx)`, mails: []mail{external, signed}},
	{name: "verify and sign", setup: `odkim.verify(ctx) odkim.sign(ctx, "k1")`, mails: []mail{signed}},
	{name: "replace_header", config: "Diagnostics yes\n", setup: `odkim.replace_header(ctx, "Subject", 0, "new") odkim.sign(ctx, "k1") ` + seen(`odkim.get_header(ctx, "Subject", 0), odkim.replace_header(ctx, "None", 0, "x"), odkim.replace_header(ctx, "Subject", 1, "x")`), final: tellSeen, mails: []mail{local}},
	{name: "replace_header before verifying", setup: `odkim.replace_header(ctx, "Subject", 0, "new")`, mails: []mail{signed}},
	{name: "signfor", config: "SigningTable csl:other.example=k2\n", setup: `odkim.signfor(ctx, "x@other.example")`, mails: []mail{local},
		because: "signfor signs, as documented; in Debian's opendkim it does nothing",
		ours:    []string{"insert 0 DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=other.example; s=two; h=From:To:Subject:Date;\naccept\n"}},
	{name: "resign", setup: `odkim.sign(ctx, "k1") odkim.resign(ctx)`, mails: []mail{signed, external},
		because: "resign verifies and signs what passed, as documented; in Debian's opendkim it does nothing",
		ours: []string{passed + "insert 0 DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=example.com; s=sel; h=From:To:Subject:Date;\naccept\n",
			"accept\n"}},
	{name: "xtag in setup", setup: `odkim.sign(ctx, "k1") odkim.xtag(ctx, "foo", "bar")`, mails: []mail{local},
		because: "xtag works in the setup script, as documented; opendkim ends there",
		ours:    []string{"insert 0 DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=example.com; s=sel; foo=bar; h=From:To:Subject:Date;\naccept\n"}},
	{name: "xtag in the final script", config: "SigningTable csl:example.com=k1\n", final: `tell(odkim.xtag(ctx, "foo", "bar"), odkim.xtag(ctx, "foo", "baz"), odkim.xtag(ctx, "v", "2"), odkim.xtag(ctx, "r", "y"), odkim.xtag(ctx, "bad tag", "x"), odkim.xtag(ctx, "c1", "x;y"),
		odkim.xtag(ctx, "c1", "x\ny"), odkim.xtag(ctx, "", "x"), odkim.xtag(ctx, "e", ""), odkim.xtag(ctx, "3a", "x"), odkim.xtag(ctx, "u", "p q"), odkim.xtag(ctx, "z", "q"), odkim.xtag(ctx, "eq", "a=b"))`, mails: []mail{local, external}},

	// Signatures.
	{name: "signatures", screen: `local a = odkim.get_sigarray(ctx) local s = "" for i = 0, odkim.get_sigcount(ctx) - 1 do local h = odkim.get_sighandle(ctx, i) s = s .. words(odkim.sig_getdomain(h), odkim.sig_getidentity(h)) .. ";" end ` + seen(`s, a`),
		final: tellSeen + ` for i = 0, odkim.get_sigcount(ctx) - 1 do local h = odkim.get_sighandle(ctx, i) tell(odkim.sig_result(h), odkim.sig_bhresult(h)) end`,
		mails: []mail{signed, badBody, badHeader, twice, notAllBody}},
	{name: "signatures of own mail", config: "SigningTable csl:example.com=k1\n", final: `tell(odkim.get_sigcount(ctx), odkim.get_sighandle(ctx, 0))`, mails: []mail{local}},
	{name: "constants", final: `tell(DKIM_SIGERROR_OK, DKIM_SIGERROR_UNKNOWN, DKIM_SIGERROR_VERSION, DKIM_SIGERROR_DOMAIN, DKIM_SIGERROR_EXPIRED, DKIM_SIGERROR_FUTURE, DKIM_SIGERROR_TIMESTAMPS, DKIM_SIGERROR_INVALID_HC, DKIM_SIGERROR_INVALID_BC,
		DKIM_SIGERROR_MISSING_A, DKIM_SIGERROR_INVALID_A, DKIM_SIGERROR_MISSING_H, DKIM_SIGERROR_INVALID_L, DKIM_SIGERROR_INVALID_Q, DKIM_SIGERROR_INVALID_QO, DKIM_SIGERROR_MISSING_D, DKIM_SIGERROR_EMPTY_D, DKIM_SIGERROR_MISSING_S, DKIM_SIGERROR_EMPTY_S,
		DKIM_SIGERROR_MISSING_B, DKIM_SIGERROR_EMPTY_B, DKIM_SIGERROR_CORRUPT_B, DKIM_SIGERROR_NOKEY, DKIM_SIGERROR_DNSSYNTAX, DKIM_SIGERROR_KEYFAIL, DKIM_SIGERROR_MISSING_BH, DKIM_SIGERROR_EMPTY_BH, DKIM_SIGERROR_CORRUPT_BH, DKIM_SIGERROR_BADSIG,
		DKIM_SIGERROR_SUBDOMAIN, DKIM_SIGERROR_MULTIREPLY, DKIM_SIGERROR_EMPTY_H, DKIM_SIGERROR_INVALID_H, DKIM_SIGERROR_TOOLARGE_L, DKIM_SIGERROR_MBSFAILED, DKIM_SIGERROR_KEYVERSION, DKIM_SIGERROR_KEYUNKNOWNHASH, DKIM_SIGERROR_KEYHASHMISMATCH,
		DKIM_SIGERROR_NOTEMAILKEY, DKIM_SIGERROR_KEYTYPEMISSING, DKIM_SIGERROR_KEYTYPEUNKNOWN, DKIM_SIGERROR_KEYREVOKED, DKIM_SIGERROR_KEYDECODE, DKIM_SIGBH_UNTESTED, DKIM_SIGBH_MATCH, DKIM_SIGBH_MISMATCH, SMFIS_ACCEPT, SMFIS_REJECT, SMFIS_DISCARD, SMFIS_TEMPFAIL)`, mails: []mail{local}},
	{name: "lengths", final: `local h = odkim.get_sighandle(ctx, 0) tell(pcall(odkim.sig_bodylength, h)) tell(pcall(odkim.sig_canonlength, h))`, mails: []mail{notAllBody},
		because: "lengths can be had, as documented", ours: []string{passed + "insert 0 X-Told: true|30\ninsert 0 X-Told: true|12\naccept\n"}},
	{name: "sig_ignore", screen: `for i = 0, (odkim.get_sigcount(ctx) or 0) - 1 do odkim.sig_ignore(odkim.get_sighandle(ctx, i)) end`, mails: []mail{signed}},
	{name: "sig_ignore one of two", screen: `odkim.sig_ignore(odkim.get_sighandle(ctx, 0))`, mails: []mail{twice},
		because: "an ignored signature is not told of, as documented; opendkim gives it a result", ours: []string{passed + "accept\n"}},
	{name: "sig_result of ignored", screen: `odkim.sig_ignore(odkim.get_sighandle(ctx, 0))`, final: `local h = odkim.get_sighandle(ctx, 0) odkim.log(ctx, "x") odkim.set_reply(ctx, "550", "5.7.1", words(odkim.sig_result(h), odkim.sig_bhresult(h))) odkim.set_result(ctx, SMFIS_REJECT)`, mails: []mail{signed}},

	// Deciding.
	{name: "add_header", final: `odkim.add_header(ctx, "X-A", "1") odkim.add_header(ctx, "X-B", " 2") odkim.add_header(ctx, "X-C", "a\n\tb") tell(odkim.add_header(ctx, "", "x"))`, mails: []mail{local, signed}},
	{name: "add_header of several fields", final: `odkim.add_header(ctx, "X-A", "1\nEvil: 2") odkim.add_header(ctx, "X A", "1")`, mails: []mail{local},
		because: "what is no single field is not added", ours: []string{"accept\n"}},
	{name: "del_header", final: `odkim.del_header(ctx, "Subject", 0)`, mails: []mail{local}},
	{name: "del_header by number", final: `odkim.del_header(ctx, "Received", 0) odkim.del_header(ctx, "Received", 1) odkim.del_header(ctx, "Received", -1) odkim.del_header(ctx, "Received", 2) odkim.del_header(ctx, "None", 0)`, mails: []mail{local},
		because: "the instance asked for is deleted; opendkim deletes the first, whatever number is given", ours: []string{"change 2 Received:\nchange 1 Received:\naccept\n"}},
	{name: "recipients changed", config: "RedirectFailuresTo x@example.org\n", final: `tell(odkim.add_rcpt(ctx, "new@example.org"), odkim.add_rcpt(ctx, ""), odkim.del_rcpt(ctx, "A@example.net"), odkim.del_rcpt(ctx, "none@example.net"))`, mails: []mail{local}},
	{name: "recipients changed without another reason", final: `tell(odkim.add_rcpt(ctx, "new@example.org"))`, mails: []mail{local},
		because: "the MTA is asked for what scripts may do", ours: []string{"+ new@example.org\ninsert 0 X-Told: 1\naccept\n"}},
	{name: "quarantine", final: `tell(odkim.quarantine(ctx, "why not"))`, mails: []mail{local},
		because: "the MTA is asked for what scripts may do; opendkim asks for it with CaptureUnknownErrors", ours: []string{"insert 0 X-Told: 1\nq why not\naccept\n"}},
	{name: "quarantine that the MTA is asked for", config: "CaptureUnknownErrors yes\n", final: `odkim.quarantine(ctx, "why not")`, mails: []mail{local}},
	{name: "reject", final: `odkim.set_result(ctx, SMFIS_REJECT)`, mails: []mail{local, signed, badBody}},
	{name: "tempfail", final: `odkim.set_result(ctx, SMFIS_TEMPFAIL)`, mails: []mail{local}},
	{name: "discard", final: `odkim.set_result(ctx, SMFIS_DISCARD)`, mails: []mail{local}},
	{name: "accept", config: "SigningTable csl:example.com=k1\nOn-BadSignature reject\n", final: `odkim.set_result(ctx, SMFIS_ACCEPT)`, mails: []mail{local, badBody}},
	{name: "reply", final: `odkim.set_reply(ctx, "550", "5.7.1", "no way") odkim.set_result(ctx, SMFIS_REJECT)`, mails: []mail{local}},
	{name: "reply alone", config: "SigningTable csl:example.com=k1\n", final: `odkim.set_reply(ctx, "550", "5.7.1", "no way")`, mails: []mail{local}},
	{name: "reply of another class", final: `odkim.set_reply(ctx, "550", "5.7.1", "no way") odkim.set_result(ctx, SMFIS_TEMPFAIL)`, mails: []mail{local}},
	{name: "reply for now", final: `odkim.set_reply(ctx, "450", "", "later") odkim.set_result(ctx, SMFIS_TEMPFAIL)`, mails: []mail{local}},
	{name: "wrong replies", final: `tell(odkim.set_reply(ctx, "250", "2.0.0", "x"), odkim.set_reply(ctx, "55", "", "x"), odkim.set_reply(ctx, "5500", "", "x"), odkim.set_reply(ctx, "550", "junk", "x"), odkim.set_reply(ctx, "550", "5.7.1", "a\nb"), odkim.set_result(ctx, 0), odkim.set_result(ctx, 7))`, mails: []mail{local}},
	{name: "reject at once", setup: `odkim.set_result(ctx, SMFIS_REJECT)`, mails: []mail{local, external}},
	{name: "accept at once", setup: `odkim.set_result(ctx, SMFIS_ACCEPT)`, mails: []mail{signed}},
	{name: "discard at once", setup: `odkim.set_result(ctx, SMFIS_DISCARD)`, mails: []mail{local}},

	// From script to script, and mistakes.
	{name: "export", setup: `odkim.export(ctx, "a", "text", "b", 5, "c", true) leak = 1`, screen: `odkim.export(ctx, "d", words(a, b, c, leak))`, final: `tell(a, b, c, d, leak)`, mails: []mail{local, local}},
	{name: "mistake in setup", setup: `if odkim.rcpt_count(ctx) == 2 then error("x") end`, mails: []mail{local}},
	{name: "mistake in screen", screen: `if odkim.rcpt_count(ctx) == 2 then local x = nil; x.y = 1 end`, mails: []mail{signed}},
	{name: "mistake in final", config: "SigningTable csl:example.com=k1\n", final: `if odkim.rcpt_count(ctx) == 2 then odkim.log(ctx) end`, mails: []mail{local, signed}},
	{name: "On-InternalError", config: "On-InternalError reject\n", setup: `if odkim.rcpt_count(ctx) == 2 then error("x") end`, mails: []mail{local},
		because: "a mistake in a script follows On-InternalError; opendkim always defers", ours: []string{"reject\n"}},
	{name: "mistake at load", setup: `error("x")`, because: "dojang tells of it and does not start; opendkim crashes"},
	{name: "not Lua", setup: `x = = 3`, because: "dojang tells of it and does not start; opendkim crashes"},
	{name: "returned values", setup: `return 3`, screen: `return 3`, final: `return 3`, mails: []mail{local}},
}

func TestAgainstOpenDKIM(t *testing.T) {
	w := newWorld(t)
	for i := range cases {
		c := &cases[i]
		t.Run(c.name, func(t *testing.T) {
			theirs, errTheirs := w.start(t, "/usr/sbin/opendkim", c)
			ours, errOurs := w.start(t, w.ours, c)
			if len(c.mails) == 0 {
				if errTheirs == nil || errOurs == nil || !strings.Contains(errOurs.Error(), "exit status 78") {
					t.Errorf("opendkim: %v; dojang: %v", errTheirs, errOurs)
				}
				return
			}
			if errTheirs != nil || errOurs != nil {
				t.Fatalf("opendkim: %v; dojang: %v", errTheirs, errOurs)
			}
			for i, m := range c.mails {
				a, b := theirs(m), ours(m)
				switch {
				case c.because == "" && a != b:
					t.Errorf("%s: (-opendkim +dojang)\n%s", m, cmp.Diff(a, b))
				case c.because != "" && b != c.ours[i]:
					t.Errorf("%s: not as said (%s): (-said +dojang)\n%s", m, c.because, cmp.Diff(c.ours[i], b))
				case c.because != "" && a == b && len(c.mails) == 1:
					t.Errorf("%s: no longer different: %s", m, c.because)
				}
			}
		})
	}
}

// Patterns and what else ours has of its own mean what they mean in Lua 5.3.
func TestLanguage(t *testing.T) {
	w := newWorld(t)
	script := `local out = {}
	local function try(f, ...) local r = table.pack(pcall(f, ...)) if not r[1] then return "error" end return words(table.unpack(r, 2, r.n)) end
	local texts = { "hello world", "key = value", "THE (quick) fox", "f(a(b)c)d", "aaa", "abcabc", "a.b-c", "foo123 bar", "", "a", "joe@example.com", " Joe <joe@example.com>", "1.2.3.4", "a]b[c", "x^y$z", "%d" }
	local patterns = { "o", "(o)(.)", "l+", "^h.-o", "o$", "(%w+)%s*=%s*(%w+)", "%((%a+)%)", "%b()", "a*", "a-$", "^a?a?a?a?$", "()b()", "(abc)%1", "a%.b", "[a%-]+", "[]]", "[^]]+", "[a-]+", "[%a-z]", "%a+%d+", "%A+", "%u", "%x+", "%p", "", "^$",
		"^([^@]+)@([%w.-]+)$", "<([^>]*)>", "(%d+)%.(%d+)%.(%d+)%.(%d+)", "%f[%a]%a+", "%f[%A]", "x^y", "y$z", "%%d", "[a^]+", "%", "[a", "(a", "a)", "%1", "%b", "%f", "(()a)" }
	for _, t in ipairs(texts) do
		for _, p in ipairs(patterns) do
			out[#out + 1] = try(string.find, t, p) .. ";" .. try(string.find, t, p, 3) .. ";" .. try(string.find, t, p, -2) .. ";" .. try(string.find, t, p, 1, true) .. ";" .. try(string.match, t, p) .. ";" .. try(string.match, t, p, 20)
				.. ";" .. try(string.gsub, t, p, "<%0>") .. ";" .. try(string.gsub, t, p, "%1", 1) .. ";" .. try(string.gsub, t, p, { a = "A", o = false }) .. ";" .. try(string.gsub, t, p, function(x) return x and x .. x end)
				.. ";" .. try(function() local s = "" for a, b in string.gmatch(t, p) do s = s .. words(a, b) .. "," end return s end)
		end
	end
	out[#out + 1] = try(string.rep, "ab", 3) .. try(string.rep, "ab", 0) .. try(string.rep, "ab", -1) .. try(string.rep, "a", 3, ",") .. try(string.rep, "", 5)
	out[#out + 1] = try(table.concat, { 1, "b", 3 }, "-") .. try(table.concat, {}) .. try(table.concat, { 1, 2, 3 }, ",", 2, 3) .. try(table.concat, { {} }) .. try(table.concat, { 1, 2 }, ",", 2, 5)
	out[#out + 1] = "a" .. 1 .. "b" .. try(function() return "a" .. nil end) .. try(function() return "a" .. {} end)
	out[#out + 1] = try(function(...) return select("#", ...) end, 1, nil, nil)
	for i, line in ipairs(out) do odkim.add_header(ctx, "X-" .. string.format("%d", i), " " .. line) end`
	c := &scriptCase{final: script}
	theirs, err := w.start(t, "/usr/sbin/opendkim", c)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := w.start(t, w.ours, c)
	if err != nil {
		t.Fatal(err)
	}
	a, b := theirs(local), ours(local)
	if strings.Count(a, "\n") < 600 {
		t.Fatalf("opendkim told of %d lines only:\n%.500s", strings.Count(a, "\n"), a)
	}
	if diff := cmp.Diff(strings.Split(a, "\n"), strings.Split(b, "\n")); diff != "" {
		t.Errorf("(-opendkim +dojang)\n%s", diff)
	}
}
