package settings

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"dojang/internal/config"
	"dojang/internal/keyrecord"
	"dojang/internal/problem"
	"dojang/internal/publish"
	"dojang/internal/resolver"
)

func path(field func(*Settings) *string) func(*Settings, config.Value) error {
	return func(s *Settings, v config.Value) error {
		if !filepath.IsAbs(v.Text) {
			return fmt.Errorf("%s is not a whole path", problem.Quote(v.Text))
		}
		*field(s) = v.Text
		return nil
	}
}

// maxDuration is far above what makes sense, and far below what overflows.
const maxDuration = 100 * 365 * 24 * time.Hour

func duration(field func(*Settings) *time.Duration) func(*Settings, config.Value) error {
	return func(s *Settings, v config.Value) error {
		d, err := config.ParseDuration(v.Text)
		if err != nil || d < 0 || d > maxDuration || d%time.Second != 0 {
			return fmt.Errorf("%s is no time: write whole seconds, or a number with s, m, h or d", problem.Quote(v.Text))
		}
		*field(s) = d
		return nil
	}
}

// span is a duration within bounds.
func span(least, most time.Duration, field func(*Settings) *time.Duration) func(*Settings, config.Value) error {
	read := duration(field)
	return func(s *Settings, v config.Value) error {
		if err := read(s, v); err != nil {
			return err
		}
		if d := *field(s); d < least || d > most {
			return fmt.Errorf("%s is not from %d s to %d s", problem.Quote(v.Text), least/time.Second, most/time.Second)
		}
		return nil
	}
}

// maxTTL is that of DNS (RFC 2181 §8).
const maxTTL = (1<<31 - 1) * time.Second

func number(least, most int, field func(*Settings) *int) func(*Settings, config.Value) error {
	return func(s *Settings, v config.Value) error {
		n, err := strconv.Atoi(v.Text)
		if err != nil || n < least || n > most {
			return fmt.Errorf("%s is no number from %d to %d", problem.Quote(v.Text), least, most)
		}
		*field(s) = n
		return nil
	}
}

// readServers reads addresses of resolvers, with blanks or commas between.
func readServers(text string) ([]string, error) {
	list := words(text, ", \t")
	for _, word := range list {
		if _, err := resolver.ParseServer(word); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func readNameservers(s *Settings, v config.Value) (err error) {
	s.Nameservers, err = readServers(v.Text)
	return err
}

func readWitness(s *Settings, v config.Value) error {
	list, err := readServers(v.Text)
	s.Witnesses = append(s.Witnesses, list...)
	return err
}

func words(text, separators string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(separators, r) })
}

func readRate(s *Settings, v config.Value) error {
	count, unit, _ := strings.Cut(v.Text, "/")
	if unit = strings.TrimSpace(unit); len(unit) == 1 && strings.Contains("smhd", unit) {
		unit = "1" + unit
	}
	rate, err := config.ParseRate(count + "/" + unit)
	if err != nil || rate.Count == 0 {
		return fmt.Errorf("%s is no rate", problem.Quote(v.Text))
	}
	s.Rate = rate
	return nil
}

func readKeyTypes(s *Settings, v config.Value) error {
	s.KeyTypes = nil
	for _, word := range words(strings.ToLower(v.Text), ", \t") {
		k := KeyType{Type: word}
		if bits, rsa := strings.CutPrefix(word, "rsa"); rsa {
			n, err := strconv.Atoi(bits)
			if err != nil || n != 2048 && n != 3072 && n != 4096 {
				return fmt.Errorf("%s: an RSA key has 2048, 3072 or 4096 bits", problem.Quote(word))
			}
			k = KeyType{"rsa", n}
		} else if word != "ed25519" {
			return fmt.Errorf("%s is no type of key", problem.Quote(word))
		}
		for _, other := range s.KeyTypes {
			if other.Type == k.Type {
				return fmt.Errorf("two keys of the type %s", k.Type)
			}
		}
		s.KeyTypes = append(s.KeyTypes, k)
	}
	return nil
}

func readSelectorFormat(s *Settings, v config.Value) error {
	one := FormatSelector(v.Text, time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC))
	if strings.Contains(one, "%") {
		return fmt.Errorf("%s: %%Y, %%y, %%m, %%d, %%j, %%H and %%M are known", problem.Quote(v.Text))
	}
	const room = 16 // for what is added to it
	if err := keyrecord.CheckSelector(one); err != nil || len(one) > 63-room {
		return fmt.Errorf("%s makes the selector %s: use letters, digits and hyphens, and few", problem.Quote(v.Text), problem.Quote(one))
	}
	if one == FormatSelector(v.Text, time.Date(2031, 12, 30, 13, 44, 0, 0, time.UTC)) {
		return fmt.Errorf("%s has no part of the date: every key would be called alike", problem.Quote(v.Text))
	}
	s.SelectorFormat = v.Text
	return nil
}

// FormatSelector fills in a SelectorFormat. What it does not know stays as it is.
func FormatSelector(format string, at time.Time) string {
	at = at.UTC()
	return strings.NewReplacer("%Y", at.Format("2006"), "%y", at.Format("06"), "%m", at.Format("01"), "%d", at.Format("02"),
		"%j", at.Format("002"), "%H", at.Format("15"), "%M", at.Format("04")).Replace(format)
}

