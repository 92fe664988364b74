package keystore

import (
	"crypto/ed25519"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"

	"dojang/internal/privilege"
)

// Location is where the key of a row is. What is told of a key to anybody is told
// of its Location: key data has none.
type Location struct {
	// Path is the file that holds the key; "" where the row itself does.
	Path string
	// Credential is set for one of systemd's credentials, whose safety is the
	// service manager's.
	Credential bool
}

// String is the path, or "inline".
func (l Location) String() string {
	if l.Path == "" {
		return inline
	}
	return l.Path
}

// Locate tells where the key is that a row's third column names: one of the
// credentials, a file, or, as opendkim.conf(5) has it for whatever does not begin
// with "/", "./" or "../", the column itself (wrapped or not). A "%" is to be
// replaced before (Row.ForSender).
func (o Options) Locate(key string) Location {
	if path := o.credential(key); path != "" {
		return Location{Path: path, Credential: true}
	}
	switch {
	case !isPath(key):
		return Location{}
	case filepath.IsAbs(key) || o.BaseDir == "":
		return Location{Path: key, Credential: o.isCredential(key)}
	}
	return Location{Path: filepath.Join(o.BaseDir, key)}
}

// credential is the file of a credential that is named alone, "" for other texts.
func (o Options) credential(key string) string {
	dir := o.CredentialsDirectory
	if dir == "" || len(key) > 255 || !filepath.IsLocal(key) {
		return ""
	}
	path := filepath.Join(dir, key)
	if info, err := privilege.Stat(path); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return path
}

func (o Options) isCredential(path string) bool {
	return o.CredentialsDirectory != "" && strings.HasPrefix(path, filepath.Clean(o.CredentialsDirectory)+"/")
}

// isPath tells a path from key data, as opendkim.conf(5) KeyTable does.
func isPath(key string) bool {
	return strings.HasPrefix(key, "/") && !isSeed(key) || strings.HasPrefix(key, "./") || strings.HasPrefix(key, "../")
}

// isSeed tells the base64 of an Ed25519 seed, of which one in 64 begins with a
// slash: as a path it would stand in an error.
func isSeed(key string) bool {
	der, err := base64.StdEncoding.DecodeString(key)
	return err == nil && len(der) == ed25519.SeedSize
}

// FileRow is the row of a key that an option or a flag names by its file alone.
// Unlike in a table, every text is a path there.
func FileRow(domain, selector, path string) Row {
	switch {
	case !filepath.IsAbs(path):
		path = "./" + path
	case isSeed(path):
		path = "/." + path
	}
	return Row{Domain: domain, Selector: selector, Key: path}
}

// ToolOptions are the options with which a tool reads the keys that the filter
// signs with: identities is the configuration's KeyIdentities ("" for none). What
// systemd gives the filter alone is found while it runs, by those who may read it.
func ToolOptions(identities string) (Options, error) {
	return LocalOptions(identities, credentialsDirectory(os.Getenv("CREDENTIALS_DIRECTORY"), "/run/credentials/opendkim.service"))
}

// LocalOptions are the options that say where keys are on this machine:
// identities is the file of age identities that open wrapped keys, credentials
// the folder of systemd's credentials; both may be "".
func LocalOptions(identities, credentials string) (Options, error) {
	o := Options{CredentialsDirectory: credentials}
	if identities == "" {
		return o, nil
	}
	unwrap, err := unwrapper(identities)
	o.Unwrap = unwrap
	return o, err
}

func credentialsDirectory(own, ofFilter string) string {
	if own != "" {
		return own
	}
	if info, err := privilege.Stat(ofFilter); err == nil && info.IsDir() {
		return ofFilter
	}
	return ""
}
