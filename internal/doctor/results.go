package doctor

import (
	"context"
	"slices"
	"strings"

	"dojang/internal/doctor/postfix"
)

// forgedResults advises RemoveARMethods where filters behind ours may believe results of
// other methods in our name and nobody before us writes such: no policy server, and no
// filter.
func (r *Report) forgedResults(ctx context.Context, h *host, setup *postfix.Setup) {
	c := h.Config
	if !c.Mode.Value.Verify || c.RemoveARAll.Value || c.KeepAuthResults.Value || len(c.RemoveARMethods.Value) > 0 {
		return
	}
	p := postfixCheck{Report: r, ctx: ctx, h: h, setup: setup, sockets: c.Sockets()}
	milters, _ := postfix.ParseMilters(setup.Main["smtpd_milters"])
	ours := slices.IndexFunc(milters, func(m postfix.Milter) bool { return p.reaches(m.Socket, false) == here })
	if ours != 0 || len(milters) < 2 {
		return
	}
	for _, set := range append(sets(setup), setup.Main) {
		for name, value := range set {
			if strings.HasSuffix(name, "_restrictions") && strings.Contains(value, "check_policy_service") {
				return
			}
		}
	}
	r.Add(Finding{Check: "results", Code: "results-unremoved", Status: Warning,
		Remedy: h.setOption(&c.RemoveARMethods, "spf,dmarc,arc,iprev"),
		Advice: "unless a policy server writes such results"},
		"filters behind ours may believe spf=pass in our name: no policy server writes it here, so only a stranger can have")
}

func sets(setup *postfix.Setup) (list []map[string]string) {
	for _, s := range setup.Services {
		list = append(list, s.Set)
	}
	return list
}
