package publish

import (
	"errors"
	"strings"

	"dojang/internal/keyrecord"
)

// escape writes a string as miekg/dns wants it: as in a zone file, without the quotes.
func escape(s string) string {
	quoted := keyrecord.Quote(s)
	return quoted[1 : len(quoted)-1]
}

// unescape turns \DDD and \c of RFC 1035 §5.1 into octets.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		if n, ok := decimal(s[i+1:]); ok {
			b.WriteByte(n)
			i += 3
			continue
		}
		i++
		b.WriteByte(s[i])
	}
	return b.String()
}

// decimal reads three digits of an octet.
func decimal(s string) (byte, bool) {
	if len(s) < 3 {
		return 0, false
	}
	n := 0
	for _, c := range []byte(s[:3]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return byte(n), n <= 255
}

var errQuotes = errors.New("a value that is no list of quoted strings")

// unquoteAll reads the value of a TXT record as a zone file has it (RFC 1035 §5.1):
// strings in quotes, or without when they hold no blank.
func unquoteAll(value string) ([]string, error) {
	var strs []string
	for value = strings.TrimLeft(value, " \t"); value != ""; value = strings.TrimLeft(value, " \t") {
		end, quoted := 0, value[0] == '"'
		if quoted {
			value = value[1:]
		}
		for end < len(value) && (quoted && value[end] != '"' || !quoted && value[end] != ' ' && value[end] != '\t') {
			if value[end] == '\\' {
				end++
			}
			end++
		}
		if end > len(value) || quoted && end == len(value) {
			return nil, errQuotes
		}
		strs = append(strs, unescape(value[:end]))
		value = value[end:]
		if quoted {
			value = value[1:]
		}
	}
	if len(strs) == 0 {
		return nil, errQuotes
	}
	return strs, nil
}
