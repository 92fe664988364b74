package dataset

import (
	"errors"
	"net/netip"
	"strings"

	"dojang/internal/problem"
)

// The types of data sets. Openers are found under these names; the schemes of a
// database that has several (ldap, ldaps, ldapi) keep the scheme in Args.
const (
	TypeList     = "csl"
	TypeFile     = "file"
	TypePatterns = "refile"
	TypeDB       = "db"
	TypeDSN      = "dsn"
	TypeLDAP     = "ldap"
	TypeLua      = "lua"
	TypeMemcache = "memcache"
	TypeMDB      = "mdb"
	TypeSocket   = "socket"
	TypeErlang   = "erlang"
	TypeRedis    = "redis" // ours
	TypeHTTP     = "http"  // ours
)

// Spec is a parsed specification string.
type Spec struct {
	Type string
	// Args is what follows the prefix; for types with several schemes (ldap,
	// redis, http) the whole string.
	Args string
}

// prefixes in the order they are tried; whole keeps the prefix in Args.
var prefixes = []struct {
	prefix, kind string
	whole        bool
}{
	{"csl:", TypeList, false},
	{"file:", TypeFile, false},
	{"refile:", TypePatterns, false},
	{"db:", TypeDB, false},
	{"dsn:", TypeDSN, false},
	{"ldap:", TypeLDAP, true},
	{"ldaps:", TypeLDAP, true},
	{"ldapi:", TypeLDAP, true},
	{"lua:", TypeLua, false},
	{"memcache:", TypeMemcache, false},
	{"mdb:", TypeMDB, false},
	{"socket:", TypeSocket, false},
	{"erlang:", TypeErlang, false},
	{"redis:", TypeRedis, true},
	{"rediss:", TypeRedis, true},
	{"redis+sentinel:", TypeRedis, true},
	{"redis+cluster:", TypeRedis, true},
	{"http:", TypeHTTP, true},
	{"https:", TypeHTTP, true},
}

// ParseSpec reads a specification string as opendkim(8) DATA SETS tells.
func ParseSpec(s string) (Spec, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return Spec{}, errors.New("data set name contains a NUL byte")
	}
	s = strings.TrimFunc(s, isBlank)
	for _, p := range prefixes {
		// Compat(opendkim 2.11): the prefix may be in capitals.
		if len(s) < len(p.prefix) || !strings.EqualFold(s[:len(p.prefix)], p.prefix) {
			continue
		}
		rest := s[len(p.prefix):]
		if rest == "" && p.kind != TypeList {
			return Spec{}, &Error{Err: errors.New("data set name ends after " + p.prefix), Hint: "write what it names behind " + p.prefix}
		}
		if strings.Contains(rest, "://") && (p.kind == TypeFile || p.kind == TypePatterns) {
			shown := problem.Quote(problem.Redact(rest))
			return Spec{}, &Error{Err: errors.New(shown + " is a URL and no file"), Hint: "leave " + p.prefix + " away"}
		}
		if p.whole {
			rest = p.prefix + rest
		}
		return Spec{Type: p.kind, Args: rest}, nil
	}
	if kind := unknownKind(s); kind != "" {
		return Spec{}, &Error{Err: errors.New("unknown kind of data set " + problem.Quote(kind)), Hint: hintForKind(kind, s[len(kind)+1:])}
	}
	switch {
	case strings.HasSuffix(s, ".db"):
		return Spec{Type: TypeDB, Args: s}, nil
	case strings.HasPrefix(s, "/"):
		return Spec{Type: TypeFile, Args: s}, nil
	}
	return Spec{Type: TypeList, Args: s}, nil
}

// unknownKind is the word before the colon of a name that is meant to have a
// kind: one of letters, or of a URL, with or without a quotation mark. Lists may have
// colons too: ::1, a=b:c, host.example:x.
func unknownKind(s string) string {
	kind, rest, found := strings.Cut(s, ":")
	letters, allowed := strings.ToLower(strings.TrimPrefix(kind, `"`)), "abcdefghijklmnopqrstuvwxyz"
	if strings.HasPrefix(rest, "//") {
		allowed += "0123456789+-." // RFC 3986 §3.1
	}
	if !found || letters == "" || strings.Trim(letters, allowed) != "" {
		return ""
	}
	first, _, _ := strings.Cut(s, ",")
	address, _, _ := strings.Cut(strings.TrimFunc(first, isBlank), "/")
	if _, err := netip.ParseAddr(address); err == nil {
		return ""
	}
	return kind
}

// hintForKind is what to write in the place of a kind that is none: Postfix has kinds of
// its own, and what has no kind may be a list with a colon in it.
func hintForKind(kind, rest string) string {
	rest = strings.TrimFunc(rest, isBlank)
	switch strings.ToLower(kind) {
	case "regexp", "pcre", "cidr", "glob", "pattern", "patterns":
		return "write refile:" + rest + ", with * for any text in its rows"
	case "mysql", "mariadb", "pgsql", "postgres", "postgresql", "sqlite":
		return "write dsn:" + strings.ToLower(kind) + "://USER:PASSWORD@HOST/DATABASE/table=TABLE?keycol=COLUMN?datacol=COLUMN,COLUMN"
	case "list", "inline", "static":
		return "write csl:" + problem.RedactKeys(rest)
	case "tcp", "inet", "unix":
		return "write socket:" + strings.ToLower(kind) + ":" + rest
	}
	switch {
	case strings.HasPrefix(rest, "/") && !strings.HasPrefix(rest, "//"):
		return "write file:" + rest + ", or refile:" + rest + " where its rows have *"
	case rest == "":
		return "write " + kind
	}
	return "in a list write commas between the elements; kinds are " +
		"csl: file: refile: db: mdb: dsn: ldap: redis: memcache: https: socket: lua:"
}

// Shown is a data set's name as it may be shown: without its secrets.
func Shown(name string) string {
	spec, err := ParseSpec(name)
	if err != nil {
		return problem.Redact(name)
	}
	return spec.String()
}

// String is the specification as it may be shown: without its secrets.
func (s Spec) String() string {
	switch s.Type {
	case TypeDSN:
		return problem.Redact("dsn:" + s.Args)
	case TypeLDAP, TypeRedis, TypeHTTP:
		return problem.Redact(strings.Join(strings.Fields(s.Args), " "))
	case TypeErlang:
		return "erlang:..."
	case TypeList:
		return s.Type + ":" + problem.RedactKeys(s.Args)
	}
	return s.Type + ":" + s.Args
}
