package ldapset

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"

	"dojang/internal/dataset"
	"dojang/internal/dataset/remote"
)

// Options are OpenDKIM's LDAP options. The zero value is usable.
type Options struct {
	Mechanism    string // LDAPAuthMechanism: "" or simple, EXTERNAL, DIGEST-MD5
	AuthName     string // LDAPAuthName
	AuthRealm    string // LDAPAuthRealm; the server's own when empty
	AuthUser     string // LDAPAuthUser
	BindUser     string // LDAPBindUser
	BindPassword string // LDAPBindPassword
	UseTLS       bool   // LDAPUseTLS: StartTLS on ldap: connections
	// Timeout is LDAPTimeout; 0 means 5 s.
	Timeout time.Duration
	// LDAPKeepaliveIdle, LDAPKeepaliveInterval and LDAPKeepaliveProbes; 0 leaves
	// the system's.
	KeepaliveIdle, KeepaliveInterval time.Duration
	KeepaliveProbes                  int
	// TLS is for ldaps: and UseTLS; nil trusts the system's authorities. See
	// TLSFromConf.
	TLS *tls.Config
}

// Set is a directory's answers. One connection, shared, carries all questions;
// when it breaks, the servers are tried in turn from the one that worked last.
type Set struct {
	servers []server
	t       template
	o       Options
	name    string // without passwords

	mu     sync.Mutex
	conn   *ldap.Conn
	last   int // index of the server that conn is to
	closed bool
}

// Opener opens ldap: sets behind the wrapper of package remote.
func Opener(o Options, r remote.Options) dataset.Opener {
	o.Timeout = cmp.Or(o.Timeout, remote.DefaultTimeout)
	r.Timeout = cmp.Or(r.Timeout, o.Timeout)
	return remote.Opener(r, "write TLS_CACERT /path/authority.pem into /etc/ldap/ldap.conf, or start the filter with "+
		"LDAPTLS_CACERT=/path/authority.pem in its environment", func(args string) (dataset.Set, error) {
		s, err := New(args, o)
		if err == nil && s.t.comparesAlone() {
			return batchSet{s}, nil
		}
		return s, err
	})
}

// New makes a set of its URLs. It does not connect.
func New(urls string, o Options) (*Set, error) {
	o.Timeout = cmp.Or(o.Timeout, remote.DefaultTimeout)
	switch strings.ToUpper(o.Mechanism) {
	case "", "SIMPLE", "NONE", "EXTERNAL", "DIGEST-MD5":
	default:
		return nil, fmt.Errorf("LDAPAuthMechanism %.40q is not supported: use simple, EXTERNAL or DIGEST-MD5", o.Mechanism)
	}
	servers, t, err := parseURLs(urls)
	if err != nil {
		return nil, err
	}
	return &Set{servers: servers, t: t, o: o, name: dataset.Spec{Type: dataset.TypeLDAP, Args: urls}.String()}, nil
}

// Close ends the connection.
func (s *Set) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	s.conn = nil
	return err
}

// Ping connects and binds.
func (s *Set) Ping(ctx context.Context) error {
	_, err := s.connection(ctx)
	return err
}

// isKey reports whether an entry can have such a value at all.
func isKey(key string) bool { return key != "" && utf8.ValidString(key) && len(key) <= 1024 }

// request is a search for up to most entries; with columns 0 their values are not asked for.
func (s *Set) request(base, filter string, columns, most int) *ldap.SearchRequest {
	attributes := []string{"1.1"} // none
	if columns > 0 && len(s.t.attributes) > 0 {
		attributes = slices.Clone(s.t.attributes)
	}
	if a := s.t.keyAttribute; a != "" {
		attributes = append(attributes, a)
	}
	return ldap.NewSearchRequest(base, s.t.scope, ldap.NeverDerefAliases, most, int(s.o.Timeout.Seconds()), false, filter, attributes, nil)
}

// entriesPerKey is how many entries may answer one key, the first of which counts.
const entriesPerKey = 8

// Lookup asks for the entry that the template finds for a key.
func (s *Set) Lookup(ctx context.Context, key string, columns int) ([]string, error) {
	if !isKey(key) {
		return nil, dataset.ErrNotFound
	}
	base, filter := expand(s.t.base, key, ldap.EscapeDN), expand(s.t.filter, key, ldap.EscapeFilter)
	entries, err := s.search(ctx, s.request(base, filter, columns, entriesPerKey))
	if err != nil && !isAnswer(err) {
		return nil, err
	}
	for _, e := range entries {
		if s.answers(e, key) {
			return s.values(e, columns), nil
		}
	}
	return nil, dataset.ErrNotFound
}

// isAnswer reports whether an error is a directory's answer: that there are more entries, or
// that what the key makes of the template names nothing.
func isAnswer(err error) bool {
	return ldap.IsErrorAnyOf(err, ldap.LDAPResultSizeLimitExceeded, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax,
		ldap.LDAPResultInvalidAttributeSyntax)
}

// answers reports whether an entry has the key that was asked for. Directories
// compare after more preparation than case: blanks, widths and forms of letters.
func (s *Set) answers(e *ldap.Entry, key string) bool {
	if s.t.keyAttribute == "" {
		return true
	}
	values := e.GetEqualFoldAttributeValues(s.t.keyAttribute)
	for _, v := range values {
		if dataset.Fold(v) == dataset.Fold(key) {
			return true
		}
	}
	return len(values) == 0 // we may search by it but not read it
}

// walkPage is how many entries a directory is asked for at a time: many allow no more
// than 500 in one answer.
const walkPage = 200

