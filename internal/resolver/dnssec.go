package resolver

import (
	"context"
	"errors"

	"github.com/miekg/dns"
)

type trustAnchors struct{}

func readTrustAnchors(path string) (trustAnchors, error) { return trustAnchors{}, nil }

type validator struct{ d *DNS }

func newValidator(d *DNS, a trustAnchors) *validator { return &validator{d} }

func (v *validator) withBudget(ctx context.Context) context.Context { return ctx }

func (v *validator) positive(ctx context.Context, m *dns.Msg, name string, qtype uint16, h hop) (Security, error) {
	return SecurityUnknown, errors.New("no")
}
func (v *validator) negative(ctx context.Context, m *dns.Msg, name string, qtype uint16) (Security, error) {
	return SecurityUnknown, errors.New("no")
}
