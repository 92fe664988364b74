package cluster

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"dojang/internal/dataset/datasettest"
	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

const (
	filters = 3
	domains = 400
	keys    = 8
)

// world is the service: what can be killed in it, and what DNS would say of its keys.
type world struct {
	filters                    []*datasettest.Process
	primary, replica, balancer *datasettest.Process
	shards                     []*datasettest.Process
	records                    map[string]string
	dir                        string
}

func domain(i int) string   { return fmt.Sprintf("d%d.example", i%domains) }
func selector(i int) string { return fmt.Sprintf("s%d", i%domains%keys) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newWorld starts all of it.
func newWorld(t *testing.T) *world {
	testutil.NeedRoot(t)
	testutil.Need(t, "unshare", "nsenter", "ip", "haproxy", "postfix", "redis-server", "redis-cli", "psql")
	w := &world{records: map[string]string{}, dir: datasettest.Folder(t, 0o755)}
	var rows strings.Builder
	rows.WriteString("CREATE TABLE dkim_signing (author VARCHAR(255) PRIMARY KEY, key_name VARCHAR(255) NOT NULL);\n")
	var pairs strings.Builder
	for k := range keys {
		_, private, err := ed25519.GenerateKey(nil)
		must(t, err)
		der, err := x509.MarshalPKCS8PrivateKey(private)
		must(t, err)
		for i := k; i < domains; i += keys {
			w.records[selector(i)+"._domainkey."+domain(i)] = testutil.KeyRecord(private)
			fmt.Fprintf(&rows, "INSERT INTO dkim_signing VALUES ('%s', '%s');\n", domain(i), domain(i))
			fmt.Fprintf(&pairs, "SET dkim:keys:%s %s:%s:%s\n", domain(i), domain(i), selector(i), base64.StdEncoding.EncodeToString(der))
		}
	}
	w.startPostgres(t, rows.String())
	w.startRedis(t, pairs.String())
	for i := range filters {
		w.startFilter(t, i)
	}
	w.balancer = w.balance(t, "milter", 8890, "",
		[2]string{"one", "10.77.0.11:8891"}, [2]string{"two", "10.77.0.12:8891"}, [2]string{"three", "10.77.0.13:8891"})
	return w
}

// startPostgres starts a primary with the rows, a replica that follows it, and what
// asks the primary while there is one.
func (w *world) startPostgres(t *testing.T, rows string) {
	const bin = "/usr/lib/postgresql/*/bin"
	initdb, backup := datasettest.Find(t, "initdb", bin), datasettest.Find(t, "pg_basebackup", bin)
	server := datasettest.Find(t, "postgres", bin)
	dir := datasettest.Folder(t, 0o755)
	as := func(args ...string) []string { return datasettest.AsUser(t, "postgres", []string{dir}, args...) }
	args := as(initdb, "-D", dir+"/one", "-U", "dkim", "--auth=trust", "--no-sync", "--encoding=UTF8", "--no-locale")
	proctest.Run(t, "", args[0], args[1:]...)
	hba, err := os.OpenFile(dir+"/one/pg_hba.conf", os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = hba.WriteString("host all all 10.77.0.0/24 trust\nhost replication all 10.77.0.0/24 trust\n")
	must(t, err)
	must(t, hba.Close())
	start := func(name, port string) *datasettest.Process {
		return datasettest.Start(t, func() bool {
			return exec.Command("psql", "-qAt", "-c", "SELECT 1", "postgres://dkim@"+host+":"+port+"/postgres").Run() == nil
		}, as(server, "-D", dir+"/"+name, "-p", port, "-k", dir, "-c", "listen_addresses="+host, "-c", "fsync=off",
			"-c", "dynamic_shared_memory_type=mmap")...)
	}
	w.primary = start("one", "5433")
	proctest.Run(t, rows, "psql", "-qAt", "-v", "ON_ERROR_STOP=1", "postgres://dkim@"+host+":5433/postgres")
	args = as(backup, "-D", dir+"/two", "-R", "-X", "stream", "-c", "fast", "--no-sync", "-d", "postgres://dkim@"+host+":5433/postgres")
	proctest.Run(t, "", args[0], args[1:]...)
	w.replica = start("two", "5434")
	w.balance(t, "postgres", 5000, "on-marked-down shutdown-sessions",
		[2]string{"primary", host + ":5433"}, [2]string{"replica", host + ":5434 backup"})
}

// startRedis starts three masters with a replica each, and writes the keys.
func (w *world) startRedis(t *testing.T, pairs string) {
	var nodes []string
	for i := range 6 {
		port := strconv.Itoa(7001 + i)
		w.shards = append(w.shards, datasettest.Start(t, proctest.Dials("tcp", host+":"+port), "redis-server",
			"--port", port, "--bind", host, "--dir", datasettest.Folder(t, 0o700), "--save", "", "--cluster-enabled", "yes",
			"--cluster-node-timeout", "1500", "--protected-mode", "no"))
		nodes = append(nodes, host+":"+port)
	}
	proctest.Run(t, "", "redis-cli", append([]string{"--cluster", "create", "--cluster-yes", "--cluster-replicas", "1"}, nodes...)...)
	proctest.Until(t, 30*time.Second, "the Redis Cluster", func() bool {
		for i := range nodes {
			out, _ := exec.Command("redis-cli", "-h", host, "-p", strconv.Itoa(7001+i), "cluster", "info").Output()
			if !strings.Contains(string(out), "cluster_state:ok") {
				return false
			}
		}
		return true
	})
	proctest.Run(t, pairs, "redis-cli", "-c", "-h", host, "-p", "7001")
}

const configuration = `Mode s
Canonicalization relaxed/simple
Socket inet:8891@10.77.0.1%d
KeyTable redis+cluster://10.77.0.1:7001,10.77.0.1:7002,10.77.0.1:7003?prefix=dkim:keys:
SigningTable dsn:pgsql://dkim@5000+10.77.0.1/postgres/table=dkim_signing?keycol=author?datacol=key_name
DataSetCacheTTL 1
InternalHosts 0.0.0.0/0
`

// startFilter starts filter number i in a network namespace of its own.
func (w *world) startFilter(t *testing.T, i int) {
	holder := exec.Command("unshare", "--net", "sh", "-c", "ip link set lo up && echo && exec sleep infinity")
	out, err := holder.StdoutPipe()
	must(t, err)
	process := proctest.Start(t, holder)
	_, err = out.Read(make([]byte, 1))
	must(t, err)
	pid := strconv.Itoa(process.Cmd.Process.Pid)
	proctest.Run(t, "", "sh", "-ec", fmt.Sprintf(`ip link add f%[1]d type veth peer name eth0 netns %[2]s
ip link set f%[1]d master br0 up
nsenter -t %[2]s -n ip address add 10.77.0.1%[1]d/24 dev eth0
nsenter -t %[2]s -n ip link set eth0 up`, i+1, pid))
	conf := filepath.Join(w.dir, fmt.Sprintf("filter%d.conf", i+1))
	must(t, os.WriteFile(conf, []byte(fmt.Sprintf(configuration, i+1)), 0o644))
	w.filters = append(w.filters, datasettest.Start(t, proctest.Dials("tcp", fmt.Sprintf("10.77.0.1%d:8891", i+1)),
		"nsenter", "-t", pid, "-n", filepath.Join(testutil.Build(t), "opendkim"), "-f", "-x", conf))
}

// balance starts an HAProxy on a port of host, in front of the servers.
func (w *world) balance(t *testing.T, name string, port int, options string, servers ...[2]string) *datasettest.Process {
	var conf strings.Builder
	fmt.Fprintf(&conf, "global\n  maxconn 500\ndefaults\n  mode tcp\n  timeout connect 2s\n  timeout client 1h\n  timeout server 1h\n"+
		"  retries 3\n  option redispatch 1\nlisten %s\n  bind %s:%d\n  balance roundrobin\n", name, host, port)
	for _, s := range servers {
		fmt.Fprintf(&conf, "  server %s %s check inter 300ms fall 2 rise 1 %s\n", s[0], s[1], options)
	}
	path := filepath.Join(w.dir, name+".cfg")
	must(t, os.WriteFile(path, []byte(conf.String()), 0o644))
	return datasettest.Start(t, proctest.Dials("tcp", fmt.Sprintf("%s:%d", host, port)), testutil.Need(t, "haproxy"), "-db", "-f", path)
}
