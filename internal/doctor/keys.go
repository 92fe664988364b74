package doctor

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"dojang/dkim"
	"dojang/internal/keystore"
	"dojang/internal/keytable"
)

// keyFile looks whether the filter's user, and nobody else, can read the key of a row.
func (r *Report) keyFile(h *host, row keytable.Row, path string, accounts *keystore.Accounts) {
	const check = "key"
	component, err := h.Filter.obstacle(path, read)
	switch {
	case err != nil:
		remedy, advice := h.makeKey(row, path)
		r.Add(Finding{Check: check, Code: "key-missing", Status: Bad, Remedy: remedy, Advice: advice},
			"%s: %s, and %s is the key of %s", component, lastError(err), path, cmp.Or(row.Name, row.Selector+"._domainkey."+row.Domain))
		return
	case component != "":
		r.Add(Finding{Check: check, Code: "key-unreadable", Status: Bad, Remedy: h.open(path, component, true) + " && " + h.Reload()},
			"user %s may not %s %s, so it cannot read the key %s: that is what \"Permission denied\" "+
				"means", h.Filter.Name, verb(component == path), component, path)
		return
	}
	checker := keystore.Checker{UID: h.Filter.UID, Accounts: accounts}
	unsafe, err := checker.Check(path)
	switch {
	case err != nil:
		r.Add(Finding{Check: check, Code: "key-unknown", Status: Bad, Advice: "namei -l " + path + " shows the way to it"},
			"%s: %s", path, lastError(err))
	case unsafe != nil:
		r.Add(Finding{Check: check, Code: "key-unsafe", Status: Bad, Remedy: unsafe.Remedy},
			"key data is not secure: %s. The private and the public key may fit all the same; it is only about who else can "+
				"read the file", unsafe.Words)
	default:
		r.good(check, "%s: readable by user %s and by nobody else", path, h.Filter.Name)
	}
}

// makeKey is the command that makes a key which is not there, where it can make it at
// the path that its row names.
func (h *host) makeKey(row keytable.Row, path string) (remedy, advice string) {
	dir := filepath.Dir(path)
	text := filepath.Join(dir, row.Selector+".txt")
	if info, err := os.Stat(dir); err != nil || !info.IsDir() || row.Domain == "%" || filepath.Base(path) != row.Selector+".private" {
		where := row.Place
		if row.Name == "" { // of no table
			where = "KeyFile in " + h.File
		}
		return "", fmt.Sprintf("put the key at %s, or correct the path: %s", path, where)
	}
	kind := ""
	if row.Algorithm == dkim.Ed25519SHA256 {
		kind = " --type ed25519"
	}
	remedy = fmt.Sprintf("dojang genkey --domain %s --selector %s --directory %s --owner %s%s --config %s && %s",
		shell(row.Domain), shell(row.Selector), shell(dir), h.Filter.Name, kind, shell(h.File), h.Reload())
	for _, old := range []string{text, path} { // the record of the key that is gone, and a link to it
		if _, err := os.Lstat(old); err == nil {
			remedy = fmt.Sprintf("mv -n %s %s && ", shell(old), shell(old+".old")) + remedy
		}
	}
	return remedy, "if there is a copy of the key, put it there instead; a new one verifies once the record that this prints is published"
}

func verb(file bool) string {
	if file {
		return "read"
	}
	return "search the folder"
}

// open is the command that lets the filter's user come by component on its way to path.
func (h *host) open(path, component string, secret bool) string {
	switch {
	case component != path:
		return "chmod o+x " + shell(component)
	case secret:
		return fmt.Sprintf("chown %s %s && chmod 600 %[2]s", h.Filter.Name, shell(path))
	}
	return "chmod o+r " + shell(path)
}

func lastError(err error) string {
	if path, ok := err.(*fs.PathError); ok { //nolint:errorlint // as os.Stat returns it
		return path.Err.Error()
	}
	return err.Error()
}
