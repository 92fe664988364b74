package app

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"dojang/internal/testutil/proctest"
)

// A page that an administrator's browser shows, on whatever site, cannot make the
// filter do anything: the headers are those that browsers send.
func TestBrowsersCannotReload(t *testing.T) {
	address := proctest.FreeAddress(t)
	host, port, _ := strings.Cut(address, ":")
	newServer(t, "MetricsSocket inet:"+port+"@"+host+"\n")
	const refused, done = http.StatusForbidden, http.StatusOK
	for _, test := range []struct {
		name, method, path, host string
		header                   http.Header
		want                     int
	}{
		{"dojang reload", "POST", "/reload", "localhost", nil, done},
		{"curl", "POST", "/reload", address, nil, done},
		{"curl by name", "POST", "/reload", "LocalHost:" + port, nil, done},
		{"address bar of this server's own page", "POST", "/reload", address, http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"http://" + address}}, done},
		{"form on another site", "POST", "/reload", address, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}}, refused},
		{"form on another port of this machine", "POST", "/reload", address, http.Header{"Sec-Fetch-Site": {"same-site"}, "Origin": {"http://localhost:1"}}, refused},
		{"a browser without fetch metadata", "POST", "/reload", address, http.Header{"Origin": {"https://evil.example"}}, refused},
		{"a sandboxed frame", "POST", "/reload", address, http.Header{"Origin": {"null"}}, refused},
		{"a stranger's name that points here", "POST", "/reload", "evil.example:" + port, http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"http://evil.example:" + port}}, refused},
		{"the same before fetch metadata", "POST", "/reload", "evil.example:" + port, nil, refused},
		{"our name as a part", "POST", "/reload", "localhost.evil.example", nil, refused},
		{"another port", "POST", "/reload", "localhost:1", nil, refused},
		{"other methods", "DELETE", "/reload", "evil.example", nil, refused},
		{"Prometheus by a name of its own", "GET", "/metrics", "filter.prometheus.example", nil, done},
		{"a monitor behind a proxy", "GET", "/healthz", "status.example", http.Header{"Sec-Fetch-Site": {"cross-site"}}, done},
		{"GET changes nothing", "GET", "/reload", address, nil, http.StatusMethodNotAllowed},
	} {
		request, err := http.NewRequestWithContext(t.Context(), test.method, "http://"+address+test.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = test.host
		if test.header != nil {
			request.Header = test.header
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != test.want {
			t.Errorf("%s: %s %.100q, want %d", test.name, response.Status, text, test.want)
		}
	}
}
