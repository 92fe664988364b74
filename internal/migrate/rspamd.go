package migrate

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"dojang/internal/dataset"
	"dojang/internal/keystore"
	"dojang/internal/problem"
)

// Files is what FromRspamd looks at besides the configuration; nil functions look
// at the file system.
type Files struct {
	Glob func(pattern string) ([]string, error)
	Read func(path string) ([]byte, error)
}

// FromRspamd reads rspamd's dkim_signing.conf, and the maps that it names: the
// "domain" block, each domain with selector and path or with "selectors";
// selector_map and path_map; signing_table and key_table; the pattern of paths
// alone. What rspamd would never sign with is told.
//
// rspamd reduces the author's domain to the one below the public suffix first,
// unless use_esld is off: mail of subdomains is signed as of that domain.
func FromRspamd(r io.Reader, files Files) (Tables, problem.List, error) {
	if files.Glob == nil {
		files.Glob = filepath.Glob
	}
	if files.Read == nil {
		files.Read = os.ReadFile
	}
	text, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return Tables{}, nil, err
	}
	root, err := parseUCL(string(text))
	if err != nil {
		return Tables{}, nil, err
	}
	if inner, ok := root.blocks["dkim_signing"]; ok {
		root = inner
	}
	c := &rspamd{root: root, files: files, esld: root.values["use_esld"] == "" || isYes(root.values["use_esld"])}
	if root.names("signing_table") && root.names("key_table") {
		err = c.readTables()
	} else {
		err = c.readDomains()
	}
	if err == nil && len(c.t.Keys) == 0 {
		err = errors.New("it names no key: neither domain { NAME { selector, path } }, selector_map, path_map, " +
			"signing_table with key_table nor a path with $domain under which there are files")
	}
	return c.t, c.problems, err
}

// rspamd is a configuration that is being read.
type rspamd struct {
	root     *block
	files    Files
	esld     bool
	t        Tables
	problems problem.List
}

func (c *rspamd) warn(format string, args ...any) {
	c.problems.Addf(problem.Warning, "", 0, "", "", format, args...)
}

// rspamdKey is the selector and the path of a key, "" for the configuration's.
type rspamdKey struct{ selector, path string }

// readDomains reads what depends on the domain alone. A selector or a path that
// is in no block comes from the maps, and else from the configuration.
func (c *rspamd) readDomains() error {
	selectors, err := c.pairs("selector_map")
	if err != nil {
		return err
	}
	paths, err := c.pairs("path_map")
	if err != nil {
		return err
	}
	byDomain := map[string][]rspamdKey{}
	var order []string
	note := func(domain string, keys ...rspamdKey) {
		domain = strings.ToLower(domain)
		if byDomain[domain] == nil {
			order = append(order, domain)
			byDomain[domain] = []rspamdKey{}
		}
		byDomain[domain] = append(byDomain[domain], keys...)
	}
	if domains := c.root.blocks["domain"]; domains != nil {
		for _, name := range domains.order {
			note(name, blockKeys(domains.blocks[name])...)
		}
	}
	selectorOf, pathOf := map[string]string{}, map[string]string{}
	for _, p := range selectors {
		note(p.Key)
		selectorOf[strings.ToLower(p.Key)] = p.Value
	}
	for _, p := range paths {
		note(p.Key)
		pathOf[strings.ToLower(p.Key)] = p.Value
	}
	for _, domain := range order {
		keys := byDomain[domain]
		if len(keys) == 0 {
			keys = []rspamdKey{{}}
		}
		for _, k := range keys {
			// As in rspamd, a map's value goes over a block's.
			k.selector, k.path = first(selectorOf[domain], k.selector, c.selector()), first(pathOf[domain], k.path, c.root.values["path"])
			c.sign(domain, k)
		}
	}
	return c.readPattern(byDomain)
}

func (c *rspamd) selector() string { return first(c.root.values["selector"], "dkim") }

func blockKeys(b *block) []rspamdKey {
	var keys []rspamdKey
	if b.values["selector"] != "" || b.values["path"] != "" {
		keys = append(keys, rspamdKey{b.values["selector"], b.values["path"]})
	}
	if inner := b.blocks["selectors"]; inner != nil {
		for _, name := range inner.order {
			keys = append(keys, rspamdKey{inner.blocks[name].values["selector"], inner.blocks[name].values["path"]})
		}
	}
	return keys
}

