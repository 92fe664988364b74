//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// rspamd is Rspamd's milter proxy that scans by itself, one worker, with the
// DKIM modules alone.
type rspamd struct{ binary string }

func (f rspamd) name() string    { return "rspamd" }
func (f rspamd) missing() string { return installed(f.binary) }

const rspamdConfig = `options {
  pidfile = "DIR/pid"; tempdir = "DIR"; hs_cache_dir = "DIR/.."; cache_file = "DIR/symbols.cache";
  control_socket = "DIR/control mode=0600";
  url_tld = "/usr/share/rspamd/effective_tld_names.dat";
  filters = "dkim"; local_addrs = [127.0.0.0/8];
  dns { nameserver = ["NAMESERVER"]; timeout = 2s; retransmits = 3; }
}
logging { type = "console"; level = "error"; }
worker "rspamd_proxy" {
  bind_socket = "SOCKET"; milter = yes; timeout = 120s; count = 1;
  upstream "local" { default = yes; self_scan = yes; }
}
metric { name = "default"; actions { reject = 1500; add_header = 1400; greylist = 1300; } }
modules { path = "/usr/share/rspamd/plugins/dkim_signing.lua"; path = "/usr/share/rspamd/plugins/milter_headers.lua"; }
dkim { dkim_cache_size = 20k; trusted_only = false; skip_multi = false; }
dkim_signing {
  enabled = true; sign_local = true; sign_networks = ["127.0.0.0/8"]; allow_hdrfrom_mismatch = true;
  allow_username_mismatch = true; use_domain = "header"; use_esld = false; try_fallback = false;
  domain { DOMAIN { selectors = [ KEYS ] } }
}
milter_headers { enabled = true; use = ["authentication-results"]; routines { authentication-results { add_smtp_user = false; } } }
`

func (f rspamd) start(ctx context.Context, o options, s *site, set setting) (*process, error) {
	dir, err := s.folder("rspamd")
	if err != nil {
		return nil, err
	}
	if set.verify && s.dnsErr != nil {
		return nil, s.dnsErr
	}
	_, network, address, err := set.socket(dir)
	if err != nil {
		return nil, err
	}
	socket := address
	if network == "unix" {
		socket += " mode=0666"
	}
	var keys []string
	if set.rsa || set.verify {
		keys = append(keys, fmt.Sprintf("{ path = %q; selector = %q; }", s.rsaPath, selector))
	}
	if set.ed25519 {
		keys = append(keys, fmt.Sprintf("{ path = %q; selector = %q; }", s.edPairPath, selector+"-ed"))
	}
	conf := strings.NewReplacer("DIR", dir, "SOCKET", socket, "NAMESERVER", nameServer, "DOMAIN",
		domain, "KEYS", strings.Join(keys, ", ")).Replace(rspamdConfig)
	path := filepath.Join(dir, "rspamd.conf")
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		return nil, err
	}
	return start(ctx, o, dir, network, address, f.binary, "-f", "-i", "-c", path)
}
