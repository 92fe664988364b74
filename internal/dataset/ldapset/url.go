// Package ldapset looks keys up in an LDAP directory by OpenDKIM's ldap:,
// ldaps: and ldapi: names.
package ldapset

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"dojang/internal/dataset/remote"
)

// server is where a directory listens.
type server struct {
	scheme  string // ldap, ldaps or ldapi
	network string
	address string
	host    string // for TLS
}

// template is what the first URL says about a query.
type template struct {
	base       string
	attributes []string
	scope      int
	filter     string
	// keyAttribute is compared with the key in each answer, "" when the filter
	// does not say which attribute holds it.
	keyAttribute string
}

// parseURLs reads a space separated list of RFC 4516 URLs. The first is the
// query's template; of the others only the server counts.
func parseURLs(s string) ([]server, template, error) {
	var servers []server
	var t template
	for i, u := range strings.Fields(s) {
		srv, rest, err := parseServer(u)
		if err != nil {
			return nil, t, err
		}
		servers = append(servers, srv)
		if i == 0 {
			if t, err = parseTemplate(rest); err != nil {
				return nil, t, err
			}
		}
	}
	if len(servers) == 0 {
		return nil, t, errors.New("ldap: no URL")
	}
	return servers, t, nil
}

func parseServer(u string) (srv server, rest string, err error) {
	scheme, rest, ok := strings.Cut(u, "://")
	if !ok {
		return srv, "", errors.New("ldap: not a URL: write ldap://host/base?attributes?scope?filter")
	}
	srv.scheme = strings.ToLower(scheme)
	hostport, rest, _ := strings.Cut(rest, "/")
	if before, after, ok := strings.Cut(hostport, "?"); ok {
		hostport, rest = before, "?"+after // no slash before the attributes
	}
	if strings.Contains(hostport, "@") { // it may have a password in it, and errors name servers
		return srv, "", errors.New("ldap: a URL bears no user: write LDAPBindUser and LDAPBindPassword")
	}
	if hostport, err = url.PathUnescape(hostport); err != nil {
		return srv, "", fmt.Errorf("ldap: %w", err)
	}
	switch srv.scheme {
	case "ldapi":
		if hostport == "" {
			hostport = "/var/run/slapd/ldapi"
		}
		srv.network, srv.address, srv.host = "unix", hostport, "localhost"
		return srv, rest, nil
	case "ldap", "ldaps":
	default:
		return srv, "", fmt.Errorf("ldap: unknown scheme %.20q", scheme)
	}
	host, port, err := remote.HostPort(hostport, map[string]string{"ldap": "389", "ldaps": "636"}[srv.scheme])
	if err != nil {
		return srv, "", fmt.Errorf("ldap: %w", err)
	}
	srv.network, srv.host, srv.address = "tcp", host, net.JoinHostPort(host, port)
	return srv, rest, nil
}

// keyEquality finds "(attribute=$d)" in a filter.
var keyEquality = regexp.MustCompile(`\(([A-Za-z][A-Za-z0-9.;-]*)=\$d\)`)

// comparesAlone reports whether the key does nothing but compare with attributes.
func (t template) comparesAlone() bool {
	rest := keyEquality.ReplaceAllString(t.filter, "") + t.base
	return t.keyAttribute != "" && !strings.Contains(strings.ToLower(rest), "$d")
}

// parseTemplate reads "base?attributes?scope?filter".
func parseTemplate(s string) (template, error) {
	t := template{scope: ldap.ScopeBaseObject, filter: "(objectClass=*)"}
	parts := strings.SplitN(s, "?", 5)
	for i, p := range parts {
		p, err := url.PathUnescape(p)
		if err != nil {
			return t, fmt.Errorf("ldap: %w", err)
		}
		parts[i] = p
	}
	t.base = parts[0]
	if len(parts) > 1 {
		for a := range strings.SplitSeq(parts[1], ",") {
			if a = strings.TrimSpace(a); a != "" { // Zimbra's lists end with a comma
				t.attributes = append(t.attributes, a)
			}
		}
	}
	if len(parts) > 2 {
		switch strings.ToLower(parts[2]) {
		case "", "base":
		case "one", "onelevel":
			t.scope = ldap.ScopeSingleLevel
		case "sub", "subtree":
			t.scope = ldap.ScopeWholeSubtree
		default:
			return t, fmt.Errorf("ldap: unknown scope %.20q: write base, one or sub", parts[2])
		}
	}
	if len(parts) > 3 && parts[3] != "" {
		t.filter = parts[3]
		if !strings.HasPrefix(t.filter, "(") {
			t.filter = "(" + t.filter + ")"
		}
	}
	if m := keyEquality.FindStringSubmatch(t.filter); m != nil {
		t.keyAttribute = m[1]
	}
	_, err := ldap.CompileFilter(expand(t.filter, "key", ldap.EscapeFilter))
	if err != nil {
		return t, fmt.Errorf("ldap: filter %.200q: %w", t.filter, err)
	}
	return t, nil
}

// expand replaces $d by the key and $D by its components, "dc=example,dc=com". What
// comes from the key is escaped and not looked at again.
func expand(s, key string, escape func(string) string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '$' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		switch s[i+1] {
		case 'd':
			b.WriteString(escape(key))
		case 'D':
			for j, c := range strings.Split(key, ".") {
				if j > 0 {
					b.WriteByte(',')
				}
				b.WriteString("dc=" + escape(c))
			}
		default:
			b.WriteByte('$')
			continue
		}
		i++
	}
	return b.String()
}
