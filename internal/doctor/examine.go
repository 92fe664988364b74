package doctor

import (
	"context"
	"errors"
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
	"dojang/internal/keystore"
	"dojang/internal/keytable"
	"dojang/internal/problem"
	"dojang/internal/resolver"
	"dojang/internal/trial"
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
	socket  *config.Socket // that answers messages; nil for none
	mute    bool           // no name server answers: to ask on would take minutes
	sure    int            // how many findings no end of time has made
}

// Examine makes every check that this machine allows, each for itself. What ctx leaves no
// time for is not judged, and named.
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
	c, problems, unused := e.asStarted(ctx, c, problems, all)
	e.host = &host{Config: c, File: e.Source.File, Filter: account(c), MTA: personOf("postfix"), unused: unused}
	if !c.IsWhole() { // what looks wrong may be set where nobody could read it
		e.configuration(ctx, problems)
		return e.report
	}
	e.targets = keytable.Signing(ctx, c)
	for _, t := range e.targets {
		if at := (keystore.Options{}).Locate(t.Key); e.host.KeyFolder == "" && at.Path != "" && !at.Credential {
			e.host.KeyFolder = filepath.Dir(at.Path)
		}
	}
	client, server := server(ctx, c)
	e.each(ctx, []stage{
		{"what left unsigned", func(ctx context.Context) { r.unsigned(ctx, client) }},
		{"the configuration", func(ctx context.Context) { e.configuration(ctx, problems) }},
		{"tables and keys", func(context.Context) { e.files() }},
		{"the sockets", func(context.Context) { e.sockets(all) }},
		{"the process", func(context.Context) {
			if e.built != nil {
				r.loaded(e.host, server, append(e.built.Files, c.Files()...))
			}
		}},
		{"the mail server", e.mta},
		{"DNS", e.published},
		{"trust anchors", func(context.Context) { r.anchors(e.host) }},
		{"messages", e.messages},
		{"the clock", func(context.Context) { r.clock() }},
		{"the service", func(context.Context) { r.hardened(c, e.host.Filter) }},
	})
	if e.built != nil {
		e.built.Snapshot.Discard()
	}
	return e.report
}

// stage is a part of the examination.
type stage struct {
	what string
	look func(context.Context)
}

// each does the stages while there is time. What the end of time has one say is no finding.
func (e *examination) each(ctx context.Context, stages []stage) {
	for i, s := range stages {
		s.look(ctx)
		if ctx.Err() == nil {
			e.sure = len(e.report)
			continue
		}
		e.report = e.report[:e.sure]
		var left []string
		for _, s := range stages[i:] {
			left = append(left, s.what)
		}
		e.report.Add(Finding{Check: "time", Code: "time-over", Status: Warning,
			Advice: "dojang doctor without --check takes the time it needs, and shows what is slow"},
			"there was no time to look at all; left are %s", strings.Join(left, ", "))
		return
	}
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
		e.report.Add(Finding{Check: "configuration", Code: "config", Status: status, Remedy: e.host.mend(p), Advice: p.Hint}, "%s", p)
	}
	if len(problems) == 0 {
		e.report.Add(Finding{Check: "configuration", Status: Good}, "%s, its tables and its keys", e.Source.File)
	}
}

// files looks at tables and keys, where it is known whose rights count.
func (e *examination) files() {
	if e.host.Filter.Name == "" {
		return
	}
	e.report.tables(e.host)
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

// sockets looks at each socket, and takes the first that answers for messages.
func (e *examination) sockets(all []process) {
	sockets := e.host.Config.Sockets()
	for i, s := range sockets {
		if e.report.socket(e.host, s, all) && e.socket == nil {
			e.socket = &sockets[i]
		}
	}
	if len(sockets) == 0 {
		e.report.Add(Finding{Check: "socket", Code: "socket-unset", Status: Bad,
			Remedy: appendLine(e.host.File, "Socket inet:8891@localhost") + " && " + e.host.restart()},
			"no Socket is set, so Postfix cannot reach the filter")
	}
	e.report.instances(e.host, all)
}

func (e *examination) mta(ctx context.Context) {
	if e.Run == nil {
		if _, err := os.Stat(sendmailFile); err == nil && !programExists("postconf") {
			e.report.sendmail(ctx, e.host, sendmailFile)
			return
		}
	}
	if e.setups = e.report.postfix(ctx, e.host, e.Run); len(e.setups) > 0 {
		e.report.forgedResults(ctx, e.host, e.setups[0])
	}
}

func limit[T any](rows []T, n int) []T { return rows[:max(0, min(len(rows), n))] }

// messages sends messages of authors whose mail is signed, and looks at their domains.
func (e *examination) messages(ctx context.Context) {
	r, c, socket := &e.report, e.host.Config, e.socket
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
	own, unlisted := own(ctx, e.setups)
	if len(unlisted) > 0 {
		r.Add(Finding{Check: domainName, Code: "domains-unlisted", Status: Skipped,
			Advice: "dojang doctor --author postmaster@DOMAIN looks at one of them"},
			"Postfix has domains in tables that cannot be listed, %s: whether their mail is signed is not looked at",
			strings.Join(unlisted[:min(3, len(unlisted))], ", "))
	}
	r.domains(ctx, e.host, rehearsal, own)
	r.generic(ctx, e.host, e.setups, someAuthors(authors, own), func(author string) bool {
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
