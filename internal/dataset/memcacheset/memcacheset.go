// Package memcacheset looks keys up in memcached:
//
//	memcache:host[:port][,...]/prefix
//
// asks for "prefix:key". Rows are strings, columns separated by colons. A host
// that begins with %2F is the path of a socket.
package memcacheset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"dojang/internal/dataset"
	"dojang/internal/dataset/remote"
)

// Options bound the use of the servers. The zero value is usable.
type Options struct {
	Timeout time.Duration // 0 means 5 s
}

// Set is a table in memcached.
type Set struct {
	client *memcache.Client
	prefix string
}

// Opener opens memcache: sets behind the wrapper of package remote.
func Opener(o Options, r remote.Options) dataset.Opener {
	return remote.Opener(r, "", func(args string) (dataset.Set, error) { return New(args, o) })
}

// New makes a set of what follows "memcache:". It does not connect.
func New(s string, o Options) (*Set, error) {
	hosts, prefix, ok := strings.Cut(s, "/")
	if !ok || prefix == "" || hosts == "" {
		return nil, errors.New("memcache: write memcache:host[,host...]/prefix")
	}
	if !legal(prefix) {
		return nil, errors.New("memcache: the prefix has a blank or control character, or is too long")
	}
	var servers []string
	for h := range strings.SplitSeq(hosts, ",") {
		h, err := url.PathUnescape(strings.TrimSpace(h))
		if err != nil || h == "" {
			return nil, fmt.Errorf("memcache: %w", remote.ErrAddress)
		}
		if !strings.HasPrefix(h, "/") {
			host, port, err := remote.HostPort(h, "11211")
			if err != nil {
				return nil, fmt.Errorf("memcache: %w", err)
			}
			h = net.JoinHostPort(host, port)
		}
		servers = append(servers, h)
	}
	var list memcache.ServerList
	if err := list.SetServers(servers...); err != nil {
		return nil, err
	}
	c := memcache.NewFromSelector(&list)
	c.Timeout, c.MaxIdleConns = cmp.Or(o.Timeout, remote.DefaultTimeout), remote.MaxConnections
	return &Set{client: c, prefix: prefix + ":"}, nil
}

// legal reports whether the protocol can carry a key at all.
func legal(key string) bool {
	if len(key) > 250 {
		return false
	}
	for i := 0; i < len(key); i++ {
		if key[i] <= ' ' || key[i] == 0x7f {
			return false
		}
	}
	return true
}

// Ping asks whether every server answers.
func (s *Set) Ping(context.Context) error { return s.client.Ping() }

// Close closes the connections.
func (s *Set) Close() error { return s.client.Close() }

// Lookup asks for one key. Nothing can be stored under a key that is no key of
// memcached's.
func (s *Set) Lookup(_ context.Context, key string, columns int) ([]string, error) {
	if !legal(s.prefix + key) {
		return nil, dataset.ErrNotFound
	}
	var item *memcache.Item
	err := s.retry(func() (err error) { item, err = s.client.Get(s.prefix + key); return err })
	if errors.Is(err, memcache.ErrCacheMiss) {
		return nil, dataset.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return dataset.Split(string(item.Value), columns), nil
}

// LookupBatch asks each server once for all keys that it has.
func (s *Set) LookupBatch(_ context.Context, keys []string, columns int) ([][]string, error) {
	var full []string
	for _, k := range keys {
		if legal(s.prefix + k) {
			full = append(full, s.prefix+k)
		}
	}
	rows := make([][]string, len(keys))
	if len(full) == 0 {
		return rows, nil
	}
	var items map[string]*memcache.Item
	err := s.retry(func() (err error) { items, err = s.client.GetMulti(full); return err })
	if err != nil {
		return nil, err
	}
	for i, k := range keys {
		if item := items[s.prefix+k]; item != nil {
			rows[i] = append([]string{}, dataset.Split(string(item.Value), columns)...)
		}
	}
	return rows, nil
}

// retry asks again over another connection while those kept open turn out to be
// of a server that was started anew.
func (s *Set) retry(ask func() error) error {
	err := ask()
	for i := 0; i <= s.client.MaxIdleConns; i++ {
		if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			break
		}
		err = ask()
	}
	return err
}
