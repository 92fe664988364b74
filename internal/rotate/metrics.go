package rotate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"dojang/internal/atomicfile"
)

// metricsFile is in State: metrics in Prometheus's text format, for node_exporter's
// textfile collector.
const metricsFile = "rotation.prom"

func (p *pass) writeMetrics(s *Summary) error {
	var b strings.Builder
	write := func(name, help, kind string) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %[1]s %[3]s\n", name, help, kind)
	}
	write("dojang_rotation_units", "Keys in rotation, by state.", "gauge")
	for _, state := range slices.Sorted(maps.Keys(s.States)) {
		fmt.Fprintf(&b, "dojang_rotation_units{state=%q} %d\n", state, s.States[state])
	}
	write("dojang_rotation_blocked", "Units that do not go on, by reason.", "gauge")
	for _, reason := range slices.Sorted(maps.Keys(s.Reasons)) {
		fmt.Fprintf(&b, "dojang_rotation_blocked{reason=%q} %d\n", reason, s.Reasons[reason])
	}
	write("dojang_rotation_last_run_timestamp_seconds", "When the last run ended.", "gauge")
	fmt.Fprintf(&b, "dojang_rotation_last_run_timestamp_seconds %d\n", s.Time.Unix())
	write("dojang_key_oldest_age_seconds", "The age of the oldest key that signs.", "gauge")
	fmt.Fprintf(&b, "dojang_key_oldest_age_seconds %d\n", int64(s.Time.Sub(s.oldest).Seconds()))
	write("dojang_key_record_missing", "Domains whose present record name servers do not have.", "gauge")
	fmt.Fprintf(&b, "dojang_key_record_missing %d\n", s.Missing)
	return atomicfile.Write(p.Store.path(metricsFile), []byte(b.String()), atomicfile.Options{Mode: 0o644})
}
