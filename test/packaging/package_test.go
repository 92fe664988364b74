// Package packaging installs our packages where OpenDKIM is set up, under a real
// systemd, and looks whether mail is still signed; and it runs what is built for
// other machines than this one.
package packaging

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/milter"
)

func TestMain(m *testing.M) {
	testutil.Main(m, func() { made.Range(func(_, path any) bool { return os.Remove(path.(string)) == nil }) })
}

// made are the packages that tests share, by kind and version.
var made sync.Map

// packages makes the package for this machine in each of the versions, once for all tests.
func packages(t *testing.T, kind string, versions ...string) (paths []string) {
	t.Helper()
	for _, version := range versions {
		if path, ok := made.Load(kind + version); ok {
			paths = append(paths, path.(string))
			continue
		}
		cmd := exec.Command("make", "package", "ARCHES="+runtime.GOARCH, "KINDS="+kind, "PACKAGE_VERSION="+version)
		cmd.Dir = "../.."
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("make package: %v\n%s", err, out)
		}
		_, name, ok := strings.Cut(string(out), "created package: ")
		if !ok {
			t.Fatalf("make package names no package:\n%s", out)
		}
		path := filepath.Join("../..", strings.Fields(name)[0])
		made.Store(kind+version, path)
		paths = append(paths, path)
	}
	return paths
}

// message is one of ours, to be signed.
var message = milter.Message{
	Envelope: milter.Envelope{Addr: milter.ConnAddr{Family: milter.FamilyInet, Addr: netip.MustParseAddr("127.0.0.1")},
		From: "a@example.com", Rcpts: []string{"b@example.org"}},
	Macros: map[string]string{"i": "JOB"},
	Raw:    []byte("From: a@example.com\r\nTo: b@example.org\r\nSubject: s\r\n\r\nhello\r\n"),
}

// added has the filter on the socket see the message, and returns the header
// field that it adds.
func added(t *testing.T, socket string, m milter.Message, field string) string {
	t.Helper()
	client, err := milter.Dial("unix", socket, milter.ClientOptions{})
	if err != nil {
		t.Error(err)
		return ""
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := client.Send(ctx, m)
	if err != nil {
		t.Error(err)
	}
	for _, e := range out.Edits {
		if e.Name == field {
			return e.Value
		}
	}
	return ""
}
