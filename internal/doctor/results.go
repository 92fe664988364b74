package doctor

import (
	"context"
	"slices"
	"strings"

	"dojang/internal/config"
)

// ForgedResults advises RemoveARMethods where filters behind ours may believe results of
// other methods in our name and nobody before us writes such: no policy server, and no
// filter.
func (r *Report) ForgedResults(ctx context.Context, p Postfix, c *config.Config, sockets []config.Socket) {
	if !c.Mode.Value.Verify || c.RemoveARAll.Value || c.KeepAuthResults.Value || len(c.RemoveARMethods.Value) > 0 {
		return
	}
	set, err := p.settings(ctx, "smtpd_milters", "smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions",
		"smtpd_relay_restrictions", "smtpd_recipient_restrictions", "smtpd_data_restrictions", "smtpd_end_of_data_restrictions")
	if err != nil {
		return
	}
	milters := slices.DeleteFunc(splitMilters(set["smtpd_milters"]), func(entry string) bool { return strings.Contains(entry, "=") })
	ours := slices.IndexFunc(milters, func(entry string) bool { return matchesAny(entry, sockets) })
	if ours != 0 || len(milters) < 2 {
		return
	}
	services, err := p.run(ctx, "-P")
	if err != nil {
		return
	}
	for _, value := range set {
		services += value
	}
	if strings.Contains(services, "check_policy_service") {
		return
	}
	r.Add("results", Warning, "RemoveARMethods spf,dmarc,arc,iprev   (in opendkim.conf, unless a policy server writes such results)",
		"filters behind ours may believe spf=pass in our name: no policy server writes it here, so only a stranger can have")
}
