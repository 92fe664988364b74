package cli

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"sync"
	"time"

	"dojang/dkim"
	"dojang/internal/keyrecord"
	"dojang/internal/resolver"
)

// serverReport is what one authoritative server has at the key's name.
type serverReport struct {
	Name    string `json:"name"`
	Address string `json:"address,omitempty"`
	State   string `json:"state"` // same, differs, absent, no-answer
	Detail  string `json:"detail,omitempty"`

	texts []string
}

// serverTimeout bounds what asking all the servers of one key may take, for
// some networks let nobody ask them.
const serverTimeout = 6 * time.Second

// maxAliasZones is how many aliases are followed from zone to zone.
const maxAliasZones = 4

// askServers asks every authoritative server for the record and tells which of
// them differs from what the resolver found, or from the private key.
func (k *keyTester) askServers(ctx context.Context, r *keyReport, seen []string, private crypto.Signer) {
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	name := r.Record
	for range maxAliasZones {
		_, servers, err := k.dns.AuthoritativeServers(ctx, name)
		if err != nil {
			r.fault(keyrecord.FaultServer, false, "", "the authoritative servers are not known: %v", err)
			return
		}
		reports, alias := k.askAll(ctx, servers, name)
		if alias != "" {
			name = alias
			continue
		}
		r.Servers = reports
		r.judgeServers(seen, private)
		return
	}
}

// askAll asks the servers side by side. It returns an alias instead when one
// leads out of their zone.
func (k *keyTester) askAll(ctx context.Context, servers []resolver.AuthoritativeServer, name string) (reports []serverReport, alias string) {
	reports = make([]serverReport, len(servers))
	aliases := make([]string, len(servers))
	var wait sync.WaitGroup
	for i, s := range servers {
		wait.Go(func() { reports[i], aliases[i] = k.askServer(ctx, s, name) })
	}
	wait.Wait()
	for _, a := range aliases {
		if a != "" {
			return nil, a
		}
	}
	return reports, ""
}

func (k *keyTester) askServer(ctx context.Context, s resolver.AuthoritativeServer, name string) (r serverReport, alias string) {
	r = serverReport{Name: s.Name, State: "no-answer"}
	if s.Err != nil {
		r.Detail = s.Err.Error()
		return r, ""
	}
	for _, addr := range s.Addrs {
		r.Address = addr.Addr().String()
		answer, err := k.dns.LookupTXTAt(ctx, addr.String(), name)
		var fail *resolver.Error
		var other *resolver.AliasError
		switch {
		case err == nil:
			r.State, r.Detail, r.texts = "same", "", answer.Texts
			return r, ""
		case errors.As(err, &other):
			return r, other.Target
		case errors.As(err, &fail) && fail.NotFound():
			r.State, r.Detail = "absent", ""
			return r, ""
		}
		r.Detail = err.Error()
	}
	return r, ""
}

// judgeServers compares each server's records with the private key, or with
// what the resolver found where there is none.
func (r *keyReport) judgeServers(seen []string, private crypto.Signer) {
	matching := 0
	for i := range r.Servers {
		s := &r.Servers[i]
		switch {
		case s.State != "same":
		case private != nil:
			if record, _ := dkim.ParseKeyTexts(s.texts); record == nil || !samePublicKey(record.Key, private.Public()) {
				s.State = "differs"
			}
		case !sameTexts(s.texts, seen):
			s.State = "differs"
		}
		if s.State == "same" {
			matching++
		}
	}
	for _, s := range r.Servers {
		who := s.Name
		if s.Address != "" {
			who += " (" + s.Address + ")"
		}
		switch s.State {
		case "no-answer":
			r.fault(keyrecord.FaultServer, false, "", "%s does not answer: %s", who, s.Detail)
		case "absent":
			if len(seen) > 0 || matching > 0 {
				r.serverFault(private, "has no record yet", who)
			}
		case "differs":
			if matching > 0 || private == nil {
				r.serverFault(private, "still has another record", who)
			}
		}
	}
	if !r.OK && matching == len(r.Servers) && matching > 0 && private != nil {
		r.fault(keyrecord.FaultServersDiffer, false, "wait until it forgets the old answer",
			"all %d authoritative servers have the right record: only this machine's resolver remembers another answer", matching)
	}
}

// serverFault: with the private key known, mail fails wherever that server is
// asked; without it we cannot tell which of the records is right.
func (r *keyReport) serverFault(private crypto.Signer, what, who string) {
	fatal := private != nil
	text := fmt.Sprintf("the name server %s %s", who, what)
	if fatal {
		r.fail(exUnavailable, "%s", text)
	}
	r.fault(keyrecord.FaultServersDiffer, fatal, "check that the zone is transferred to it and its serial number was raised; do not sign with the key until it has", "%s", text)
}
