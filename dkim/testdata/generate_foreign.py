#!/usr/bin/python3
"""Records messages signed by Mail::DKIM and dkimpy, in foreign/. Needs libmail-dkim-perl and python3-dkim (with python3-nacl). See README.md."""
import base64, json, os, subprocess, sys, tempfile
import dkim
from cryptography.hazmat.primitives import serialization as ser
from milter import HERE

HEADER = (b"Received: from a.example.net (a.example.net [192.0.2.1])\r\n\tby mx.example.com; Thu, 5 Nov 2026 10:00:00 +0100\r\n"
          b"From: =?utf-8?q?Zo=C3=AB?= <zoe@example.com>\r\nTo: bob@example.org,\r\n carol@example.org\r\nSubject:   two  blanks \t here \r\n\tand a fold\r\n"
          b"To: again@example.org\r\nDate: Thu, 5 Nov 2026 10:00:00 +0100\r\nX-Empty:\r\n\r\n")
BODIES = {
    "plain": b"Hello\r\n", "empty": b"", "blank": b"\r\n\r\n\r\n", "white": b"a  b\t c \r\n \r\n\r\n  d\r\n\t\r\n\r\n", "eightbit": "Grüße\r\n\r\nZoë \r\n".encode(),
    "barecr": b"a\rb\r\nc \r d\r\n", "crcrlf": b"a\r\r\nb\r\r\n\r\r\n", "wscr": b"a \r\n \r b\r\n", "barelf": b"a\nb\r\nc \n d\r\n", "lflf": b"a\n\n\r\n\n\r\n",
    "long": b"x" * 3000 + b" " + b"word  " * 500 + b"\r\n", "dots": b".\r\n..\r\n",
}
PERL = r"""
use Mail::DKIM::Signer; use Mail::DKIM::PrivateKey;
my ($alg, $method, $key, $h) = @ARGV;
my $s = Mail::DKIM::Signer->new(Algorithm => $alg, Method => $method, Domain => 'example.com', Selector => 'sel', KeyFile => $key, ($h ? (Headers => $h) : ()));
binmode STDIN; local $/; my $m = <STDIN>; $s->PRINT($m); $s->CLOSE; print $s->signature->as_string;
"""


def record(key):
    with open(os.path.join(HERE, "keys", key + ".private"), "rb") as f:
        k = ser.load_pem_private_key(f.read(), None).public_key()
    if key == "ed25519":
        return "v=DKIM1; k=ed25519; p=" + base64.b64encode(k.public_bytes(ser.Encoding.Raw, ser.PublicFormat.Raw)).decode()
    return "v=DKIM1; k=rsa; p=" + base64.b64encode(k.public_bytes(ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo)).decode()


def seed(key):
    """An Ed25519 key in the form dkimpy wants, a file with the base64 of the seed."""
    with open(os.path.join(HERE, "keys", key + ".private"), "rb") as f:
        k = ser.load_pem_private_key(f.read(), None)
    return base64.b64encode(k.private_bytes(ser.Encoding.Raw, ser.PrivateFormat.Raw, ser.NoEncryption()))


def write(name, source, signature, key, message):
    with open(os.path.join(HERE, "foreign", name + ".json"), "w") as f:
        json.dump({"source": source, "record": record(key), "message": (signature + message).decode("latin-1")}, f, indent=1)
        f.write("\n")


MESSAGES = {shape: HEADER + body for shape, body in BODIES.items()}
MESSAGES["headercr"] = HEADER.replace(b"a fold", b"a fold \r and\rbare CR") + BODIES["plain"]

for shape, message in MESSAGES.items():
    if sys.argv[1:] and shape not in sys.argv[1:]:
        continue
    body = message[len(HEADER):] if message.startswith(HEADER) else BODIES["plain"]
    for hc in "simple", "relaxed":
        for bc in "simple", "relaxed":
            for key, alg in ("rsa2048", "rsa-sha256"), ("rsa1024", "rsa-sha256"), ("ed25519", "ed25519-sha256"):
                name = "%s-%s-%s-%s" % (shape, hc, bc, key)
                path = os.path.join(HERE, "keys", key + ".private")
                with tempfile.NamedTemporaryFile() as tmp:
                    if key == "ed25519":
                        tmp.write(seed(key))
                        tmp.flush()
                        path = tmp.name
                    p = subprocess.run(["perl", "-e", PERL, alg, hc + "/" + bc, path], input=message, capture_output=True)
                    if p.returncode == 0 and p.stdout:
                        sig = p.stdout.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
                        write("perl-" + name, "Mail::DKIM 1.20230212", sig + b"\r\n", key, message)
                    else:
                        print("perl", name, p.stderr.decode()[:200])
                    private = open(path, "rb").read()
                for length in (False, True) if b"\n" not in body.replace(b"\r\n", b"") else ():  # dkimpy makes LF CRLF
                    try:
                        sig = dkim.sign(message, b"sel", b"example.com", private, canonicalize=(hc.encode(), bc.encode()), signature_algorithm=alg.encode(), length=length)
                        write("dkimpy-" + name + ("-l" if length else ""), "dkimpy " + getattr(dkim, "__version__", "1.1.1 (Debian 12)"), sig, key, message)
                    except Exception as e:
                        print("dkimpy", name, repr(e)[:200])
