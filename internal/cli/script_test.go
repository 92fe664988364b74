package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"dojang/internal/keycheck"
	"dojang/internal/testutil"
)

// TestMain lets scripts run our tools as programs of their own.
func TestMain(m *testing.M) {
	commands := map[string]func(){}
	for _, name := range []string{"dojang", "opendkim-genkey", "opendkim-genzone", "opendkim-atpszone", "opendkim-testkey",
		"opendkim-testmsg", "opendkim"} {
		commands[name] = func() {
			os.Exit(Main(context.Background(), os.Args, Streams{os.Stdin, os.Stdout, os.Stderr}))
		}
	}
	testscript.Main(m, commands)
}

// TestScripts runs every script of testdata: files named debian-* compare our
// tools with Debian's, and are left out in short and where Debian's are not installed.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts in testdata: %v", err)
	}
	for _, script := range scripts {
		name := strings.TrimSuffix(filepath.Base(script), ".txtar")
		t.Run(name, func(t *testing.T) {
			if testing.Short() && strings.HasPrefix(name, "debian-") {
				t.Skip("another's tools are asked hundreds of times")
			}
			for _, program := range programsNeeded(t, script) {
				testutil.Need(t, program)
			}
			zone := startKeyZone(t)
			testscript.Run(t, testscript.Params{
				Files:               []string{script},
				RequireExplicitExec: true,
				Setup:               func(e *testscript.Env) error { return setupScript(e, zone.Addr) },
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"bothfrom": scriptBothFrom,
					"both":     scriptBoth,
					"mode":     scriptMode,
					"exits":    scriptExits,
					"fault":    scriptFault,
					"waitfor":  scriptWaitFor,
				},
			})
		})
	}
}

// programsNeeded reads the script's "# needs: NAME..." lines.
func programsNeeded(t *testing.T, script string) []string {
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	var programs []string
	for line := range strings.SplitSeq(string(text), "\n") {
		if list, ok := strings.CutPrefix(line, "# needs:"); ok {
			programs = append(programs, strings.Fields(list)...)
		}
	}
	return programs
}

// The key of RFC 8463 appendix A.2.
const (
	rfc8463PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n" +
		"-----END PRIVATE KEY-----\n"
	rfc8463Public = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
)

// setupScript gives a script private keys, and configurations for ours ("conf",
// Nameservers) and Debian's tools (the Unbound library's file) that ask the name
// server at addr.
func setupScript(e *testscript.Env, addr string) error {
	e.Vars = append(e.Vars, "PATH="+e.Getenv("PATH")+":/usr/sbin:/sbin", "NO_COLOR=1", "NS="+addr)
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	unbound := filepath.Join(e.WorkDir, "unbound.conf")
	files := map[string]string{
		unbound:                                "server:\n do-not-query-localhost: no\n module-config: \"iterator\"\nforward-zone:\n name: \".\"\n forward-addr: " + host + "@" + port + "\n",
		filepath.Join(e.WorkDir, "dns.conf"):   "Nameservers " + addr + "\nResolverConfiguration " + unbound + "\n",
		filepath.Join(e.WorkDir, "ed.private"): rfc8463PEM,
	}
	for path, text := range files {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	// Keys of the record tests: Debian's tools refuse them unless private.
	keys, err := filepath.Glob("../keyrecord/testdata/*.private")
	if err != nil || len(keys) == 0 {
		return fmt.Errorf("no keys: %v", err)
	}
	for _, key := range keys {
		data, err := os.ReadFile(key)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(e.WorkDir, filepath.Base(key)), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// scriptBoth runs "both PROGRAM ARGS...": ours and Debian's, each in a folder
// of its own, and fails when their exit codes, output or files differ. Key
// material is random and blanked; its length is compared.
func scriptBoth(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: both PROGRAM ARGS...")
	}
	compareBoth(ts, neg, "", args)
}

// scriptBothFrom runs "bothfrom FILE PROGRAM ARGS...": as both, with the file as
// standard input.
func scriptBothFrom(ts *testscript.TestScript, neg bool, args []string) {
	compareBoth(ts, neg, ts.ReadFile(args[0]), args[1:])
}

func compareBoth(ts *testscript.TestScript, neg bool, stdin string, args []string) {
	ours, debian := runAside(ts, "ours", args[0], stdin, args), runAside(ts, "debian", "/usr/sbin/"+args[0], stdin, args)
	if diff := cmp.Diff(debian, ours); diff != "" {
		ts.Fatalf("%s differs from Debian's (-debian +ours):\n%s", strings.Join(args, " "), diff)
	}
	if neg == (ours.Code == 0) {
		ts.Fatalf("exit status %d", ours.Code)
	}
}

// scriptMode checks "mode 0600 FILE...".
func scriptMode(ts *testscript.TestScript, neg bool, args []string) {
	for _, file := range args[1:] {
		info, err := os.Stat(ts.MkAbs(file))
		ts.Check(err)
		if got := fmt.Sprintf("%04o", info.Mode().Perm()); (got == args[0]) == neg {
			ts.Fatalf("%s has mode %s", file, got)
		}
	}
}

// scriptExits runs "exits STATUS PROGRAM ARGS...".
func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if (fmt.Sprint(code) == args[0]) == neg {
		ts.Fatalf("exit status %d", code)
	}
}

// scriptWaitFor runs "waitfor SOCKET": somebody listens on the UNIX socket.
func scriptWaitFor(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("unix", args[0])
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%v", err)
		}
	}
}

