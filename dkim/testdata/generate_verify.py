#!/usr/bin/python3
"""Records what opendkim says of unusual signatures and keys, in verify/. Needs python3-cryptography. See README.md."""
import base64, hashlib, json, os, re, sys, time
from cryptography.hazmat.primitives.asymmetric import padding, ed25519, rsa
from cryptography.hazmat.primitives import hashes, serialization as ser
from milter import HERE, Daemon, added

SOURCE = "signed by generate_verify.py, judged by opendkim 2.11.0~beta2-8+deb12u1 (Debian 12)"
FIELDS = [("From", " Alice <alice@example.com>"), ("To", " bob@example.org"), ("Subject", " Hello")]
BODY = "Hello,  world \r\n\r\n"


def load(name):
    with open(os.path.join(HERE, "keys", name + ".private"), "rb") as f:
        return ser.load_pem_private_key(f.read(), None)


KEYS = {n: load(n) for n in ("rsa2048", "rsa1024", "rsa768", "rsa512", "ed25519")}


def b64(b):
    return base64.b64encode(b).decode()


def spki(name):
    k = KEYS[name].public_key()
    if name == "ed25519":
        return b64(k.public_bytes(ser.Encoding.Raw, ser.PublicFormat.Raw))
    return b64(k.public_bytes(ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo))


def pkcs1(name):
    return b64(KEYS[name].public_key().public_bytes(ser.Encoding.DER, ser.PublicFormat.PKCS1))


def relax(f):
    n, v = f.split(":", 1)
    return n.strip().lower() + ":" + re.sub(r"[ \t\r\n]+", " ", v).strip()


def sign(tags, key, fields, body, digest="sha256"):
    """A relaxed/relaxed signature with these tags, right in itself."""
    body = re.sub(r"[ \t]+", " ", body)
    body = re.sub(r" (?=\r\n)", "", body)
    body = re.sub(r"(\r\n)+$", "\r\n", body)
    raw = body.encode("latin-1")
    for n, v in tags:
        if n == "l" and v.isdigit():
            raw = raw[:int(v)]
    tags = [(n, b64(hashlib.new(digest, raw).digest()) if v == "BH" else v) for n, v in tags]
    text = "; ".join("%s=%s" % (n, "" if v == "B" else v) for n, v in tags)
    data, left = "", list(fields)
    for h in (re.sub(r"\s", "", dict(tags).get("h", ""))).split(":"):
        for i in range(len(left) - 1, -1, -1):
            if left[i][0].lower() == h.lower():
                data += relax("%s:%s" % left.pop(i)) + "\r\n"
                break
    data += relax("DKIM-Signature: " + text)
    data = data.encode("latin-1")
    if key == "ed25519":
        sig = KEYS[key].sign(hashlib.sha256(data).digest())
    else:
        sig = KEYS[key].sign(data, padding.PKCS1v15(), hashes.SHA1() if digest == "sha1" else hashes.SHA256())
    return " " + "; ".join("%s=%s" % (n, b64(sig) if v == "B" else v) for n, v in tags)


def ed25519_record(r, p):
    """The record with the Ed25519 key in the place of key p, and k=."""
    r = r.replace("k=rsa", "k=ed25519").replace("k=RSA", "k=Ed25519")
    return re.sub("p ?= ?" + re.escape(p), ("" if "k=" in r else "k=ed25519; ") + "p=" + spki("ed25519"), r)


BASE = [("v", "1"), ("a", "rsa-sha256"), ("c", "relaxed/relaxed"), ("d", "example.com"), ("s", "@S@"), ("h", "From:To:Subject"), ("bh", "BH"), ("b", "B")]


def with_(*changes):
    """BASE with tags set, added before bh, or (None) removed."""
    tags = list(BASE)
    for n, v in changes:
        for i, (m, _) in enumerate(tags):
            if m == n:
                tags[i] = (n, v)
                break
        else:
            tags.insert(5, (n, v))
    return [(n, v) for n, v in tags if v is not None]


