package zonetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

// apiKey is that of PowerDNS' API.
const apiKey = "api-key-of-the-tests-only"

// schema is where Debian's package has the tables of a new database.
const schema = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"

func (s *Server) powerDNS(t testing.TB, zones []Zone) *exec.Cmd {
	program, util, sqlite := testutil.Need(t, "pdns_server"), testutil.Need(t, "pdnsutil"), testutil.Need(t, "sqlite3")
	web := proctest.FreePort(t)
	s.URL = "http://" + s.Address + ":" + web
	s.APIKeyFile = s.write(t, "api.key", apiKey+"\n")
	tables, err := os.ReadFile(schema)
	if err != nil {
		t.Fatal(err)
	}
	database := filepath.Join(s.Dir, "pdns.sqlite")
	proctest.Run(t, string(tables), sqlite, database)
	s.Config = s.write(t, "pdns.conf", fmt.Sprintf(`launch=gsqlite3
gsqlite3-database=%s
gsqlite3-dnssec=yes
local-address=%s
local-port=%s
socket-dir=%s
guardian=no
daemon=no
dnsupdate=yes
allow-dnsupdate-from=127.0.0.0/8
webserver=yes
webserver-address=%s
webserver-port=%s
webserver-allow-from=127.0.0.0/8
api=yes
api-key=%s
cache-ttl=0
negquery-cache-ttl=0
query-cache-ttl=0
zone-cache-refresh-interval=0
zone-metadata-cache-ttl=0
default-soa-edit=INCEPTION-INCREMENT
loglevel=5
`, database, s.Address, s.Port, s.Dir, s.Address, web, apiKey))
	pdnsutil := func(args ...string) {
		t.Helper()
		proctest.Run(t, "", util, append([]string{"--config-dir", s.Dir}, args...)...)
	}
	pdnsutil("import-tsig-key", KeyName, "hmac-sha256", Secret)
	for _, z := range zones {
		pdnsutil("load-zone", z.Name, filepath.Join(s.Dir, z.Name))
		pdnsutil("set-kind", z.Name, "native")
		pdnsutil("set-meta", z.Name, "TSIG-ALLOW-DNSUPDATE", KeyName)
		if z.Signed {
			pdnsutil("secure-zone", z.Name)
		}
	}
	return exec.Command(program, "--config-dir="+s.Dir)
}
