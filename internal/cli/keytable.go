package cli

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/exit"
	"dojang/internal/keystore"
)

// defaultConfigFile is the configuration the classic tools read when no other
// is named.
const defaultConfigFile = "/etc/opendkim.conf"

// toolConfig is the configuration a tool works with: the file named, which must
// be right, or the default one if it is there.
func toolConfig(path string) (*config.Config, error) {
	if path == "" {
		if _, err := os.Stat(defaultConfigFile); err != nil {
			return config.New(), nil
		}
		// A mistake in a file nobody named is not this tool's to complain of.
		cfg, _ := config.Load(defaultConfigFile)
		return cfg, nil
	}
	cfg, problems := config.Load(path)
	if problems.HasErrors() {
		return cfg, exit.With(exit.Config, problems)
	}
	return cfg, nil
}

// datasetOptions are how the tools open data sets under a configuration.
func datasetOptions(cfg *config.Config) dataset.Options {
	return dataset.Options{Openers: build.Openers(cfg, build.Parts{})}
}

// walkTable reads every row of a data set that can tell its rows. place is where a row
// stands.
func walkTable(ctx context.Context, spec string, cfg *config.Config, f func(e dataset.Entry, place string) error) error {
	set, err := dataset.Open(ctx, spec, datasetOptions(cfg))
	if err != nil {
		return err
	}
	defer set.Close()
	file := ""
	if local, ok := set.(dataset.Local); ok {
		file = local.Source()
	}
	return dataset.Walk(ctx, set, func(e dataset.Entry) error {
		place := specName(spec)
		if file != "" && e.Line > 0 {
			place = fmt.Sprintf("%s:%d", file, e.Line)
		}
		return f(e, place)
	})
}

// specName is a data set as it may be shown: without its secrets.
func specName(spec string) string {
	parsed, err := dataset.ParseSpec(spec)
	if err != nil {
		return spec
	}
	return parsed.String()
}

// keyRow is one row of a KeyTable.
type keyRow struct {
	name string // key of the table, "" for a key that no table names
	keystore.Row
	place string // "FILE:LINE", or the table's name
}

// keyTable reads keys as the filter does.
type keyTable struct {
	spec    string
	cfg     *config.Config
	store   *keystore.Store
	options keystore.Options
	set     dataset.Set // nil when there is no table
}

// openKeyTable opens a KeyTable, or with an empty spec none: keys are loaded all the same.
func openKeyTable(ctx context.Context, spec string, cfg *config.Config) (*keyTable, error) {
	t := &keyTable{spec: spec, cfg: cfg}
	var err error
	if t.options, err = keystore.ToolOptions(cfg.KeyIdentities.Value); err != nil {
		return nil, exit.Errorf(exit.Config, "KeyIdentities: %w", err)
	}
	if spec != "" {
		if t.set, err = dataset.Open(ctx, spec, datasetOptions(cfg)); err != nil {
			return nil, exit.Errorf(exit.Config, "KeyTable: %w", err)
		}
	}
	t.store = keystore.New(t.set, t.options)
	return t, nil
}

func (t *keyTable) close() {
	if t.set != nil {
		t.set.Close()
	}
}

// rows calls f with the rows named, or without names with every row of the table.
// Malformed ones are told through bad. A table that cannot list its rows is asked for
// those that the SigningTable names.
func (t *keyTable) rows(ctx context.Context, names []string, bad func(place, text string), f func(keyRow)) error {
	if len(names) > 0 {
		return t.named(ctx, names, bad, f)
	}
	err := keystore.Rows(ctx, t.set, specName(t.spec), func(r keystore.TableRow) error {
		if r.Err != nil {
			bad(r.Place, fmt.Sprintf("KeyTable row %.200q: %v", r.Name, r.Err))
			return nil
		}
		f(keyRow{r.Name, r.Row, r.Place})
		return nil
	})
	if !errors.Is(err, dataset.ErrNoWalk) {
		return err
	}
	if names = t.signingNames(ctx); len(names) > 0 {
		return t.named(ctx, names, bad, f)
	}
	return fmt.Errorf("%s: %w: give the names of its rows behind it, or a configuration whose SigningTable has them", specName(t.spec), err)
}

func (t *keyTable) named(ctx context.Context, names []string, bad func(place, text string), f func(keyRow)) error {
	for _, name := range names {
		row, err := t.store.Row(ctx, name)
		var missing *keystore.Error
		switch {
		case errors.As(err, &missing) && missing.NotFound:
			bad(specName(t.spec), fmt.Sprintf("there is no row %.200q", name))
		case errors.As(err, &missing) && missing.Hint != "":
			bad(specName(t.spec), missing.Text+": "+missing.Hint)
		case err != nil:
			return err
		default:
			f(keyRow{name, row, specName(t.spec)})
		}
	}
	return nil
}

// signingNames are the keys that the configuration's SigningTable names, each once.
func (t *keyTable) signingNames(ctx context.Context) []string {
	spec := t.cfg.SigningTable.Value
	if spec == "" || t.spec != t.cfg.KeyTable.Value {
		return nil
	}
	var names []string
	seen := map[string]bool{}
	_ = walkTable(ctx, spec, t.cfg, func(e dataset.Entry, _ string) error {
		if len(e.Values) > 0 && !seen[e.Values[0]] {
			seen[e.Values[0]] = true
			names = append(names, e.Values[0])
		}
		return nil
	})
	return names
}

// load loads a row's key.
func (t *keyTable) load(ctx context.Context, row keyRow) (crypto.Signer, error) {
	key, err := t.store.Load(ctx, row.name, row.Row)
	if err != nil {
		return nil, err
	}
	return key.Signer, nil
}

// firstDomain is the first of the configuration's Domain.
func firstDomain(ctx context.Context, cfg *config.Config) string {
	domain := ""
	if spec := cfg.Domain.Value; spec != "" {
		_ = walkTable(ctx, spec, cfg, func(e dataset.Entry, _ string) error {
			if domain == "" {
				domain = e.Key
			}
			return nil
		})
	}
	return domain
}

// loadKeyFile reads the private key in a file.
func loadKeyFile(path string) (crypto.Signer, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, err := keystore.LoadPrivateKey(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}
