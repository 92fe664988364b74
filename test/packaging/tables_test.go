package packaging

import (
	"regexp"
	"runtime"
	"strings"
	"testing"

	"dojang/internal/testutil"
)

// databases are servers of their own names, with the logins of docs/scaling.md.
const databases = `
for host in db; do echo "127.0.0.1 $host.example.com" >> /etc/hosts; done
for n in 1 2; do echo "127.0.1.$n db$n.example.com" >> /etc/hosts; done
install -d -o postgres /root/pg /run/postgresql; chmod a+x /root
bin=$(ls -d /usr/lib/postgresql/*/bin)
runuser -u postgres -- $bin/initdb -D /root/pg/data --auth-local=trust --auth-host=scram-sha-256 --no-sync --encoding=UTF8 --no-locale >/dev/null
systemd-run --quiet --unit=tables-pg --uid=postgres $bin/postgres -D /root/pg/data -k /run/postgresql -c fsync=off
install -d /root/r1 /root/r2
systemd-run --quiet --unit=tables-redis redis-server --bind 127.0.0.1 --dir /root/r1 --save '' --requirepass secret
for n in 1 2; do systemd-run --quiet --unit=tables-cluster$n redis-server --bind 127.0.1.$n --dir /root/r2 --save '' --cluster-enabled yes --cluster-config-file n$n --cluster-announce-ip 127.0.1.$n; done
install -d /root/ldap
cat > /root/slapd.conf <<'END'
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /root/opendkim.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile /root/ldap/pid
database mdb
suffix dc=example,dc=com
directory /root/ldap
rootdn cn=dkim,dc=example,dc=com
rootpw secret
END
`

// databasesRun ends when all of them answer.
const databasesRun = `
printf 'dn: dc=example,dc=com\nobjectClass: domain\ndc: example\n\ndn: ou=dkim,dc=example,dc=com\nobjectClass: organizationalUnit\nou: dkim\n\n' | slapadd -q -f /root/slapd.conf
systemd-run --quiet --unit=tables-slapd slapd -f /root/slapd.conf -h ldap://127.0.0.1/ -d 0
for i in $(seq 100); do runuser -u postgres -- psql -qc 'SELECT 1' >/dev/null 2>&1 && break; sleep 0.1; done
runuser -u postgres -- psql -qc "CREATE ROLE dkim LOGIN PASSWORD 'secret'" -c 'CREATE DATABASE mail OWNER dkim'
redis-cli -h 127.0.1.1 cluster addslotsrange 0 8191 >/dev/null; redis-cli -h 127.0.1.2 cluster addslotsrange 8192 16383 >/dev/null
redis-cli -h 127.0.1.1 cluster meet 127.0.1.2 6379 >/dev/null
for i in $(seq 100); do redis-cli -h 127.0.1.1 cluster info | grep -q state:ok && redis-cli -h 127.0.1.2 cluster info | grep -q state:ok && break; sleep 0.1; done
for i in $(seq 100); do ldapsearch -x -H ldap://127.0.0.1 -b dc=example,dc=com >/dev/null 2>&1 && break; sleep 0.1; done
`

var keyTable = regexp.MustCompile(`(?m)^KeyTable +(.*)`)

// tables has the block's tables in the place of those in files, and mail is signed with them.
func tables(d *document, text string) {
	d.t.Helper()
	keyTable := keyTable.FindStringSubmatch(text)[1]
	d.run("{ grep -v 'Table' /root/files.conf; cat <<'END'; } > /etc/opendkim.conf\n" + text +
		"END\ndojang config check; dojang testkey '" + keyTable +
		"' mail2026; systemctl reset-failed opendkim; systemctl restart opendkim" + signedMail)
}

