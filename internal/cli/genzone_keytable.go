package cli

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/keystore"
)

// defaultConfigFile is the configuration the classic tools read when no other
// is named.
const defaultConfigFile = "/etc/opendkim.conf"

// keyRow is one row of a KeyTable.
type keyRow struct {
	name     string // key of the table
	domain   string // "%" stands for the sender's
	selector string
	source   string // path of the private key, or the key itself
	place    string // "FILE:LINE", or the table's name
}

// walkTable reads every row of a data set that can tell its rows.
func walkTable(ctx context.Context, spec string, cfg *config.Config, f func(dataset.Entry) error) error {
	set, err := dataset.Open(ctx, spec, datasetOptions(cfg))
	if err != nil {
		return err
	}
	defer set.Close()
	walker, ok := set.(dataset.Walker)
	if !ok {
		return errors.New("a data set of this type cannot list its rows")
	}
	return walker.Walk(ctx, f)
}

// keyTableRows reads a whole KeyTable. Malformed rows are told through bad and
// left out.
func keyTableRows(ctx context.Context, spec string, cfg *config.Config, bad func(place, text string)) ([]keyRow, error) {
	var rows []keyRow
	err := walkTable(ctx, spec, cfg, func(e dataset.Entry) error {
		place := rowPlace(spec, e)
		row, err := keystore.ParseRow(e.Values)
		if err != nil {
			bad(place, fmt.Sprintf("KeyTable row %.200q: %v", e.Key, err))
			return nil
		}
		rows = append(rows, keyRow{
			name: e.Key, domain: row.Domain, selector: row.Selector,
			source: row.Key, place: place,
		})
		return nil
	})
	return rows, err
}

func rowPlace(spec string, e dataset.Entry) string {
	parsed, err := dataset.ParseSpec(spec)
	if err != nil {
		return spec
	}
	if e.Line > 0 && (parsed.Type == dataset.TypeFile || parsed.Type == dataset.TypePatterns) {
		return fmt.Sprintf("%s:%d", parsed.Args, e.Line)
	}
	return parsed.String()
}

// loadKey reads the private key of a KeyTable row: a path, in which "%" stands
// for the domain, or the key itself.
func loadKey(source, domain string) (crypto.Signer, error) {
	if !looksLikePath(source) {
		return keystore.LoadPrivateKey([]byte(source))
	}
	return loadKeyFile(strings.ReplaceAll(source, "%", domain))
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

// looksLikePath tells a path from a key written into the table.
//
// Compat(opendkim 2.11): "/", "./" and "../" begin a path.
func looksLikePath(source string) bool {
	return strings.HasPrefix(source, "/") || strings.HasPrefix(source, "./") || strings.HasPrefix(source, "../")
}

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
		return cfg, &exitError{exConfig, problems}
	}
	return cfg, nil
}
