#!/usr/bin/python3
"""Writes the keys, public-keys and messages of the oracle's cases.

An independent signer (python3-cryptography, RFC 6376 relaxed/relaxed), so that
neither filter under comparison made the signatures both verify. Run it in this
folder; keys that exist are kept. It needs python3-cryptography.
"""
import base64, hashlib, os, re
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

KEYS = {"rsa2048": 2048, "rsa1024": 1024, "rsa768": 768, "rsa512": 512, "other2048": 2048, "ed25519": 0}


def load(name):
    path = f"keys/{name}.pem"
    if not os.path.exists(path):
        bits = KEYS[name]
        key = rsa.generate_private_key(65537, bits) if bits else ed25519.Ed25519PrivateKey.generate()
        form = serialization.PrivateFormat.TraditionalOpenSSL if bits else serialization.PrivateFormat.PKCS8
        with open(path, "wb") as f:
            f.write(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    with open(path, "rb") as f:
        return serialization.load_pem_private_key(f.read(), None)


def public(name):
    key = load(name).public_key()
    if KEYS[name]:
        raw = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    else:
        raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return base64.b64encode(raw).decode()


def record(name, extra=""):
    return f"v=DKIM1; k={'rsa' if KEYS[name] else 'ed25519'};{extra} p={public(name)}"


RECORDS = {
    "sel": record("rsa2048"), "s1024": record("rsa1024"), "s768": record("rsa768"), "s512": record("rsa512"), "sed": record("ed25519"),
    "wrong": record("other2048"), "revoked": "v=DKIM1; k=rsa; p=", "test": record("rsa2048", " t=y;"), "testwrong": record("other2048", " t=y;"),
    "strict": record("rsa2048", " t=s;"), "sha1only": record("rsa2048", " h=sha1;"), "notemail": record("rsa2048", " s=other;"),
    "badversion": "v=DKIM2; k=rsa; p=" + public("rsa2048"), "badtype": "v=DKIM1; k=foo; p=" + public("rsa2048"),
    "nop": "v=DKIM1; k=rsa", "badp": "v=DKIM1; k=rsa; p=!!!!", "shortp": "v=DKIM1; k=rsa; p=AAAA", "syntax": "v=DKIM1; k",
    "noversion": "p=" + public("rsa2048"), "badhash": record("rsa2048", " h=sha512;"), "granular": "v=DKIM1; g=joe; p=" + public("rsa2048"),
    "rsaised": record("ed25519").replace("ed25519", "rsa"),
}


def split(msg):
    msg = msg.replace("\n", "\r\n").encode()
    head, _, body = msg.partition(b"\r\n\r\n")
    fields = []
    for line in re.split(rb"\r\n(?![ \t])", head):
        if line:
            name, _, value = line.partition(b":")
            fields.append((name, value))
    return fields, body


def relaxed_body(body):
    lines = [re.sub(rb"[ \t]+", b" ", l).rstrip(b" \t") for l in body.split(b"\r\n")]
    while lines and lines[-1] == b"":
        lines.pop()
    return b"".join(l + b"\r\n" for l in lines)


def relaxed_field(name, value):
    return name.strip().lower() + b":" + re.sub(rb"[ \t\r\n]+", b" ", value).strip()


def sign(msg, key="rsa2048", d="example.com", s="sel", h=("From", "To", "Subject", "Date"), a=None, extra="", t=None, length=None,
         bad_body=False, bad_signature=False, c="relaxed/relaxed", change=None, bh=None, b=None):
    fields, body = split(msg)
    a = a or ("rsa-sha256" if KEYS[key] else "ed25519-sha256")
    digest = hashlib.sha1 if a.endswith("sha1") else hashlib.sha256
    content = relaxed_body(body)[:length]
    if bh is None:
        bh = base64.b64encode(digest(content + (b"X" if bad_body else b"")).digest()).decode()
    value = f" v=1; a={a}; c={c}; d={d}; s={s};"
    if t is not None:
        value += f" t={t};"
    if length is not None:
        value += f" l={length};"
    value += f"{extra} h={':'.join(h)}; bh={bh}; b="
    if change:
        value = change(value)
    data, used = b"", {}
    for name in h:
        same = [f for f in fields if f[0].lower().strip() == name.lower().encode()]
        n = used.get(name.lower(), 0)
        used[name.lower()] = n + 1
        if n < len(same):
            data += relaxed_field(*same[-1 - n]) + b"\r\n"
    data += relaxed_field(b"DKIM-Signature", value.encode()) + (b"x" if bad_signature else b"")
    k = load(key)
    if KEYS[key]:
        signature = k.sign(data, padding.PKCS1v15(), hashes.SHA1() if digest is hashlib.sha1 else hashes.SHA256())
    else:
        signature = k.sign(hashlib.sha256(data).digest())
    if b is None:
        b = base64.b64encode(signature).decode()
    return "DKIM-Signature:" + value + b + "\n" + msg


def message(drop=(), add="", **replace):
    lines = []
    for line in HEADER.split("\n"):
        name = line.split(":")[0]
        if name in drop:
            continue
        lines.append(f"{name}: {replace[name]}" if name in replace else line)
    return "\n".join(lines) + "\n" + add + "\n" + BODY


HEADER = """From: User One <user@example.com>
To: rcpt@example.net
Subject: test message
Date: Mon, 23 Nov 2026 10:00:00 +0000
Message-ID: <1@example.com>"""
BODY = "Hello world.\n\nSecond line.\n"
MSG = HEADER + "\n\n" + BODY

swap = lambda old, new: lambda value: value.replace(old, new)
good = sign(MSG)
bad = sign(MSG, bad_signature=True)

MESSAGES = {
    "plain": MSG,
    # One signature: what is wrong with it.
    "pass": good, "pass-1024": sign(MSG, key="rsa1024", s="s1024"), "small-768": sign(MSG, key="rsa768", s="s768"),
    "small-512": sign(MSG, key="rsa512", s="s512"), "pass-ed25519": sign(MSG, key="ed25519", s="sed"), "pass-sha1": sign(MSG, a="rsa-sha1"),
    "bad-signature": bad, "bad-body": sign(MSG, bad_body=True), "wrong-key": sign(MSG, s="wrong"), "revoked": sign(MSG, s="revoked"),
    "testing-pass": sign(MSG, s="test"), "testing-bad-body": sign(MSG, s="test", bad_body=True), "testing-wrong-key": sign(MSG, s="testwrong"),
    "not-found": sign(MSG, s="nosuch"), "not-found-domain": sign(MSG, d="nosuch.example", s="nosuch"),
    "key-sha1-only": sign(MSG, s="sha1only"), "key-not-email": sign(MSG, s="notemail"), "key-bad-version": sign(MSG, s="badversion"),
    "key-bad-type": sign(MSG, s="badtype"), "key-no-p": sign(MSG, s="nop"), "key-bad-p": sign(MSG, s="badp"), "key-short-p": sign(MSG, s="shortp"),
    "key-syntax": sign(MSG, s="syntax"), "key-no-version": sign(MSG, s="noversion"), "key-bad-hash": sign(MSG, s="badhash"),
    "key-granularity": sign(MSG, s="granular"), "key-rsa-is-ed25519": sign(MSG, s="rsaised"), "key-type-mismatch": sign(MSG, key="ed25519", s="sel"),
    "expired": sign(MSG, t=1000000000, extra=" x=1000001000;"), "future": sign(MSG, t=4000000000), "order": sign(MSG, t=1000000000, extra=" x=999999999;"),
    "length-5": sign(MSG, length=5), "length-0": sign(MSG, length=0), "length-exact": sign(MSG, length=30), "length-beyond": sign(MSG, length=9999),
    "length-invalid": sign(MSG, change=swap(" h=", " l=abc; h=")),
    "third-party": sign(MSG, d="other.com"), "identity-sub": sign(MSG, extra=" i=joe@sub.example.com;"),
    "strict-identity-sub": sign(MSG, s="strict", extra=" i=joe@sub.example.com;"), "strict-identity": sign(MSG, s="strict", extra=" i=joe@example.com;"),
    "identity-other": sign(MSG, extra=" i=joe@other.com;"), "identity-parent": sign(MSG, d="sub.example.com", extra=" i=joe@example.com;"),
    "identity-no-at": sign(MSG, extra=" i=example.com;"), "domain-sub": sign(MSG, d="sub.example.com"), "domain-upper": sign(MSG, d="EXAMPLE.com"),
    "from-unsigned": sign(MSG, h=("To", "Subject")), "subject-unsigned": sign(MSG, h=("From", "To")),
    "version-2": sign(MSG, change=swap("v=1", "v=2")), "version-empty": sign(MSG, change=swap("v=1", "v=")), "no-version": sign(MSG, change=swap(" v=1;", "")),
    "algorithm-unknown": sign(MSG, change=swap("a=rsa-sha256", "a=foo")), "no-algorithm": sign(MSG, change=swap(" a=rsa-sha256;", "")),
    "canon-header-unknown": sign(MSG, c="foo/bar"), "canon-body-unknown": sign(MSG, c="relaxed/bar"),
    "domain-empty": sign(MSG, change=swap("d=example.com", "d=")), "no-domain": sign(MSG, change=swap(" d=example.com;", "")),
    "selector-empty": sign(MSG, change=swap("s=sel", "s=")), "headers-empty": sign(MSG, change=swap("h=From:To:Subject:Date", "h=")),
    "no-headers-tag": sign(MSG, change=swap(" h=From:To:Subject:Date;", "")),
    "no-body-hash": sign(MSG, change=lambda v: re.sub(" bh=[^;]*;", "", v)), "body-hash-empty": sign(MSG, bh=""), "body-hash-short": sign(MSG, bh="aaaa"),
    "value-empty": sign(MSG, b=""), "value-short": sign(MSG, b="aaaaaaaa"),
    "query-unknown": sign(MSG, extra=" q=foo;"), "query-option": sign(MSG, extra=" q=dns/foo;"), "query-dns-txt": sign(MSG, extra=" q=dns/txt;"),
    "unknown-tag": sign(MSG, extra=" zz=1;"), "garbage": "DKIM-Signature: garbage\n" + MSG, "empty-field": "DKIM-Signature:\n" + MSG,
    "time-junk": sign(MSG, change=swap(" h=", " t=abc; h=")), "expire-junk": sign(MSG, change=swap(" h=", " x=abc; h=")),
    "expire-huge": sign(MSG, t=1000000000, extra=" x=99999999999;"),
    # Several signatures; the first name is the topmost.
    "good-bad": sign(bad), "bad-good": sign(good, bad_signature=True), "notfound-badbody": sign(sign(MSG, bad_body=True), s="nosuch"),
    "badbody-notfound": sign(sign(MSG, s="nosuch"), bad_body=True), "revoked-bad": sign(bad, s="revoked"), "bad-revoked": sign(sign(MSG, s="revoked"), bad_signature=True),
    "expired-bad": sign(bad, t=1000000000, extra=" x=1000001000;"), "expired-good": sign(good, t=1000000000, extra=" x=1000001000;"),
    "good-expired": sign(sign(MSG, t=1000000000, extra=" x=1000001000;")), "small-bad": sign(bad, key="rsa768", s="s768"), "small-good": sign(good, key="rsa768", s="s768"),
    "third-good-own-bad": sign(bad, d="other.com"), "own-bad-third-good": sign(sign(MSG, d="other.com"), bad_signature=True),
    "third-good-own-good": sign(good, d="other.com"), "garbage-good": "DKIM-Signature: garbage\n" + good, "good-garbage": sign("DKIM-Signature: garbage\n" + MSG),
    "five-good": sign(sign(sign(sign(sign(MSG, s="test"), key="rsa1024", s="s1024"), d="other.com"), s="noversion"), key="ed25519", s="sed"),
    "four-good-last": sign(sign(sign(good, s="nosuch"), s="wrong"), bad_body=True), "twice": good.split("\n", 1)[0] + "\n" + good,
    "ed25519-rsa": sign(good, key="ed25519", s="sed"), "testingbad-bad": sign(bad, s="testwrong"), "bad-testingbad": sign(sign(MSG, s="testwrong"), bad_signature=True),
    "same-beginning": sign(sign(MSG, b="AAAAAAAABBBB"), b="AAAAAAAACCCC"),
    # What is wrong with the header.
    "no-from": message(drop=["From"]), "no-from-signed": sign(message(drop=["From"]), h=("To", "Subject")), "empty-from": message(From=""),
    "unparsable-from": message(From="foo bar baz"), "unparsable-from-signed": sign(message(From="foo")), "from-no-domain": message(From="joe"),
    "two-from": message(add="From: Second <two@other.com>\n"), "two-from-ours-second": message(From="two@other.com", add="From: user@example.com\n"),
    "two-from-signed": sign(message(add="From: Second <two@other.com>\n")),
    "two-mailboxes": message(From="user@example.com, two@other.com"), "two-mailboxes-ours-second": message(From="two@other.com, user@example.com"),
    "group-from": message(From="grp: user@example.com;"), "sender-ours": message(From="x@other.com", add="Sender: user@example.com\n"),
    "sender-other": message(add="Sender: u@other.com\n"), "sender-unparsable": message(add="Sender: foo\n"),
    "two-senders": message(From="x@other.com", add="Sender: a@other.com\nSender: b@example.com\n"),
    "no-date": message(drop=["Date"]), "two-subjects": message(add="Subject: again\n"), "two-subjects-signed": sign(message(add="Subject: again\n")),
    "from-upper": message(From="User@EXAMPLE.COM"), "from-dot": message(From="User@example.com."), "from-other": message(From="x@other.com"),
    "from-sub": message(From="x@sub.example.com"), "from-deep": message(From="a@b.c.example.com"), "from-suffix": message(From="a@notexample.com"),
    "from-a": message(From="a@example.com"), "from-b": message(From="b@example.com"), "from-c": message(From="c@example.com"), "from-e": message(From="e@example.com"),
    "space-before-colon": message(add="Foo : x\n"), "big-header": message(add="X-Big: " + "x" * 500 + "\n"),
    "many": message(add="X-Foo: a\nX-Foo: b\nReceived: x\nReply-To: z@z.example\nMIME-Version: 1.0\nContent-Type: text/plain\nList-Id: x\n"
                    "Resent-To: x@x.example\nCC: q@q.example\nIn-Reply-To: <x>\nReferences: <x>\nResent-Date: x\nResent-From: r@r.example\nList-Help: <x>\nComments: c\n"
                    "Keywords: k\nBcc: b@b.example\nReturn-Path: <x@y>\nSender: s@s.example\nContent-Transfer-Encoding: 7bit\nContent-ID: <y>\n"
                    "Content-Description: d\nResent-Message-ID: <z>\nResent-Cc: z@z\nResent-Sender: z@z\nList-Post: x\nList-Owner: x\nList-Archive: x\n"
                    "List-Subscribe: x\nList-Unsubscribe: x\nAuthentication-Results: x; none\nFeedback-ID: x\nAutocrypt: x\n"),
    "canon-header": message(add="X-Canonicalization: relaxed/relaxed\n"), "no-body": HEADER + "\n", "long-body": MSG + "x" * 70 + "\n",
    "folded": message(Subject="a folded\n\tsubject  with   blanks \n and more", To="a@example.net,\n  b@example.net"),
    "eight-bit": message(Subject="gr\u00fc\u00dfe \ub3c4\uc7a5"), "body-blanks": HEADER + "\n\n line  one \t\n\n\n two\t \n\n\n",
}
for name, values in {
    "own-dkim": ["mx.example.org; dkim=pass header.d=x"], "own-spf": ["mx.example.org; spf=pass smtp.mailfrom=x"],
    "own-dkim-spf": ["mx.example.org; spf=pass smtp.mailfrom=x; dkim=pass header.d=x"], "other-host": ["other.example; dkim=pass"],
    "upper": ["MX.Example.ORG; dkim=pass"], "version": ["mx.example.org 1; dkim=pass"], "none": ["mx.example.org; none"],
    "quoted": ['"mx.example.org"; dkim=pass'], "comment": ["(c) mx.example.org (d); dkim=pass"], "dot": ["mx.example.org.; dkim=pass"],
    "tail": ["mx.example.org; dkim=pass; !!!"], "two": ["mx.example.org; dkim=pass", "mx.example.org; dkim=fail"],
    "three-mixed": ["mx.example.org; dkim=pass", "other.example; dkim=pass", "mx.example.org; dkim=pass"], "folded": ["mx.example.org;\n\tdkim=pass"],
    "long": ["mx.example.org; dkim=pass (" + "x" * 5000 + ")"], "unparsable": ["!!!"], "empty": [""], "auth": ["auth.example; dkim=pass"],
    "auth-job": ["auth.example/J1; dkim=pass"], "h": ["h.ar.example; dkim=pass"], "h-spf": ["h.ar.example; spf=pass"], "sub": ["a.dom.example; dkim=pass"],
}.items():
    MESSAGES["ar-" + name] = "".join(f"Authentication-Results: {v}\n" for v in values) + MSG
MESSAGES["ar-no-from"] = MESSAGES["ar-own-dkim"].replace("From: User", "X-From: User")
MESSAGES["ar-garbage"] = "DKIM-Signature: garbage\n" + MESSAGES["ar-own-dkim"]

RAW_BODIES = {"bare-ends": b"a\nb\rc\r\nd", "only-lf": b"Hello world.\n\nSecond line.\n\r\n", "no-final-crlf": b"first\r\nlast"}

if __name__ == "__main__":
    with open("public-keys", "w") as f:
        for selector, text in RECORDS.items():
            f.write(f"{selector}._domainkey.example.com {text}\n")
        f.write(f"sel._domainkey.other.com {RECORDS['sel']}\nsel._domainkey.sub.example.com {RECORDS['sel']}\n")
    for old in os.listdir("messages"):
        os.remove("messages/" + old)
    for name, text in MESSAGES.items():
        with open(f"messages/{name}.eml", "wb") as f:
            f.write(text.replace("\n", "\r\n").encode())
    for name, body in RAW_BODIES.items():
        with open(f"messages/{name}.eml", "wb") as f:
            f.write(HEADER.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