def cases():
    now = int(time.time())

    def c(name, tags=BASE, key="rsa1024", record="DEFAULT", fields=FIELDS, body=BODY, digest="sha256", edit=None, after=None, afterbody=None):
        return dict(name=name, tags=tags, key=key, record=record, fields=fields, body=body, digest=digest, edit=edit, after=after, afterbody=afterbody)

    yield c("good")
    yield c("good-2048", key="rsa2048")
    yield c("good-ed25519", with_(("a", "ed25519-sha256")), key="ed25519")
    yield c("key-768", key="rsa768")
    yield c("key-512", key="rsa512")
    for v in "", "2", "0", "1.0", "01":
        yield c("v-%s" % v, with_(("v", v)))
    for n in "v a d s h bh b c".split():
        yield c("no-" + n, with_((n, None)))
        if n != "v":
            yield c("empty-" + n, with_((n, "")))
    for v in "rsa-sha512", "dsa-sha256", "rsa", "RSA-SHA256", "ed25519-sha256", "rsa-sha1":
        yield c("a-" + v, with_(("a", v)))
    yield c("sha1", with_(("a", "rsa-sha1")), digest="sha1")
    for n, v in enumerate(("relaxed", "simple/foo", "foo/simple", "foo", "RELAXED/Relaxed", "relaxed/", "/relaxed", "relaxed/relaxed/x")):
        yield c("c-%d" % n, with_(("c", v)))
    for n, v in enumerate(("example.com.", ".example.com", "example..com", "exam ple.com", "com", "x" * 64 + ".com", ".".join(["x" * 60] * 5), "exämple.com", "EXAMPLE.com",
                           "_dmarc.example.com", "-example.com", "example.com/x", "127.0.0.1", "[127.0.0.1]")):
        yield c("d-%d" % n, with_(("d", v)))
    for n, v in enumerate(("a b", "a..b", "a.", "a_b", "a/b", "x" * 70)):
        yield c("s-%d" % n, with_(("s", v)))
    for n, v in enumerate(("@example.com", "alice@example.com", "@sub.example.com", "@SUB.Example.COM", "@other.com", "@notexample.com", "example.com", "alice", "", "a=40b@example.com",
                           "=61@example.com", "@example.com.", "a@b@example.com", "@com", "a=4@example.com")):
        yield c("i-%d" % n, with_(("i", v)))
        yield c("i-%d-t-s" % n, with_(("i", v)), record="v=DKIM1; t=s; p=" + spki("rsa1024"))
    for n, v in enumerate(("To:Subject", "from:to:subject", "From", "From:From:To:Subject", " From : To :\r\n\t Subject ", "From::To", ":From", "From:", "From:DKIM-Signature", "FROM:Nothing:Nothing",
                           "From:To:To:Subject:Subject", "Fr om:To")):
        yield c("h-%d" % n, with_(("h", v)))
    for n, v in enumerate(("dns/txt", "dns", "DNS/TXT", "dns/foo", "http", "http:dns/txt", "dns/txt:http", "", "foo/bar", "dns/txt:dns/txt", " dns/txt ")):
        yield c("q-%d" % n, with_(("q", v)))
    for n, (t, x) in enumerate(((now, None), (now - 100, now + 100), (now + 200, None), (now + 400, None), (now + 100000, None), (None, now + 100), (None, now - 100), (None, now - 400),
                                (now, now), (now, now - 1), (now - 1000, now - 500), (-1, None), ("", None), ("abc", None), (None, "abc"), (None, -1), (1, 99999999999), (99999999999, None),
                                ("1 2", None), (0, None), (None, 0), ("+5", None), ("9" * 30, None), (None, "9" * 30), (now, "9" * 12), ("5x", None))):
        yield c("t-%d" % n, with_(("t", None if t is None else str(t)), ("x", None if x is None else str(x))))
    for n, v in enumerate(("0", "5", "14", "15", "16", "100000", "-1", "", "abc", "5x", "99999999999999999999", "007")):
        yield c("l-%d" % n, with_(("l", v)))
        yield c("l-%d-appended" % n, with_(("l", v)), afterbody="Hello, world\r\nfooter\r\n")
    yield c("bh-garbage", with_(("bh", "!!!")))
    yield c("bh-short", with_(("bh", "AAAA")))
    yield c("bh-wrong", with_(("bh", b64(b"x" * 32))))
    yield c("bh-nopad", with_(("bh", "BH")), edit=(r"=; b=", "; b="))
    yield c("b-garbage", with_(("b", "!!!")))
    yield c("b-short", with_(("b", "AAAA")))
    yield c("b-wrong", with_(("b", b64(b"x" * 128))))
    yield c("b-nopad", edit=(r"=+$", ""))
    yield c("b-folded", edit=(r"(b=.{20})(.{20})", "\\1\r\n\t \\2 "))
    yield c("b-not-last", with_(("b", None)) [:5] + [("b", "B")] + BASE[5:7])
    for n, (e, r) in enumerate((("$", ";"), ("$", "; "), ("$", ";;"), ("a=rsa", ";a=rsa"), ("; a=", ";a ="), ("a=", "a = "), ("$", "; x-y=1"), ("$", "; foo=bar"), ("$", "; foo"), ("$", "; =bar"),
                                ("$", "; v=1"), ("$", "; d=example.com"), ("$", "; d=other.com"), ("$", "; 1a=b"), ("$", "; n=\x01"), ("$", "; n=\xe9"), ("$", "; z=From:x|To"), ("d=", "D="), ("$", "; r=y"))):
        yield c("syntax-%d" % n, edit=(e, r))
    yield c("syntax-empty", edit=("^.*$", ""))
    yield c("syntax-garbage", edit=("^.*$", " hello"))
    p = spki("rsa1024")
    records = [None, "", "v=DKIM1", "v=DKIM1; p=", "p=", "p=" + p, "v=DKIM1; p=" + p, "p=%s; v=DKIM1" % p, "v=DKIM2; p=" + p, "v=dkim1; p=" + p, "v=DKIM1;; p=" + p, "v=DKIM1; p=%s;" % p,
               "v=DKIM1; k=rsa; p=" + p, "v=DKIM1; k=RSA; p=" + p, "v=DKIM1; k=; p=" + p, "v=DKIM1; k=dsa; p=" + p, "v=DKIM1; k=ed25519; p=" + p, "v=DKIM1; k=ed25519; p=" + spki("ed25519"),
               "v=DKIM1; h=sha256; p=" + p, "v=DKIM1; h=sha1; p=" + p, "v=DKIM1; h=sha1:sha256; p=" + p, "v=DKIM1; h=sha512; p=" + p, "v=DKIM1; h=sha512:sha256; p=" + p, "v=DKIM1; h=; p=" + p,
               "v=DKIM1; h=rsa-sha256; p=" + p, "v=DKIM1; h=SHA256; p=" + p, "v=DKIM1; h= sha1 : sha256 ; p=" + p, "v=DKIM1; s=email; p=" + p, "v=DKIM1; s=*; p=" + p, "v=DKIM1; s=foo; p=" + p,
               "v=DKIM1; s=foo:email; p=" + p, "v=DKIM1; s=; p=" + p, "v=DKIM1; s=EMAIL; p=" + p, "v=DKIM1; t=y; p=" + p, "v=DKIM1; t=y:s; p=" + p, "v=DKIM1; t=s:y; p=" + p, "v=DKIM1; t=foo; p=" + p,
               "v=DKIM1; t=; p=" + p, "v=DKIM1; t=Y; p=" + p, "v=DKIM1; g=*; p=" + p, "v=DKIM1; g=; p=" + p, "v=DKIM1; g=bob; p=" + p, "v=DKIM1; n=some notes =3B; p=" + p, "v=DKIM1; x=unknown; p=" + p,
               "v=DKIM1; p=%s %s" % (p[:50], p[50:]), "v=DKIM1; p=" + p.rstrip("="), "v=DKIM1; p=" + p[:100], "v=DKIM1; p=" + p[:-8], "v=DKIM1; p=!!!" + p, "v=DKIM1; p=" + pkcs1("rsa1024"),
               "v=DKIM1; p=%s; p=%s" % (p, p), "v=DKIM1; p=" + spki("rsa2048"), "v=spf1 -all", "hello", "\"v=DKIM1; p=%s\"" % p, "v=DKIM1\\; p=" + p, "v=DKIM1; P=" + p, " v=DKIM1 ; p = " + p, "k=rsa; p=" + p,
               "v=DKIM1; k=rsa; t=y; p=", "v=DKIM1 p=" + p]
    for n, r in enumerate(records):
        yield c("record-%02d" % n, record=r)
        yield c("record-%02d-ed25519" % n, with_(("a", "ed25519-sha256")), key="ed25519", record=r and ed25519_record(r, p))
    t = "v=DKIM1; t=y; p=" + p
    yield c("testing-bad", record=t, after=[("From", " Mallory <mallory@example.com>")] + FIELDS[1:])
    yield c("changed-from", after=[("From", " Mallory <mallory@example.com>")] + FIELDS[1:])
    yield c("changed-subject", after=FIELDS[:2] + [("Subject", " [list] Hello")])
    yield c("changed-blanks", after=FIELDS[:2] + [("SUBJECT", "\r\n\tHello \r\n ")])
    yield c("changed-body", afterbody="Hello, world\r\nfooter\r\n")
    yield c("changed-both", after=FIELDS[:2] + [("Subject", " [list] Hello")], afterbody="x\r\n")
    yield c("added-to-top", after=[("To", " other@example.org")] + FIELDS)
    yield c("added-to-bottom", after=FIELDS + [("To", " other@example.org")])
    yield c("added-unsigned", after=FIELDS + [("X-Foo", " x")])
    yield c("removed-to", after=[FIELDS[0], FIELDS[2]])
    yield c("other-key", record="v=DKIM1; p=" + spki("rsa2048"))
    yield c("other-key-same-size", key="rsa1024", record="v=DKIM1; p=" + b64(rsa.generate_private_key(65537, 1024).public_key().public_bytes(ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo)))
    n = KEYS["rsa1024"].public_key().public_numbers().n

    def number_key(n, e):
        def integer(x):
            raw = x.to_bytes(x.bit_length() // 8 + 1, "big")
            return b"\x02" + length(len(raw)) + raw

        def length(k):
            return bytes([k]) if k < 128 else bytes([0x81, k]) if k < 256 else bytes([0x82]) + k.to_bytes(2, "big")
        body = integer(n) + integer(e)
        return b64(b"\x30" + length(len(body)) + body)
    for name, e in (("e1", 1), ("e2", 2), ("e3", 3), ("e-huge", (1 << 200) + 1)):
        yield c("weak-" + name, record="v=DKIM1; p=" + number_key(n, e))
    yield c("weak-even", record="v=DKIM1; p=" + number_key(n + 1, 65537))
    yield c("weak-16384", record="v=DKIM1; p=" + number_key((1 << 16383) + 12345, 65537))


def main():
    want = sys.argv[1] if len(sys.argv) > 1 else ""
    todo = [c for c in cases() if want in c["name"]]
    keyfile, messages = [], []
    for n, c in enumerate(todo):
        sel = "c%d" % n
        value = sign([(t, v.replace("@S@", sel)) for t, v in c["tags"]], c["key"], c["fields"], c["body"], c["digest"])
        if c["edit"]:
            value = re.sub(c["edit"][0], c["edit"][1], value, count=1)
        record = c["record"]
        if record == "DEFAULT":
            record = "v=DKIM1; k=%s; p=%s" % ("ed25519" if c["key"] == "ed25519" else "rsa", spki(c["key"]))
        if record is not None:
            names = {"%s._domainkey.%s" % (sel, d) for d in ("example.com", dict(c["tags"]).get("d") or "example.com")}
            for s in (dict(c["tags"]).get("s"),):
                if s and s != "@S@":
                    names.add("%s._domainkey.example.com" % s)
            for name in names:
                keyfile.append("%s %s\n" % (name, record))
        messages.append((c, value, record))
    now = int(time.time())
    with Daemon(["Mode v", "AlwaysAddARHeader yes", "TestPublicKeys @DIR@/public", "AuthservID x"], {"public": "".join(keyfile).encode("utf-8")}) as d:
        for c, value, record in messages:
            fields = c["after"] or c["fields"]
            body = BODY if c["afterbody"] is None else c["afterbody"]
            answers = d.send([(b"DKIM-Signature", value.encode("latin-1", "replace"))] + [(a.encode(), v.encode("latin-1")) for a, v in fields], body.encode("latin-1"), client=b"192.0.2.1")
            got = [v.decode("latin-1") for a, v in added(answers) if a == b"Authentication-Results"]
            result = got[0] if got else repr(answers)
            case = {"source": SOURCE, "signature": value, "record": record, "fields": [a + ":" + v for a, v in fields], "body": body, "now": now, "result": result}
            with open(os.path.join(HERE, "verify", c["name"] + ".json"), "w") as f:
                json.dump(case, f, indent=1)
                f.write("\n")


main()
