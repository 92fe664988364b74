// Package httpset asks a web service for keys, with GET. "{key}" in the URL
// stands for the key; without it the key is added as the parameter "key".
//
// A reply with status 200 is a row: JSON (a text, a list of texts, or an object
// with a list called "values"), or plain text with colons between the columns.
// 404, 410 and 204 say that there is no such key; all else is a temporary
// failure, so is a page in HTML: whoever puts one in front of the service means no row.
package httpset

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"dojang/internal/dataset"
	"dojang/internal/dataset/remote"
)

// Options bound the use of the service. The zero value is usable.
type Options struct {
	Timeout   time.Duration // 0 means 5 s
	TLS       *tls.Config   // nil trusts the system's authorities
	UserAgent string
}

// maxReplyBytes bounds a reply: a private key fits.
const maxReplyBytes = 256 << 10

// Set is a service's answers.
type Set struct {
	url    string // without the login
	user   *url.Userinfo
	o      Options
	client *http.Client
}

// Opener opens http: and https: sets behind the wrapper of package remote.
func Opener(o Options, r remote.Options) dataset.Opener {
	return remote.Opener(r, "start the filter with SSL_CERT_FILE=/path/authority.pem in its environment, or make the authority one of "+
		"the system's: update-ca-certificates", func(args string) (dataset.Set, error) { return New(args, o) })
}

const placeholder = "{key}"

// New makes a set of its URL. It does not connect.
func New(s string, o Options) (*Set, error) {
	scheme, rest, _ := strings.Cut(s, "://")
	end := strings.IndexAny(rest+"/", "/?#")
	authority, rest := rest[:end], rest[end:]
	at := strings.LastIndexByte(authority, '@') + 1
	if strings.Contains(authority[at:], placeholder) {
		return nil, errors.New("http: the key cannot be part of the host")
	}
	u, err := url.Parse(scheme + "://" + authority + strings.ReplaceAll(rest, placeholder, "KEY"))
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.Port() != "" && !remote.IsPort(u.Port()) {
		return nil, errors.New("http: write https://host/path/{key}") // url's error would repeat a password
	}
	o.Timeout = cmp.Or(o.Timeout, remote.DefaultTimeout)
	if o.UserAgent == "" {
		o.UserAgent = "dojang"
	}
	s, _, _ = strings.Cut(u.Scheme+"://"+authority[at:]+rest, "#")
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: o.TLS, MaxConnsPerHost: remote.MaxConnections,
		MaxIdleConnsPerHost: remote.MaxConnections, IdleConnTimeout: time.Minute,
		TLSHandshakeTimeout: o.Timeout, ResponseHeaderTimeout: o.Timeout, MaxResponseHeaderBytes: 64 << 10,
	}
	client := &http.Client{Transport: transport, Timeout: o.Timeout, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > 3 || r.URL.Host != via[0].URL.Host || r.URL.Scheme != via[0].URL.Scheme {
			return errors.New("redirected elsewhere")
		}
		return nil
	}}
	return &Set{url: s, user: u.User, o: o, client: client}, nil
}

// Ping asks for a key; that there is none is a good answer.
func (s *Set) Ping(ctx context.Context) error {
	_, err := s.Lookup(ctx, "ping", 1)
	if errors.Is(err, dataset.ErrNotFound) {
		return nil
	}
	return err
}

// Close closes the connections kept open.
func (s *Set) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

// address is the URL of a key. Dots alone would climb up the path.
func (s *Set) address(key string) string {
	if !strings.Contains(s.url, placeholder) {
		join := "?"
		if strings.Contains(s.url, "?") {
			join = "&"
		}
		return s.url + join + "key=" + url.QueryEscape(key)
	}
	path, query, hasQuery := strings.Cut(s.url, "?")
	escaped := strings.ReplaceAll(url.PathEscape(key), ".", "%2E")
	address := strings.ReplaceAll(path, placeholder, escaped)
	if hasQuery {
		address += "?" + strings.ReplaceAll(query, placeholder, url.QueryEscape(key))
	}
	return address
}

// Lookup asks for one key.
func (s *Set) Lookup(ctx context.Context, key string, columns int) ([]string, error) {
	if key == "" {
		return nil, dataset.ErrNotFound // the address would be another resource's
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.address(key), nil)
	if err != nil {
		return nil, &dataset.Error{Err: errors.New("key does not fit into a URL")}
	}
	request.Header.Set("Accept", "application/json, text/plain;q=0.9")
	request.Header.Set("User-Agent", s.o.UserAgent)
	if s.user != nil {
		password, _ := s.user.Password()
		request.SetBasicAuth(s.user.Username(), password)
	}
	response, err := s.client.Do(request)
	if err != nil {
		var e *url.Error
		if errors.As(err, &e) {
			err = e.Err // without the URL, which holds the key
		}
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxReplyBytes+1))
	switch {
	case response.StatusCode == http.StatusNotFound, response.StatusCode == http.StatusGone, response.StatusCode == http.StatusNoContent:
		return nil, dataset.ErrNotFound
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("service says %.60s", response.Status)
	case err != nil:
		return nil, err
	case len(body) > maxReplyBytes:
		return nil, fmt.Errorf("reply is longer than %d bytes", maxReplyBytes)
	}
	values, err := parse(response.Header.Get("Content-Type"), body, columns)
	if err != nil {
		return nil, err
	}
	return values, nil
}

func parse(contentType string, body []byte, columns int) ([]string, error) {
	kind, _, _ := mime.ParseMediaType(contentType)
	if kind == "text/html" || kind == "application/xhtml+xml" {
		return nil, errors.New("reply is a page in HTML, and no row")
	}
	if kind != "application/json" && !strings.HasSuffix(kind, "+json") {
		return dataset.Split(strings.TrimSpace(string(body)), columns), nil
	}
	var text *string
	if json.Unmarshal(body, &text) == nil && text != nil { // null is nothing of these
		return dataset.Split(*text, columns), nil
	}
	var list []string
	if json.Unmarshal(body, &list) != nil || list == nil {
		var object struct {
			Values []string `json:"values"`
		}
		if err := json.Unmarshal(body, &object); err != nil || object.Values == nil {
			return nil, errors.New("reply is not a text, a list of texts, or an object with one called values")
		}
		list = object.Values
	}
	return list[:min(columns, len(list))], nil
}
