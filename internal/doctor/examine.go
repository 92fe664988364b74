package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/doctor/postfix"
	"dojang/internal/keyrecord"
	"dojang/internal/keystore"
	"dojang/internal/keytable"
	"dojang/internal/problem"
	"dojang/internal/resolver"
	"dojang/internal/trial"
	"dojang/internal/words"
)

// Options say what to examine.
type Options struct {
	Source   config.Source
	Version  string                // of dojang
	Author   string                // of the message that is sent; "": somebody whose mail is signed
	Keys     int                   // how many keys are compared with DNS
	Run      postfix.Runner        // nil runs Postfix's programs
	Progress func(compared, n int) // is called as keys are compared with DNS; nil for nobody
}

// examination is one run of `dojang doctor`.
type examination struct {
	Options
	report  Report
	host    *host
	targets []keytable.Row
	built   *build.Built // nil where the configuration has errors
	setups  []*postfix.Setup
	mute    bool // no name server answers: to ask on would take minutes
}

// Examine makes every check that this machine allows, each for itself.
func Examine(ctx context.Context, o Options) Report {
	e := &examination{Options: o}
	r := &e.report
	c, problems := e.Source.Load()
	if e.Source.File == "" {
		r.Add(Finding{Check: "configuration", Code: "config-missing", Status: Bad,
			Advice: "dojang up makes one to begin with; or name yours: --config FILE"},
			"there is no configuration: %s is missing", config.DefaultPath)
		return e.report
	}
	all := processes()
	c, problems, unused := e.asStarted(c, problems, all)
	e.host = &host{Config: c, File: e.Source.File, Filter: account(c), MTA: personOf("postfix"), unused: unused}
	e.targets = keytable.Signing(ctx, c)
	for _, t := range e.targets {
		if at := (keystore.Options{}).Locate(t.Key); e.host.KeyFolder == "" && at.Path != "" && !at.Credential {
			e.host.KeyFolder = filepath.Dir(at.Path)
		}
	}
	client, server := server(ctx, c)
	r.unsigned(ctx, client)
	e.configuration(ctx, problems)
	if e.built != nil {
		defer e.built.Snapshot.Discard()
	}
	if known := e.host.Filter.Name != ""; known {
		r.tables(e.host)
		e.keyFiles()
	}
	answers := e.sockets(all)
	if e.built != nil {
		r.loaded(e.host, server, append(e.built.Files, c.Files()...))
	}
	e.mta(ctx)
	e.published(ctx)
	r.anchors(e.host)
	e.messages(ctx, answers)
	r.clock()
	r.hardened(c, e.host.Filter)
	return e.report
}

// configuration tells what a start would say.
func (e *examination) configuration(ctx context.Context, problems problem.List) {
	if !problems.HasErrors() {
		parts := build.ToolParts(e.Version)
		var ofTables, ofAccount problem.List
		parts.Account, ofAccount = build.AccountOf(e.host.Config)
		if !ofAccount.HasErrors() { // whose rights would count?
			e.built, ofTables = build.Snapshot(ctx, e.host.Config, parts)
		}
		problems = slices.Concat(problems, ofTables, ofAccount)
	}
	for _, p := range problems {
		status := Warning
		if p.Severity == problem.Error || p.Serious {
			status = Bad
		}
		f := Finding{Check: "configuration", Code: "config", Status: status,
			Remedy: cmp.Or(e.host.write(p), e.host.respell(p)), Advice: p.Hint}
		if value, ok := meantSocket(p); ok && p.Line > 0 {
			f.Remedy = fmt.Sprintf("sed -i '%dc Socket %s' %s && %s", p.Line, value, shell(p.File), e.host.restart())
		}
		e.report.Add(f, "%s", p.String())
	}
	if len(problems) == 0 {
		e.report.Add(Finding{Check: "configuration", Status: Good}, "%s, its tables and its keys", e.Source.File)
	}
}

func (e *examination) keyFiles() {
	accounts, _ := keystore.ReadAccounts("", "")
	keys, _ := keystore.ToolOptions(e.host.Config.KeyIdentities.Value)
	seen := map[string]bool{}
	for _, t := range limit(e.targets, e.Keys) {
		if at := keys.Locate(t.Key); at.Path != "" && !at.Credential && !seen[at.Path] {
			seen[at.Path] = true
			e.report.keyFile(e.host, t, at.Path, accounts)
		}
	}
}

