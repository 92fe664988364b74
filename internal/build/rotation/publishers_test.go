package rotation

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/publish"
	"dojang/internal/rotate/settings"
	"dojang/internal/testutil/configtest"
)

// TestPeopleAreToldAsReportsLeave: by MTACommand, with a sender; what SMTPURI has wrong
// is the error of the mail, and no other way is taken.
func TestPeopleAreToldAsReportsLeave(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "send")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n{ echo \"$*\"; cat; } > "+dir+"/mail\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	o := manualOptions(new(bytes.Buffer), configtest.Read(t, "MTACommand "+program+"\n"))
	if err := o.Send(t.Context(), []string{"postmaster@example.com"}, []byte("Subject: x\n\nhello\n")); err != nil {
		t.Fatal(err)
	}
	mail, err := os.ReadFile(filepath.Join(dir, "mail"))
	if err != nil || string(mail) != "-t -f"+o.From+"\nSubject: x\n\nhello\n" || !strings.HasPrefix(o.From, "root@") {
		t.Errorf("%q, %v", mail, err)
	}
	o = manualOptions(new(bytes.Buffer), configtest.Read(t, "MTACommand "+program+"\nSMTPURI mail.example\n"))
	if err := o.Send(t.Context(), nil, nil); err == nil || !strings.HasPrefix(err.Error(), "SMTPURI: ") {
		t.Errorf("an address that is none: %v", err)
	}
}

// TestPublishersByName: one is opened once, and what has no lines of its own tells people.
func TestPublishersByName(t *testing.T) {
	p := &publishers{manual: publish.Options{Out: new(bytes.Buffer)}}
	named := p.named(&settings.Settings{})
	one, err := named("people")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := named("people"); err != nil || again != one {
		t.Errorf("opened twice: %v", err)
	}
}

// TestFiltersOfServersLookBySelf: where both tables are on a server, nobody has to reload;
// of one with files and nobody there, the error is told.
func TestFiltersOfServersLookBySelf(t *testing.T) {
	dsn := "dsn:sqlite3://" + t.TempDir() + "/k.db/table=k?keycol=name?datacol=d"
	f := filter{configtest.Read(t, "KeyTable "+dsn+"\nSigningTable "+dsn+"\n")}
	if err := f.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	f = filter{configtest.Read(t, "KeyTable file:/nonexistent\nSigningTable "+dsn+"\nPidFile "+t.TempDir()+"/none\n")}
	if err := f.Reload(t.Context()); err == nil {
		t.Error("a filter that does not run has read its tables")
	}
	if _, err := f.Signs(t.Context(), "a@example.com"); err == nil {
		t.Error("a filter without a socket signs")
	}
}
