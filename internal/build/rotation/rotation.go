// Package rotation makes ready what changes and publishes keys: of rotate.conf and of
// the configuration that it names, a Rotator or the work of publishing, with the tables,
// publishers, witnesses and filters that they reach.
package rotation

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"dojang/internal/atomicfile"
	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/exit"
	"dojang/internal/keycheck"
	"dojang/internal/keystore"
	"dojang/internal/problem"
	"dojang/internal/resolver"
	"dojang/internal/rotate"
	"dojang/internal/rotate/publication"
	"dojang/internal/rotate/settings"
	"dojang/internal/status"
)

// Options say whose keys, and where is told what is done.
type Options struct {
	Settings string // path of rotate.conf
	Config   string // path of the configuration, "" for the one that rotate.conf names
	DryRun   bool
	ReadOnly bool
	// Out is where people are told what to publish, Err where what is wrong.
	Out, Err io.Writer
}

// Open makes a Rotator of rotate.conf and the configuration that it names; done gives
// back what it holds.
func Open(ctx context.Context, o Options) (r *rotate.Rotator, done func(), err error) {
	set, err := o.Load()
	if err != nil {
		return nil, nil, err
	}
	cfg, err := o.config(set)
	if err != nil {
		return nil, nil, err
	}
	checker, err := keycheck.New(keycheck.Options{Resolver: resolver.Options{Nameservers: set.Nameservers,
		TrustAnchorFile: cfg.TrustAnchorFile.Value}})
	if err != nil {
		return nil, nil, exit.Errorf(exit.Config, "Nameservers: %w", err)
	}
	ro := rotate.Options{Settings: set, Checker: checker, Out: o.Out, DryRun: o.DryRun, SignatureTTL: cfg.SignatureTTL.Value,
		MultipleSignatures: cfg.MultipleSignatures.Value, KeyOwner: filterOwner(cfg)}
	var closers []func()
	done = func() {
		for _, c := range closers {
			c()
		}
	}
	fail := func(err error) (*rotate.Rotator, func(), error) { done(); return nil, nil, err }
	if ro.Store, err = rotate.OpenStore(set.State, o.ReadOnly || o.DryRun); err != nil {
		if errors.Is(err, rotate.ErrLocked) {
			return fail(exit.Errorf(exit.TempFail, "%s: %w", set.State, err))
		}
		return fail(exit.Errorf(exit.TempFail, "State: %s", problem.Reason(err)))
	}
	closers = append(closers, ro.Store.Close)
	if err := openTables(ctx, cfg, set, &ro, &closers); err != nil {
		return fail(err)
	}
	for _, w := range set.Witnesses {
		c, err := keycheck.New(keycheck.Options{Resolver: resolver.Options{Nameservers: []string{w}}})
		if err != nil {
			return fail(exit.Errorf(exit.Config, "Witness: %w", err))
		}
		ro.Witness = append(ro.Witness, c)
	}
	p := newPublishers(o, cfg, set)
	closers = append(closers, p.close)
	ro.Publisher = p.named(set)
	ro.Filter = filter{cfg}
	if ro.Hosts, err = hostsOf(set, cfg); err != nil {
		return fail(exit.Errorf(exit.Config, "Hosts: %w", err))
	}
	return rotate.New(ro), done, nil
}

// Load reads rotate.conf, and tells what is wrong with it. Where there is none at the
// usual place, its defaults count.
func (o Options) Load() (*settings.Settings, error) {
	if _, err := os.Stat(o.Settings); o.Settings == settings.DefaultPath && os.IsNotExist(err) {
		o.Settings = os.DevNull
	}
	return o.load()
}

func (o Options) load() (*settings.Settings, error) {
	set, problems := settings.Load(o.Settings)
	problems.Write(o.Err)
	if problems.HasErrors() {
		return nil, exit.Silent(exit.Config)
	}
	set.Config = cmp.Or(o.Config, set.Config)
	return set, nil
}

// config reads the configuration that rotate.conf names.
func (o Options) config(set *settings.Settings) (*config.Config, error) {
	cfg, problems := config.Load(set.Config)
	if problems.HasErrors() {
		problems.Write(o.Err)
		return nil, exit.Silent(exit.Config)
	}
	return cfg, nil
}

// Publishing makes ready what publishes the records of keys in tables.
func Publishing(o Options) (w *publication.Work, cfg *config.Config, done func(), err error) {
	set, err := o.load()
	if err != nil {
		return nil, nil, nil, err
	}
	if cfg, err = o.config(set); err != nil {
		return nil, nil, nil, err
	}
	checker, err := keycheck.New(keycheck.Options{Resolver: resolver.Options{Nameservers: set.Nameservers}})
	if err != nil {
		return nil, nil, nil, exit.Errorf(exit.Config, "Nameservers: %w", err)
	}
	p := newPublishers(o, cfg, set)
	return &publication.Work{Settings: set, Checker: checker, Open: p.open}, cfg, p.close, nil
}

// openTables opens the KeyTable and SigningTable, or takes Domain, Selector and KeyFile for
// a table of one row.
func openTables(ctx context.Context, cfg *config.Config, set *settings.Settings, ro *rotate.Options, closers *[]func()) (err error) {
	if ro.KeyOf, err = keystore.ToolOptions(cfg.KeyIdentities.Value); err != nil {
		return exit.Errorf(exit.Config, "KeyIdentities: %w", err)
	}
	if cfg.KeyIdentities.Value != "" {
		ro.Recipients, _ = keystore.Recipients(cfg.KeyIdentities.Value)
	}
	if cfg.KeyTable.Value == "" {
		return confTable(ctx, cfg, set, ro)
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

func confTable(ctx context.Context, cfg *config.Config, set *settings.Settings, ro *rotate.Options) error {
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
	slices.Sort(domains)
	domains = slices.Compact(domains)
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
	a, err := build.LookupAccount(cfg.UserID.Value)
	if err != nil {
		return nil
	}
	return &atomicfile.Owner{UID: a.UID, GID: a.GID}
}

// hostsOf are the filters to ask: those of Hosts, else the one of Config.
func hostsOf(set *settings.Settings, cfg *config.Config) (hosts []rotate.Host, err error) {
	addresses := set.Hosts
	if len(addresses) == 0 && cfg.StatusSocket.IsSet() {
		addresses = []string{build.StatusAddress(cfg.StatusSocket.Value)}
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
