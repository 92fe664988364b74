package policy

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestConditionalSignaturesAreAdded for recipients' domains in the set, each
// once.
func TestConditionalSignaturesAreAdded(t *testing.T) {
	for _, c := range []struct {
		name       string
		recipients []string
		want       []string
	}{
		{"a list", []string{"users@list.example"}, []string{"full", "weak !cd=list.example"}},
		{"one twice, in capitals", []string{"users@list.example", "other@LIST.example", "ann@else.example"}, []string{"full", "weak !cd=list.example"}},
		{"two", []string{"users@list.example", "users@xn--bcher-kva.example"}, []string{"full", "weak !cd=list.example", "weak !cd=xn--bcher-kva.example"}},
		{"for this author", []string{"users@pair.example", "users@foreign.example"}, []string{"full", "weak !cd=pair.example"}},
		{"our own", []string{"ann@example.com"}, []string{"full"}},
		{"none", []string{"ann@else.example", "", "@"}, []string{"full"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := tableRules(t)
			r.ConditionalSignatures = csl(t,
				"list.example,bücher.example,example.com,example.com:pair.example,else.example:foreign.example")
			r.ATPS = ATPS{Domains: csl(t, "example.com"), Hash: "none"}
			f := &Facts{ClientAddr: netip.MustParseAddr("10.0.0.1"), Recipients: c.recipients, Fields: fieldsOf(t, standardHeader)}
			p := r.Plan(context.Background(), f)
			var got []string
			for _, request := range p.Sign {
				o := r.SignOptions(f, p, request, time.Unix(1, 0))
				switch {
				case o.Condition == "" && o.BodyLength == nil:
					got = append(got, "full")
				case o.BodyLength != nil && *o.BodyLength == 0 && o.Sign.Contains([]byte("from")) &&
					!o.Sign.Contains([]byte("subject")) && o.ExtraTags == nil:
					got = append(got, "weak !cd="+o.Condition)
				default:
					got = append(got, fmt.Sprintf("%+v", o))
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
