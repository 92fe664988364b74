#!/usr/bin/env python3
"""Records what Debian's opendkim signs, one file a case, in sign/. See README.md."""
import json, os, re, sys
from milter import HERE, Daemon, added

SOURCE = "opendkim 2.11.0~beta2-8+deb12u1 (Debian 12), driven by generate.py"

FROM = ("From", " Alice <alice@example.com>")
REST = [("To", " bob@example.org"), ("Subject", " Hello"), ("Date", " Thu, 5 Nov 2026 10:00:00 +0100")]
PLAIN = [FROM] + REST

HEADERS = {
    "plain": PLAIN,
    "repeated": [("To", " first@example.org"), FROM, ("Subject", " one"), ("To", " second@example.org"), ("Subject", " two"), ("subject", " three")],
    "folded": [FROM, ("Subject", " one\r\n two\r\n\t three  four\t\r\n  five"), ("To", "\r\n bob@example.org,\r\n\tcarol@example.org")],
    "eightbit": [("From", " Zo\u00eb <alice@example.com>"), ("Subject", " \u00c3\u00a9\u00e9 \u00ff")],
    "empty": [FROM, ("Subject", ""), ("To", " "), ("Cc", "\t"), ("Reply-To", "   ")],
    "blanks": [("From", "alice@example.com"), ("Subject", "\t two  blanks \t here "), ("To", "   bob@example.org   ")],
    "capitals": [("FROM", " alice@example.com"), ("sUbJeCt", " MiXeD"), ("TO", " B@EXAMPLE.ORG")],
    "long": [FROM, ("Subject", " " + "word " * 400), ("References", "".join("\r\n\t<%d.%s@example.com>" % (i, "x" * 40) for i in range(30)))],
    "all": [(n, " v=1; a=rsa-sha256; d=example.net; s=x; h=From; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA" if n == "DKIM-Signature" else " %d@example.com" % i) for i, n in enumerate(
        "From Reply-To Subject Date To Cc Resent-Date Resent-From Resent-Sender Resent-To Resent-Cc Resent-Message-ID In-Reply-To References "
        "MIME-Version Message-ID Content-Type Content-Transfer-Encoding Content-ID Content-Description Sender List-Id List-Help List-Unsubscribe "
        "List-Unsubscribe-Post List-Subscribe List-Post List-Owner List-Archive Received Return-Path Comments Keywords Bcc Resent-Bcc DKIM-Signature "
        "DomainKey-Signature Authentication-Results X-Mailer Autocrypt Feedback-ID".split())],
    "wsponlyfold": [FROM, ("Subject", " a\r\n \r\n b")],
    "barecr": [FROM, ("Subject", " a\rb \r c")],
    "colons": [FROM, ("Subject", ": a:b; c=d | e = f =20 \x7f\x01")],
}

BODIES = {
    "empty": "", "crlf": "\r\n", "blanklines": "\r\n" * 7, "nocrlf": "abc", "line": "abc\r\n", "trailing": "abc\r\n\r\n\r\n",
    "blankline_ws": " \r\n\t \r\n", "trailing_ws": "abc \t\r\n \r\n\t\r\n", "inner_ws": "a  b\t\tc \t d\r\n  e\r\n\tf\r\n g\r\n",
    "leading_blank": "\r\n\r\nabc\r\n", "middle_blank": "a\r\n\r\n \r\n\r\nb\r\n", "barelf": "a\nb\r\nc \n d\r\n", "barecr": "a\rb\r\nc \r d\r\n",
    "endlf": "abc\n", "endcr": "abc\r", "endcrlfcr": "abc\r\n\r", "onlylf": "\n", "onlycr": "\r", "crcrlf": "a\r\r\nb\r\r\n\r\r\n", "lflf": "a\n\n\r\n\n\r\n",
    "space": " ", "tabs": "\t\t", "spaces_crlf": "   \r\n", "endspace": "abc\r\n ", "endspaces_lines": "abc  \r\n  ", "wscr": "a \r\n \r b\r\n",
    "dots": ".\r\n..\r\n. \r\n", "eightbit": "\u00e9\u00ff \u00a0\r\n\u00c3\u00a9\r\n", "nul": "a\0b\0\r\n\0\r\n",
    "longline": "x" * 5000 + "  y\r\n" + "word " * 2000 + "\r\n", "lines": "The quick brown fox jumps over the lazy dog.\r\n" * 50,
    "blankmany": "\r\n" * 3000 + "x\r\n", "sig": "hello\r\n-- \r\nAlice \r\n",
}

