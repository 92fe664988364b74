// Package metrics counts what the filter does, for Prometheus.
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"dojang/dkim"
)

// Metrics holds every counter. Its methods may be called from any goroutine.
type Metrics struct {
	registry     *prometheus.Registry
	signed       *prometheus.CounterVec
	signTime     *prometheus.HistogramVec
	signFailed   prometheus.Counter
	verified     *prometheus.CounterVec
	keyLookup    *prometheus.HistogramVec
	tableErrors  prometheus.Counter
	datasets     *prometheus.HistogramVec
	messages     *prometheus.CounterVec
	messageTime  prometheus.Histogram
	bodyBytes    prometheus.Counter
	connections  prometheus.Counter
	open         prometheus.Gauge
	reloads      *prometheus.CounterVec
	reloadedAt   prometheus.Gauge
	panics       prometheus.Counter
	signedBy     [4]prometheus.Counter  // by dkim.Algorithm: no map look-up a message
	signTimeBy   [4]prometheus.Observer // likewise
	lookupOK     prometheus.Observer
	lookupFailed prometheus.Observer
}

const namespace = "dojang"

// New makes all metrics. version is told as a label of dojang_build_info.
func New(version string) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	times := func(name, help string, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help,
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}, labels)
	}
	m := &Metrics{
		registry:   prometheus.NewRegistry(),
		signed:     counters("signatures_total", "Signatures made, by algorithm.", "algorithm"),
		signTime:   times("signing_seconds", "Time to make a signature.", "algorithm"),
		signFailed: counter("signing_failures_total", "Messages that could not be signed."),
		verified: counters("verified_total", "Signatures checked, by result (RFC 8601), algorithm and reason.",
			"result", "algorithm", "reason"),
		keyLookup:   times("key_lookup_seconds", "Time to look up a key that was not in memory.", "result"),
		tableErrors: counter("table_errors_total", "Questions to data sets that failed."),
		datasets: times("dataset_lookup_seconds", "Time to look a row up in a database, by data set and by how it ended.",
			"dataset", "result"),
		messages: counters("messages_total", "Messages, by the answer given.", "answer"),
		messageTime: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace,
			Name: "message_seconds", Help: "Time from MAIL to the answer, the MTA's own time included.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 10)}),
		bodyBytes:   counter("body_bytes_total", "Bytes of message bodies seen."),
		connections: counter("connections_total", "Connections of MTAs."),
		open: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "connections_open",
			Help: "Connections open now."}),
		reloads: counters("reloads_total", "Reloads, by result.", "result"),
		reloadedAt: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace,
			Name: "configuration_loaded_timestamp_seconds", Help: "When the configuration in force was loaded."}),
		panics: counter("panics_total", "Internal errors caught; the connection was dropped."),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "build_info",
		Help: "Always 1; the version is the label.", ConstLabels: prometheus.Labels{"version": version}})
	build.Set(1)
	m.registry.MustRegister(m.signed, m.signTime, m.signFailed, m.verified, m.keyLookup, m.tableErrors,
		m.datasets, m.messages, m.messageTime, m.bodyBytes,
		m.connections, m.open, m.reloads, m.reloadedAt, m.panics, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, a := range []dkim.Algorithm{dkim.RSASHA1, dkim.RSASHA256, dkim.Ed25519SHA256} {
		m.signedBy[a] = m.signed.WithLabelValues(a.String())
		m.signTimeBy[a] = m.signTime.WithLabelValues(a.String())
	}
	for _, a := range []dkim.Algorithm{dkim.RSASHA256, dkim.Ed25519SHA256} { // there before the first mail, for rate()
		m.verified.WithLabelValues(dkim.StatusPass.String(), a.String(), dkim.ReasonNone.String())
		m.verified.WithLabelValues(dkim.StatusFail.String(), a.String(), dkim.ReasonBodyHash.String())
		m.verified.WithLabelValues(dkim.StatusFail.String(), a.String(), dkim.ReasonBadSignature.String())
	}
	for _, answer := range []string{"accept", "reject", "tempfail", "discard"} {
		m.messages.WithLabelValues(answer)
	}
	m.lookupOK, m.lookupFailed = m.keyLookup.WithLabelValues("answered"), m.keyLookup.WithLabelValues("failed")
	for _, result := range []string{"ok", "failed"} {
		m.reloads.WithLabelValues(result)
	}
	m.reloadedAt.SetToCurrentTime()
	return m
}