// scaling are the blocks of docs/scaling.md. What is imported needs the tables first.
var scaling = []step{
	{"dojang import --to dsn:pgsql", func(d *document, text string) {
		d.t.Helper()
		all := blocks(d.t, d.name)
		d.run(databases + "sed -n 's/^index/index/p' > /root/index <<'END'\n" + all[7] + "END\ncat /root/index >> /root/slapd.conf\n" + databasesRun)
		d.run("cp /etc/opendkim.conf /root/files.conf; PGPASSWORD=secret psql -q -h db.example.com -U dkim mail <<'END'\n" + all[2] + "END\n")
		text = strings.ReplaceAll(text, " -W\n", " -w secret\n")
		first, psql, _ := strings.Cut(text, "dojang import --to sql")
		typed(d, first)
		d.run("runuser -u postgres -- psql -qc 'DELETE FROM dkim_keys' -c 'DELETE FROM dkim_signing' mail")
		typed(d, "dojang import --to sql"+psql)
		d.run("cd /root; dojang import --to redis+cluster://db1.example.com:6379,db2.example.com:6379")
	}, ""},
	{"$ dojang import --to dsn:pgsql", func(d *document, text string) {
		d.t.Helper()
		d.run("echo '# new rows' >> /etc/opendkim/KeyTable; echo 'n net.example:n:/etc/opendkim/keys/mail2026.private' >> /etc/opendkim/KeyTable; cp /etc/opendkim/KeyTable /root/KeyTable")
		d.run("dojang genkey -d example.com -s mail2027 -D /etc/opendkim/keys --owner opendkim >/dev/null 2>&1; sed -i s/mail2026/mail2027/2g /etc/opendkim/KeyTable")
		d.run("cp /etc/opendkim/KeyTable /root/table")
		session(d, strings.ReplaceAll(strings.ReplaceAll(text, `"example.com"`, `"mail2026"`), "1204 keys and 1204 rows", "2 keys and 1 row"))
		d.run("sed -i -e s/mail2027/mail2026/g -e '/net.example/d' /etc/opendkim/KeyTable")
	}, ""},
	{"CREATE TABLE dkim_keys", nil, "typed before the first"},
	{"KeyTable      dsn:pgsql:", tables, ""},
	{"KeyTable      redis://", tables, ""},
	{"KeyTable      redis+cluster://", tables, ""},
	{"KeyTable      ldap://", func(d *document, text string) {
		d.t.Helper()
		tables(d, strings.Replace(text, "LDAPUseTLS  yes\n", "", 1))
	}, ""},
	{"index ", nil, "typed before the first"},
	{"KeyTable      dsn:pgsql:", nil, "test/databases asks each server over TLS"},
	{"age-keygen -o", func(d *document, text string) {
		d.t.Helper()
		keygen, wrapped, _ := strings.Cut(text, "\n")
		typed(d, keygen+"\nchown opendkim /etc/opendkim/identities; chmod 600 /etc/opendkim/identities; sed -i 's,^KeyTable,#&,;s,^SigningTable,#&,' /root/files.conf; cp /etc/opendkim.conf /root/now.conf; cat /root/files.conf > /etc/opendkim.conf; sed -i 's,^#\\(KeyTable\\|SigningTable\\),\\1,' /etc/opendkim.conf")
		recipient := d.run("sed -n 's/^# public key: //p' /etc/opendkim/identities")
		typed(d, strings.Replace(wrapped, "age1...", strings.TrimSpace(recipient), 1))
		d.run("runuser -u postgres -- psql -Atc 'SELECT private_key FROM dkim_keys' mail | grep -q '^age:'")
		tables(d, "KeyIdentities /etc/opendkim/identities\n"+blocks(d.t, d.name)[3])
	}, ""},
	{"            ┌─ HAProxy", nil, "a picture"},
	{"smtpd_milters = inet:filters", func(d *document, text string) {
		d.t.Helper()
		d.run("echo 'filters A 127.0.0.1' >> /root/zones/example.com" + restartNames + "sed -i 's,^Socket .*,Socket inet:8891@127.0.0.1,' /etc/opendkim.conf; systemctl reset-failed opendkim; systemctl restart opendkim")
		appended("/etc/postfix/main.cf", "postconf -n >/dev/null 2>&1; postfix reload 2>/dev/null"+signedMail)(d, text)
	}, ""},
	{"listen milter", whole("/root/haproxy.cfg", "printf 'defaults\\n  timeout connect 3s\\n  timeout client 1h\\n  timeout server 1h\\n' | cat - /root/haproxy.cfg > /root/h.cfg; haproxy -c -f /root/h.cfg"), ""},
	{"go test ", nil, "a measurement, of the sources"},
	{"go test ", nil, "likewise"},
}