BIG = "0123456789 abcdefghijklmnopqrstuvwxyz  ABCDEFGHIJKLMNOPQRSTUVWXYZ \t.\r\n\r\n"  # 77 bytes
BASE = {"domain": "example.com", "selector": "sel", "key": "rsa2048", "algorithm": "rsa-sha256", "header": "relaxed", "body": "simple"}


def cases():
    """Yields (name, options, fields, body, repeat)."""
    def c(name, fields, text="Hello,  world \r\n\r\n", repeat=1, **o):
        return name, dict(BASE, **o), fields, text, repeat
    for hc in "simple", "relaxed":
        for shape, fields in HEADERS.items():
            yield c("header-%s-%s" % (hc, shape), fields, header=hc)
            yield c("header-%s-%s-ed25519" % (hc, shape), fields, header=hc, key="ed25519", algorithm="ed25519-sha256")
    for bc in "simple", "relaxed":
        for shape, body in BODIES.items():
            for what, o in (("", {}), ("-l", {"length": "all"}), ("-l4", {"length": 4}), ("-fixcrlf", {"fixcrlf": True})):
                if what == "-fixcrlf" and not re.search("(?<!\r)\n|\r(?!\n)", body):
                    continue
                yield c("body-%s-%s%s" % (bc, shape, what), PLAIN, body, body=bc, key="rsa1024", **o)
        yield c("body-%s-10mb" % bc, PLAIN, BIG, repeat=136200, body=bc)
        yield c("body-%s-10mb-l" % bc, PLAIN, BIG, repeat=136200, body=bc, length=5000000)
    for hc in "simple", "relaxed":
        for bc in "simple", "relaxed":
            for key, alg in ("rsa1024", "rsa-sha1"), ("rsa1024", "rsa-sha256"), ("rsa2048", "rsa-sha256"), ("ed25519", "ed25519-sha256"):
                yield c("canon-%s-%s-%s-%s" % (hc, bc, key, alg), HEADERS["folded"], BODIES["inner_ws"], header=hc, body=bc, key=key, algorithm=alg)
    for shape in "plain", "repeated", "folded", "eightbit", "empty", "colons", "long":
        yield c("z-" + shape, HEADERS[shape], z=True)
        yield c("z-%s-all-tags" % shape, HEADERS[shape], z=True, ttl=3600, length="all", oversign="From,Subject,X-None", extra=[["r", "y"]])
    for ttl in 1, 3600, 1209600:
        yield c("ttl-%d" % ttl, PLAIN, ttl=ttl)
    for n, identity in enumerate(("@example.com", "alice@example.com", "a.very.long.local.part.indeed@a.rather.deep.subdomain.of.example.com",
                                  "strange=20;|name@example.com")):
        yield c("identity-%d" % n, PLAIN, identity=identity)
        yield c("identity-%d-tags" % n, PLAIN, identity=identity, ttl=60, length="all", extra=[["r", "y"]])
    yield c("oversign", HEADERS["repeated"], oversign="From,To,Subject,Cc")
    yield c("oversign-relaxed-all", HEADERS["all"], oversign="From,Sender,Reply-To,Subject,Date,Message-ID,To,Cc")
    yield c("sign-delta", HEADERS["all"], sign="*,+autocrypt,+content-type")
    yield c("sign-minus", HEADERS["all"], sign="*,-Subject,-List-Id")
    yield c("sign-only", HEADERS["all"], sign="From,X-Mailer")
    yield c("sign-without-from", HEADERS["all"], sign="Subject")
    yield c("sign-everything", HEADERS["all"], sign="From,Received,DKIM-Signature,Comments,X-Mailer", omit=".")
    yield c("omit", HEADERS["all"], omit="*,+Subject,-Received")
    yield c("omit-list", HEADERS["all"], omit="Date")
    for n in range(1, 64):  # each length meets the margin somewhere else
        if n in (1, 2, 3, 5, 8, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 30, 40, 50, 60, 63):
            yield c("margin-%02d" % n, PLAIN, selector="s" * n, key="rsa1024")
            yield c("margin-x-%02d" % n, [FROM] + [("X-" + "h" * n + str(i), " v") for i in range(6)], key="rsa1024", ttl=60, length="all", identity="@example.com",
                    sign="From," + ",".join("X-" + "h" * n + str(i) for i in range(6)))
    yield c("margin-domain", PLAIN, domain="a-long-domain-label-of-some-forty-characters.and-another-one-like-that.example.com", key="ed25519", algorithm="ed25519-sha256")
    yield c("margin-h-first", [("From", " a@example.com")], key="rsa1024")
    yield c("margin-h-long", [FROM, ("X-" + "a" * 90, " x"), ("X-" + "b" * 60, " y")], sign="From,X-" + "a" * 90 + ",X-" + "b" * 60, z=True)


