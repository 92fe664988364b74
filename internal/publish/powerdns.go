package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"dojang/internal/keyrecord"
	"dojang/internal/problem"
)

// Bounds of the talk with PowerDNS.
const (
	apiTimeout     = 30 * time.Second
	apiAttempts    = 5                      // of one request
	apiPause       = 250 * time.Millisecond // after the first failure; it doubles
	maxAPIPause    = 5 * time.Second        // a server that wants more is asked again in another run
	maxAPIBytes    = 64 << 20               // servers before 4.6 answer with a whole zone
	maxAPIErrBytes = 4 << 10
	maxPatch       = 100 // record sets in one request
)

// powerDNS publishes through PowerDNS' HTTP API
// (https://doc.powerdns.com/authoritative/http-api/). Requests go out one after the
// other: its SQL back-ends fail when several write. The API has no condition, so what
// stands at a name is read just before.
type powerDNS struct {
	url    string // of the server: http://127.0.0.1:8081/api/v1/servers/localhost
	key    string
	client *http.Client
}

func newPowerDNS(server, key string) *powerDNS {
	refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &powerDNS{url: server, key: key, client: &http.Client{Timeout: apiTimeout, CheckRedirect: refuse}}
}

// apiURL completes the URL of a server: only the host may be given.
func apiURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", fmt.Errorf("%s: write http://127.0.0.1:8081 or a whole URL, as far as .../servers/localhost",
			problem.Quote(problem.Redact(text)))
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/api/v1/servers/localhost"
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// Apply implements Publisher.
func (p *powerDNS) Apply(ctx context.Context, b Batch) ([]Result, error) {
	if err := b.Check(); err != nil {
		return nil, err
	}
	known := outcome{}
	zone, err := p.zone(ctx, keyrecord.Canonical(b.Zone))
	for rest := b.Changes; len(rest) > 0 && err == nil; {
		part := rest[:min(len(rest), maxPatch)]
		rest = rest[len(part):]
		if err = p.part(ctx, zone, part, known); err != nil {
			known.setAll(rest, Retry, "not sent: the server failed before")
		}
	}
	var failed *apiError
	if errors.As(err, &failed) { // the server's word, before anything was changed
		for _, c := range b.Changes {
			if _, is := known[c.Name]; !is {
				known.set(failed.end(c))
			}
		}
		err = nil
	}
	return known.list(b.Changes), err
}

// part reads what stands at the names and makes the changes that are due.
func (p *powerDNS) part(ctx context.Context, zone string, changes []Change, known outcome) error {
	var due []Change
	for _, c := range changes {
		at, err := p.read(ctx, zone, c.Name)
		if err != nil {
			return err
		}
		if end, isDue := c.judge(at); isDue {
			due = append(due, c)
		} else {
			known.set(end)
		}
	}
	return p.write(ctx, zone, due, known)
}

// write makes changes, all or none in one request; when the server objects, halves of
// them, until those that it objects to stand alone.
func (p *powerDNS) write(ctx context.Context, zone string, due []Change, known outcome) error {
	if len(due) == 0 {
		return nil
	}
	err := p.patch(ctx, zone, due)
	var failed *apiError
	switch {
	case err == nil:
		known.setAll(due, Done, "")
		return nil
	case errors.As(err, &failed) && failed.status == http.StatusUnprocessableEntity && len(due) > 1:
		half := len(due) / 2
		return errors.Join(p.write(ctx, zone, due[:half], known), p.write(ctx, zone, due[half:], known))
	case errors.As(err, &failed) && failed.status < http.StatusInternalServerError:
		for _, c := range due {
			known.set(failed.end(c))
		}
		return nil
	}
	// It may have been made all the same.
	for _, c := range due {
		at, unread := p.read(ctx, zone, c.Name)
		if unread != nil {
			return fmt.Errorf("%s: %v", p.url, err)
		}
		if end, isDue := c.judge(at); isDue {
			known.set(c.ended(Retry, err.Error()))
		} else {
			known.set(end)
		}
	}
	return nil
}

// apiSet is a record set in the API's words.
type apiSet struct {
	Name       string      `json:"name"`
	Type       string      `json:"type"`
	TTL        int         `json:"ttl,omitempty"`
	ChangeType string      `json:"changetype,omitempty"`
	Records    []apiRecord `json:"records"`
}

type apiRecord struct {
	Content  string `json:"content"`
	Disabled bool   `json:"disabled"`
}

// zone finds how the API names a zone.
func (p *powerDNS) zone(ctx context.Context, name string) (id string, err error) {
	var zones []struct{ ID, Name string }
	if err := p.call(ctx, http.MethodGet, "/zones?zone="+url.QueryEscape(name+"."), nil, &zones); err != nil {
		return "", err
	}
	for _, z := range zones {
		if keyrecord.Canonical(z.Name) == name {
			return z.ID, nil
		}
	}
	return "", &apiError{status: http.StatusNotFound, text: "the server has no zone " + problem.Quote(name)}
}