// sockets returns the socket that answers messages, nil for none.
func (e *examination) sockets(all []process) *config.Socket {
	sockets := e.host.Config.Sockets()
	var answers *config.Socket
	for i, s := range sockets {
		if e.report.socket(e.host, s, all) && answers == nil {
			answers = &sockets[i]
		}
	}
	if len(sockets) == 0 {
		e.report.Add(Finding{Check: "socket", Code: "socket-unset", Status: Bad,
			Remedy: appendLine(e.host.File, "Socket inet:8891@localhost") + " && " + e.host.restart()},
			"no Socket is set, so Postfix cannot reach the filter")
	}
	e.report.instances(e.host, all)
	return answers
}

func (e *examination) mta(ctx context.Context) {
	if e.Run == nil {
		if _, err := os.Stat(sendmailFile); err == nil && !programExists("postconf") {
			e.report.sendmail(e.host, sendmailFile)
			return
		}
	}
	if e.setups = e.report.postfix(ctx, e.host, e.Run); len(e.setups) > 0 {
		e.report.forgedResults(e.host, e.setups[0])
	}
}

func limit[T any](rows []T, n int) []T { return rows[:max(0, min(len(rows), n))] }

// published compares keys with DNS, after the name servers themselves.
func (e *examination) published(ctx context.Context) {
	r, c := &e.report, e.host.Config
	if !c.Mode.Value.Sign {
		return
	}
	tester, err := keytable.NewTester(ctx, c.KeyTable.Value, c)
	if err != nil {
		r.Add(Finding{Check: "dns", Code: "dns-options", Status: Bad}, "%s", err)
		return
	}
	defer tester.Close()
	if dns := tester.Resolver(); dns != nil && !r.nameServers(ctx, e.host, dns) {
		e.mute = true
		r.skip("dns", "keys-unasked", "no name server answers: records are not looked at")
		return
	}
	tester.Diagnose = true
	tester.Others = e.targets
	targets := limit(e.targets, e.Keys)
	compared := 0
	tester.TestAll(ctx, targets, func(t keytable.Row, k keytable.Report) {
		if compared++; e.Progress != nil {
			e.Progress(compared, len(targets))
		}
		e.record(ctx, tester, t, k)
	})
	if len(e.targets) > e.Keys {
		r.Add(Finding{Check: "dns", Code: "keys-left", Status: Skipped,
			Advice: fmt.Sprintf("dojang doctor --keys %d, or opendkim-testkey", len(e.targets))},
			"%s not compared with DNS", words.Count(len(e.targets)-e.Keys, "more key"))
	}
}

// mind are the faults that some verifier minds, though a signature may hold by ours.
var mind = []string{keyrecord.FaultTesting, keyrecord.FaultHash, keyrecord.FaultWeak, keyrecord.FaultBlanks,
	keyrecord.FaultVersionMissing, keyrecord.FaultWildcard}

// record tells how the record of one key is published.
func (e *examination) record(ctx context.Context, tester *keytable.Tester, t keytable.Row, k keytable.Report) {
	r := &e.report
	if t.Domain == "%" {
		r.Add(Finding{Check: "dns", Code: "key-any-domain", Status: Skipped,
			Advice: "dojang testkey --domain DOMAIN --selector " + t.Selector},
			"'%s' is a key for any domain", t.Name)
		return
	}
	text, code, hints, status := k.Problem, "record", []string(nil), Bad
	if k.OK {
		status = Warning
	}
	minded := !k.OK
	for _, f := range k.Faults {
		if k.OK && !slices.Contains(mind, f.Code) {
			continue
		}
		minded = true
		if f.Fatal || code == "record" {
			code = "record-" + f.Code
		}
		if text != f.Text {
			text = strings.TrimPrefix(text+"; "+f.Text, "; ")
		}
		if f.Hint != "" && !slices.Contains(hints, f.Hint) {
			hints = append(hints, f.Hint)
		}
	}
	if !minded {
		r.Add(Finding{Check: "dns", Status: Good}, "%s is published and fits the private key", k.Record)
		return
	}
	if line := recordLine(ctx, tester, t); line != "" {
		hints = append(hints, "the record to publish: "+line)
	}
	r.Add(Finding{Check: "dns", Code: code, Status: status, Advice: strings.Join(hints, "; ")}, "%s: %s", k.Record, text)
}

// recordLine is the record of a key in one line of a zone file, "" where the key cannot
// be read.
func recordLine(ctx context.Context, tester *keytable.Tester, t keytable.Row) string {
	if t.Key == "" {
		return ""
	}
	private, err := tester.Load(ctx, t)
	if err != nil {
		return ""
	}
	record, err := keyrecord.Of(private.Public())
	if err != nil {
		return ""
	}
	record.Selector, record.Domain, record.Hashes = t.Selector, t.Domain, "sha256"
	var b strings.Builder
	if keyrecord.Write(&b, keyrecord.ZoneLine, record) != nil {
		return ""
	}
	return strings.TrimSpace(b.String())
}

