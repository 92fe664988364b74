package datasettest

import (
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil/proctest"
)

// RedisCluster starts three Redis servers that share the keys, and returns their
// addresses when each of them says that the cluster is whole. With certificates
// they listen for TLS alone and call themselves localhost.
func RedisCluster(t testing.TB, server, cli string, certificates ...Certificates) []string {
	t.Helper()
	var hosts, ports, client []string
	for range 3 {
		dir, port := Folder(t, 0o700), clusterPort(t)
		args := []string{server, "--port", port}
		for _, c := range certificates {
			args = append(c.Redis(server, port), "--port", "0", "--tls-cluster", "yes",
				"--cluster-announce-hostname", "localhost", "--cluster-preferred-endpoint-type", "hostname")
			client = []string{"--tls", "--cacert", c.CA, "--sni", "localhost"}
		}
		Start(t, proctest.Dials("tcp", "127.0.0.1:"+port),
			append(args, "--bind", strings.Join(Localhost(), " "), "--dir", dir, "--save", "", "--cluster-enabled", "yes")...)
		hosts, ports = append(hosts, "127.0.0.1:"+port), append(ports, port)
	}
	proctest.Run(t, "", cli, slices.Concat(client, []string{"--cluster", "create", "--cluster-yes"}, hosts)...)
	deadline := time.Now().Add(30 * time.Second)
	for _, port := range ports {
		for {
			// asked again until it says ok
			out, _ := exec.Command(cli, slices.Concat(client, []string{"-p", port, "cluster", "info"})...).Output()
			if strings.Contains(string(out), "cluster_state:ok") {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the cluster does not come up; the server on port %s says:\n%s", port, out)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return hosts
}

// clusterPort is a free port whose number plus 10,000, the cluster's bus, is one too.
func clusterPort(t testing.TB) string {
	t.Helper()
	for range 100 {
		port := proctest.FreePort(t)
		n, err := strconv.Atoi(port)
		if err != nil || n >= 55_000 {
			continue
		}
		if l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(n+10_000)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free pair of ports")
	return ""
}
