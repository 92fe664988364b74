# make run     build dojang and sign and verify a first message
# make quick   format, vet and the short unit tests: less than a minute
# make test    the tests; those of real programs are skipped where one is missing
# make peers   install the real programs for the full suites (Debian packages, root)
# make check   everything, in less than 40 minutes; a missing real program is a failure
# make long    the same with every case of the suites that are sampled otherwise
# make bench   dojang beside OpenDKIM and others, as ratios (docs/performance.md)
# make package .deb and .rpm for amd64 and arm64, in dist/

GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS = -s -w -X dojang/internal/cli.Version=$(VERSION)
TOOLS = opendkim opendkim-genkey opendkim-testkey opendkim-testmsg opendkim-genzone opendkim-atpszone opendkim-stats
FUZZTIME ?= 3s
TIMEOUT ?= 40m

PEERS = acl opendkim opendkim-tools miltertest postfix swaks unbound bind9 bind9-utils bind9-dnsutils dns-root-data \
	libmail-dkim-perl libmail-authenticationresults-perl python3-dkim python3-authres \
	dkimpy-milter opendmarc rspamd amavisd-new openssl gcc libc6-dev perl python3 \
	postgresql mariadb-server slapd ldap-utils libsasl2-modules age redis-server memcached db-util lmdb-utils \
	pdns-server pdns-backend-sqlite3 pdns-tools knot knot-dnsutils sqlite3 python3-pyhcl util-linux procps man-db m4 \
	systemd init-system-helpers iproute2 rpm qemu-user-static buildah chromium-headless-shell fonts-nanum

.PHONY: build run quick test need peers check long format vet staticcheck tidy deadcode vulnerabilities race fuzz corpus bench package docs clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/dojang ./cmd/dojang
	@for tool in $(TOOLS); do ln -sf dojang bin/$$tool; done

run: build
	bin/dojang up

quick: format vet
	$(GO) test -short -timeout $(TIMEOUT) $$($(GO) list ./... | grep -v /test/)

test:
	$(GO) test -timeout $(TIMEOUT) ./...

# Sendmail's package excludes Postfix's: it is unpacked into a folder of its own,
# testutil.PeersDir. The libraries it needs come with Postfix and slapd.
SENDMAIL = sendmail-bin sendmail-cf

# Services that the packages would start are held back: the tests start their own. A
# policy-rc.d that stands there is the administrator's, and stays as it is.
POLICY = /usr/sbin/policy-rc.d
peers:
	@if [ ! -e $(POLICY) ]; then printf '#!/bin/sh\n# of make peers\nexit 101\n' > $(POLICY) && chmod +x $(POLICY); fi
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $(PEERS); status=$$?; \
		if grep -qs '^# of make peers$$' $(POLICY); then rm -f $(POLICY); fi; exit $$status
	mkdir -p /opt/dojang-peers/sendmail
	cd /opt/dojang-peers/sendmail && apt-get download -q $(SENDMAIL) && \
		for package in *.deb; do dpkg-deb -x $$package . && rm $$package || exit 1; done

# What the suites need is looked for once, before any of them runs: it is installed
# where that may be done, and else named with the command for it.
need:
	@missing=$$(for p in $(PEERS); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || printf ' %s' $$p; done); \
	[ -d /opt/dojang-peers/sendmail/usr ] || missing="$$missing sendmail"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then exec $(MAKE) peers; fi; \
	echo "missing for the full suites:$$missing"; echo "install them, on Debian 12 or its like: sudo make peers"; \
	echo "what needs none of them: make quick, make test"; exit 1

check: export DOJANG_PEERS = required
check: need format vet staticcheck tidy deadcode vulnerabilities build
	$(GO) test -timeout $(TIMEOUT) ./...
	$(MAKE) race fuzz

long: export SCALE = long
long: TIMEOUT = 10h
long: check

# go.mod and go.sum are what the imports want.
tidy:
	$(GO) mod tidy -diff

# Functions that nothing reaches. The public packages are for others to call, and
# what tests share may wait for its next user.
deadcode:
	@dead=$$($(GO) run golang.org/x/tools/cmd/deadcode@v0.52.0 -test ./... | grep -Ev '^(dkim|header|taglist|authres|milter|internal/testutil|test)/'); \
	if [ -n "$$dead" ]; then echo "$$dead"; exit 1; fi

# Known vulnerabilities in what is called, where the database can be reached.
vulnerabilities:
	@if ! $(GO) run golang.org/x/vuln/cmd/govulncheck@v1.1.4 ./... > govulncheck.out 2>&1; then \
		if grep -q '^Vulnerability #' govulncheck.out; then cat govulncheck.out; rm -f govulncheck.out; exit 1; fi; \
		echo "govulncheck cannot be asked here: $$(tail -n 1 govulncheck.out)"; fi; rm -f govulncheck.out

format:
	@bad=$$(gofmt -l .); if [ -n "$$bad" ]; then echo "gofmt -w these:"; echo "$$bad"; exit 1; fi

vet:
	$(GO) vet ./...

staticcheck:
	$(GO) tool staticcheck ./...

race:
	$(GO) test -race -short -timeout $(TIMEOUT) $$($(GO) list ./... | grep -v /test/)

fuzz:
	FUZZTIME=$(FUZZTIME) ./test/fuzz.sh

# What fuzzing has found and no vector reaches goes to testdata/fuzz, where every
# test runs it.
corpus:
	$(GO) run ./test/corpus

bench: build
	$(GO) run ./bench

# nfpm is run as a tool of its own: its dependencies are not ours.
NFPM = $(GO) run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.1
ARCHES ?= amd64 arm64
KINDS ?= deb rpm
PACKAGE_VERSION ?= $(shell git describe --tags 2>/dev/null | sed 's/^v//' | grep . || echo 0.0.1)

docs: build
	rm -rf dist/man dist/completion && mkdir -p dist/man dist/completion
	bin/dojang man dist/man
	cp packaging/man/* dist/man/
	gzip -9n dist/man/*
	bin/dojang completion bash > dist/completion/dojang.bash
	bin/dojang completion zsh > dist/completion/_dojang
	bin/dojang completion fish > dist/completion/dojang.fish

package: docs
	for arch in $(ARCHES); do \
		mkdir -p dist/$$arch && \
		CGO_ENABLED=0 GOARCH=$$arch $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o dist/$$arch/dojang ./cmd/dojang && \
		for kind in $(KINDS); do \
			sed "s/@ARCH@/$$arch/g; s/@VERSION@/$(PACKAGE_VERSION)/g" packaging/nfpm.yaml > dist/nfpm.yaml && $(NFPM) package --config dist/nfpm.yaml --packager $$kind --target dist/ || exit 1; \
		done || exit 1; \
	done

clean:
	rm -rf bin dist
