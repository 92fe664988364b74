package lua

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"dojang/dkim"
	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/proctest"
	"dojang/milter"
)

func TestMain(m *testing.M) { testutil.Main(m) }

const patience = time.Minute

// world is what both filters share: a key, its public half, and a folder that
// opendkim holds to be safe.
type world struct{ dir, ours string }

func newWorld(t *testing.T) *world {
	t.Helper()
	testutil.NeedRoot(t)
	testutil.Need(t, "opendkim")
	w := &world{dir: testutil.SecureDir(t), ours: filtertest.Ours(t)}
	w.write(t, "key.pem", testutil.KeyPEM(testutil.RSAKey()))
	w.write(t, "public-keys", "sel._domainkey.example.com "+testutil.KeyRecord(testutil.RSAKey())+"\n")
	return w
}

func (w *world) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start runs one filter with a case's configuration and scripts. The function
// sends it a message; it fails when the filter does not start.
func (w *world) start(t *testing.T, program string, c *scriptCase) (send func(mail) string, err error) {
	t.Helper()
	dir, err := os.MkdirTemp(w.dir, "run-")
	if err != nil {
		t.Fatal(err)
	}
	config := "Mode sv\nTestPublicKeys WORLD/public-keys\n" + c.config
	if !strings.Contains(c.config, "Domain") {
		config += "KeyTable csl:k1=example.com:sel:WORLD/key.pem,k2=other.example:two:WORLD/key.pem,any=%:any:WORLD/key.pem\n"
		if !strings.Contains(c.config, "SigningTable") {
			config += "SigningTable csl:nobody.example=k1\n"
		}
	}
	files := map[string]string{}
	for name, text := range map[string]string{"Setup": c.setup, "Screen": c.screen, "Final": c.final} {
		if text != "" {
			files[name+".lua"] = helpers + strings.ReplaceAll(text, "DIR", dir)
			config += name + "PolicyScript DIR/" + name + ".lua\n"
		}
	}
	if c.table != "" {
		files["table.lua"] = c.table
	}
	f := filtertest.Launch(t, program, dir, strings.ReplaceAll(config, "WORLD", w.dir), files)
	if err := f.Await(patience, proctest.Dials("unix", f.Socket)); err != nil {
		if !f.Ended() {
			t.Fatal(err)
		}
		return nil, err
	}
	return func(m mail) string { return give(t, f, m) }, nil
}

// helpers begin every script: words make one line of any values, alike in both
// versions of Lua.
const helpers = `local function word(v)
	if type(v) == "number" then return string.format("%d", v) end
	if type(v) == "userdata" then return "userdata" end
	if type(v) ~= "table" then return tostring(v) end
	local s = "{"
	for i = 1, #v do s = s .. word(v[i]) .. "," end
	return s .. "}"
end
local function words(...)
	local s = ""
	for i = 1, select("#", ...) do s = s .. (i > 1 and "|" or "") .. word((select(i, ...))) end
	return (string.gsub(s, "[%c]", "~"))
end
local function tell(...) odkim.add_header(ctx, "X-Told", " " .. words(...)) end
`

// mail is a message and where it comes from.
type mail string

const (
	local      mail = "local"        // from an internal client
	external   mail = "external"     // from another one
	signed     mail = "signed"       // external, signed by example.com
	badBody    mail = "bad body"     // signed, and its body changed
	badHeader  mail = "bad header"   // signed, and its subject changed
	twice      mail = "twice"        // external, with two signatures: the upper one's key is missing
	notAllBody mail = "not all"      // signed with l=12
	noAuthor   mail = "no author"    // local, without From
	elsewhere  mail = "other domain" // local, from another domain
)

const plainMessage = "Received: first\r\nReceived:  second (x)\r\nFrom: User One <user@example.com>\r\nTo: rcpt@example.net\r\n" +
	"Subject: test message\r\nX-Fold: a\r\n\tb\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\nHello world.\r\n\r\nSecond line.\r\n"

func raw(t *testing.T, m mail) string {
	t.Helper()
	switch m {
	case signed:
		return sign(t, plainMessage, "sel", nil)
	case badBody:
		return strings.Replace(sign(t, plainMessage, "sel", nil), "Second", "Third", 1)
	case badHeader:
		return strings.Replace(sign(t, plainMessage, "sel", nil), "test message", "other", 1)
	case twice:
		return sign(t, sign(t, plainMessage, "sel", nil), "missing", nil)
	case notAllBody:
		return sign(t, plainMessage, "sel", new(int64(12)))
	case noAuthor:
		return strings.Replace(plainMessage, "From:", "X-From:", 1)
	case elsewhere:
		return strings.Replace(plainMessage, "user@example.com", "x@elsewhere.example", 1)
	}
	return plainMessage
}

func sign(t *testing.T, raw, selector string, length *int64) string {
	t.Helper()
	return filtertest.Signature(t, raw, dkim.SignOptions{Domain: "example.com", Selector: selector,
		Key: testutil.RSAKey(), BodyLength: length, Time: time.Now()}) + raw
}

// give gives a message to a filter and returns what that did with it, a line each.
func give(t *testing.T, f *filtertest.Filter, m mail) string {
	t.Helper()
	message := filtertest.Outside(raw(t, m))
	message.From, message.Rcpts = "bounce@example.com", []string{"a@example.net", "b@example.net"}
	message.Macros["daemon_name"] = "smtpd"
	if m == local || m == noAuthor || m == elsewhere {
		filtertest.FromHere(&message)
	}
	client, err := milter.Dial("unix", f.Socket, milter.ClientOptions{})
	if err != nil {
		return "connection refused\n"
	}
	defer client.Quit()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	o, err := client.Send(ctx, message)
	if err != nil {
		return "connection lost\n"
	}
	return render(&o)
}

var (
	folds   = regexp.MustCompile(`\r?\n[ \t]+`)
	changes = regexp.MustCompile(` ?\b(t|bh|b)=[^;]*(;|$)`) // differ from run to run, or by what is hashed
	shortB  = regexp.MustCompile(` header\.b=\S+`)
)

func render(o *milter.Outcome) string {
	var b strings.Builder
	for _, e := range o.Edits {
		value := folds.ReplaceAllString(e.Value, " ")
		switch e.Name {
		case "DKIM-Signature":
			value = changes.ReplaceAllString(value, "")
		case "Authentication-Results":
			value = shortB.ReplaceAllString(strings.Replace(value, "; dkim-atps=neutral", "", 1), "")
		}
		switch e.Kind {
		case milter.ReplyInsertHeader:
			// opendkim does not put the blank behind the colon.
			fmt.Fprintf(&b, "insert %d %s: %s\n", e.Index, e.Name, strings.TrimPrefix(value, " "))
		case milter.ReplyAddHeader:
			fmt.Fprintf(&b, "add %s: %s\n", e.Name, strings.TrimPrefix(value, " "))
		case milter.ReplyChangeHeader:
			fmt.Fprintf(&b, "change %d %s:%s\n", e.Index, e.Name, value)
		default:
			fmt.Fprintf(&b, "%c %s%s\n", e.Kind, e.Value, e.Args)
		}
	}
	return b.String() + o.Final.String() + "\n"
}
