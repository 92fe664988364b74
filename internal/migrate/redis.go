package migrate

import (
	"fmt"
	"io"
	"strings"
)

// The names of Redis's two hashes. A cluster keeps a hash on one server, so there
// rows are keys of their own, "dkim:keys:NAME".
const (
	keysHash    = "dkim:keys"
	signingHash = "dkim:signing"
)

// pair is one row of Redis: a field of one of the two hashes.
type pair struct{ Hash, Field, Value string }

// Key is what the row is called where it is no field of a hash.
func (p pair) Key() string { return p.Hash + ":" + p.Field }

// pairs are the rows for Redis.
func (t Tables) pairs() []pair {
	var pairs []pair
	for _, k := range t.Keys {
		value := k.Domain + ":" + k.Selector + ":" + k.column()
		if k.Algorithm != "" {
			value += ":" + k.Algorithm
		}
		pairs = append(pairs, pair{keysHash, k.Name, value})
	}
	for _, s := range t.Signing {
		value := s.Key
		if s.Identity != "" {
			value += ":" + s.Identity
		}
		pairs = append(pairs, pair{signingHash, s.Author, value})
	}
	return pairs
}

// WriteRedis writes commands for redis-cli. They leave rows that are there as they
// are, or with replace write over them.
func (t Tables) WriteRedis(w io.Writer, replace bool) error {
	command := "HSETNX"
	if replace {
		command = "HSET"
	}
	for _, p := range t.pairs() {
		if _, err := fmt.Fprintf(w, "%s %s %s %s\n", command, p.Hash, quoteRedis(p.Field), quoteRedis(p.Value)); err != nil {
			return err
		}
	}
	return nil
}

// quoteRedis quotes as redis-cli reads it, which knows no \u.
func quoteRedis(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, "\\x%02x", c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// RedisOptions are the lines for opendkim.conf, for a URL such as
// "redis://host:6379/0" or "redis+cluster://host,host". Its parameters are kept, but
// for names of tables.
func RedisOptions(url string) []string {
	url, query, _ := strings.Cut(url, "?")
	table, end := "hash=", ""
	if strings.HasPrefix(url, "redis+cluster:") {
		table, end = "prefix=", ":"
	}
	more := ""
	for p := range strings.SplitSeq(query, "&") {
		if p != "" && !strings.HasPrefix(p, "hash=") && !strings.HasPrefix(p, "prefix=") {
			more += "&" + p
		}
	}
	return []string{"KeyTable      " + url + "?" + table + keysHash + end + more,
		"SigningTable  " + url + "?" + table + signingHash + end + more}
}
