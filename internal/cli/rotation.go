package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"dojang/internal/atomicfile"
	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/doctor"
	"dojang/internal/exit"
	"dojang/internal/keycheck"
	"dojang/internal/keystore"
	"dojang/internal/problem"
	"dojang/internal/publish"
	"dojang/internal/resolver"
	"dojang/internal/rotate"
	"dojang/internal/rotate/settings"
	"dojang/internal/status"
)

// rotation is what the commands about keys in rotation share.
type rotation struct {
	settings string
	dryRun   bool
	json     bool
	readOnly bool
}

// open makes a Rotator of rotate.conf and the configuration that it names; close gives
// back what it holds.
func (o rotation) open(ctx context.Context, s Streams) (r *rotate.Rotator, done func(), err error) {
	set, problems := o.load()
	problems.Write(s.Err)
	if problems.HasErrors() {
		return nil, nil, exit.Silent(exit.Config)
	}
	cfg, problems := config.Load(set.Config)
	if problems.HasErrors() {
		problems.Write(s.Err)
		return nil, nil, exit.Silent(exit.Config)
	}
	checker, err := keycheck.New(keycheck.Options{Resolver: resolver.Options{Nameservers: set.Nameservers, TrustAnchorFile: cfg.TrustAnchorFile.Value}})
	if err != nil {
		return nil, nil, exit.Errorf(exit.Config, "Nameservers: %w", err)
	}
	ro := rotate.Options{Settings: set, Checker: checker, Out: s.Out, DryRun: o.dryRun, SignatureTTL: cfg.SignatureTTL.Value,
		MultipleSignatures: cfg.MultipleSignatures.Value, KeyOwner: filterOwner(cfg)}
	if o.json {
		ro.Out = s.Err
	}
	var closers []func()
	done = func() {
		for _, c := range closers {
			c()
		}
	}
	fail := func(err error) (*rotate.Rotator, func(), error) { done(); return nil, nil, err }
	if ro.Store, err = rotate.OpenStore(set.State, o.readOnly || o.dryRun); err != nil {
		if errors.Is(err, rotate.ErrLocked) {
			return fail(exit.Errorf(exit.TempFail, "%s: %w", set.State, err))
		}
		return fail(exit.Errorf(exit.Unavailable, "State: %s", problem.Reason(err)))
	}
	closers = append(closers, ro.Store.Close)
	if err := o.tables(ctx, cfg, set, &ro, &closers); err != nil {
		return fail(err)
	}
	for _, w := range set.Witnesses {
		c, err := keycheck.New(keycheck.Options{Resolver: resolver.Options{Nameservers: []string{w}}})
		if err != nil {
			return fail(exit.Errorf(exit.Config, "Witness: %w", err))
		}
		ro.Witness = append(ro.Witness, c)
	}
	p := newPublishers(Streams{In: s.In, Out: ro.Out, Err: s.Err}, cfg, set)
	closers = append(closers, p.close)
	opened := map[string]publish.Publisher{}
	ro.Publisher = func(name string) (publish.Publisher, error) {
		spec := publish.Spec{Type: publish.TypeManual}
		if named, ok := set.Publisher(name); ok {
			spec = named.Spec
		}
		if opened[name] == nil {
			publisher, err := p.open(spec)
			if err != nil {
				return nil, err
			}
			opened[name] = publisher
		}
		return opened[name], nil
	}
	ro.Filter = rotatedFilter{cfg}
	if ro.Hosts, err = hostsOf(set, cfg); err != nil {
		return fail(exit.Errorf(exit.Config, "Hosts: %w", err))
	}
	return rotate.New(ro), done, nil
}

// load reads rotate.conf. Where there is none at the usual place, its defaults count.
func (o rotation) load() (*settings.Settings, problem.List) {
	if _, err := os.Stat(o.settings); o.settings == settings.DefaultPath && os.IsNotExist(err) {
		set, _ := settings.Load(os.DevNull)
		return set, nil
	}
	return settings.Load(o.settings)
}

// tables opens the KeyTable and SigningTable, or takes Domain, Selector and KeyFile for
// a table of one row.
func (o rotation) tables(ctx context.Context, cfg *config.Config, set *settings.Settings, ro *rotate.Options, closers *[]func()) (err error) {
	if ro.KeyOf, err = keystore.ToolOptions(cfg.KeyIdentities.Value); err != nil {
		return exit.Errorf(exit.Config, "KeyIdentities: %w", err)
	}
	if cfg.KeyIdentities.Value != "" {
		ro.Recipients, _ = keystore.Recipients(cfg.KeyIdentities.Value)
	}
	if cfg.KeyTable.Value == "" {
		return o.confTable(ctx, cfg, set, ro)
	}
	open := func(spec string) (t rotate.Table, err error) {
		if spec == "" {
			return t, nil
		}
		t.Spec = spec
		if t.Set, err = build.OpenSet(ctx, cfg, spec); err != nil {
			return t, exit.Errorf(exit.Config, "%w", err)
		}
		*closers = append(*closers, func() { t.Set.Close() })
		t.Swap = dataset.SwapperOf(spec, t.Set)
		if _, text := dataset.TextTableOf(spec); !text && t.Swap != nil {
			ro.CacheTTL = cfg.DataSetCacheTTL.Value
		}
		return t, nil
	}
	if ro.KeyTable, err = open(cfg.KeyTable.Value); err != nil {
		return err
	}
	if ro.Signing, err = open(cfg.SigningTable.Value); err != nil {
		return err
	}
	ro.Keys = keystore.New(ro.KeyTable.Set, ro.KeyOf)
	return nil
}