// Walk implements dataset.Walker: the entries that the template finds for any key. A
// template that does not say which attribute holds the key has none.
func (s *Set) Walk(ctx context.Context, f func(dataset.Entry) error) error {
	failed := func(err error) error { return &dataset.Error{Set: s.name, Err: err, Temp: true} }
	if !s.t.comparesAlone() {
		return dataset.ErrNoWalk
	}
	filter := keyEquality.ReplaceAllString(s.t.filter, "($1=*)")
	conn, err := s.connection(ctx)
	if err != nil {
		return failed(err)
	}
	paging := ldap.NewControlPaging(walkPage)
	request := ldap.NewSearchRequest(s.t.base, s.t.scope, ldap.NeverDerefAliases, 0, int(s.o.Timeout.Seconds()), false,
		filter, append([]string{s.t.keyAttribute}, s.t.attributes...), []ldap.Control{paging})
	for ctx.Err() == nil {
		answer, err := conn.Search(request)
		if err != nil {
			return failed(err)
		}
		for _, e := range answer.Entries {
			for _, key := range e.GetEqualFoldAttributeValues(s.t.keyAttribute) {
				if err := f(dataset.Entry{Key: key, Values: s.values(e, len(s.t.attributes))}); err != nil {
					return err
				}
			}
		}
		next, ok := ldap.FindControl(answer.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
		if !ok || len(next.Cookie) == 0 {
			return nil
		}
		paging.SetCookie(next.Cookie)
	}
	return ctx.Err()
}

func (s *Set) values(e *ldap.Entry, columns int) []string {
	var values []string
	for _, a := range s.t.attributes {
		if len(values) == columns {
			break
		}
		values = append(values, e.GetEqualFoldAttributeValue(a))
	}
	for len(values) > 0 && values[len(values)-1] == "" {
		values = values[:len(values)-1]
	}
	return values
}

// search asks, once more over a new connection if the old one was broken.
func (s *Set) search(ctx context.Context, request *ldap.SearchRequest) ([]*ldap.Entry, error) {
	for attempt := 0; ; attempt++ {
		conn, err := s.connection(ctx)
		if err != nil {
			return nil, err
		}
		entries, err := collect(ctx, conn, request)
		switch {
		case err == nil || isAnswer(err):
			return entries, err
		case ldap.IsErrorAnyOf(err, ldap.ErrorNetwork, ldap.LDAPResultBusy, ldap.LDAPResultUnavailable) || conn.IsClosing():
			s.drop(conn)
			if attempt == 0 && ctx.Err() == nil {
				continue
			}
		case errors.Is(err, context.DeadlineExceeded): // a machine that is gone closes no connection
			s.drop(conn)
		}
		return nil, err
	}
}

func collect(ctx context.Context, conn *ldap.Conn, request *ldap.SearchRequest) ([]*ldap.Entry, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	response := conn.SearchAsync(ctx, request, 8)
	var entries []*ldap.Entry
	for response.Next() {
		if e := response.Entry(); e != nil {
			entries = append(entries, e)
		}
	}
	if err := response.Err(); err != nil {
		return entries, err
	}
	return entries, ctx.Err()
}

// drop forgets a connection that broke, or whose server does not answer: the next one is
// asked first then.
func (s *Set) drop(conn *ldap.Conn) {
	conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == conn {
		s.conn, s.last = nil, (s.last+1)%len(s.servers)
	}
}

// connection returns the connection, making it when there is none. Each server has its
// share of the time that is left.
func (s *Set) connection(ctx context.Context) (*ldap.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("set is closed")
	}
	if s.conn != nil && !s.conn.IsClosing() {
		return s.conn, nil
	}
	end := time.Now().Add(s.o.Timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		end = d
	}
	var errs []error
	for i := range s.servers {
		n := (s.last + i) % len(s.servers)
		share, cancel := context.WithTimeout(ctx, time.Until(end)/time.Duration(len(s.servers)-i))
		conn, err := s.dial(share, s.servers[n])
		cancel()
		if err == nil {
			s.conn, s.last = conn, n
			return conn, nil
		}
		errs = append(errs, fmt.Errorf("%s://%s: %w", s.servers[n].scheme, s.servers[n].address, err))
	}
	return nil, errors.Join(errs...)
}

func (s *Set) dial(ctx context.Context, srv server) (*ldap.Conn, error) {
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: s.o.KeepaliveIdle,
		Interval: s.o.KeepaliveInterval, Count: s.o.KeepaliveProbes}}
	nc, err := d.DialContext(ctx, srv.network, srv.address)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{}
	if s.o.TLS != nil {
		config = s.o.TLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = srv.host
	}
	if srv.scheme == "ldaps" {
		tc := tls.Client(nc, config)
		if err := tc.HandshakeContext(ctx); err != nil {
			nc.Close()
			return nil, err
		}
		nc = tc
	}
	conn := ldap.NewConn(nc, srv.scheme == "ldaps")
	conn.Start()
	if end, ok := ctx.Deadline(); ok {
		conn.SetTimeout(time.Until(end))
	}
	if s.o.UseTLS && srv.scheme == "ldap" {
		if err := conn.StartTLS(config); err != nil {
			conn.Close()
			return nil, err
		}
	}
	if err := s.bind(conn, srv); err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetTimeout(s.o.Timeout)
	return conn, nil
}

func (s *Set) bind(conn *ldap.Conn, srv server) error {
	switch strings.ToUpper(s.o.Mechanism) {
	case "EXTERNAL":
		return conn.ExternalBind()
	case "DIGEST-MD5":
		name := s.o.AuthName
		if name == "" {
			name = s.o.AuthUser
		}
		return conn.MD5Bind(srv.host, name, s.o.BindPassword)
	}
	if s.o.BindUser == "" {
		return nil // anonymous
	}
	return conn.Bind(s.o.BindUser, s.o.BindPassword)
}
