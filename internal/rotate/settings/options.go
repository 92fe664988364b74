package settings

import (
	"strings"
	"time"

	"dojang/internal/config"
)

// option is one row of the table.
type option struct {
	config.Option
	read func(s *Settings, v config.Value) error
}

func (o *option) example() string {
	if len(o.Examples) > 0 {
		return o.Name + " " + o.Examples[0]
	}
	return o.Name + " " + o.Default
}

// Options returns the rows in the order of the manual.
func Options() []*config.Option {
	table := rows()
	all := make([]*config.Option, len(table))
	for i := range table {
		all[i] = &table[i].Option
		if len(all[i].Examples) == 0 {
			all[i].Examples = []string{all[i].Default}
		}
	}
	return all
}

// Find looks an option up by name, in any case; nil when there is none.
func Find(name string) *config.Option {
	for _, o := range Options() {
		if strings.EqualFold(o.Name, name) {
			return o
		}
	}
	return nil
}

func find(name string) *option {
	table := rows()
	for i := range table {
		if strings.EqualFold(table[i].Name, name) {
			return &table[i]
		}
	}
	return nil
}

func row(o config.Option, read func(*Settings, config.Value) error) option { return option{o, read} }

// rows is the table.
func rows() []option {
	return append(append(timeRows(), keyRows()...), wayRows()...)
}

// timeRows are about when things happen.
func timeRows() []option {
	return []option{
		row(config.Option{Name: "Config", Type: config.Path, Default: "/etc/opendkim.conf",
			Doc: "The configuration of the filter whose keys these are."}, path(func(s *Settings) *string { return &s.Config })),
		row(config.Option{Name: "State", Type: config.Path, Default: "/var/lib/dojang/rotate",
			Doc: "The folder in which is kept what was begun and when. No secret is in it. What is lost with it is rebuilt by `dojang keys adopt`, with all waits begun anew."}, path(func(s *Settings) *string { return &s.State })),
		row(config.Option{Name: "Interval", Type: config.Duration, Default: "180d",
			Doc: "How old a key gets before the next one is made. Each domain's time is up to a tenth longer or shorter, so that they do not all come at once. 0 makes none by itself."}, duration(func(s *Settings) *time.Duration { return &s.Interval })),
		row(config.Option{Name: "KeepOld", Type: config.Duration, Default: "30d",
			Doc: "How long the record of an old key stays as it is after the last signature that any host made with it: mail waits in queues for days and is read by programs that verify for weeks."}, duration(func(s *Settings) *time.Duration { return &s.KeepOld })),
		row(config.Option{Name: "KeepRevoked", Type: config.Duration, Default: "30d",
			Doc: "How long the record then says that the key is revoked (an empty p=) before it is taken away."}, duration(func(s *Settings) *time.Duration { return &s.KeepRevoked })),
		row(config.Option{Name: "Margin", Type: config.Duration, Default: "10m",
			Doc: "What is added to the time that caches may keep an older answer, before a new key signs."}, duration(func(s *Settings) *time.Duration { return &s.Margin })),
		row(config.Option{Name: "Proofs", Type: config.Integer, Default: "3",
			Doc: "How often every authoritative server must have shown the record before a key is trusted; each is ProofInterval after the other."}, number(1, 100, func(s *Settings) *int { return &s.Proofs })),
		row(config.Option{Name: "ProofInterval", Type: config.Duration, Default: "10m",
			Doc: "The least time between two proofs: a name may be served by many machines at one address."}, duration(func(s *Settings) *time.Duration { return &s.ProofInterval })),
		row(config.Option{Name: "MaxCredit", Type: config.Duration, Default: "2h",
			Doc: "How much of a wait one run can end at most, whatever the clock says. Only time for which the machine has been up counts, so that a clock that is set ahead ends none. Runs must come more often than this."}, span(time.Second, maxDuration, func(s *Settings) *time.Duration { return &s.MaxCredit })),
		row(config.Option{Name: "MaxRun", Type: config.Duration, Default: "20m",
			Doc: "After what time a run begins nothing new. What is left is done by the next."}, span(time.Second, maxDuration, func(s *Settings) *time.Duration { return &s.MaxRun })),
	}
}