func readGroup(s *Settings, v config.Value) error {
	parts := strings.Fields(v.Text)
	if len(parts) < 2 {
		return errors.New("a name and at least one domain are needed")
	}
	if s.grouped == nil {
		s.grouped = map[string]string{}
	}
	g := Group{Name: parts[0]}
	for _, d := range parts[1:] {
		if err := keyrecord.CheckName("domain", d); err != nil {
			return err
		}
		d = keyrecord.Canonical(d)
		if group, is := s.grouped[d]; is {
			return &hinted{fmt.Errorf("%s stands in the group %s before", d, group), "write a domain once, in one group"}
		}
		s.grouped[d] = g.Name
		g.Domains = append(g.Domains, d)
	}
	for i, other := range s.Groups {
		if other.Name == g.Name {
			s.Groups[i].Domains = append(other.Domains, g.Domains...)
			return nil
		}
	}
	s.Groups = append(s.Groups, g)
	return nil
}

func readPublisher(s *Settings, v config.Value) error {
	parts := strings.Fields(v.Text)
	if len(parts) < 2 {
		return errors.New("a name and a type are needed")
	}
	p := Publisher{Name: parts[0], Spec: publish.Spec{Type: parts[1], Args: parts[2:]}, At: v}
	if err := keyrecord.CheckName("name", p.Name); err != nil {
		return err
	}
	if err := p.Spec.Check(); err != nil {
		return err
	}
	s.Publishers = append(s.Publishers, p)
	return nil
}

func readZone(s *Settings, v config.Value) error {
	parts := strings.Fields(v.Text)
	if len(parts) < 2 {
		return errors.New("a pattern and a publisher are needed")
	}
	z := Zone{Pattern: keyrecord.Canonical(parts[0]), At: v}
	if bare := strings.TrimPrefix(z.Pattern, "*."); z.Pattern != "*" {
		if err := keyrecord.CheckName("pattern", bare); err != nil {
			return &hinted{err, "write a domain, *.DOMAIN or *"}
		}
	}
	if !strings.Contains(parts[1], "=") {
		if len(parts) > 2 {
			return fmt.Errorf("%s stands behind the publisher", problem.Quote(parts[2]))
		}
		z.Publisher = parts[1]
		s.Zones = append(s.Zones, z)
		return nil
	}
	for _, part := range parts[1:] {
		if err := z.readPart(part); err != nil {
			return err
		}
	}
	switch {
	case z.CNAME == "" || z.Publisher == "":
		return &hinted{errors.New("cname= and publisher= are needed"), "write Zone " + z.Pattern +
			" cname=dkim.host.example ring=k1,k2,k3 publisher=NAME"}
	case z.Ring == nil:
		z.Ring = []string{"k1", "k2", "k3"}
	}
	s.Zones = append(s.Zones, z)
	return nil
}

// readPart reads one name=value of a Zone with aliases.
func (z *Zone) readPart(part string) error {
	name, value, _ := strings.Cut(part, "=")
	switch name {
	case "cname":
		if err := keyrecord.CheckName("cname", value); err != nil {
			return err
		}
		z.CNAME = keyrecord.Canonical(value)
	case "publisher":
		z.Publisher = value
	case "ring":
		z.Ring = nil
		for selector := range strings.SplitSeq(value, ",") {
			selector = keyrecord.Canonical(selector)
			if err := keyrecord.CheckSelector(selector); err != nil {
				return err
			}
			if slices.Contains(z.Ring, selector) {
				return fmt.Errorf("%s stands twice in ring=", selector)
			}
			z.Ring = append(z.Ring, selector)
		}
		if len(z.Ring) < 2 {
			return &hinted{errors.New("ring= needs at least two selectors: one signs while the other rests"), "write ring=k1,k2,k3"}
		}
	default:
		return fmt.Errorf("%s: cname=, ring= and publisher= are known", problem.Quote(part))
	}
	return nil
}

func readIgnoreServer(s *Settings, v config.Value) error {
	for _, word := range words(v.Text, ", \t") {
		if _, err := resolver.ParseServer(word); err != nil && keyrecord.CheckName("name server", word) != nil {
			return fmt.Errorf("%s is neither the name nor the address of a server", problem.Quote(word))
		}
		s.IgnoreServers = append(s.IgnoreServers, keyrecord.Canonical(word))
	}
	return nil
}

func readHosts(s *Settings, v config.Value) error {
	for word := range strings.FieldsSeq(v.Text) {
		scheme, rest, _ := strings.Cut(word, ":")
		switch scheme {
		case "local", "unix":
			if !filepath.IsAbs(rest) {
				return fmt.Errorf("%s: the path of a socket is needed", problem.Quote(word))
			}
		case "http", "https":
			if u, err := url.Parse(word); err != nil || u.Host == "" {
				return fmt.Errorf("%s is no URL", problem.Quote(word))
			}
		default:
			return fmt.Errorf("%s: write local:PATH, unix:PATH or http://HOST:PORT", problem.Quote(word))
		}
		s.Hosts = append(s.Hosts, word)
	}
	return nil
}