def config(o):
    conf = ["Mode s", "SignatureAlgorithm " + o["algorithm"], "Canonicalization %s/%s" % (o["header"], o["body"]), "MinimumKeyBits 512"]
    files = {}
    if "identity" in o:
        files["kt"] = ("k %s:%s:@DIR@/%s.private\n" % (o["domain"], o["selector"], o["key"])).encode()
        files["st"] = ("*@example.com k:%s\n" % o["identity"]).encode()
        conf += ["KeyTable refile:@DIR@/kt", "SigningTable refile:@DIR@/st"]
    elif o["domain"] != "example.com":
        files["kt"] = ("k %s:%s:@DIR@/%s.private\n" % (o["domain"], o["selector"], o["key"])).encode()
        files["st"] = b"*@example.com k\n"
        conf += ["KeyTable refile:@DIR@/kt", "SigningTable refile:@DIR@/st"]
    else:
        conf += ["Domain example.com", "Selector " + o["selector"], "KeyFile @DIR@/%s.private" % o["key"]]
    if "length" in o:
        if o["length"] == "all":
            files["all"] = b"*\n"
            conf.append("BodyLengthDB refile:@DIR@/all")
        else:
            conf.append("MaximumSignedBytes %d" % o["length"])
    for k, option in (("ttl", "SignatureTTL"), ("oversign", "OversignHeaders"), ("sign", "SignHeaders"), ("omit", "OmitHeaders")):
        if k in o:
            conf.append("%s %s" % (option, o[k]))
    if o.get("z"):
        conf.append("Diagnostics yes")
    if o.get("fixcrlf"):
        conf.append("FixCRLF yes")
    if ["r", "y"] in o.get("extra", []):
        conf.append("RequestReports yes")
    return conf, files


def main():
    want = sys.argv[1] if len(sys.argv) > 1 else ""
    groups = {}
    for name, o, fields, body, repeat in cases():
        if want in name:
            groups.setdefault(json.dumps(o, sort_keys=True), []).append((name, o, fields, body, repeat))
    for group in groups.values():
        conf, files = config(group[0][1])
        try:
            daemon = Daemon(conf, files)
        except RuntimeError as e:
            print(group[0][0], e)
            continue
        with daemon as d:
            for name, o, fields, body, repeat in group:
                enc = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in fields]
                answers = d.send(enc, body.encode("latin-1") * repeat)
                sigs = [v for n, v in added(answers) if n == b"DKIM-Signature"]
                if not sigs:
                    print(name, "not signed:", answers)
                    continue
                value = sigs[0].replace(b"\n", b"\r\n").decode("latin-1")
                t = int(re.search(r"[;\s]t=(\d+)", value).group(1))
                case = {"source": SOURCE, "config": conf, "options": o, "time": t, "fields": [n + ":" + v for n, v in fields], "body": body, "signature": value}
                if repeat != 1:
                    case["repeat"] = repeat
                with open(os.path.join(HERE, "sign", name + ".json"), "w") as f:
                    json.dump(case, f, indent=1)
                    f.write("\n")


main()
