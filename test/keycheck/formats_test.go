//go:build linux

package keycheck

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/keyrecord"
	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

func records(t *testing.T) []keyrecord.Record {
	t.Helper()
	var list []keyrecord.Record
	for _, selector := range []string{"s1024", "s2048", "s4096"} {
		keyType, key, err := keyrecord.PublicKey(testutil.ReadKey(t, "../../internal/keyrecord/testdata/"+selector+".private").Public())
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, keyrecord.Record{Selector: selector, Domain: "example.com", KeyType: keyType, PublicKey: key, Hashes: "sha256"})
	}
	return list
}

func written(t *testing.T, f keyrecord.Format, list ...keyrecord.Record) string {
	t.Helper()
	var b strings.Builder
	if err := keyrecord.Write(&b, f, list...); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// checkzone gives what BIND reads of TXT records whose values are written so.
func checkzone(t *testing.T, list []keyrecord.Record, values []string) {
	t.Helper()
	program := testutil.Need(t, "named-checkzone")
	zone := "@ 60 SOA ns h 1 1 1 1 1\n@ 60 NS ns\nns 60 A 192.0.2.1\n"
	for i, r := range list {
		zone += r.Relative() + " 60 TXT " + values[i] + "\n"
	}
	path := filepath.Join(t.TempDir(), "zone")
	if err := os.WriteFile(path, []byte(zone), 0o644); err != nil {
		t.Fatal(err)
	}
	read := proctest.Run(t, "", program, "-D", "-o", "-", "example.com", path)
	for _, r := range list {
		if !strings.Contains(strings.ReplaceAll(read, `" "`, ""), `"`+r.Text()+`"`) {
			t.Errorf("%s is not in %s", r.Text(), read)
		}
	}
}

// What is written for Terraform is read by a parser of its language, and what that reads
// is a value that a name server takes.
func TestTerraformIsRead(t *testing.T) {
	python := testutil.Need(t, "/usr/bin/python3")
	list := records(t)
	out := proctest.Ask(t, written(t, keyrecord.Terraform, list...), python, "-c",
		"import hcl,json,sys; print(json.dumps(hcl.loads(sys.stdin.read())))")
	var read struct {
		Resource struct {
			Record map[string]struct {
				Name, Type string
				TTL        int
				Records    []string
			} `json:"aws_route53_record"`
		}
	}
	if err := json.Unmarshal([]byte(out), &read); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var values []string
	for _, r := range list {
		got := read.Resource.Record["dkim_"+r.Selector+"__domainkey_example_com"]
		if got.Name+"." != r.Name() || got.Type != "TXT" || got.TTL != 3600 || len(got.Records) != 1 {
			t.Fatalf("%+v in %s", got, out)
		}
		values = append(values, `"`+got.Records[0]+`"`)
	}
	checkzone(t, list, values)
}

func TestCloudflareIsRead(t *testing.T) {
	list := records(t)
	var values []string
	for line := range strings.Lines(written(t, keyrecord.Cloudflare, list...)) {
		var read struct{ Content string }
		if err := json.Unmarshal([]byte(line), &read); err != nil {
			t.Fatal(err)
		}
		values = append(values, read.Content)
	}
	checkzone(t, list, values)
}

func TestPiecesAreRead(t *testing.T) {
	list := records(t)
	var values []string
	for _, r := range list {
		pieces := strings.Split(strings.TrimSpace(written(t, keyrecord.Split255, r)), "\n")
		values = append(values, `"`+strings.Join(pieces, `" "`)+`"`)
	}
	checkzone(t, list, values)
}