// SigningEngine tells what signs with RSA keys, as a label, and how many of its
// results were wrong and signed again by crypto/rsa.
func (m *Metrics) SigningEngine(name string, faults func() uint64) {
	info := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "signing_engine_info",
		Help: "Always 1; what signs with RSA keys is the label.", ConstLabels: prometheus.Labels{"engine": name}})
	info.Set(1)
	m.registry.MustRegister(info, prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: namespace, Name: "signing_faults_total",
		Help: "RSA signatures that came out wrong and were made again; when they grow the hardware fails."},
		func() float64 { return float64(faults()) }))
}

// SigningKeys tells of the private keys in memory: how many, the bytes they take, and
// how many had to make room since the configuration was loaded.
func (m *Metrics) SigningKeys(now func() (keys int, bytes int64, forgotten uint64)) {
	gauge := func(name, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, value))
	}
	gauge("signing_keys", "Private keys of the KeyTable in memory.", func() float64 { n, _, _ := now(); return float64(n) })
	gauge("signing_keys_bytes", "What these keys take, about: KeyCacheSize bounds it.",
		func() float64 { _, n, _ := now(); return float64(n) })
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: namespace, Name: "signing_keys_forgotten_total",
		Help: "Private keys that had to make room for others, since the configuration was loaded; when it grows, " +
			"KeyCacheSize is too small."},
		func() float64 { _, _, n := now(); return float64(n) }))
}

// UnsignedByReason tells how many messages of our signing domains left unsigned, by
// reason: those of a closed list.
func (m *Metrics) UnsignedByReason(count func() map[string]uint64) {
	m.registry.MustRegister(unsigned(count))
}

// unsigned is a collector of what somebody else counts.
type unsigned func() map[string]uint64

var unsignedDesc = prometheus.NewDesc(prometheus.BuildFQName(namespace, "", "unsigned_total"),
	"Messages whose author's domain is one that we sign for and that nobody signed, by reason.", []string{"reason"}, nil)

// Describe implements prometheus.Collector.
func (unsigned) Describe(to chan<- *prometheus.Desc) { to <- unsignedDesc }

// Collect implements prometheus.Collector.
func (u unsigned) Collect(to chan<- prometheus.Metric) {
	for reason, n := range u() {
		to <- prometheus.MustNewConstMetric(unsignedDesc, prometheus.CounterValue, float64(n), reason)
	}
}

// Register adds a collector of another part.
func (m *Metrics) Register(c prometheus.Collector) error { return m.registry.Register(c) }

// Handler answers GET with all metrics in Prometheus's text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// What follows implements filter.Observer.

// Connected counts a connection of an MTA.
func (m *Metrics) Connected() { m.connections.Inc(); m.open.Inc() }

// Disconnected counts its end.
func (m *Metrics) Disconnected() { m.open.Dec() }

// Signed counts a signature.
func (m *Metrics) Signed(a dkim.Algorithm, took time.Duration) {
	m.signedBy[a].Inc()
	m.signTimeBy[a].Observe(took.Seconds())
}

// SigningFailed counts a message that could not be signed.
func (m *Metrics) SigningFailed() { m.signFailed.Inc() }

// Verified counts one signature's result.
func (m *Metrics) Verified(r dkim.Result) {
	algorithm := "unknown"
	if r.Signature.Algorithm != 0 {
		algorithm = r.Signature.Algorithm.String()
	}
	m.verified.WithLabelValues(r.Status.String(), algorithm, r.Reason.String()).Inc()
}

// KeyLookup counts a look-up that went to a name server.
func (m *Metrics) KeyLookup(took time.Duration, failed bool) {
	if failed {
		m.lookupFailed.Observe(took.Seconds())
		return
	}
	m.lookupOK.Observe(took.Seconds())
}

// TableError counts a data set that did not answer.
func (m *Metrics) TableError() { m.tableErrors.Inc() }

// DatasetLookup counts a look-up in a database.
func (m *Metrics) DatasetLookup(name, result string, took time.Duration) {
	m.datasets.WithLabelValues(name, result).Observe(took.Seconds())
	if result == "failed" {
		m.tableErrors.Inc()
	}
}

// Message counts one message and its answer.
func (m *Metrics) Message(answer string, took time.Duration, bodyBytes int64) {
	m.messages.WithLabelValues(answer).Inc()
	m.messageTime.Observe(took.Seconds())
	m.bodyBytes.Add(float64(bodyBytes))
}

// Reloaded counts a reload.
func (m *Metrics) Reloaded(ok bool) {
	if !ok {
		m.reloads.WithLabelValues("failed").Inc()
		return
	}
	m.reloads.WithLabelValues("ok").Inc()
	m.reloadedAt.SetToCurrentTime()
}

// Panicked counts an internal error that was caught.
func (m *Metrics) Panicked() { m.panics.Inc() }
