package build

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"strings"

	"dojang/internal/dataset"
	"dojang/internal/keyrecord"
	"dojang/internal/keystore"
	"dojang/internal/status"
)

// maxStatusKeys bounds the rows that StatusSocket lists beside the keys in use.
const maxStatusKeys = 1000

// Keys are a configuration's signing keys as StatusSocket tells them.
type Keys struct {
	store      *keystore.Store
	table      dataset.Set
	options    keystore.Options
	domains    dataset.Set // of Domain, with
	defaultKey *keystore.SigningKey
}

var errEnough = errors.New("enough rows")

// CacheStats tells of the keys in memory.
func (k *Keys) CacheStats() keystore.CacheStats {
	if k == nil || k.store == nil {
		return keystore.CacheStats{}
	}
	return k.store.Stats()
}

// List tells the public side of the keys: those that were used, and of tables in
// memory the first rows; of a domain, or of all for "". A key that cannot be had has
// its Problem.
func (k *Keys) List(ctx context.Context, domain string, used []status.Used) (list []status.Key) {
	domain = keyrecord.Canonical(domain)
	same := func(name string) bool { return keyrecord.Canonical(name) == domain }
	add := func(key *keystore.SigningKey, row string, of keystore.Row) {
		out := k.tell(key, of)
		out.Name = row
		list = append(list, out)
	}
	for _, u := range used {
		if key, row := k.used(ctx, u); key != nil {
			signing := *key
			signing.Domain, signing.Selector = u.Domain, u.Selector
			add(&signing, u.Row, row)
		}
	}
	if k.defaultKey != nil {
		k.eachDomain(ctx, func(name string) bool { return domain == "" || same(name) }, func(name string) {
			signing := *k.defaultKey
			signing.Domain = name
			add(&signing, "", keystore.Row{})
		})
	}
	if _, local := k.table.(dataset.Local); !local {
		return list
	}
	_ = keystore.Rows(ctx, k.table, "KeyTable", func(row keystore.TableRow) error {
		switch {
		case len(list) >= maxStatusKeys:
			return errEnough
		case row.Err != nil || row.Domain == "%" && domain == "":
			return nil
		}
		of, err := row.ForSender(domain)
		if err != nil || domain != "" && !same(of.Domain) {
			return nil
		}
		key, err := k.store.Load(ctx, row.Name, of)
		if err != nil {
			list = append(list, status.Key{Domain: of.Domain, Selector: of.Selector, Name: row.Name, Problem: err.Error()})
			return nil
		}
		add(key, row.Name, of)
		return nil
	})
	return list
}

// keyDomains are the domains that a KeyTable in memory has keys of; nil where it has more
// than maxStatusKeys rows.
func keyDomains(ctx context.Context, table dataset.Set) map[string]bool {
	if _, local := table.(dataset.Local); !local {
		return nil
	}
	domains, n := map[string]bool{}, 0
	err := keystore.Rows(ctx, table, "KeyTable", func(row keystore.TableRow) error {
		if n++; n > maxStatusKeys {
			return errEnough
		}
		if row.Err == nil && row.Domain != "%" {
			domains[strings.ToLower(row.Domain)] = true
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return domains
}

// used is a key that was used; nil when it cannot be had any more.
func (k *Keys) used(ctx context.Context, u status.Used) (*keystore.SigningKey, keystore.Row) {
	if k.store == nil {
		if k.defaultKey == nil || k.defaultKey.Selector != u.Selector {
			return nil, keystore.Row{}
		}
		return k.defaultKey, keystore.Row{}
	}
	row, err := k.store.Row(ctx, u.Row)
	if err != nil || row.Selector != u.Selector {
		return nil, row
	}
	if row, err = row.ForSender(u.Domain); err != nil {
		return nil, row
	}
	key, err := k.store.Load(ctx, u.Row, row)
	if err != nil {
		return nil, row
	}
	return key, row
}

// eachDomain calls f with the members of Domain that are names and wanted.
func (k *Keys) eachDomain(ctx context.Context, wanted func(string) bool, f func(string)) {
	w, ok := k.domains.(dataset.Local)
	if !ok {
		return
	}
	n := 0
	_ = w.Walk(ctx, func(e dataset.Entry) error {
		name := strings.ToLower(e.Key)
		if strings.ContainsAny(name, "*!") || !wanted(name) {
			return nil
		}
		if n++; n > maxStatusKeys {
			return errEnough
		}
		f(name)
		return nil
	})
}

func (k *Keys) tell(key *keystore.SigningKey, row keystore.Row) status.Key {
	out := status.Key{Domain: key.Domain, Selector: key.Selector, Bits: key.Bits, Source: "inline"}
	keyType, public, err := keyrecord.PublicKey(key.Signer.Public())
	if err != nil {
		out.Problem = err.Error()
		return out
	}
	out.Algorithm = keyType
	out.Record = keyrecord.Record{Selector: key.Selector, Domain: key.Domain, KeyType: keyType, PublicKey: public, Hashes: "sha256"}.Text()
	if der, err := base64.StdEncoding.DecodeString(public); err == nil {
		sum := sha256.Sum256(der)
		out.Fingerprint = hex.EncodeToString(sum[:])
	}
	path := key.Source
	if at := k.options.Locate(row.Key); at.Path != "" {
		path = at.Path
		if out.Source = "file"; at.Credential {
			out.Source = "credential"
		}
	} else if strings.HasPrefix(path, "/") {
		out.Source = "file"
	}
	if info, err := os.Stat(path); err == nil && out.Source != "inline" {
		modified := info.ModTime().UTC()
		out.Modified = &modified
	}
	return out
}
