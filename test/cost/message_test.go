package cost

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/dkim"
	"dojang/header"
	snapshots "dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/message"
	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
)

// way is a configuration: DIR in it is a folder with keys and tables.
type way struct{ name, text string }

// configurations are ways in which options make the same mail work.
var configurations = []way{
	{"verifying", "Mode v\nTestPublicKeys DIR/keys\n"},
	{"signing by file", "Mode sv\nSigningTable file:DIR/signing\nKeyTable file:DIR/keytable\nTestPublicKeys DIR/keys\n"},
	{"signing by patterns", "Mode sv\nSigningTable refile:DIR/patterns\nKeyTable file:DIR/keytable\nTestPublicKeys DIR/keys\nMultipleSignatures yes\n"},
	{"signing by domain", "Mode sv\nDomain csl:example.com\nSubDomains yes\nSelector sel\nKeyFile DIR/k.pem\nTestPublicKeys DIR/keys\n"},
	{"signing by SQL", "Mode sv\nSigningTable dsn:sqlite3://DIR/t.db/table=signing?keycol=author?datacol=key\nKeyTable file:DIR/keytable\n" +
		"ResignMailTo dsn:sqlite3://DIR/t.db/table=signing?keycol=author?datacol=key\nTestPublicKeys DIR/keys\n"},
	{"everything", `Mode sv
SigningTable file:DIR/signing
KeyTable file:DIR/keytable
TestPublicKeys DIR/keys
LogWhy yes
LogResults yes
SyslogSuccess yes
SenderHeaders List-Post,Sender,From
IdentityHeader X-Identity
RequireSenderMatch yes
ResignMailTo csl:rcpt@example.net=k1
ResignAll yes
TrustSignaturesFrom csl:trusted.example
MaximumSignaturesToVerify 20
Diagnostics yes
AddCanonicalizedData yes
AlwaysAddARHeader yes
VBR-TrustedCertifiers csl:c1.example,c2.example,c3.example
ATPSDomains csl:example.com
ConditionalSignatures csl:example.net
OversignHeaders From,To,Subject,Date
MustBeSigned From,To,Subject
WeakSyntaxChecks yes
ReplaceRules DIR/rules
`},
}

// place is a filter's judgement of messages, without a socket.
type place struct {
	services *message.Services
	snapshot *message.Snapshot
}

