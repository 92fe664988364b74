package packaging

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/internal/testutil/dnstest"
)

// program is our binary for some machine: how it is called by one of its names.
type program func(name string, args ...string) *exec.Cmd

// forARM64 is the program that `make arm64` has built, to be run in an emulator.
func forARM64(t *testing.T) program {
	t.Helper()
	emulator := testutil.Need(t, "qemu-aarch64-static")
	path := "../../bin/arm64/dojang"
	if _, err := os.Stat(path); err != nil {
		if testutil.PeersRequired() {
			t.Fatal(err)
		}
		t.Skip("make arm64 first")
	}
	return func(name string, args ...string) *exec.Cmd {
		return exec.Command(emulator, append([]string{"-0", name, path}, args...)...)
	}
}

func forThisMachine(t *testing.T) program {
	dir := testutil.Build(t)
	return func(name string, args ...string) *exec.Cmd { return exec.Command(filepath.Join(dir, name), args...) }
}

// serve starts the filter with the configuration and returns its socket.
func (p program) serve(t *testing.T, configuration string) string {
	t.Helper()
	dir := t.TempDir()
	conf, socket := filepath.Join(dir, "conf"), filepath.Join(dir, "s")
	must(t, os.WriteFile(conf, []byte(configuration+"Socket local:"+socket+"\n"), 0o600))
	cmd := p("opendkim", "-f", "-x", conf)
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	})
	for range 600 {
		if c, err := net.Dial("unix", socket); err == nil {
			c.Close()
			return socket
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the filter does not start")
	return ""
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var signedAt = regexp.MustCompile(`t=[0-9]+`)

// TestARM64 has keys made, published, tested and used by the program for arm64,
// beside the one for this machine: RSA and Ed25519 signatures of the same
// message in the same second have the same bytes, and each verifies the other's.
func TestARM64(t *testing.T) {
	arm, here := forARM64(t), forThisMachine(t)
	dns := dnstest.New(t, "")
	for algorithm, genkey := range map[string]*exec.Cmd{"rsa": arm("opendkim-genkey"),
		"ed25519": arm("dojang", "genkey", "--type", "ed25519")} {
		t.Run(algorithm, func(t *testing.T) {
			dir := t.TempDir()
			genkey.Args = append(genkey.Args, "-D", dir, "-d", "example.com", "-s", algorithm)
			if out, err := genkey.CombinedOutput(); err != nil {
				t.Fatalf("%v: %v\n%s", genkey, err, out)
			}
			key := filepath.Join(dir, algorithm+".private")
			dns.AddTXT(algorithm+"._domainkey.example.com", record(t, filepath.Join(dir, algorithm+".txt")))
			conf := fmt.Sprintf("Nameservers %s\nRequireSafeKeys no\n", dns.Addr)
			must(t, os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o600))
			if out, err := arm("opendkim-testkey", "-x", filepath.Join(dir, "conf"), "-d", "example.com",
				"-s", algorithm, "-k", key).CombinedOutput(); err != nil {
				t.Errorf("opendkim-testkey: %v\n%s", err, out)
			}

			sign := conf + "Mode s\nDomain example.com\nSelector " + algorithm + "\nKeyFile " + key + "\n"
			armSigner, signer := arm.serve(t, sign), here.serve(t, sign)
			theirs, ours := added(t, armSigner, message, "DKIM-Signature"), added(t, signer, message, "DKIM-Signature")
			for range 50 {
				if signedAt.FindString(theirs) == signedAt.FindString(ours) {
					break
				}
				theirs, ours = added(t, armSigner, message, "DKIM-Signature"), added(t, signer, message, "DKIM-Signature")
			}
			if theirs != ours || !strings.Contains(theirs, "a="+algorithm+"-sha256;") {
				t.Errorf("arm64 signs\n%q\nand this machine\n%q", theirs, ours)
			}
			signed := message
			signed.Raw = append([]byte("DKIM-Signature:"+strings.ReplaceAll(ours, "\n", "\r\n")+"\r\n"), message.Raw...)
			for name, p := range map[string]program{"arm64": arm, "this machine": here} {
				if got := added(t, p.serve(t, conf+"Mode v\n"), signed, "Authentication-Results"); !strings.Contains(got, "dkim=pass") {
					t.Errorf("%s verifies: %q", name, got)
				}
			}
		})
	}
}

// record is the TXT record in a file of opendkim-genkey.
func record(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	var b strings.Builder
	for _, quoted := range regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(string(text), -1) {
		b.WriteString(quoted[1])
	}
	return b.String()
}