// messages sends messages of authors whose mail is signed, and looks at their domains.
func (e *examination) messages(ctx context.Context, socket *config.Socket) {
	r, c := &e.report, e.host.Config
	if e.built == nil {
		return
	}
	if !c.Mode.Value.Sign {
		if socket != nil {
			r.verifies(ctx, e.host, *socket)
		}
		return
	}
	rehearsal := newRehearsal(c, &e.built.Snapshot.Snapshot)
	rehearsal.peers = e.built.Snapshot.PeerList
	authors := e.authors(ctx)
	if len(authors) == 0 {
		r.Add(Finding{Check: "message", Code: "author-unknown", Status: Skipped,
			Advice: "dojang doctor --author joe@example.com"},
			"no author is known whose mail is signed")
	} else if socket != nil {
		e.message(ctx, rehearsal, *socket, authors[0])
	}
	if len(authors) > 0 {
		r.clients(ctx, e.host, rehearsal, e.setups, authors[0])
	}
	own := own(ctx, e.setups)
	r.domains(ctx, e.host, rehearsal, own)
	r.generic(ctx, e.setups, someAuthors(authors, own), func(author string) bool {
		_, _, ok := rehearsal.wayOf(ctx, author)
		return ok
	})
	if r := e.built.Snapshot.Snapshot.Resolver; r != nil && !e.mute {
		for _, author := range limit(someAuthors(authors, own), e.Keys) {
			e.report.alignment(ctx, e.host, rehearsal, textsOf(r), author)
		}
	}
}

func (e *examination) message(ctx context.Context, rehearsal *rehearsal, socket config.Socket, author string) {
	v, done, err := trial.NewVerifier(ctx, e.host.Config)
	if err != nil {
		e.report.Add(Finding{Check: "message", Code: "verifier", Status: Skipped}, "%s", err)
		return
	}
	defer done()
	if e.mute {
		e.report.Message(ctx, e.host, rehearsal, socket, author, nil)
		return
	}
	e.report.Message(ctx, e.host, rehearsal, socket, author, func(ctx context.Context, fields *header.List, body []byte) []dkim.Result {
		return v.Verify(ctx, dkim.VerifyOptions{Now: time.Now()}, fields, body) // as others would
	})
}

// textsOf looks TXT records up as the filter does.
func textsOf(r resolver.Resolver) texts {
	return func(ctx context.Context, name string) ([]string, bool, error) {
		answer, err := r.LookupTXT(ctx, name)
		var failed *resolver.Error
		if errors.As(err, &failed) && failed.Kind == resolver.KindNotFound {
			return nil, false, nil
		}
		return answer.Texts, err == nil, err
	}
}

// authors are somebody of each domain that the SigningTable, or else Domain, holds.
func (e *examination) authors(ctx context.Context) (authors []string) {
	if e.Author != "" {
		return []string{e.Author}
	}
	c := e.host.Config
	domains := map[string]bool{}
	add := func(author string) {
		_, domain, _ := strings.Cut(author, "@")
		if author != "" && !domains[domain] {
			domains[domain] = true
			authors = append(authors, author)
		}
	}
	enough := errors.New("enough")
	if spec := c.SigningTable.Value; spec != "" {
		_ = build.WalkSet(ctx, c, spec, func(row dataset.Entry, _ string) error {
			add(authorOf(row.Key))
			if len(authors) > e.Keys {
				return enough
			}
			return nil
		})
		return authors
	}
	for _, t := range e.targets {
		if t.Domain != "" && !strings.ContainsAny(t.Domain, "%*") {
			add("postmaster@" + t.Domain)
		}
	}
	return authors
}

// authorOf makes up an address that a row of the SigningTable holds, "" for none.
func authorOf(key string) string {
	user, host, ok := strings.Cut(key, "@")
	if !ok {
		user, host = "*", key
	}
	if host = strings.TrimPrefix(host, "*"); strings.HasPrefix(host, ".") {
		host = "mail" + host // what is below a domain is not that domain
	}
	if host == "" || strings.Contains(host, "*") || strings.Contains(strings.Trim(user, "*"), "*") {
		return ""
	}
	if user = strings.Trim(user, "*"); user == "" {
		user = "postmaster"
	}
	return user + "@" + host
}

func programExists(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}
