// Package migrate moves signing tables from one home to another: from flat files
// or another filter's configuration into flat files, SQL, LDAP or Redis.
package migrate

import (
	"context"
	"errors"
	"fmt"
	"os"
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

// FromSets reads a KeyTable and a SigningTable that are held in memory. Patterns
// that only refile: can answer are problems.
func FromSets(ctx context.Context, keyTable, signingTable dataset.Set) (Tables, problem.List, error) {
	var t Tables
	var problems problem.List
	keys, ok1 := keyTable.(dataset.Local)
	signing, ok2 := signingTable.(dataset.Local)
	if !ok1 || !ok2 {
		return t, nil, errors.New("only tables in files or lists can be moved: these are in a database already")
	}
	err := keys.Walk(ctx, func(e dataset.Entry) error {
		row, err := keystore.ParseRow(e.Values)
		if err != nil {
			problems.Addf(problem.Error, keys.Source(), e.Line, "KeyTable", "", "%s", err)
			return nil
		}
		k := Key{Name: e.Key, Domain: row.Domain, Selector: row.Selector}
		if row.Algorithm != 0 {
			k.Algorithm = row.Algorithm.String()
		}
		if isPath(row.Key) {
			k.Path = row.Key
		} else {
			k.Data = row.Key
		}
		t.Keys = append(t.Keys, k)
		return nil
	})
	if err != nil {
		return t, problems, err
	}
	rows := map[string]int{} // by author
	err = signing.Walk(ctx, func(e dataset.Entry) error {
		author, err := exactKey(e.Key)
		if err != nil {
			problems.Addf(problem.Error, signing.Source(), e.Line, "SigningTable", "keep this row in a refile: table, or write it for each domain", "%s", err)
			return nil
		}
		row := Signing{Author: author}
		if len(e.Values) > 0 {
			row.Key = e.Values[0]
		}
		if len(e.Values) > 1 {
			row.Identity = strings.Join(e.Values[1:], ":")
		}
		// A table has one row an author: with MultipleSignatures it names all keys.
		if i, ok := rows[author]; ok {
			if names := strings.Split(t.Signing[i].Key, ","); !slices.Contains(names, row.Key) {
				t.Signing[i].Key += "," + row.Key
			}
			return nil
		}
		rows[author] = len(t.Signing)
		t.Signing = append(t.Signing, row)
		return nil
	})
	return t, problems, err
}

func isPath(key string) bool {
	return strings.HasPrefix(key, "/") || strings.HasPrefix(key, "./") || strings.HasPrefix(key, "../")
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

// LoadKeys replaces paths by what is in the files, so that the tables hold the
// keys themselves. progress is told how many are read.
func (t *Tables) LoadKeys(progress func(done int)) problem.List {
	var problems problem.List
	for i := range t.Keys {
		k := &t.Keys[i]
		if k.Path == "" || strings.Contains(k.Path, "%") {
			continue
		}
		data, err := os.ReadFile(k.Path)
		if err == nil {
			_, err = keystore.LoadPrivateKey(data)
		}
		if err != nil {
			problems.Addf(problem.Error, k.Path, 0, "", "", "key %s: %s", problem.Quote(k.Name), err)
			continue
		}
		k.Data, k.Path = string(data), ""
		if progress != nil {
			progress(i + 1)
		}
	}
	return problems
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
