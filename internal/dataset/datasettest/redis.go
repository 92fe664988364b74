package datasettest

import (
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// RedisCluster starts three Redis servers that share the keys, and returns their
// addresses when each of them says that the cluster is whole.
func RedisCluster(t testing.TB, server, cli string) []string {
	t.Helper()
	var hosts, ports []string
	for range 3 {
		dir, port := Folder(t, 0o700), clusterPort(t)
		Start(t, Dials("tcp", "127.0.0.1:"+port), server, "--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--cluster-enabled", "yes")
		hosts, ports = append(hosts, "127.0.0.1:"+port), append(ports, port)
	}
	Command(t, "", cli, append([]string{"--cluster", "create", "--cluster-yes"}, hosts...)...)
	deadline := time.Now().Add(30 * time.Second)
	for _, port := range ports {
		for {
			out, _ := exec.Command(cli, "-p", port, "cluster", "info").Output() // asked again until it says ok
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
		port := FreePort(t)
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
