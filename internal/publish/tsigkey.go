package publish

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/user"
	"strings"

	"github.com/miekg/dns"

	"dojang/internal/privilege"
	"dojang/internal/problem"
)

// tsigKey is a shared secret by which a server and its client sign (RFC 8945).
type tsigKey struct {
	name      string // canonical, with the final dot
	algorithm string // as miekg/dns names it
	secret    string // base64
}

// String keeps the secret out of logs.
func (k tsigKey) String() string   { return "key " + k.name + " [redacted]" }
func (k tsigKey) GoString() string { return k.String() }

// algorithms are those of RFC 8945 §6 that are safe enough to be offered.
var algorithms = []string{dns.HmacSHA256, dns.HmacSHA512, dns.HmacSHA384, dns.HmacSHA224, dns.HmacSHA1}

// maxKeyFileBytes is far more than a file with one key has.
const maxKeyFileBytes = 64 << 10

// readTSIGKey reads a file as tsig-keygen(8) writes it: BIND's
// key "name" { algorithm hmac-sha256; secret "base64"; };
func readTSIGKey(path string) (tsigKey, error) {
	text, err := readCredential(path)
	if err != nil {
		return tsigKey{}, err
	}
	key, err := parseTSIGKey(text)
	if err != nil {
		return tsigKey{}, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// readCredential reads a small file that holds a secret.
func readCredential(path string) (string, error) {
	f, err := privilege.OpenAsIs(path)
	if errors.Is(err, fs.ErrPermission) {
		if me, e := user.Current(); e == nil {
			err = fmt.Errorf("%w: chown %s %s; chmod 0400 %[3]s", err, me.Username, path)
		}
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is not a file", path)
	case info.Mode().Perm()&0o007 != 0:
		return "", fmt.Errorf("%s can be read or written by everybody: chmod 0400 %s", path, path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFileBytes+1))
	if err == nil && len(data) > maxKeyFileBytes {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxKeyFileBytes)
	}
	return string(data), err
}

// parseTSIGKey never shows the text in an error: it holds the secret.
func parseTSIGKey(text string) (tsigKey, error) {
	words, err := bindWords(text)
	if err != nil {
		return tsigKey{}, err
	}
	var key tsigKey
	found := 0
	for i := 0; i < len(words); i++ {
		if words[i] != "key" || i+2 >= len(words) || words[i+2] != "{" {
			continue
		}
		end := i + 3
		for end < len(words) && words[end] != "}" {
			end++
		}
		found++
		if key, err = tsigClause(words[i+1], words[i+3:end]); err != nil {
			return tsigKey{}, err
		}
		i = end
	}
	if found != 1 {
		return tsigKey{}, fmt.Errorf(`%d keys: write one as tsig-keygen does: key "name" { algorithm hmac-sha256; secret "..."; };`, found)
	}
	return key, nil
}

// tsigClause reads what stands between the braces.
func tsigClause(name string, words []string) (tsigKey, error) {
	k := tsigKey{name: dns.CanonicalName(name)}
	if _, ok := dns.IsDomainName(name); !ok {
		return k, fmt.Errorf("%s is not the name of a key", problem.Quote(name))
	}
	for i := 0; i+1 < len(words); i++ {
		switch words[i] {
		case "algorithm":
			k.algorithm = strings.ToLower(strings.TrimSuffix(words[i+1], ".")) + "."
		case "secret":
			k.secret = words[i+1]
		default:
			continue
		}
		i++
	}
	known := false
	for _, a := range algorithms {
		known = known || a == k.algorithm
	}
	if !known {
		return k, fmt.Errorf("algorithm %s: use hmac-sha256", problem.Quote(strings.TrimSuffix(k.algorithm, ".")))
	}
	if raw, err := base64.StdEncoding.DecodeString(k.secret); err != nil || len(raw) == 0 {
		return k, errors.New("the secret is not base64")
	}
	return k, nil
}

// bindWords takes named.conf's text apart: words, quoted words without their quotes,
// braces; semicolons end words, and comments of all three kinds are left out.
func bindWords(text string) ([]string, error) {
	var words []string
	for text != "" {
		switch c := text[0]; {
		case strings.HasPrefix(text, "//") || c == '#':
			_, text, _ = strings.Cut(text, "\n")
		case strings.HasPrefix(text, "/*"):
			_, rest, closed := strings.Cut(text[2:], "*/")
			if !closed {
				return nil, errors.New("a comment does not end")
			}
			text = rest
		case c == '"':
			word, rest, closed := strings.Cut(text[1:], `"`)
			if !closed {
				return nil, errors.New("a quotation mark does not end")
			}
			words, text = append(words, word), rest
		case c == '{' || c == '}':
			words, text = append(words, text[:1]), text[1:]
		case c == ';' || c <= ' ':
			text = text[1:]
		default:
			end := strings.IndexAny(text, " \t\r\n;{}\"#")
			if end < 0 {
				end = len(text)
			}
			if end == 0 {
				return nil, errors.New("cannot be read")
			}
			words, text = append(words, text[:end]), text[end:]
		}
	}
	return words, nil
}
