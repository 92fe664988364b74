package problem

import (
	"regexp"
	"strings"
	"sync"
)

// Redacted stands where a secret was.
const Redacted = "[redacted]"

// Redact takes the secrets out of a value that names data sets or other addresses:
// passwords (whatever they hold, written as they should be or not, and cut off by
// whatever), tokens in the place of a user, parameters that are called so, and the
// cookie of erlang:. What is no secret stays. Where nobody can tell, it goes.
func Redact(value string) string {
	value = redactParameters(value)
	kind, rest, found := strings.Cut(value, ":")
	kind = strings.ToLower(strings.TrimSpace(kind))
	switch {
	case found && kind == "erlang":
		return value[:len(value)-len(rest)] + Redacted
	case !strings.Contains(value, "://") && addressed(kind):
		if at := strings.LastIndexByte(value, '@'); at > len(kind) {
			return value[:len(kind)] + ":" + Redacted + value[at:] // what is before may be anything
		}
	}
	var b strings.Builder
	for {
		i := strings.Index(value, "://")
		if i < 0 {
			break
		}
		scheme := value[:i]
		scheme = scheme[strings.LastIndexAny(scheme, " \t,:=\"'")+1:]
		b.WriteString(value[:i+3])
		address, rest := cutAddress(value[i+3:])
		b.WriteString(redactUser(strings.ToLower(scheme), address))
		value = rest
	}
	b.WriteString(value)
	return b.String()
}

// addressed reports whether a kind of data set is named by an address with "://".
func addressed(kind string) bool {
	for _, prefix := range []string{"dsn", "http", "ldap", "redis", "mysql", "pgsql", "postgres", "smtp"} {
		if strings.HasPrefix(kind, prefix) {
			return true
		}
	}
	return false
}

// cutAddress cuts a list of addresses behind the first, before the blank or comma that
// stands before the next scheme.
func cutAddress(list string) (address, rest string) {
	end := len(list)
	if before, _, ok := strings.Cut(list, "://"); ok {
		if separator := strings.LastIndexAny(before, ", \t\r\n"); separator >= 0 {
			end = separator
		}
	}
	return list[:end], list[end:]
}

// redactUser takes the password out of "user:password@host...". It ends at the last "@"
// that may be its end: people forget to escape what is in it, and what is behind a "#"
// was never read. A port is none.
func redactUser(scheme, address string) string {
	colon := strings.IndexAny(address, ":/?[")
	if colon >= 0 && address[colon] == ':' && !isPort(address[colon+1:]) {
		at := len(address)
		if i := lastAt(address); i > colon {
			at = i
		}
		return address[:colon+1] + Redacted + address[at:]
	}
	at := lastAt(address)
	for at >= 0 { // in the value of a parameter it ends no password
		item := strings.LastIndexAny(address[:at], "?&")
		if item < 0 || !strings.Contains(address[item:at], "=") {
			break
		}
		at = lastAt(address[:item])
	}
	switch {
	case at < 0:
		return address
	case colon >= 0 && colon < at && address[colon] == ':':
		return address[:colon+1] + Redacted + address[at:]
	case !bearsUser(scheme):
		return Redacted + address[at:] // a token
	}
	return address
}

// bearsUser reports whether what stands alone before the host is a user, and no token.
func bearsUser(scheme string) bool {
	return strings.HasSuffix(scheme, "sql") || strings.HasPrefix(scheme, "postgres") || strings.HasPrefix(scheme, "ldap") ||
		scheme == "smtp"
}

// isPort reports whether a text begins with a port, or with nothing, as it may stand
// behind a host.
func isPort(text string) bool {
	rest := strings.TrimLeft(text, "0123456789")
	return rest == "" || strings.IndexByte("/?,; \t", rest[0]) >= 0
}

// lastAt is the last "@" that is not behind a placeholder.
func lastAt(address string) int {
	for at := len(address); ; {
		if at = strings.LastIndexByte(address[:at], '@'); at <= 0 || !placeholder().MatchString(address[:at]) {
			return at
		}
	}
}

var placeholder = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(\{key\}|\$[a-zA-Z])$`) })

// redactParameters takes out the values of parameters that are called like a secret, each
// until the next parameter.
func redactParameters(value string) string {
	var b strings.Builder
	for {
		found := secretParameter().FindStringIndex(value)
		if found == nil {
			b.WriteString(value)
			return b.String()
		}
		b.WriteString(value[:found[1]])
		value = value[found[1]:]
		end := len(value)
		if next := nextParameter().FindStringIndex(value); next != nil {
			end = next[0]
		}
		if secret := value[:end]; secret == "" || secret == "{key}" {
			b.WriteString(secret)
		} else {
			b.WriteString(Redacted)
		}
		value = value[end:]
	}
}

var (
	secretParameter = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)[?&;,:/\s][a-z0-9_.-]*(?:pass|pwd|pw|secret|token|api[_-]?key|auth|signature|credential|cookie)[a-z0-9_.-]*=|(?i)[?&;,:/\s]([a-z0-9_.-]*[_.-])?key=`)
	})
	nextParameter = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)[?&;,\s][a-z0-9_.-]+=`) })
)

// RedactKeys takes out what may be private keys in a list.
func RedactKeys(list string) string { return keyData().ReplaceAllString(list, Redacted) }

var keyData = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[A-Za-z0-9+/]{42,}={0,2}`) })
