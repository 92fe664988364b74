package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"dojang/internal/keycheck"
	"dojang/internal/publish"
)

// hookCommand is `dojang hook`, by which a shell script becomes a hook.
func hookCommand(s Streams) *cobra.Command {
	return &cobra.Command{
		Use: "hook SCRIPT [ARG...]", Short: "Let a shell script publish (started by the script itself)", Hidden: true, Args: cobra.MinimumNArgs(1),
		DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			script := publish.Script{Program: args[0], Args: args[1:], Log: s.Err, Look: func(ctx context.Context, name string) ([]string, error) {
				return lookAtServers(ctx, name)
			}}
			return script.Serve(c.Context(), s.In, s.Out)
		},
	}
}

// lookAtServers tells what the authoritative servers have at a name, when they agree.
func lookAtServers(ctx context.Context, name string) ([]string, error) {
	var o keycheck.Options
	if list := os.Getenv(nameserversVariable); list != "" {
		o.Resolver.Nameservers = strings.Split(list, ",")
	}
	checker, err := keycheck.New(o)
	if err != nil {
		return nil, err
	}
	selector, domain, found := strings.Cut(name, "._domainkey.")
	if !found {
		return nil, fmt.Errorf("%s is not below _domainkey", name)
	}
	r := checker.Check(ctx, keycheck.Check{Domain: domain, Selector: selector})
	switch {
	case r.Publication == keycheck.NotPublished:
		return nil, nil
	case r.Publication != keycheck.Published && r.Publication != keycheck.ServerUnsigned:
		return nil, fmt.Errorf("%w: %s: %s", errServers, name, r.Publication)
	}
	var texts []string
	for _, t := range r.Texts {
		texts = append(texts, t.Text)
	}
	return texts, nil
}

var errServers = errors.New("the name servers do not tell alike what stands there")