// keyRows are about keys and their records.
func keyRows() []option {
	return []option{
		row(config.Option{Name: "SelectorFormat", Type: config.String, Default: "%Y%m%d",
			Doc: "How selectors are named: %Y, %y, %m, %d, %j, %H and %M stand for parts of the date in UTC, as in strftime(3). A letter is added when the name is taken, and -ed25519 to that of an Ed25519 key beside an RSA key."}, readSelectorFormat),
		row(config.Option{Name: "KeyTypes", Type: config.String, Examples: []string{"rsa2048 ed25519"},
			Doc: "Which keys to make: rsa2048, rsa3072, rsa4096 and ed25519. Left out, those of the row that is replaced, and rsa2048 for a domain that is new. Rows are neither added nor taken out when keys change: of several rows, each gets the type that it has."}, readKeyTypes),
		row(config.Option{Name: "TTL", Type: config.Duration, Default: "1h",
			Doc: "How long caches may keep the records that are published."}, span(0, maxTTL, func(s *Settings) *time.Duration { return &s.TTL })),
		row(config.Option{Name: "Group", Type: config.String, Repeatable: true, Examples: []string{"shop example.com example.net"},
			Doc: "The name of a row of the KeyTable that signs for several domains, and these domains. Nothing changes before all of them have the record."}, readGroup),
		row(config.Option{Name: "Rate", Type: config.Rate, Examples: []string{"4/s"},
			Doc: "At most so many changes of records in which time, for providers that count: 4/s, 15/1m. Left out, no limit."}, readRate),
		row(config.Option{Name: "Day", Type: config.Integer, Examples: []string{"300"},
			Doc: "At most so many changes of records in a day. Left out, no limit."}, number(1, 1e9, func(s *Settings) *int { return &s.Day })),
	}
}

// wayRows are about who publishes and who is asked.
func wayRows() []option {
	return []option{
		row(config.Option{Name: "Publisher", Type: config.String, Repeatable: true, Examples: []string{"bind rfc2136 server=127.0.0.1 key=/etc/dojang/dns/tsig.key", "pdns powerdns url=http://127.0.0.1:8081 key-file=/etc/dojang/dns/api.key",
			"cloud exec /usr/share/dojang/hooks/acme.sh dns_cf", "hand manual format=single-line mail=hostmaster@example.com"},
			Doc: "A name, and how it publishes. rfc2136 server=ADDR[:PORT] key=FILE: dynamic updates signed with a key as tsig-keygen writes it (BIND, Knot, PowerDNS). " +
				"powerdns url=URL key-file=FILE: the HTTP API of PowerDNS. exec PROGRAM ARG...: a program that is told in JSON what to change; /usr/share/dojang/hooks has some. " +
				"manual [format=FORMAT] [mail=ADDRESS,...]: prints and mails what to do, in any format of `dojang genkey`, and waits until the name servers have it. Files with keys belong to the user dojang-dns, 0400."}, readPublisher),
		row(config.Option{Name: "Zone", Type: config.String, Repeatable: true, Examples: []string{"example.com bind", "*.customers.example hand", "* cname=dkim.host.example ring=k1,k2,k3 publisher=bind"},
			Doc: "A pattern and the publisher of the domains that it fits: example.com is that domain, *.example.com every name below it, * all. The first line that fits counts. " +
				"With cname= the domains have an alias (CNAME) for each selector of ring=, k1._domainkey.DOMAIN to k1._domainkey.DOMAIN.dkim.host.example, and the records stand there. Three selectors leave one free while an old key rests."}, readZone),
		row(config.Option{Name: "Nameservers", Type: config.List, Examples: []string{"127.0.0.1"},
			Doc: "The resolvers that are asked for name servers and their addresses, instead of the system's."}, readNameservers),
		row(config.Option{Name: "IgnoreServer", Type: config.String, Repeatable: true, Examples: []string{"ns9.example.net"},
			Doc: "Authoritative servers, by name or address, whose answers do not count: one that is being taken down, or that cannot be reached from here."}, readIgnoreServer),
		row(config.Option{Name: "Witness", Type: config.List, Repeatable: true, Examples: []string{"192.0.2.53"},
			Doc: "Resolvers elsewhere that must see the record too before a key signs. They are asked when all waits are over."}, readWitness),
		row(config.Option{Name: "Hosts", Type: config.String, Repeatable: true, Examples: []string{"unix:/run/opendkim/status http://mx2.example.com:9180"},
			Doc: "The StatusSocket of each filter that signs with these keys: local:PATH, unix:PATH, http://... or https://.... Each is asked when it signed last with which key; one that does not answer keeps old records where they are. Left out, that of Config."}, readHosts),
	}
}
