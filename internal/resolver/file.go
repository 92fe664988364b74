package resolver

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"sync"

	"dojang/internal/privilege"
)

// maxTestFileBytes bounds a file of test records.
const maxTestFileBytes = 64 << 20

var errTestFileSize = errors.New("the file exceeds 64 MiB")

// file is a file of records, for tests and machines without DNS. It is read again when
// it changed.
type file struct {
	path string

	mu      sync.Mutex
	stamp   fileStamp
	records map[string]string
}

// NewFile reads the file of TestPublicKeys: a line is the record's name, white space,
// and the record's text as it stands. Every name that is not in it is KindNotFound.
// Addresses are looked up by hosts, which may be nil where nobody asks for them.
//
// Compat(opendkim 2.11): of several lines for a name the first counts; names compare
// without case; a name alone is no record; "#" starts a comment only in the first column
// (in a key record it would be data); a line that begins with white space has no name.
func NewFile(path string, hosts Resolver) (Resolver, error) {
	f := &file{path: path}
	if _, err := f.current(); err != nil {
		return nil, err
	}
	return lookupResolver{f.find, path, withHosts{hosts}}, nil
}

func (f *file) find(_ context.Context, name string) (text string, found bool, err error) {
	records, err := f.current()
	text, found = records[name]
	return text, found, err
}

// current gives the records, read again when the file is another.
func (f *file) current() (map[string]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	stamp := stampOf(f.path)
	if f.records != nil && stamp == f.stamp && stamp.exists {
		return f.records, nil
	}
	data, err := readBounded(f.path)
	if err != nil {
		return nil, err
	}
	f.records, f.stamp = parseTestKeys(data), stamp
	return f.records, nil
}

func readBounded(path string) ([]byte, error) {
	file, err := privilege.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxTestFileBytes+1))
	if err == nil && len(data) > maxTestFileBytes {
		err = errTestFileSize
	}
	return data, err
}

// parseTestKeys never fails: what is no record is passed over, as OpenDKIM does.
func parseTestKeys(data []byte) map[string]string {
	records := make(map[string]string)
	for line := range strings.Lines(string(data)) {
		end := strings.IndexAny(line, " \t\v\f\r\n")
		if end <= 0 || line[0] == '#' {
			continue
		}
		text := strings.Trim(line[end:], " \t\v\f\r\n")
		key, err := plain(line[:end])
		if err != nil || key == "" || text == "" {
			continue
		}
		if _, seen := records[key]; !seen {
			records[key] = text
		}
	}
	return records
}

// LookupFunc gives the text kept for a name (lower case, no final dot), or false. Its
// errors count as temporary.
type LookupFunc func(ctx context.Context, name string) (text string, found bool, err error)

// NewLookup answers from what f finds: TestDNSData with any type of data set. Addresses
// are looked up by hosts, which may be nil where nobody asks for them.
func NewLookup(f LookupFunc, hosts Resolver) Resolver {
	return lookupResolver{f, "", withHosts{hosts}}
}

type lookupResolver struct {
	find   LookupFunc
	source string // of the texts, for errors; may be ""
	withHosts
}

func (r lookupResolver) LookupTXT(ctx context.Context, name string) (Answer, error) {
	key, err := plain(name)
	if err != nil {
		return Answer{}, &Error{Name: name, Kind: KindBadName, Err: err}
	}
	text, found, err := r.find(ctx, key)
	switch {
	case err != nil && ctx.Err() != nil:
		return Answer{}, &Error{Name: name, Kind: contextKind(ctx)}
	case err != nil:
		return Answer{}, &Error{Name: name, Kind: KindLocal, Err: err}
	case !found:
		return Answer{}, &Error{Name: name, Kind: KindNotFound, Server: r.source}
	}
	return Answer{Texts: []string{text}}, nil
}

// withHosts is a resolver's part that texts from elsewhere leave to another one.
type withHosts struct{ hosts Resolver }

// LookupA implements Resolver.
func (h withHosts) LookupA(ctx context.Context, name string) ([]netip.Addr, error) {
	if h.hosts == nil {
		return nil, &Error{Name: name, Kind: KindNetwork}
	}
	return h.hosts.LookupA(ctx, name)
}

// Cached implements Resolver: texts from elsewhere are looked up each time.
func (withHosts) Cached(string) (a Answer, ok bool, err error) { return Answer{}, false, nil }

// NewOverlay answers for the names of records (lower case, no final dot) with their
// texts, and for all others as next does: records that are to be published.
func NewOverlay(records map[string]string, next Resolver) Resolver { return overlay{next, records} }

type overlay struct {
	Resolver
	records map[string]string
}

func (o overlay) LookupTXT(ctx context.Context, name string) (Answer, error) {
	if a, ok, err := o.Cached(name); ok {
		return a, err
	}
	return o.Resolver.LookupTXT(ctx, name)
}

func (o overlay) Cached(name string) (a Answer, ok bool, err error) {
	if key, err := plain(name); err == nil {
		if text, ok := o.records[key]; ok {
			return Answer{Texts: []string{text}}, true, nil
		}
	}
	return o.Resolver.Cached(name)
}
