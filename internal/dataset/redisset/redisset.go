// Package redisset looks keys up in Redis: one server, a sentinel's master or a
// cluster. Rows are strings, columns separated by colons, under plain keys or in
// one hash:
//
//	redis://[user[:password]@]host[:port][/db][?prefix=P][&hash=H]
//	rediss://...                                    over TLS; redis+...?tls=yes too
//	redis+sentinel://[user[:password]@]host[:port][,...]/master[/db][?...]
//	redis+cluster://[user[:password]@]host[:port][,...][?...]
//
// Over TLS the server's certificate is checked, against the authorities in a file
// with &ca=/path; with &tls=require it is not.
//
// A host that begins with %2F is the path of a socket.
package redisset

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"dojang/internal/dataset"
	"dojang/internal/dataset/remote"
)

// Options bound the use of a server. The zero value is usable.
type Options struct {
	Timeout time.Duration // 0 means 5 s
}

// spec is a parsed URL.
type spec struct {
	kind     string // redis, redis+sentinel or redis+cluster
	tls      bool
	noCheck  bool   // of the server's certificate
	ca       string // "" are the system's authorities
	hosts    []string
	network  string
	user     string
	password string
	master   string
	db       int
	prefix   string
	hash     string
}

func parse(s string) (spec, error) {
	var sp spec
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return sp, errors.New("redis: write redis://host:port/db?prefix=P")
	}
	switch sp.kind = scheme; scheme {
	case "rediss":
		sp.kind, sp.tls = "redis", true
	case "redis", "redis+sentinel", "redis+cluster":
	default:
		return sp, fmt.Errorf("redis: unknown scheme %.40q", scheme)
	}
	rest, query, _ := strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		user, password, _ := strings.Cut(authority[:at], ":")
		authority = authority[at+1:]
		var err1, err2 error
		sp.user, err1 = url.PathUnescape(user)
		sp.password, err2 = url.PathUnescape(password)
		if errors.Join(err1, err2) != nil {
			return sp, errors.New("redis: user or password is not percent-encoded")
		}
	}
	if err := sp.parseHosts(authority); err != nil {
		return sp, err
	}
	if err := sp.parsePath(path); err != nil {
		return sp, err
	}
	return sp, sp.parseQuery(query)
}

func (sp *spec) parseHosts(s string) error {
	port := "6379"
	if sp.kind == "redis+sentinel" {
		port = "26379"
	}
	sp.network = "tcp"
	for h := range strings.SplitSeq(s, ",") {
		h, err := url.PathUnescape(h)
		if err != nil || h == "" && s != "" {
			return errAddress
		}
		if strings.HasPrefix(h, "/") {
			sp.network = "unix"
		} else if host, port, err := remote.HostPort(h, port); err != nil {
			return errAddress
		} else {
			h = net.JoinHostPort(host, port)
		}
		sp.hosts = append(sp.hosts, h)
	}
	if sp.kind == "redis" && len(sp.hosts) > 1 {
		return errors.New("redis: several servers need redis+cluster:// or redis+sentinel://")
	}
	return nil
}

// errAddress does not repeat what is wrong: it is a part of a password as often as not.
var errAddress = fmt.Errorf("redis: %w; and / in a password as %%2F, ? as %%3F and # as %%23", remote.ErrAddress)

func (sp *spec) parsePath(path string) error {
	if sp.kind == "redis+sentinel" {
		if sp.master, path, _ = strings.Cut(path, "/"); sp.master == "" {
			return errors.New("redis: write the master's name, redis+sentinel://host/NAME")
		}
	}
	path = strings.Trim(path, "/")
	if path == "" {
		return nil
	}
	if strings.Contains(path, "@") {
		return errAddress
	}
	var err error
	if sp.db, err = strconv.Atoi(path); err != nil || sp.db < 0 || sp.kind == "redis+cluster" && sp.db != 0 {
		return fmt.Errorf("redis: %.40q is not the number of a database", path)
	}
	return nil
}

func (sp *spec) parseQuery(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	var tls string
	for name, v := range values {
		if strings.Contains(name, "@") {
			return errAddress
		}
		switch name {
		case "prefix":
			sp.prefix = v[0]
		case "hash":
			sp.hash = v[0]
		case "ca":
			sp.ca = v[0]
		case "tls":
			tls = v[0]
		default:
			return fmt.Errorf("redis: unknown parameter %.40q: known are prefix, hash, tls and ca", name)
		}
	}
	if err := sp.parseTLS(tls); err != nil {
		return err
	}
	if sp.prefix != "" && sp.hash != "" {
		return errors.New("redis: prefix and hash exclude each other")
	}
	return nil
}

// parseTLS reads the value of tls=, "" when there is none.
func (sp *spec) parseTLS(mode string) error {
	switch mode {
	case "yes", "true", "verify":
		sp.tls = true
	case "require":
		sp.tls, sp.noCheck = true, true
	case "no", "false":
		if sp.tls {
			return errors.New("redis: rediss: means TLS: write redis: without it, or leave tls=no out")
		}
		sp.noCheck = true
	case "":
		sp.tls = sp.tls || sp.ca != ""
	default:
		return fmt.Errorf("redis: tls=%.40s: write verify, require or no", mode)
	}
	if sp.ca != "" && sp.noCheck {
		return fmt.Errorf("redis: ca= is for tls=verify, and tls=%s checks no certificate: write tls=verify, or leave ca= out", mode)
	}
	return nil
}

// Set is a Redis table.
type Set struct {
	client redis.UniversalClient
	spec   spec
	name   string
}