// read returns what stands at a name.
func (p *powerDNS) read(ctx context.Context, zone, name string) (standing, error) {
	var answer struct {
		RRSets []apiSet `json:"rrsets"`
	}
	path := "/zones/" + url.PathEscape(zone) + "?rrset_name=" + url.QueryEscape(name+".")
	if err := p.call(ctx, http.MethodGet, path, nil, &answer); err != nil {
		return standing{}, err
	}
	var at standing
	for _, set := range answer.RRSets {
		if keyrecord.Canonical(set.Name) != name {
			continue
		}
		for _, r := range set.Records {
			switch {
			case set.Type == "CNAME":
				at.alias = keyrecord.Canonical(r.Content)
			case set.Type != typeTXT:
			case r.Disabled:
				at.records = append(at.records, []string{"(a record that is disabled)"})
			default:
				strs, err := unquoteAll(r.Content)
				if err != nil {
					return at, fmt.Errorf("%s: %w", name, err)
				}
				at.records = append(at.records, strs)
			}
		}
	}
	return at, nil
}

func (p *powerDNS) patch(ctx context.Context, zone string, changes []Change) error {
	var body struct {
		RRSets []apiSet `json:"rrsets"`
	}
	for _, c := range changes {
		set := apiSet{Name: c.Name + ".", Type: typeTXT, ChangeType: "DELETE", Records: []apiRecord{}}
		if c.Do != DoAbsent {
			set.ChangeType, set.TTL = "REPLACE", c.TTLSeconds
			set.Records = append(set.Records, apiRecord{Content: keyrecord.QuoteAll(c.Strings)})
		}
		body.RRSets = append(body.RRSets, set)
	}
	return p.call(ctx, http.MethodPatch, "/zones/"+url.PathEscape(zone), body, nil)
}

// apiError is an answer of the server that is no success.
type apiError struct {
	status     int
	text       string
	retryAfter int // seconds
}

func (e *apiError) Error() string { return e.text }

// end is what the error means for a change that was not made.
func (e *apiError) end(c Change) Result {
	r := c.ended(Refused, e.text)
	if e.temporary() {
		r.State, r.RetryAfterSeconds = Retry, e.retryAfter
	}
	return r
}

func (e *apiError) temporary() bool {
	return e.status == http.StatusTooManyRequests || e.status >= http.StatusInternalServerError
}

// call sends a request until it is answered by something else than a passing failure,
// for a few seconds. Every request of ours may be sent twice. An error is an apiError
// when the server's last word was one.
func (p *powerDNS) call(ctx context.Context, method, path string, in, out any) error {
	var err error
	for attempt := range apiAttempts {
		var pause time.Duration
		if pause, err = p.try(ctx, method, path, in, out); err == nil || pause < 0 {
			return err
		}
		pause = min(max(pause, apiPause<<attempt), maxAPIPause)
		if attempt < apiAttempts-1 && sleep(ctx, pause) != nil {
			break
		}
	}
	return err
}

// try sends a request once; pause is how long the server wants to be left alone, and
// below zero when there is no sense in asking again.
func (p *powerDNS) try(ctx context.Context, method, path string, in, out any) (pause time.Duration, err error) {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return -1, err
		}
		body = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, p.url+path, body)
	if err != nil {
		return -1, err
	}
	request.Header.Set("X-API-Key", p.key)
	request.Header.Set("Content-Type", "application/json")
	response, err := p.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		failed := readAPIError(response)
		pause = time.Duration(failed.retryAfter) * time.Second
		if !failed.temporary() || pause > maxAPIPause {
			return -1, failed
		}
		return pause, failed
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAPIBytes+1))
	switch {
	case err != nil:
		return 0, err
	case len(data) > maxAPIBytes:
		return -1, fmt.Errorf("%s answers with more than %d bytes", p.url, maxAPIBytes)
	case out == nil:
		return 0, nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return -1, fmt.Errorf("%s answers with no JSON of a PowerDNS server: %w", p.url, err)
	}
	return 0, nil
}

func readAPIError(r *http.Response) *apiError {
	data, _ := io.ReadAll(io.LimitReader(r.Body, maxAPIErrBytes))
	text := strings.TrimSpace(string(data))
	var said struct{ Error string }
	if json.Unmarshal(data, &said) == nil && said.Error != "" {
		text = said.Error
	}
	e := &apiError{status: r.StatusCode, text: "the API answers " + strconv.Itoa(r.StatusCode)}
	switch {
	case r.StatusCode == http.StatusUnauthorized || r.StatusCode == http.StatusForbidden:
		e.text += ": the key of key-file= is not the server's api-key, or this machine is not in webserver-allow-from"
	case text != "":
		e.text += ": " + problem.Quote(text)
	}
	if n, err := strconv.Atoi(r.Header.Get("Retry-After")); err == nil && n > 0 {
		e.retryAfter = min(n, maxTTLSeconds)
	}
	return e
}
