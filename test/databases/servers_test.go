package databases

import (
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"

	"dojang/internal/dataset/datasettest"
	"dojang/internal/dataset/sqlset"
	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

// startRedisCluster starts three servers that share the keys.
func startRedisCluster(t testing.TB, certificates ...datasettest.Certificates) (url string) {
	t.Helper()
	hosts := datasettest.RedisCluster(t, testutil.Need(t, "redis-server"), testutil.Need(t, "redis-cli"), certificates...)
	return "redis+cluster://" + strings.Join(hosts[:2], ",")
}

// startMemcached returns host and port.
func startMemcached(t testing.TB) string {
	t.Helper()
	port := proctest.FreePort(t)
	args := []string{testutil.Need(t, "memcached"), "-l", "127.0.0.1", "-p", port, "-U", "0"}
	if os.Getuid() == 0 {
		args = append(args, "-u", "nobody")
	}
	datasettest.Start(t, proctest.Dials("tcp", "127.0.0.1:"+port), args...)
	return "127.0.0.1:" + port
}

// directory is a slapd with OpenDKIM's own schema. Like Zimbra's it answers for
// every name there is.
type directory struct {
	*datasettest.Process
	url string // with a slash at its end
	tls string // the same over TLS, "" without certificates
	dir string
}

const (
	directoryUser = "uid=zimbra,cn=admins,cn=zimbra"
	slapdConf     = `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /usr/share/doc/opendkim/opendkim.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile DIR/pid
access to * by dn.exact="` + directoryUser + `" write by * auth
database mdb
suffix ""
rootdn "` + directoryUser + `"
rootpw geheim
directory DIR/db
maxsize 1073741824
index objectClass,cn,ou,DKIMIdentity,DKIMSelector eq
dbnosync
`
)

// directoryLogin is the filter's part of the login.
const directoryLogin = "LDAPBindUser " + directoryUser + "\nLDAPBindPassword geheim\n"

// startDirectory fills a slapd with LDIF; with certificates it listens for TLS too. The parents dc=test and ou=dkim,dc=test
// are there.
func startDirectory(t testing.TB, ldif string, certificates ...datasettest.Certificates) directory {
	t.Helper()
	slapd, slapadd := testutil.Need(t, "slapd"), testutil.Need(t, "slapadd")
	if _, err := os.Stat("/usr/share/doc/opendkim/opendkim.schema"); errors.Is(err, fs.ErrNotExist) && !testutil.PeersRequired() {
		t.Skip("OpenDKIM's LDAP schema is not installed")
	}
	dir, port := datasettest.Folder(t, 0o700), proctest.FreePort(t)
	conf := strings.ReplaceAll(slapdConf, "DIR", dir)
	d := directory{url: "ldap://127.0.0.1:" + port + "/", dir: dir}
	listen := d.url
	for _, c := range certificates {
		conf = "TLSCertificateFile " + c.Cert + "\nTLSCertificateKeyFile " + c.Key + "\n" + conf
		d.tls = "ldaps://localhost:" + proctest.FreePort(t) + "/"
		for _, address := range datasettest.Localhost() {
			if strings.Contains(address, ":") {
				address = "[" + address + "]"
			}
			listen += " " + strings.Replace(d.tls, "localhost", address, 1)
		}
	}
	must(t, os.WriteFile(dir+"/slapd.conf", []byte(conf), 0o600))
	must(t, os.Mkdir(dir+"/db", 0o700))
	parents := "dn: dc=test\nobjectClass: domain\ndc: test\n\ndn: ou=dkim,dc=test\nobjectClass: organizationalUnit\nou: dkim\n\n"
	proctest.Run(t, parents+ldif, slapadd, "-q", "-f", dir+"/slapd.conf")
	d.Process = datasettest.Start(t, proctest.Dials("tcp", "127.0.0.1:"+port), slapd, "-f", dir+"/slapd.conf", "-h", listen, "-d", "0")
	return d
}

func (d directory) add(t testing.TB, ldif string) {
	t.Helper()
	proctest.Run(t, ldif, testutil.Need(t, "ldapadd"), d.login()...)
}

// addMore goes on after entries that are there already.
func (d directory) addMore(t testing.TB, ldif string) {
	t.Helper()
	cmd := exec.Command(testutil.Need(t, "ldapadd"), append(d.login(), "-c")...)
	cmd.Stdin = strings.NewReader(ldif)
	const alreadyExists = 68
	if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() != alreadyExists {
		t.Fatalf("%v\n%s", err, out)
	}
}

func (d directory) modify(t testing.TB, ldif string) {
	t.Helper()
	proctest.Run(t, ldif, testutil.Need(t, "ldapmodify"), d.login()...)
}

func (d directory) login() []string {
	return []string{"-x", "-H", d.url, "-D", directoryUser, "-w", "geheim"}
}

// openSQL opens a database for the test's own statements.
func openSQL(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, _, err := sqlset.OpenDB(strings.TrimPrefix(dsn, "dsn:") + "/table=x?keycol=x?datacol=x")
	must(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