// sign adds a key of a domain.
func (c *rspamd) sign(domain string, k rspamdKey) {
	signed := domain
	authors := []string{domain}
	switch {
	case domain == "*": // all that have no block of their own
		signed = "%"
	case c.esld && esldOf(domain) != domain:
		c.warn("%s: rspamd signs its mail as %s (use_esld), and never with this key: it is left out", problem.Quote(domain), esldOf(domain))
		return
	case c.esld:
		authors = append(authors, "."+domain)
	}
	if k.path == "" {
		c.warn("%s: there is no path for its key: it is left out", problem.Quote(domain))
		return
	}
	path := strings.NewReplacer("$domain", signed, "$selector", k.selector).Replace(k.path)
	c.t.add(Key{Domain: signed, Selector: k.selector, Path: path}, authors...)
}

// esldOf is the domain below the public suffix, or the domain itself.
func esldOf(domain string) string {
	if short, err := publicsuffix.EffectiveTLDPlusOne(domain); err == nil {
		return short
	}
	return domain
}

// readPattern finds the keys that a path such as
// /var/lib/rspamd/dkim/$domain.$selector.key stands for, which rspamd falls back
// to for domains that are named nowhere.
func (c *rspamd) readPattern(named map[string][]rspamdKey) error {
	pattern, fallback := c.root.values["path"], c.root.values["try_fallback"]
	if !strings.Contains(pattern, "$domain") || fallback != "" && !isYes(fallback) {
		return nil
	}
	pattern = strings.ReplaceAll(pattern, "$selector", c.selector())
	paths, err := c.files.Glob(strings.ReplaceAll(pattern, "$domain", "*"))
	if err != nil {
		return err
	}
	before, after, _ := strings.Cut(pattern, "$domain")
	for _, path := range paths {
		domain := strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(path, before), after))
		if _, ok := named[domain]; !ok {
			c.sign(domain, rspamdKey{c.selector(), path})
		}
	}
	return nil
}

// readTables reads signing_table and key_table, which are OpenDKIM's, but that a
// row of the second may have no selector.
func (c *rspamd) readTables() error {
	signing, err := c.pairs("signing_table")
	if err != nil {
		return err
	}
	keys, err := c.pairs("key_table")
	if err != nil {
		return err
	}
	for _, p := range keys {
		values := strings.Split(p.Value, ":")
		if len(values) == 2 {
			values = slices.Insert(values, 1, c.selector())
		}
		row, err := keystore.ParseRow(values)
		if err != nil || strings.Contains(p.Key, "*") {
			c.problems.Addf(problem.Error, "", 0, "key_table", "", "%s: it has no counterpart here: %v",
				problem.Quote(p.Key), first(errorText(err), "a pattern of names"))
			continue
		}
		k := Key{Name: p.Key, Domain: row.Domain, Selector: row.Selector}
		if (keystore.Options{}).Locate(row.Key).Path != "" {
			k.Path = row.Key
		} else {
			k.Data = row.Key
		}
		c.t.Keys = append(c.t.Keys, k)
	}
	rows := c.t.signer()
	for _, p := range signing {
		author, err := exactKey(p.Key)
		if err != nil {
			c.problems.Addf(problem.Error, "", 0, "signing_table",
				"keep this row in a refile: table, or write it for each domain", "%s", err)
			continue
		}
		rows.add(author, p.Value, "")
	}
	return nil
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// pairs are the rows of a map: of a list in the configuration, or of a file.
func (c *rspamd) pairs(option string) ([]dataset.Pair, error) {
	var lines []string
	if b := c.root.blocks[option]; b != nil {
		lines = b.items
		for key, value := range b.values {
			lines = append(lines, key+" "+value)
		}
		slices.Sort(lines[len(b.items):])
	} else if name := c.root.values[option]; name != "" {
		_, path, hasKind := strings.Cut(name, ";") // "glob;/etc/..."
		if !hasKind {
			path = name
		}
		path = strings.TrimPrefix(path, "file://")
		if !filepath.IsAbs(path) {
			return nil, fmt.Errorf("%s is %s, which is no file of this machine: give a file that has its rows", option, problem.Quote(name))
		}
		text, err := c.files.Read(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", option, err)
		}
		lines = strings.Split(string(text), "\n")
	}
	var pairs []dataset.Pair
	for _, line := range lines {
		line, _, _ = strings.Cut(line, "#")
		if fields := strings.Fields(line); len(fields) >= 2 {
			pairs = append(pairs, dataset.Pair{Key: strings.Trim(fields[0], `"`), Value: strings.Trim(strings.Join(fields[1:], " "), `"`)})
		}
	}
	return pairs, nil
}
