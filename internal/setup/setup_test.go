package setup

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/atomicfile"
	"dojang/internal/exit"
)

// TestOwner: users and groups by name and by number, as chown(1) takes them.
func TestOwner(t *testing.T) {
	for _, c := range []struct {
		text   string
		owner  atomicfile.Owner
		status int
	}{
		{"root", atomicfile.Owner{UID: 0, GID: -1}, 0}, {"0", atomicfile.Owner{UID: 0, GID: -1}, 0},
		{"root:", atomicfile.Owner{UID: 0, GID: 0}, 0}, {":0", atomicfile.Owner{UID: -1, GID: 0}, 0},
		{"root:54321", atomicfile.Owner{UID: 0, GID: 54321}, 0},
		{"", atomicfile.Owner{}, exit.Usage}, {":", atomicfile.Owner{}, exit.Usage},
		{"nobody-of-that-name", atomicfile.Owner{}, exit.NoUser}, {"root:no-group-of-that-name", atomicfile.Owner{}, exit.NoUser},
	} {
		if os.Geteuid() != 0 && c.status == 0 && c.owner.UID == 0 {
			c.status = exit.NoPerm
		}
		got, err := parseOwner(c.text)
		if exit.Status(err) != c.status || err == nil && *got != c.owner {
			t.Errorf("%q: %+v, %v", c.text, got, err)
		}
	}
}

// TestRowsOfNewKeys: a pattern for each key where the table is one of patterns, else one
// row of all keys; twice the same row is not written.
func TestRowsOfNewKeys(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for name, text := range map[string]string{
		"conf":  "KeyTable file:keytable\nSigningTable refile:signingtable\n",
		"plain": "KeyTable file:keytable\nSigningTable file:signingtable\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keys := Keys{Domain: "example.com", Tables: Tables{Show: true, Append: true, Config: "conf"}}
	plan := []plannedKey{{selector: "a", private: "a.private"}, {selector: "b", private: "b.private", ed25519: true}}
	for config, want := range map[string]string{
		"conf":  "*@example.com a._domainkey.example.com\n*@example.com b._domainkey.example.com\n", // of the SigningTable
		"plain": "example.com a._domainkey.example.com,b._domainkey.example.com\n",
	} {
		for _, name := range []string{"keytable", "signingtable"} {
			if err := os.WriteFile(name, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		keys.Tables = Tables{Show: true, Append: true, Config: config}
		if err := keys.Tables.check(); err != nil {
			t.Fatal(err)
		}
		var errs bytes.Buffer
		for range 2 {
			if err := keys.Tables.finish(&errs, keys.rows(plan), nil); err != nil {
				t.Fatal(err)
			}
		}
		table, _ := os.ReadFile("keytable")
		rows := ""
		for _, p := range plan {
			rows += fmt.Sprintf("%s._domainkey.example.com example.com:%[1]s:%s\n", p.selector, filepath.Join(dir, p.private))
		}
		signing, _ := os.ReadFile("signingtable")
		if string(table) != rows || string(signing) != want || !strings.Contains(errs.String(), "the row is there already") {
			t.Errorf("%s:\n%s%s%s", config, table, signing, errs.String())
		}
		err := keys.Tables.checkAppend(t.Context(), keys.rows([]plannedKey{{selector: "a", private: "other"}}))
		if err == nil || !strings.Contains(err.Error(), "a._domainkey.example.com is there already with another key") {
			t.Errorf("%s: %v", config, err)
		}
	}
	keys.Tables = Tables{Append: true}
	if err := keys.Tables.check(); exit.Status(err) != exit.Usage {
		t.Errorf("--append alone: %v", err)
	}
}