// datasets are the blocks of docs/datasets.md; TestEveryFormOfThePage of test/databases
// takes the lines of its table.
var datasets = []step{
	{"dojang import --config", then(typed, `
printf 'KeyTable dsn:sqlite3:///var/lib/opendkim/mail.db/table=dkim_keys?keycol=name?datacol=domain,selector,private_key,algorithm\nSigningTable dsn:sqlite3:///var/lib/opendkim/mail.db/table=dkim_signing?keycol=author?datacol=key_name,identity\n' > /root/lines
{ grep -v Table /root/files.conf; cat /root/lines; } > /etc/opendkim.conf; dojang config check; systemctl restart opendkim`+signedMail), ""},
}

// TestTablesTyped types the pages about tables, with servers of each kind.
func TestTablesTyped(t *testing.T) {
	if !testutil.Long() {
		t.Skip("with SCALE=long")
	}
	testutil.Need(t, "psql", "redis-server", "redis-cli", "slapd", "ldapadd", "ldapsearch", "age-keygen", "haproxy", "sqlite3", "runuser",
		"mariadbd", "memcached", "db5.3_load", "mdb_load", "python3", "update-ca-certificates")
	d := newDocument(t, "docs/datasets.md")
	d.put("/usr/share/doc/opendkim/opendkim.schema") // of Debian's package, which the server has not
	d.run(setUp + published + "cp /etc/opendkim.conf /root/files.conf")
	d.follow(datasets)
	d.run("cp /root/files.conf /etc/opendkim.conf")
	d.name = "docs/scaling.md"
	d.follow(scaling)
	d.run("cat > /root/tables.sql <<'END'\n" + blocks(t, d.name)[2] +
		"END\ncp /root/files.conf /etc/opendkim.conf; sed -i 's,^#\\(KeyTable\\|SigningTable\\),\\1,' /etc/opendkim.conf")
	d.askForms()
}

// rocky are the blocks of docs/rocky.md.
var rocky = []step{
	{"dnf install", typed, ""},
	{"dojang genkey", func(d *document, text string) {
		d.t.Helper()
		beforeDoctor, doctor, _ := strings.Cut(text, "dojang doctor")
		typed(d, beforeDoctor)
		d.run(published + signedMail)
		healthy(d, "dojang doctor"+doctor)
	}, ""},
	{"ps -eZ", nil, "no SELinux in the kernel of a test: TestSELinux asks the policy"},
	{"firewall-cmd", nil, "no firewalld: a test has no machine that filters"},
}

// dnf stands in for Rocky's, on a machine whose master.cf locks nothing in, as there.
const dnf = `
postconf -F '*/*/chroot=n'; postfix reload 2>/dev/null
printf '#!/bin/sh\n[ "$1" = install ] && exec rpm --force-debian --dbpath /var/lib/rpm --nodeps -i "$2"\n' > /usr/bin/dnf; chmod +x /usr/bin/dnf
rm -rf /etc/tmpfiles.d/opendkim.conf; mkdir -p /root/dist; mv /root/dojang-*.rpm /root/dist/
`

// TestRockyTyped types docs/rocky.md, with an rpm database and systemd.
func TestRockyTyped(t *testing.T) {
	testutil.Need(t, "dpkg", "make", "rpm", "postfix", "named", "swaks", "perl")
	if runtime.GOARCH != "amd64" {
		t.Skip("the document's package is for amd64")
	}
	d := &document{machine: boot(t, packages(t, "rpm", "0.0.1")...), name: "docs/rocky.md"}
	d.run(server + dnf)
	d.follow(rocky)
}
