#!/usr/bin/python3
# Makes the signed messages of this folder with dkimpy (Debian: python3-dkim).
# copied.eml is made by opendkim itself: see README.
import dkim

key = open('../../keyrecord/testdata/s2048.private', 'rb').read()
ed = b'nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A='  # RFC 8463 A.2

PLAIN = b"""From: Joe Example <joe@example.com>
To: ann@example.org, bob@example.org
Subject: About the meeting
Date: Mon, 1 Jan 2024 10:00:00 +0000
Message-ID: <1@example.com>
MIME-Version: 1.0
Content-Type: text/plain; charset="utf-8"
Content-Transfer-Encoding: 8bit
X-Hop: from c
X-Hop: from b
X-Hop: from a

Hello Ann,

see you tomorrow   at ten.
From here it is not far.
.hidden
Gr\xc3\xbc\xc3\x9fe, this line is longer than seventy-six characters, for it must be folded when it is encoded.

--\x20
Joe
"""

MULTI = b"""From: Joe Example <joe@example.com>
To: ann@example.org
Subject: About the meeting
Date: Mon, 1 Jan 2024 10:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="b1"

This is a message in MIME format.
--b1
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Gr\xc3\xbc\xc3\x9fe aus Wien
line two
--b1
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: 8bit

<p>Gr\xc3\xbc\xc3\x9fe aus Wien</p>
<p>line two</p>
--b1--
"""

def write(name, message, canon, include=None, **kw):
    message = message.replace(b'\n', b'\r\n')
    head, body = canon
    args = dict(canonicalize=(head, body))
    if include:
        args['include_headers'] = include
    sig = dkim.sign(message, kw.get('selector', b's2048'), b'example.com', kw.get('key', key),
                    signature_algorithm=kw.get('alg', b'rsa-sha256'), **args)
    open(name, 'wb').write(sig + message)

names = [b'from', b'to', b'subject', b'date', b'message-id', b'mime-version', b'content-type', b'content-transfer-encoding', b'x-hop', b'x-hop', b'x-hop', b'reply-to']
write('relaxed.eml', PLAIN, (b'relaxed', b'relaxed'), names)
write('simple.eml', PLAIN, (b'simple', b'simple'), names)
write('multipart.eml', MULTI, (b'relaxed', b'simple'), names[:3])
write('single.eml', PLAIN, (b'relaxed', b'simple'), [b'from', b'to', b'subject', b'date'])
write('ed25519.eml', PLAIN, (b'relaxed', b'relaxed'), names, key=ed, selector=b'ed', alg=b'ed25519-sha256')