// scriptFault checks "fault CODE SELECTOR [TEXT]": `dojang testkey` names that
// fault, and the text, of the selector's record.
func scriptFault(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec("dojang", "testkey", "-x", "dns.conf", "--no-servers", "--json", "-d", "example.com", "-s", args[1])
	var report testkeyReport
	if jsonErr := json.Unmarshal([]byte(ts.ReadFile("stdout")), &report); jsonErr != nil || len(report.Keys) != 1 {
		ts.Fatalf("%v: %s", jsonErr, ts.ReadFile("stdout"))
	}
	key := report.Keys[0]
	if !slices.ContainsFunc(key.Faults, func(f keycheck.Fault) bool { return f.Code == args[0] }) || len(args) > 2 &&
		!strings.Contains(ts.ReadFile("stdout"), args[2]) {
		ts.Fatalf("faults: %+v", key.Faults)
	}
	for _, f := range key.Faults {
		if f.Fatal && (key.OK || err == nil) {
			ts.Fatalf("%s is fatal and the key passes", f.Code)
		}
	}
}

type outcome struct {
	Code     int
	Out, Err string
	Files    []string // path, mode, content
}

func runAside(ts *testscript.TestScript, dir, program, stdin string, args []string) outcome {
	work := ts.MkAbs(dir)
	ts.Check(os.RemoveAll(work))
	ts.Check(os.Mkdir(work, 0o755))
	path := program
	if !filepath.IsAbs(program) {
		for _, d := range filepath.SplitList(ts.Getenv("PATH")) {
			if _, err := os.Stat(filepath.Join(d, program)); err == nil {
				path = filepath.Join(d, program)
				break
			}
		}
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Args[0] = args[0] // what C tools call themselves
	cmd.Dir = work
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "PATH="+ts.Getenv("PATH"), "LC_ALL=C") // Perl tells of a locale that is not there
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Fatalf("%s: %v", path, err)
	}
	return outcome{cmd.ProcessState.ExitCode(), blankKeys(stdout.String()), blankKeys(stderr.String()), listFiles(ts, work)}
}

func listFiles(ts *testscript.TestScript, dir string) []string {
	var files []string
	ts.Check(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		files = append(files, fmt.Sprintf("%s %v\n%s", rel, info.Mode(), blankKeys(string(data))))
		return nil
	}))
	sort.Strings(files)
	return files
}

var (
	keyText = regexp.MustCompile(`(?s)p=[A-Za-z0-9+/=]{40,}("\n\t  "[A-Za-z0-9+/=]+)*`)
	keyPEM  = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*-----\n(.*?)-----END`)
	keyChar = regexp.MustCompile(`[A-Za-z0-9+/]`)
	dateAt  = regexp.MustCompile(`(auto-generated by \S+ at ).*`)
	serial  = regexp.MustCompile(`\d{10}(\s+; Serial)`)
	perlAt  = regexp.MustCompile(` at /usr/sbin/\S+ line \d+\.`)
)

// blankKeys hides what differs from run to run: dates, key material and, in a
// PEM file, its length too (the numbers' leading zeros vary).
func blankKeys(text string) string {
	text = perlAt.ReplaceAllString(text, "")
	text = dateAt.ReplaceAllString(text, "${1}DATE")
	text = serial.ReplaceAllString(text, "SERIAL$1")
	text = keyText.ReplaceAllStringFunc(text, func(s string) string { return "p=" + keyChar.ReplaceAllString(s[2:], "K") })
	return keyPEM.ReplaceAllStringFunc(text, func(s string) string {
		return s[:strings.IndexByte(s, '\n')+1] + "KEY\n-----END"
	})
}
