package doctor

import (
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"dojang/internal/config"
)

// The hardened form of the service, as the packages ship it and as it is put in
// force.
const (
	hardenedForm    = "/usr/share/dojang/hardened.conf"
	hardenedInForce = "/etc/systemd/system/opendkim.service.d/hardened.conf"
)

// hardenedFolders are where the hardened service may write.
var hardenedFolders = []string{"/run/opendkim", "/var/lib/opendkim", "/var/spool/postfix/opendkim", "/tmp", "/var/tmp"}

// hardened offers the service without root and capabilities where the
// configuration does without them. It says nothing where systemd or the package is
// not there, or where that is in force already.
func (r *Report) hardened(c *config.Config, filter person) {
	for _, path := range []string{"/run/systemd/system", hardenedForm} {
		if _, err := os.Stat(path); err != nil {
			return
		}
	}
	if _, err := os.Stat(hardenedInForce); err == nil || needsRoot(c, filter) != "" {
		return
	}
	r.good("service", "this configuration needs neither root nor capabilities; the service can do without them: install -D -m "+
		"0644 %s %s && systemctl daemon-reload && systemctl restart opendkim", hardenedForm, hardenedInForce)
}

// needsRoot names an option for which the service must begin as root, or write
// where the hardened one may not; "" for none.
func needsRoot(c *config.Config, filter person) string {
	switch {
	case filter.UID == 0 || filter.Name != "opendkim":
		return "UserID" // the hardened service is user opendkim from its beginning
	case c.ChangeRootDirectory.Value != "":
		return "ChangeRootDirectory"
	}
	for _, s := range c.Sockets() {
		if s.Owner != "" || s.Group != "" && !filter.isIn(s.Group) || s.Network == "unix" && !inFolders(s.Address) ||
			s.Network != "unix" && lowPort(s.Address) {
			return "Socket"
		}
	}
	for _, f := range []struct{ name, path string }{
		{"PidFile", c.PidFile.Value}, {"Statistics", c.Statistics.Value}, {"DiagnosticDirectory", c.DiagnosticDirectory.Value}, {"TemporaryDirectory", c.TemporaryDirectory.Value},
	} {
		if f.path != "" && !inFolders(f.path) {
			return f.name
		}
	}
	if path := c.KeyFile.Value; path != "" {
		if at, err := filter.obstacle(path, read); at != "" || err != nil || strings.HasPrefix(path, "/home/") ||
			strings.HasPrefix(path, "/root/") {
			return "KeyFile"
		}
	}
	return ""
}

// isIn reports whether somebody is in a group, by its name or number: only then he can give
// a file of his to it.
func (p person) isIn(group string) bool {
	g, err := user.LookupGroup(group)
	if err != nil {
		g = &user.Group{Gid: group}
	}
	id, err := strconv.Atoi(g.Gid)
	return err == nil && slices.Contains(p.Groups, id)
}

func inFolders(path string) bool {
	for _, folder := range hardenedFolders {
		if rest, err := filepath.Rel(folder, path); err == nil && filepath.IsLocal(rest) {
			return true
		}
	}
	return false
}

func lowPort(address string) bool {
	_, text, err := net.SplitHostPort(address)
	port, convErr := strconv.Atoi(text)
	return err != nil || convErr != nil || port > 0 && port < 1024
}
