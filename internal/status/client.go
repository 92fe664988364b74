package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxAnswerBytes bounds what a socket may answer.
const maxAnswerBytes = 256 << 20

// Client asks a StatusSocket. Its methods may be called by many at once.
type Client struct {
	address string
	base    string
	http    http.Client
}

// NewClient returns a Client of local:PATH, unix:PATH or an http(s):// URL; a
// path alone is a socket too. Nothing is connected yet.
func NewClient(address string) (*Client, error) {
	c := &Client{address: address, http: http.Client{Timeout: 30 * time.Second}}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	path := address
	for _, prefix := range []string{"local:", "unix:"} {
		path = strings.TrimPrefix(path, prefix)
	}
	if u, err := url.Parse(address); err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
		c.base = strings.TrimSuffix(address, "/")
		return c, nil
	}
	if !strings.HasPrefix(path, "/") {
		return nil, fmt.Errorf("%s: write local:/PATH, unix:/PATH or http://HOST:PORT of a StatusSocket", address)
	}
	c.base = "http://filter"
	c.http.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	return c, nil
}

// Address is what NewClient was given.
func (c *Client) Address() string { return c.address }

// ErrNotFound says that the filter knows nothing of that name.
var ErrNotFound = errors.New("not known to the filter")

func (c *Client) get(ctx context.Context, path string, q url.Values, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path+"?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // without the made-up URL
		}
		return fmt.Errorf("%s: %w", c.address, err)
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return ErrNotFound
	default:
		return fmt.Errorf("%s: %s", c.address, response.Status)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswerBytes)).Decode(into); err != nil {
		return fmt.Errorf("%s: %s: %w", c.address, path, err)
	}
	return nil
}

// Server asks for /v1/server.
func (c *Client) Server(ctx context.Context) (s Server, err error) {
	return s, c.get(ctx, "/v1/server", nil, &s)
}

// Keys asks for the keys of a domain, or of all for ""; at most n (0: all) after
// a record's name.
func (c *Client) Keys(ctx context.Context, domain, after string, n int) (keys []Key, err error) {
	q := url.Values{}
	if domain != "" {
		q.Set("domain", domain)
	}
	if after != "" {
		q.Set("after", after)
	}
	if n > 0 {
		q.Set("n", strconv.Itoa(n))
	}
	return keys, c.get(ctx, "/v1/keys", q, &keys)
}

// Domains asks for the counts by signing domain.
func (c *Client) Domains(ctx context.Context) (domains []Domain, err error) {
	return domains, c.get(ctx, "/v1/domains", nil, &domains)
}

// Series asks for counts over time: of a domain, or of all mail for "". span is
// hour, 2d or 90d.
func (c *Client) Series(ctx context.Context, domain, span string) (s Series, err error) {
	return s, c.get(ctx, "/v1/series", url.Values{"domain": {domain}, "range": {span}}, &s)
}

// Messages asks for the latest n rows of the ring that match; "" matches all.
func (c *Client) Messages(ctx context.Context, queueID, domain string, result Result, n int) (rows []Message, err error) {
	return rows, c.get(ctx, "/v1/messages",
		url.Values{"q": {queueID}, "domain": {domain}, "result": {string(result)}, "n": {strconv.Itoa(n)}}, &rows)
}
