package reputation

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"dojang/internal/dataset"
)

// Names that stand for domains in the data sets. Compat(opendkim 2.11).
const (
	unsigned    = "UNSIGNED" // mail without a passing signature
	unsignedRow = "."        // the same in RateLimits
	lowTime     = "LOW-TIME" // domains in ReputationLowTime, together
	anyone      = "*"        // domains without a record
)

// nullDomain is the Domain of an Answer about mail without a passing signature.
const nullDomain = "NULL domain"

// Checker holds the options, each under the rest of its name in
// opendkim.conf(5). It does not change.
type Checker struct {
	// Plain is for RateLimits: a row is for its own domain alone, and that of "."
	// for mail without a passing signature.
	Plain bool

	Limits         dataset.Set   // domain, messages a day; nil: no limits
	LimitModifiers dataset.Set   // domain, change to the limit: +n, -n, *n, /n or =n
	Ratios         dataset.Set   // domain, part of its mail that may be spam
	LowTime        dataset.Set   // domains that count together as LOW-TIME where the value is not 0
	TimeFactor     int64         // parts of the day; 0 is 1
	Period         time.Duration // ReputationCacheTTL; 0: a day divided by TimeFactor
	Minimum        int64
	Timeout        time.Duration // of the look-ups of a message; 0: the message's own
	Counter        *Counter
}

// answer is what was found of one message.
type answer struct {
	Domain string // the one that is over, else the last that was asked; nullDomain for none
	Tally  tally
	Rule   rule
	Known  bool // there is a limit or a ratio for Domain
	Over   bool
	Err    error // a look-up failed, or a record made no sense
}

// mail is what examine wants to know of a message.
type mail struct {
	Domains []string // of passing signatures; none: unsigned mail
	Body    bodyHash
	Spam    bool
}

// counting returns a checker that counts where c does, or one that counts for nobody.
func (c *Checker) counting(counts bool) *Checker {
	if counts {
		return c
	}
	alone := *c
	alone.Counter = new(Counter)
	return &alone
}

// examine counts a message under each of its domains, up to the first that is over
// its limits.
func (c *Checker) examine(ctx context.Context, now time.Time, m mail) answer {
	if c.Timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, c.Timeout)
		defer cancel()
		ctx = limited
	}
	if len(m.Domains) == 0 {
		name := unsigned
		if c.Plain {
			name = unsignedRow
		}
		a := c.check(ctx, now, name, m)
		a.Domain = nullDomain
		return a
	}
	var last answer
	for _, domain := range m.Domains {
		last = c.check(ctx, now, strings.ToLower(domain), m)
		if last.Over || last.Err != nil {
			break
		}
	}
	return last
}

func (c *Checker) check(ctx context.Context, now time.Time, domain string, m mail) answer {
	a := answer{Domain: domain}
	name, err := c.countedAs(ctx, domain)
	if err == nil {
		a.Rule, a.Known, err = c.rule(ctx, name)
	}
	if err != nil || !a.Known {
		a.Err = err
		return a
	}
	a.Tally, a.Over = c.Counter.count(now, c.period(), name, m.Body, m.Spam, a.Rule)
	return a
}

// countedAs is the name under which a domain is counted.
func (c *Checker) countedAs(ctx context.Context, domain string) (string, error) {
	value, ok, err := lookup(ctx, c.LowTime, domain)
	if err != nil || !ok || domain == unsigned {
		return domain, err
	}
	if n, err := strconv.Atoi(value); err == nil && n == 0 {
		return domain, nil
	}
	return lowTime, nil
}

// factor is into how many parts the limit of a day is divided.
func (c *Checker) factor() int64 { return max(1, c.TimeFactor) }

func (c *Checker) period() time.Duration {
	if c.Period > 0 {
		return c.Period
	}
	return 24 * time.Hour / time.Duration(c.factor())
}

// rule looks up what a domain may send; false when nothing is said of it.
func (c *Checker) rule(ctx context.Context, name string) (rule, bool, error) {
	r := rule{Limit: -1, Ratio: -1, Minimum: c.Minimum}
	limit, limited, err := c.record(ctx, c.Limits, name)
	if err != nil {
		return r, false, err
	}
	if limited {
		if r.Limit, err = c.limit(ctx, name, limit); err != nil {
			return r, false, err
		}
	}
	ratio, rated, err := c.record(ctx, c.Ratios, name)
	if err != nil {
		return r, false, err
	}
	if rated {
		r.Ratio, err = strconv.ParseFloat(ratio, 64)
		if err != nil || !(r.Ratio >= 0) {
			return r, false, fmt.Errorf("ratio of %q: %.64q is no number", name, ratio)
		}
	}
	return r, limited || rated, nil
}

// limit is that of a day cut to the period, with the domain's change.
func (c *Checker) limit(ctx context.Context, name, text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("limit of %q: %.64q is no number of messages", name, text)
	}
	n = n/c.factor() + min(1, n%c.factor())
	change, ok, err := lookup(ctx, c.LimitModifiers, name)
	if err != nil || !ok {
		return n, err
	}
	if change == "" {
		change = "?"
	}
	by, err := strconv.ParseUint(change[1:], 10, 31)
	if err != nil || !strings.ContainsRune("+-*/=", rune(change[0])) {
		return 0, fmt.Errorf("limit modifier of %q: %.64q is none of +n, -n, *n, /n and =n", name, change)
	}
	return modified(n, change[0], int64(by)), nil
}

func modified(n int64, operator byte, by int64) int64 {
	switch operator {
	case '+':
		return min(n, math.MaxInt64-by) + by
	case '-':
		return max(0, n-by)
	case '*':
		if by > 0 && n > math.MaxInt64/by {
			return math.MaxInt64
		}
		return n * by
	case '/':
		return n / max(1, by)
	default: // '='
		return by
	}
}

// record is the value for a domain, else that for domains not known for long,
// else that for all. Compat(opendkim 2.11): unsigned mail has only the last.
func (c *Checker) record(ctx context.Context, set dataset.Set, name string) (string, bool, error) {
	names := []string{name, lowTime, anyone}
	switch {
	case c.Plain:
		names = []string{name}
	case name == unsigned:
		names = []string{name, anyone}
	}
	for _, name := range names {
		if value, ok, err := lookup(ctx, set, name); ok || err != nil {
			return value, ok, err
		}
	}
	return "", false, nil
}

func lookup(ctx context.Context, set dataset.Set, key string) (string, bool, error) {
	if set == nil {
		return "", false, nil
	}
	values, err := set.Lookup(ctx, key, 1)
	if errors.Is(err, dataset.ErrNotFound) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	if len(values) == 0 {
		return "", true, nil
	}
	return strings.TrimSpace(values[0]), true, nil
}