func (o rotation) confTable(ctx context.Context, cfg *config.Config, set *settings.Settings, ro *rotate.Options) error {
	if cfg.KeyFile.Value == "" || cfg.Selector.Value == "" || cfg.Domain.Value == "" {
		return exit.Errorf(exit.Config, "%s: no KeyTable, and no Domain, Selector and KeyFile: there is no key to change", set.Config)
	}
	t := &rotate.ConfTable{Path: set.Config, Selector: cfg.Selector.Source(), KeyFile: cfg.KeyFile.Source()}
	var domains []string
	err := build.WalkSet(ctx, cfg, cfg.Domain.Value, func(e dataset.Entry, _ string) error {
		domains = append(domains, strings.ToLower(e.Key))
		return nil
	})
	if err != nil {
		return exit.Errorf(exit.Config, "Domain: %w", err)
	}
	if t.Domain = "%"; len(domains) == 1 {
		t.Domain = domains[0]
	} else {
		set.Groups = append(set.Groups, settings.Group{Name: rotate.ConfRow, Domains: domains})
	}
	ro.KeyTable = rotate.Table{Spec: set.Config, Set: t, Swap: t}
	ro.Keys = keystore.New(t, ro.KeyOf)
	return nil
}

// filterOwner is who must be able to read key files, nil when it is not known.
func filterOwner(cfg *config.Config) *atomicfile.Owner {
	accounts, err := keystore.ReadAccounts("/etc/passwd", "/etc/group")
	if err != nil {
		return nil
	}
	name, _, _ := strings.Cut(cfg.UserID.Value, ":")
	uid, gid, ok := accounts.Lookup(name)
	if !ok {
		return nil
	}
	return &atomicfile.Owner{UID: uid, GID: gid}
}

// hostsOf are the filters to ask: those of Hosts, else the one of Config.
func hostsOf(set *settings.Settings, cfg *config.Config) (hosts []rotate.Host, err error) {
	addresses := set.Hosts
	if len(addresses) == 0 && cfg.StatusSocket.IsSet() {
		addresses = []string{addressOf(cfg.StatusSocket.Value)}
	}
	for _, a := range addresses {
		c, err := status.NewClient(a)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, c)
	}
	return hosts, nil
}

// rotatedFilter is the filter of this host.
type rotatedFilter struct{ cfg *config.Config }

// Reload implements rotate.Filter. A filter whose tables are on a server looks there
// by itself.
func (f rotatedFilter) Reload(ctx context.Context) error {
	_, keys := dataset.TextTableOf(f.cfg.KeyTable.Value)
	_, authors := dataset.TextTableOf(f.cfg.SigningTable.Value)
	if !keys && !authors && f.cfg.KeyTable.Value != "" {
		return nil
	}
	var said bytes.Buffer
	quiet := Streams{Out: io.Discard, Err: &said}
	if f.cfg.MetricsSocket.IsSet() {
		err := reloadBySocket(ctx, quiet, f.cfg)
		if exit.Status(err) == exit.Config {
			return fmt.Errorf("%w: %s", rotate.ErrReload, strings.TrimSpace(said.String()))
		}
		return err
	}
	before := f.lastReload(ctx)
	if err := reloadBySignal(quiet, f.cfg); err != nil {
		return err
	}
	return f.awaitReload(ctx, before)
}

func (f rotatedFilter) lastReload(ctx context.Context) time.Time {
	if l := f.reloaded(ctx); l != nil {
		return l.Time
	}
	return time.Time{}
}

func (f rotatedFilter) reloaded(ctx context.Context) *status.Reload {
	if !f.cfg.StatusSocket.IsSet() {
		return nil
	}
	c, err := status.NewClient(addressOf(f.cfg.StatusSocket.Value))
	if err != nil {
		return nil
	}
	server, err := c.Server(ctx)
	if err != nil {
		return nil
	}
	return server.LastReload
}

// reloadPatience is how long a filter that was signalled may take.
const reloadPatience = 30 * time.Second

// awaitReload waits until the filter says how a reload ended. One without StatusSocket
// says nothing: whether it signs with the new key tells.
func (f rotatedFilter) awaitReload(ctx context.Context, before time.Time) error {
	if !f.cfg.StatusSocket.IsSet() {
		time.Sleep(time.Second)
		return nil
	}
	for end := time.Now().Add(reloadPatience); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		l := f.reloaded(ctx)
		switch {
		case l == nil || !l.Time.After(before):
		case l.OK:
			return nil
		default:
			return fmt.Errorf("%w: %s", rotate.ErrReload, strings.Join(l.Problems, "; "))
		}
	}
	return errors.New("the filter does not say whether it has read its tables")
}

// Signs implements rotate.Filter.
func (f rotatedFilter) Signs(ctx context.Context, author string) ([]string, error) {
	sockets := f.cfg.Sockets()
	if len(sockets) == 0 {
		return nil, errors.New("no Socket is set")
	}
	return doctor.Signers(ctx, sockets[0], author)
}

// rotationResult is the exit status of a run.
func rotationResult(o rotate.Outcome, err error) error {
	switch {
	case err != nil && errors.Is(err, rotate.ErrUnknown):
		return exit.Errorf(exit.Unavailable, "%w", err)
	case err != nil:
		return exit.Errorf(exit.Unavailable, "%w", err)
	case o.Blocked > 0:
		return exit.Silent(exit.Unavailable)
	case o.Retry > 0:
		return exit.Silent(exit.TempFail)
	}
	return nil
}
