# As tokenizer.c, with authres; an argument says how the octets become text.
import email.message
import email.policy
import signal
import sys

import authres

features = authres.all_features()


def text(octets, how):
    if how == "plain":
        return octets.decode("utf-8", "surrogateescape")
    # Python's own reader of header fields decodes encoded words.
    value = octets.decode("ascii", "surrogateescape")
    return str(email.policy.default.header_fetch_parse("Authentication-Results", value))


def hexed(s):
    return (s or "").encode("utf-8", "surrogateescape").hex()


armed = False


def late(*_):
    if armed:  # the signal may come after the work
        raise TimeoutError


signal.signal(signal.SIGALRM, late)
for line in sys.stdin:
    said = "-"
    try:
        armed = True
        signal.setitimer(signal.ITIMER_REAL, 0.2)  # it can loop for ever
        header = features.parse_value(text(bytes.fromhex(line.strip()), sys.argv[1]))
        words = [hexed(header.authserv_id)]
        for result in header.results:
            parts = [result.method, result.result]
            for p in result.properties:
                parts += [p.type + "." + p.name, p.value or ""]
            words.append("/".join(hexed(part) for part in parts))
        said = " ".join(words)
        armed = False
    except Exception:
        armed = False
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(said, flush=True)
