package doctor

import (
	"fmt"
	"io/fs"

	"dojang/internal/keystore"
)

// KeyFile looks whether the filter's user, and nobody else, can read a key.
func (r *Report) KeyFile(h *Host, path string, accounts *keystore.Accounts) {
	const check = "key"
	component, err := h.Filter.obstacle(path, read)
	switch {
	case err != nil:
		r.Add(Finding{Check: check, Code: "key-missing", Status: Bad,
			Advice: "correct the path in the KeyTable, or make the key: dojang genkey"},
			"%s: %s", component, lastError(err))
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

func verb(file bool) string {
	if file {
		return "read"
	}
	return "search the folder"
}

// open is the command that lets the filter's user come by component on its way to path.
func (h *Host) open(path, component string, secret bool) string {
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
