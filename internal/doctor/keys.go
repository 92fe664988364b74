package doctor

import (
	"fmt"
	"io/fs"

	"dojang/internal/keystore"
)

// KeyFile looks whether the filter's user, and nobody else, can read a key.
func (r *Report) KeyFile(path string, filter Person, accounts *keystore.Accounts) {
	const check = "key"
	component, err := filter.obstacle(path, read)
	switch {
	case err != nil:
		r.Add(check, Bad, "correct the path in the KeyTable, or make the key: dojang genkey", "%s: %s", component, lastError(err))
		return
	case component == path:
		r.Add(check, Bad, fmt.Sprintf("chown %s %s && chmod 600 %s", filter.Name, path, path), "user %s may not read the key %s", filter.Name, path)
		return
	case component != "":
		r.Add(check, Bad, "chmod o+x "+component+"   (or give the folder to the filter's user: chown "+filter.Name+" "+component+")",
			"user %s may not search the folder %s, so it cannot reach the key %s: that is what \"Permission denied\" means", filter.Name, component, path)
		return
	}
	checker := keystore.Checker{UID: filter.UID, Accounts: accounts}
	unsafe, err := checker.Check(path)
	switch {
	case err != nil:
		r.Add(check, Bad, "namei -l "+path, "%s: %s", path, lastError(err))
	case unsafe != nil:
		r.Add(check, Bad, unsafe.Remedy, "key data is not secure: %s. The private and the public key may fit all the same; it is only about who else can read the file", unsafe.Words)
	default:
		r.Add(check, Good, "", "%s: readable by user %s and by nobody else", path, filter.Name)
	}
}

func lastError(err error) string {
	if path, ok := err.(*fs.PathError); ok { //nolint:errorlint // as os.Stat returns it
		return path.Err.Error()
	}
	return err.Error()
}
