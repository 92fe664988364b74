package problem

import (
	"regexp"
	"strings"
	"sync"
)

// Redacted stands where a secret was.
const Redacted = "[redacted]"

// Redact takes the secrets out of the names of data sets and of other addresses,
// wherever they stand in a text: passwords (whatever they hold, written as they
// should be or not), tokens in the place of a user, parameters that are called
// so, and the cookie of erlang:. What is no secret stays.
func Redact(text string) string {
	if kind, _, found := strings.Cut(text, ":"); found && strings.EqualFold(strings.TrimSpace(kind), "erlang") {
		return kind + ":" + Redacted
	}
	var b strings.Builder
	for {
		i := strings.Index(text, "://")
		if i < 0 {
			break
		}
		scheme := text[:i]
		scheme = scheme[strings.LastIndexAny(scheme, " \t,:=\"'")+1:]
		b.WriteString(text[:i+3])
		address, rest := cutAddress(text[i+3:])
		b.WriteString(redactUser(strings.ToLower(scheme), address))
		text = rest
	}
	b.WriteString(text)
	return secretParameters().ReplaceAllStringFunc(b.String(), func(p string) string {
		if strings.Contains(p, "{key}") {
			return p
		}
		return p[:strings.IndexByte(p, '=')+1] + Redacted
	})
}

// cutAddress cuts a list of addresses behind the first: at a blank, or at the
// comma before the next scheme.
func cutAddress(text string) (address, rest string) {
	end := strings.IndexAny(text, " \t\r\n")
	if end < 0 {
		end = len(text)
	}
	if next := strings.Index(text[:end], "://"); next >= 0 {
		if comma := strings.LastIndexByte(text[:next], ','); comma >= 0 {
			end = comma
		}
	}
	return text[:end], text[end:]
}

// redactUser takes the password out of "user:password@host...". The password ends
// at the last "@" that is not in the value of a parameter: people forget to escape
// what is in it.
func redactUser(scheme, address string) string {
	at := strings.LastIndexByte(address, '@')
	for at >= 0 {
		item := strings.LastIndexAny(address[:at], "?&")
		if item < 0 || !strings.Contains(address[item:at], "=") {
			break
		}
		at = strings.LastIndexByte(address[:item], '@')
	}
	if at < 0 {
		return address
	}
	if user, _, found := strings.Cut(address[:at], ":"); found {
		return user + ":" + Redacted + address[at:]
	}
	if strings.HasPrefix(scheme, "http") || strings.HasPrefix(scheme, "redis") {
		return Redacted + address[at:] // a token
	}
	return address
}

// secretParameters finds parameters by what they are called.
var secretParameters = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)[?&;][a-z0-9_.-]*(?:pass|pwd|secret|token|api[_-]?key|auth|signature|credential|cookie)[a-z0-9_.-]*=[^?&;,\s]+`)
})
