// Package migrate moves signing tables from one home to another: from flat files
// or another filter's configuration into flat files, SQL, LDAP or Redis.
package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"dojang/internal/dataset"
	"dojang/internal/keystore"
	"dojang/internal/problem"
)

// Key is one KeyTable row.
type Key struct {
	Name, Domain, Selector string
	Path                   string // of the private key; "" when Data holds it
	Data                   string // the private key as PEM or base64
	Algorithm              string // "" for the key's own
}

// Signing is one SigningTable row in the form every data set can answer:
// user@host, host, .host, user@* or *.
type Signing struct {
	Author   string
	Key      string // names, separated by commas
	Identity string
}

// Tables are what is moved.
type Tables struct {
	Keys    []Key
	Signing []Signing
}

// FromSets reads a KeyTable and a SigningTable of any type that can list its rows.
// options say where keys are. Patterns that only refile: can answer are problems.
func FromSets(ctx context.Context, keyTable, signingTable dataset.Set, options keystore.Options) (Tables, problem.List, error) {
	var t Tables
	var problems problem.List
	err := keystore.Rows(ctx, keyTable, "", func(r keystore.TableRow) error {
		if r.Err != nil {
			problems.Addf(problem.Error, sourceOf(keyTable), r.Line, "KeyTable", "", "%s", r.Err)
			return nil
		}
		k := Key{Name: r.Name, Domain: r.Domain, Selector: r.Selector}
		if r.Algorithm != 0 {
			k.Algorithm = r.Algorithm.String()
		}
		if options.Locate(r.Key).Path != "" {
			k.Path = r.Key
		} else {
			k.Data = r.Key
		}
		t.Keys = append(t.Keys, k)
		return nil
	})
	if err != nil {
		return t, problems, unlisted("KeyTable", err)
	}
	signing := t.signer()
	err = dataset.Walk(ctx, signingTable, func(e dataset.Entry) error {
		author, err := exactKey(e.Key)
		if err != nil {
			problems.Addf(problem.Error, sourceOf(signingTable), e.Line, "SigningTable",
				"keep this row in a refile: table, or write it for each domain", "%s", err)
			return nil
		}
		key, identity := "", ""
		if len(e.Values) > 0 {
			key, identity = e.Values[0], strings.Join(e.Values[1:], ":")
		}
		signing.add(author, key, identity)
		return nil
	})
	if err != nil {
		return t, problems, unlisted("SigningTable", err)
	}
	return t, problems, nil
}

func sourceOf(set dataset.Set) string {
	if local, ok := set.(dataset.Local); ok {
		return local.Source()
	}
	return ""
}

func unlisted(option string, err error) error {
	if errors.Is(err, dataset.ErrNoWalk) {
		return fmt.Errorf("%s: %w: it can only be asked for one name at a time", option, err)
	}
	return err
}

// signer adds to a SigningTable, which has one row an author: with
// MultipleSignatures it names all keys.
type signer struct {
	t    *Tables
	rows map[string]int // by author
}

func (t *Tables) signer() signer {
	s := signer{t, map[string]int{}}
	for i, row := range t.Signing {
		s.rows[row.Author] = i
	}
	return s
}

func (s signer) add(author, key, identity string) {
	i, ok := s.rows[author]
	if !ok {
		s.rows[author] = len(s.t.Signing)
		s.t.Signing = append(s.t.Signing, Signing{Author: author, Key: key, Identity: identity})
		return
	}
	row := &s.t.Signing[i]
	if !slices.Contains(strings.Split(row.Key, ","), key) {
		row.Key += "," + key
	}
}

// exactKey turns a pattern into the key under which SigningTable is asked for the
// same addresses in a table without patterns.
func exactKey(pattern string) (string, error) {
	user, host, isAddress := strings.Cut(strings.ToLower(pattern), "@")
	switch {
	case pattern == "*" || pattern == "*@*":
		return "*", nil
	case !strings.Contains(pattern, "*"):
		return strings.ToLower(pattern), nil
	case isAddress && user == "*" && !strings.Contains(host, "*"):
		return host, nil
	case isAddress && user == "*" && strings.HasPrefix(host, "*.") && !strings.Contains(host[1:], "*"):
		return host[1:], nil
	case isAddress && host == "*" && !strings.Contains(user, "*"):
		return user + "@*", nil
	}
	return "", fmt.Errorf("the pattern %.256q has no counterpart in a table without patterns", pattern)
}

// LoadKeys replaces paths by what is in the files, so that the tables hold the keys
// themselves, and tells of those that nothing could sign with. Keys that are
// wrapped stay so, unless recipients (of age) are named: then all are wrapped for
// them. progress is told how many are read; it may be nil.
func (t *Tables) LoadKeys(options keystore.Options, recipients []string, progress func(done int)) problem.List {
	var problems problem.List
	store := keystore.New(nil, options)
	for i := range t.Keys {
		k := &t.Keys[i]
		if !strings.Contains(k.location(), "%") {
			if err := k.load(store, recipients); err != nil {
				problems.Addf(problem.Error, k.Path, 0, "", "", "key %s: %s", problem.Quote(k.Name), err)
			}
		}
		if progress != nil {
			progress(i + 1)
		}
	}
	return problems
}

func (k *Key) load(store *keystore.Store, recipients []string) error {
	data, err := store.Read(k.Name, keystore.Row{Domain: k.Domain, Selector: k.Selector, Key: k.location()})
	if err != nil {
		return err
	}
	text := string(data.Stored)
	if len(recipients) > 0 {
		if text, err = keystore.Wrap(data.Plain, recipients...); err != nil {
			return err
		}
	}
	k.Data, k.Path = text, ""
	return nil
}

// Multiple reports whether some author has several keys, which needs
// MultipleSignatures.
func (t *Tables) Multiple() bool {
	return slices.ContainsFunc(t.Signing, func(s Signing) bool { return strings.Contains(s.Key, ",") })
}

// location is what the key column holds.
func (k Key) location() string {
	if k.Data != "" {
		return k.Data
	}
	return k.Path
}

// column is that as one line, for a table that has no more.
func (k Key) column() string {
	if k.Data != "" {
		return keystore.Column([]byte(k.Data))
	}
	return k.Path
}