func newPlace(t *testing.T, configuration string) *place {
	t.Helper()
	p, err := build(t, configuration)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// build makes a place, or tells why there is none.
func build(t *testing.T, configuration string) (*place, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"k.pem": testutil.KeyPEM(testutil.RSAKey()), "keys": "sel._domainkey.example.com " + testutil.KeyRecord(testutil.RSAKey()) + "\n",
		"signing": "example.com k1\n.example.com k1\n", "patterns": "*@example.com k1\n*@*.example.com k1\n*a*@*.b*.c k1\n", "keytable": "k1 example.com:sel:DIR/k.pem\n",
		"rules": "inner\\.example\\.com\texample.com\n", "conf": configuration,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	makeTable(t, filepath.Join(dir, "t.db"))
	c, problems := config.Load(filepath.Join(dir, "conf"))
	if problems.HasErrors() {
		return nil, errors.New(fmt.Sprint(problems))
	}
	built, problems := snapshots.Snapshot(t.Context(), c, snapshots.Parts{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if built == nil {
		return nil, errors.New(fmt.Sprint(problems))
	}
	s := &built.Snapshot.Snapshot
	s.MaximumHeaderBytes = 0 // sizes are ours to choose
	return &place{message.NewServices(nil, nil), s}, nil
}

// makeTable is a SigningTable in a SQLite file.
func makeTable(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("create table signing (author text primary key, key text); insert into signing values " +
		"('example.com', 'k1'), ('.example.com', 'k1')"); err != nil {
		t.Fatal(err)
	}
}

// run takes a message its way, from outside or from a client that has logged in.
func (p *place) run(t *testing.T, fields *header.List, body []byte, inside bool) *message.Run {
	e := message.Envelope{Sender: "joe@example.com", Recipients: []string{"rcpt@example.net"}, Origin: message.Origin{
		ClientName: "mail.example.net", ClientAddr: netip.MustParseAddr("192.0.2.1"),
		Macro: func(name string) string {
			switch {
			case name == "i":
				return "JOB"
			case name == "auth_type" && inside:
				return "PLAIN"
			case name == "auth_authen" && inside:
				return "joe@example.com"
			}
			return ""
		}}}
	return p.services.Whole(t.Context(), p.snapshot, message.Effects{}, e, fields, body)
}

const (
	honestHeader = "From: joe@example.com\r\nTo: ann@example.org\r\nSubject: hello\r\nDate: Mon, 23 Nov 2026 12:00:00 " +
		"+0000\r\nMessage-ID: <1@example.com>\r\n"
	honestBody = "Dear Ann,\r\n\r\nall is well.\r\n"
)

// signed is the honest message with a signature, which is looked at first.
func signed(t *testing.T) string {
	t.Helper()
	text := honestHeader + "\r\n" + honestBody
	return filtertest.Signature(t, text,
		dkim.SignOptions{Domain: "example.com", Selector: "sel", Key: testutil.RSAKey(), Time: time.Now().Add(-time.Minute)}) + text
}

// TestConfigurationsWork: the honest message is signed from inside and verified from
// outside, so that what is measured is all there is to do.
func TestConfigurationsWork(t *testing.T) {
	fields, body, err := header.Parse([]byte(signed(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configurations {
		p := newPlace(t, c.text)
		if run := p.run(t, fields, body, true); len(run.Plan.Sign) == 0 != (c.name == "verifying") {
			t.Errorf("%s: %d signatures", c.name, len(run.Plan.Sign))
		}
		if run := p.run(t, fields, body, false); len(run.Verdict.Results) != 1 || run.Verdict.Results[0].Status != dkim.StatusPass {
			t.Errorf("%s: %+v", c.name, run.Verdict.Results)
		}
	}
}

// standardBytes is the size of header at which a stranger's message is measured: what
// MaximumHeaders lets pass.
const standardBytes = 60 << 10

// TestHeaderCost grows each hostile header, in each configuration, from outside and
// from inside.
func TestHeaderCost(t *testing.T) {
	base := signed(t)
	for _, c := range ways(t) {
		t.Run(c.name, func(t *testing.T) {
			p := newPlace(t, c.text)
			for _, s := range shapes {
				for _, inside := range []bool{false, true} {
					if !testutil.Long() && inside == (c.name == "verifying") {
						continue
					}
					t.Run(fmt.Sprintf("%s, inside %v", s.name, inside), func(t *testing.T) {
						cost := func(n int) spent { return p.costOf(t, s.make(n)+base, inside) }
						once, twice := cost(standardBytes/2), cost(standardBytes)
						checkGrowth(t, once, twice)
						if twice.bytes > mostBytes {
							t.Errorf("%d bytes of memory", twice.bytes)
						}
					})
				}
			}
		})
	}
}

func (p *place) costOf(t *testing.T, text string, inside bool) spent {
	t.Helper()
	fields, body := split(text)
	return measure(t, func() { p.run(t, fields, body, inside) })
}

// split parts a message whose fields may have any names, as the milter protocol has them.
func split(text string) (fields *header.List, body []byte) {
	head, rest, _ := strings.Cut(text, "\r\n\r\n")
	fields = new(header.List)
	for head != "" {
		end := strings.Index(head, "\r\n")
		for end >= 0 && end+2 < len(head) && (head[end+2] == ' ' || head[end+2] == '\t') {
			next := strings.Index(head[end+2:], "\r\n")
			if next < 0 {
				end = -1
				break
			}
			end += 2 + next
		}
		if end < 0 {
			end = len(head)
		}
		fields.AddRaw([]byte(head[:end]))
		head = strings.TrimPrefix(head[end:], "\r\n")
	}
	return fields, []byte(rest)
}

// TestAgainstHonest holds the CPU time of each hostile message against that of an honest
// one of its size with as many signatures.
func TestAgainstHonest(t *testing.T) {
	if !testutil.Long() {
		t.Skip("SCALE=long measures CPU times")
	}
	const most, little = 4, 300 * time.Microsecond
	base := signed(t)
	filler := many(func(i int) string {
		return fmt.Sprintf("X-Filler-%d: some words that an honest program has to say\r\n", i)
	})
	for _, c := range ways(t) {
		p := newPlace(t, c.text)
		for _, s := range shapes {
			hostile := s.make(standardBytes)
			own := ""
			for range min(strings.Count("\r\n"+hostile, "\r\nDKIM-Signature:"), 100) {
				own += base[:len(base)-len(honestHeader+"\r\n"+honestBody)]
			}
			var honest, got time.Duration
			for range 3 { // a busy machine is slow at one of them
				honest = p.costOf(t, filler(max(0, len(hostile)-len(own)))+own+base, false).cpu
				if got = p.costOf(t, hostile+base, false).cpu; got <= most*honest+little {
					break
				}
			}
			t.Logf("%-20s %-36s %8v %5.1f", c.name, s.name, got, float64(got)/float64(honest))
			if got > most*honest+little {
				t.Errorf("%s, %s: %v, honest %v", c.name, s.name, got, honest)
			}
		}
	}
}

func TestBodyCost(t *testing.T) {
	base := signed(t)
	for _, c := range configurations {
		p := newPlace(t, c.text)
		for _, s := range bodies {
			t.Run(c.name+", "+s.name, func(t *testing.T) {
				cost := func(n int) spent { return p.costOf(t, base+s.make(n), true) }
				checkGrowth(t, cost(100<<10), cost(200<<10))
			})
		}
	}
}
