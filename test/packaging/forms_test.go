package packaging

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// form is a row of the table in docs/datasets.md, by its name: what makes such a data set,
// with the row that is asked for and what it says. Without one, why it is not asked.
type form struct{ world, key, want, reason string }

const (
	mariaDB = `
install -d -o mysql /root/maria
mariadb-install-db --no-defaults --user=mysql --datadir=/root/maria --auth-root-authentication-method=normal --skip-test-db >/dev/null
systemd-run --quiet --unit=tables-maria --uid=mysql mariadbd --no-defaults --datadir=/root/maria --socket=/root/maria/s --skip-name-resolve
for i in $(seq 200); do [ -S /root/maria/s ] && break; sleep 0.1; done
mariadb --no-defaults -u root --socket=/root/maria/s -e "CREATE DATABASE mail; CREATE USER dkim@'%' IDENTIFIED BY 'secret'; GRANT ALL ON mail.* TO dkim@'%'"
mariadb --no-defaults -u root --socket=/root/maria/s mail < /root/tables.sql
dojang import --to dsn:mysql://dkim:secret@db.example.com/mail
`
	sentinels = `
install -d /root/r3; systemd-run --quiet --unit=tables-main redis-server --bind 127.0.0.1 --port 6390 --dir /root/r3 --save ''
for n in 1 2; do
	printf 'port 26379\nbind 127.0.1.'$n'\ndir /root/r3\nsentinel monitor main 127.0.0.1 6390 1\n' > /root/sentinel$n.conf
	systemd-run --quiet --unit=tables-sentinel$n redis-server /root/sentinel$n.conf --sentinel
done
for i in $(seq 100); do redis-cli -h 127.0.1.2 -p 26379 ping >/dev/null 2>&1 && break; sleep 0.1; done
redis-cli -p 6390 HSET dkim:keys mail2026 example.com:mail2026:/etc/opendkim/keys/mail2026.private >/dev/null
`
	memcached = `
systemd-run --quiet --unit=tables-memcached memcached -l 127.0.0.1 -U 0 -u nobody
perl -MIO::Socket::INET -e 'for (1..50) { last if $s = IO::Socket::INET->new("127.0.0.1:11211"); select undef, undef, undef, 0.1 }
print $s "set signing:a\@example.com 0 0 8\r\nmail2026\r\n"; <$s> =~ /STORED/ or die'
`
	webService = `
cd /root; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=tables.example.com -addext subjectAltName=DNS:tables.example.com -keyout t.key -out t.crt 2>/dev/null
cp t.crt /usr/local/share/ca-certificates/tables.crt; update-ca-certificates >/dev/null 2>&1; echo '127.0.0.1 tables.example.com' >> /etc/hosts
cat > tables.py <<'END'
import http.server, ssl
class Tables(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        found = self.path == "/signing?key=a%40example.com"
        self.send_response(200 if found else 404); self.end_headers()
        if found: self.wfile.write(b"mail2026")
server = http.server.HTTPServer(("127.0.0.1", 443), Tables)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain("/root/t.crt", "/root/t.key")
server.socket = context.wrap_socket(server.socket, server_side=True); server.serve_forever()
END
systemd-run --quiet --unit=tables-web python3 /root/tables.py
for i in $(seq 50); do curl -s https://tables.example.com/ -o /dev/null && break; sleep 0.1; done
`
	tcpTable = `
cat > /root/tcp.py <<'END'
import socketserver
class Table(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(b"200 mail2026\n" if line == b"get a@example.com\n" else b"500 none\n")
socketserver.ThreadingTCPServer(("127.0.0.1", 10099), Table).serve_forever()
END
systemd-run --quiet --unit=tables-tcp python3 /root/tcp.py
for i in $(seq 50); do perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new("127.0.0.1:10099")' && break; sleep 0.1; done
`
	overTLS = "test/databases asks each server over TLS"
)

var forms = map[string]form{
	"list":                 {"", "::1", "", ""},
	"file":                 {"", "mail2026", "example.com", ""},
	"patterns":             {"", "a@example.com", "mail2026", ""},
	"PostgreSQL":           {"", "mail2026", "example.com", ""},
	"MySQL, MariaDB":       {mariaDB, "example.com", "mail2026", ""},
	"SQLite":               {"", "mail2026", "example.com", ""},
	"rows that count":      {`runuser -u postgres -- psql -qc 'ALTER TABLE dkim_signing ADD active boolean NOT NULL DEFAULT true' mail`, "example.com", "mail2026", ""},
	"over TLS":             {reason: overTLS},
	"LDAP":                 {"", "mail2026", "example.com", ""},
	"LDAP over TLS":        {reason: overTLS},
	"Redis":                {"", "mail2026", "example.com", ""},
	"Redis over TLS":       {reason: overTLS},
	"Redis Cluster":        {"", "mail2026", "example.com", ""},
	"Redis Sentinel":       {sentinels, "mail2026", "example.com", ""},
	"memcached":            {memcached, "a@example.com", "mail2026", ""},
	"Berkeley DB":          {`printf 'a@example.com\nmail2026\n' | db5.3_load -T -t hash /etc/opendkim/signing.db`, "a@example.com", "mail2026", ""},
	"LMDB":                 {`mkdir -p /etc/opendkim/signing; printf 'VERSION=3\nformat=print\ntype=btree\nHEADER=END\n a@example.com\n mail2026\nDATA=END\n' | mdb_load /etc/opendkim/signing`, "a@example.com", "mail2026", ""},
	"a web service":        {webService, "a@example.com", "mail2026", ""},
	"a server of your own": {tcpTable, "a@example.com", "mail2026", ""},
	"Lua":                  {`echo 'if query == "a@example.com" then return "mail2026" end' > /etc/opendkim/signing.lua`, "a@example.com", "mail2026", ""},
}

var formRow = regexp.MustCompile("(?m)^\\| ([^|`]+) \\| `\\w+ ([^`]+)` \\|")

func formRows(t *testing.T) [][]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/datasets.md")
	must(t, err)
	return formRow.FindAllStringSubmatch(string(text), -1)
}

// TestEveryFormIsAsked: no row of the page is without a server here, or a reason.
func TestEveryFormIsAsked(t *testing.T) {
	rows := formRows(t)
	for _, row := range rows {
		if f, ok := forms[row[1]]; !ok || f.key == "" && f.reason == "" {
			t.Errorf("%s is asked by no test", row[1])
		}
	}
	if len(rows) != len(forms) {
		t.Errorf("%d rows, and %d forms here", len(rows), len(forms))
	}
}

// askForms asks each data set of the page as it stands there.
func (d *document) askForms() {
	d.t.Helper()
	for _, row := range formRows(d.t) {
		f := forms[row[1]]
		if f.key == "" {
			continue
		}
		said := d.run(f.world + "\ncd /root; dojang query " + quoted(row[2]) + " " + quoted(f.key) + " 2>&1 || true")
		if !strings.Contains(said, f.want) || strings.Contains(said, "dojang:") {
			d.t.Errorf("%s: %q says of %s\n%s", row[1], row[2], f.key, said)
		}
	}
}