// Opener opens redis: sets behind the wrapper of package remote.
func Opener(o Options, r remote.Options) dataset.Opener {
	return remote.Opener(r, "", func(args string) (dataset.Set, error) { return New(args, o) })
}

// String is the set's name without its password.
func (s *Set) String() string { return s.name }

// quiet keeps the library from writing to standard error: its errors reach us.
// The library has one logger for the process.
var quiet sync.Once

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// New makes a set of its URL. It does not connect.
func New(s string, o Options) (*Set, error) {
	quiet.Do(func() { redis.SetLogger(silent{}) })
	sp, err := parse(s)
	if err != nil {
		return nil, err
	}
	o.Timeout = cmp.Or(o.Timeout, remote.DefaultTimeout)
	u := &redis.UniversalOptions{
		Addrs: sp.hosts, DB: sp.db, Username: sp.user, Password: sp.password, MasterName: sp.master,
		IsClusterMode: sp.kind == "redis+cluster",
		DialTimeout:   o.Timeout, ReadTimeout: o.Timeout, WriteTimeout: o.Timeout, PoolTimeout: o.Timeout,
		PoolSize: remote.MaxConnections, MaxRetries: 1,
		ContextTimeoutEnabled: true, DisableIdentity: true, Protocol: 2,
	}
	if sp.tls {
		authorities, err := remote.Authorities(sp.ca)
		if err != nil {
			return nil, err
		}
		u.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authorities, InsecureSkipVerify: sp.noCheck}
	}
	set := &Set{spec: sp, name: dataset.Spec{Type: dataset.TypeRedis, Args: s}.String()}
	if sp.kind == "redis" {
		simple := u.Simple()
		simple.Network = sp.network
		set.client = redis.NewClient(simple)
	} else {
		set.client = redis.NewUniversalClient(u)
	}
	return set, nil
}

// Ping asks whether the server answers.
func (s *Set) Ping(ctx context.Context) error { return s.failure(s.client.Ping(ctx).Err()) }

// Close closes the connections.
func (s *Set) Close() error { return s.client.Close() }

// Lookup asks for one key.
func (s *Set) Lookup(ctx context.Context, key string, columns int) ([]string, error) {
	text, err := s.get(ctx, s.client, key).Result()
	if errors.Is(err, redis.Nil) {
		return nil, dataset.ErrNotFound
	}
	if err != nil {
		return nil, s.failure(err)
	}
	return dataset.Split(text, columns), nil
}

func (s *Set) get(ctx context.Context, c redis.Cmdable, key string) *redis.StringCmd {
	if s.spec.hash != "" {
		return c.HGet(ctx, s.spec.hash, key)
	}
	return c.Get(ctx, s.spec.prefix+key)
}

// LookupBatch asks for several keys in one pipeline, which a cluster's client
// deals out to its servers.
func (s *Set) LookupBatch(ctx context.Context, keys []string, columns int) ([][]string, error) {
	pipeline := s.client.Pipeline()
	commands := make([]*redis.StringCmd, len(keys))
	for i, k := range keys {
		commands[i] = s.get(ctx, pipeline, k)
	}
	_, _ = pipeline.Exec(ctx) // each command has its own error
	rows := make([][]string, len(keys))
	for i, c := range commands {
		text, err := c.Result()
		if errors.Is(err, redis.Nil) {
			continue
		}
		if err != nil {
			return nil, s.failure(err)
		}
		rows[i] = append([]string{}, dataset.Split(text, columns)...)
	}
	return rows, nil
}

// walkBatch is how many rows a server is asked for at a time.
const walkBatch = 1000

// Walk implements dataset.Walker for a hash, or for the keys with the prefix. Without
// either nobody knows which keys of a database are rows.
func (s *Set) Walk(ctx context.Context, f func(dataset.Entry) error) error {
	switch {
	case s.spec.hash == "" && s.spec.prefix == "":
		return dataset.ErrNoWalk
	case s.spec.hash == "":
		return s.walkKeys(ctx, f)
	}
	var cursor uint64
	for {
		pairs, next, err := s.client.HScan(ctx, s.spec.hash, cursor, "", walkBatch).Result()
		if err != nil {
			return s.failure(err)
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			if err := f(dataset.Entry{Key: pairs[i], Values: dataset.Split(pairs[i+1], -1)}); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// globs are the characters that mean something in the pattern of SCAN.
var globs = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`)

// walkKeys walks the keys with the prefix, in their order: SCAN may return one twice.
func (s *Set) walkKeys(ctx context.Context, f func(dataset.Entry) error) error {
	var mu sync.Mutex
	var keys []string
	scan := func(ctx context.Context, client redis.Cmdable) error {
		all := client.Scan(ctx, 0, globs.Replace(s.spec.prefix)+"*", walkBatch).Iterator()
		for all.Next(ctx) {
			mu.Lock()
			keys = append(keys, strings.TrimPrefix(all.Val(), s.spec.prefix))
			mu.Unlock()
		}
		return all.Err()
	}
	err := error(nil)
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error { return scan(ctx, c) })
	} else {
		err = scan(ctx, s.client)
	}
	if err != nil {
		return s.failure(err)
	}
	slices.Sort(keys)
	for batch := range slices.Chunk(slices.Compact(keys), walkBatch) {
		rows, err := s.LookupBatch(ctx, batch, -1)
		if err != nil {
			return err
		}
		for i, values := range rows {
			if values == nil {
				continue // gone meanwhile
			}
			if err := f(dataset.Entry{Key: batch[i], Values: values}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Set) failure(err error) error {
	if err == nil {
		return nil
	}
	return Failure(s.name, err)
}
