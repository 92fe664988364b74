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
	p := r.postfixCheck(ctx, h, setup)
	milters, _ := postfix.ParseMilters(setup.Main["smtpd_milters"])
	ours := slices.IndexFunc(milters, func(m postfix.Milter) bool { return p.reaches(m.Socket, false) == here })
	if ours != 0 || len(milters) < 2 {
		return
	}
	for _, s := range append(setup.Services, postfix.Service{Set: setup.Main}) {
		for name, value := range s.Set {
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
