# make run     build dojang and sign and verify a first message
# make quick   format, vet and the short unit tests: less than a minute
# make test    the tests; those of real programs are skipped where one is missing
# make peers   install the real programs for the full suites (Debian packages, root)
# make check   everything, in less than 40 minutes; a missing real program is a failure
# make long    the same with every case of the suites that are sampled otherwise
# make bench   dojang beside OpenDKIM and others, as ratios (docs/performance.md)
# make package .deb and .rpm for amd64 and arm64, what they are made of and sums, in dist/
# make dist    a tarball of the sources that builds without a network, in dist/
# make install DESTDIR= PREFIX=/usr/local, after make

GO ?= go
VERSION ?= $(shell packaging/version version 2>/dev/null || echo unknown)
# What to leave out: nomysql nopgsql nosqlite noredis noldap nomemcache (docs/dependencies.md).
TAGS ?=
# pgx need not know PostgreSQL's types: we ask for texts. 1.4 MB. HTTP/2 is for pages with
# many parts and for clients with many questions at once, and has had holes. 0.5 MB.
SLIM = nopgxregisterdefaulttypes nethttpomithttp2
LDFLAGS = -s -w -X dojang/internal/cli.Version=$(VERSION)
TOOLS = opendkim opendkim-genkey opendkim-testkey opendkim-testmsg opendkim-genzone opendkim-atpszone opendkim-stats
FUZZTIME ?= 3s
TIMEOUT ?= 40m

PEERS = acl opendkim opendkim-tools miltertest postfix swaks unbound bind9 bind9-utils bind9-dnsutils dns-root-data \
	libmail-dkim-perl libmail-authenticationresults-perl python3-dkim python3-authres \
	dkimpy-milter opendmarc rspamd amavisd-new openssl gcc libc6-dev perl python3 \
	postgresql mariadb-server slapd ldap-utils libsasl2-modules age redis-server memcached db-util lmdb-utils \
	pdns-server pdns-backend-sqlite3 pdns-tools knot knot-dnsutils sqlite3 python3-pyhcl python3-jsonschema util-linux procps man-db m4 \
	curl jq rsync ca-certificates systemd init-system-helpers iproute2 lintian rpmlint python3-magic cpio gnupg haproxy rpm qemu-user-static buildah chromium-headless-shell fonts-nanum \
	selinux-policy-default setools selinux-utils policycoreutils

.PHONY: build arm64 run quick test need peers check long format vet staticcheck tidy deadcode vulnerabilities race fuzz corpus mutants bench package package-of sums dist install docs clean

build:
	CGO_ENABLED=0 $(GO) build -tags '$(SLIM) $(TAGS)' -trimpath -ldflags '$(LDFLAGS)' -o bin/dojang ./cmd/dojang
	@for tool in $(TOOLS); do ln -sf dojang bin/$$tool; done

# What is run in an emulator by the tests of packages.
arm64:
	CGO_ENABLED=0 GOARCH=arm64 $(GO) build -tags '$(SLIM) $(TAGS)' -trimpath -ldflags '$(LDFLAGS)' -o bin/arm64/dojang ./cmd/dojang

run: build
	bin/dojang up

# Twice as many packages at once as there are processors: some of them wait.
quick: format vet
	$(GO) test -short -vet=off -p $$((2 * $$(getconf _NPROCESSORS_ONLN))) -timeout $(TIMEOUT) $$($(GO) list ./... | grep -v /test/)

test:
	$(GO) test -timeout $(TIMEOUT) ./...

# Sendmail's package excludes Postfix's: it is unpacked into a folder of its own,
# testutil.PeersDir. The libraries it needs come with Postfix and slapd.
SENDMAIL = sendmail-bin sendmail-cf
# What looks for barriers in pages, for tests alone (MPL-2.0).
AXE = axe-core@4.14.1
# Of SpamAssassin, whose package sets up a service, the Perl modules are wanted alone, and
# of Mailman the Python modules.
MAILMAN = apt-get install -s --no-install-recommends mailman3 | sed -n 's/^Inst \([^ ]*\).*/\1/p'

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
	mkdir -p /opt/dojang-peers/spamassassin
	cd /opt/dojang-peers/spamassassin && apt-get download -q spamassassin && \
		for package in *.deb; do dpkg-deb -x $$package . && rm $$package || exit 1; done
	mkdir -p /opt/dojang-peers/opendkim && cd /opt/dojang-peers/opendkim && rm -f *.deb && apt-get download -q opendkim opendkim-tools
	mkdir -p /opt/dojang-peers/axe
	cd /opt/dojang-peers/axe && npm pack --silent $(AXE) && tar xzf axe-core-*.tgz && rm axe-core-*.tgz
	mkdir -p /opt/dojang-peers/mailman
	cd /opt/dojang-peers/mailman && apt-get download -q $$($(MAILMAN)) && \
		for package in *.deb; do dpkg-deb -x $$package . && rm $$package || exit 1; done

# What the suites need is looked for once, before any of them runs: it is installed
# where that may be done, and else named with the command for it.
need:
	@missing=$$(for p in $(PEERS); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || printf ' %s' $$p; done); \
	[ -d /opt/dojang-peers/sendmail/usr ] || missing="$$missing sendmail"; \
	[ -d /opt/dojang-peers/spamassassin/usr ] || missing="$$missing spamassassin"; \
	ls /opt/dojang-peers/opendkim/opendkim_*.deb >/dev/null 2>&1 || missing="$$missing opendkim_*.deb"; \
	[ -d /opt/dojang-peers/axe/package ] || missing="$$missing axe-core"; \
	[ -d /opt/dojang-peers/mailman/usr ] || missing="$$missing mailman"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then exec $(MAKE) peers; fi; \
	echo "missing for the full suites:$$missing"; echo "install them, on Debian 12 or its like: sudo make peers"; \
	echo "what needs none of them: make quick, make test"; exit 1

check: export DOJANG_PEERS = required
check: need format vet staticcheck tidy deadcode vulnerabilities build arm64
	$(GO) test -timeout $(TIMEOUT) ./...
	$(MAKE) race fuzz

long: export SCALE = long
long: TIMEOUT = 10h
long: check

# go.mod and go.sum are what the imports want.
tidy:
	$(GO) mod tidy -diff

# Functions that nothing reaches. The public packages are for others to call, and
# what tests share may wait for its next user. What a build tag wants is there for it.
deadcode:
	@dead=$$($(GO) run golang.org/x/tools/cmd/deadcode@v0.52.0 -test ./... | grep -Ev '^(dkim|header|taglist|authres|milter|internal/testutil|test|internal/dataset/left_out)[/.]'); \
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

# Changes of the code that no short test notices, N of them drawn by SEED.
N ?= 400
SEED ?= 1
mutants:
	$(GO) run ./test/mutants -n $(N) -seed $(SEED)

bench: build
	$(GO) run ./bench

# nfpm and cyclonedx-gomod are run as tools of their own: their dependencies are not ours.
NFPM = $(GO) run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.1
CYCLONEDX = CGO_ENABLED=0 $(GO) run -trimpath -buildvcs=false github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.9.0
ARCHES ?= amd64 arm64
KINDS ?= deb rpm
# What the packages say of themselves comes from CHANGELOG.md and the commit.
PACKAGE_VERSION ?= $(VERSION)
MAINTAINER ?= $(shell packaging/version maintainer)
SOURCE_DATE_EPOCH ?= $(shell packaging/version date)

docs: export SOURCE_DATE_EPOCH := $(SOURCE_DATE_EPOCH)
docs: build
	rm -rf dist/man dist/completion && mkdir -p dist/man dist/completion
	TZ=UTC $(GO) run ./internal/cli/gen dist/man
	cp packaging/man/* dist/man/
	gzip -9n dist/man/*
	bin/dojang completion bash > dist/completion/dojang.bash
	bin/dojang completion zsh > dist/completion/_dojang
	bin/dojang completion fish > dist/completion/dojang.fish

# As distributions want it: `make`, then `make install DESTDIR=... PREFIX=/usr`.
# Modes are said, whatever the umask.
DESTDIR ?=
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
DOCDIR ?= $(DATADIR)/doc/dojang
UNITDIR ?= $(PREFIX)/lib/systemd/system
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
BINARY ?= bin/dojang
# What starts the service: systemd, or a script of the system's rc(8).
SYSTEM ?= $(shell uname -s)
RC_FreeBSD = $(PREFIX)/etc/rc.d/milter-opendkim
RC_OpenBSD = /etc/rc.d/opendkim
# From one folder below PREFIX to another; BSD's ln does not find it out.
TARGET = $(if $(filter $(PREFIX)/sbin,$(SBINDIR)),$(patsubst $(PREFIX)/%,../%,$(BINDIR)),$(BINDIR))/dojang
FOLDERS = $(BINDIR) $(SBINDIR) $(MANDIR)/man1 $(MANDIR)/man5 $(MANDIR)/man8 $(DOCDIR)/docs $(DATADIR)/dojang/hooks \
	$(if $(RC_$(SYSTEM)),$(dir $(RC_$(SYSTEM))),$(UNITDIR) $(TMPFILESDIR)) $(DATADIR)/bash-completion/completions $(DATADIR)/zsh/site-functions $(DATADIR)/fish/vendor_completions.d
# Texts that name our places: $(call put,MODE,FILE,PLACE)
put = sed 's,/usr/sbin/,$(SBINDIR)/,g; s,/usr/share/dojang,$(DATADIR)/dojang,g' $(2) > '$(DESTDIR)$(3)' && chmod $(1) '$(DESTDIR)$(3)'

install:
	@[ -x $(BINARY) ] && [ -d dist/man ] || $(MAKE) docs
	for folder in $(FOLDERS); do install -d -m 0755 "$(DESTDIR)$$folder" || exit 1; done
	install -m 0755 $(BINARY) '$(DESTDIR)$(BINDIR)/dojang'
	for tool in $(TOOLS); do ln -sf '$(TARGET)' "$(DESTDIR)$(SBINDIR)/$$tool" || exit 1; done
	for section in 1 5 8; do install -m 0644 dist/man/*.$$section.gz "$(DESTDIR)$(MANDIR)/man$$section/" || exit 1; done
	install -m 0644 dist/completion/dojang.bash '$(DESTDIR)$(DATADIR)/bash-completion/completions/dojang'
	install -m 0644 dist/completion/_dojang '$(DESTDIR)$(DATADIR)/zsh/site-functions/_dojang'
	install -m 0644 dist/completion/dojang.fish '$(DESTDIR)$(DATADIR)/fish/vendor_completions.d/dojang.fish'
	install -m 0644 README.md CHANGELOG.md SECURITY.md LICENSE '$(DESTDIR)$(DOCDIR)/'
	install -m 0644 docs/*.md '$(DESTDIR)$(DOCDIR)/docs/'
	install -m 0644 packaging/opendkim.conf packaging/monitoring/alerts.yml packaging/monitoring/grafana.json '$(DESTDIR)$(DATADIR)/dojang/'
	install -m 0755 packaging/hooks/* '$(DESTDIR)$(DATADIR)/dojang/hooks/'
	$(call put,0755,packaging/first-configuration,$(DATADIR)/dojang/first-configuration)
ifneq ($(RC_$(SYSTEM)),)
	$(call put,0555,packaging/bsd/$(notdir $(RC_$(SYSTEM))),$(RC_$(SYSTEM)))
else
	$(call put,0644,packaging/systemd/hardened.conf,$(DATADIR)/dojang/hardened.conf)
	$(call put,0644,packaging/systemd/opendkim.service,$(UNITDIR)/opendkim.service)
	$(call put,0644,packaging/systemd/dojang-web.service,$(UNITDIR)/dojang-web.service)
	$(call put,0644,packaging/systemd/dojang-rotate.service,$(UNITDIR)/dojang-rotate.service)
	$(call put,0644,packaging/systemd/dojang-rotate.timer,$(UNITDIR)/dojang-rotate.timer)
	$(call put,0644,packaging/systemd/opendkim.tmpfiles,$(TMPFILESDIR)/opendkim.conf)
endif

# Packages made twice of one commit are equal, byte for byte, wherever and by whomever
# they are made: nothing here asks the clock, the zone, the umask or the host's name.
# What lies in dist is named with its sums in SHA256SUMS, which SIGNING_KEY (of gpg) signs.
package: export SOURCE_DATE_EPOCH := $(SOURCE_DATE_EPOCH)
package: export GOAMD64 = v1
package: export GOARM64 = v8.0
package: docs
	packaging/changelog '$(PACKAGE_VERSION)' $(SOURCE_DATE_EPOCH) '$(MAINTAINER)' > dist/changelog.yaml
	for arch in $(ARCHES); do $(MAKE) package-of ARCH=$$arch || exit 1; done
	$(MAKE) sums

STAGE = dist/stage/$(ARCH)
SBOM = dist/dojang-$(PACKAGE_VERSION)-$(ARCH).cdx.json
package-of:
	rm -rf $(STAGE) && mkdir -p $(STAGE) dist/$(ARCH)
	CGO_ENABLED=0 GOARCH=$(ARCH) $(GO) build -tags '$(SLIM) $(TAGS)' -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o dist/$(ARCH)/dojang ./cmd/dojang
	$(MAKE) install DESTDIR=$(STAGE) PREFIX=/usr BINARY=dist/$(ARCH)/dojang
	packaging/copyright '$(STAGE)/usr/share/doc/dojang'
	$(CYCLONEDX) bin -json -licenses -assert-licenses -std -noserial -version '$(PACKAGE_VERSION)' -output $(SBOM) dist/$(ARCH)/dojang 2>/dev/null
	sed -i 's/"timestamp": "[^"]*"/"timestamp": "$(shell date -u -d @$(SOURCE_DATE_EPOCH) +%Y-%m-%dT%H:%M:%SZ)"/' $(SBOM)
	install -m 0644 $(SBOM) $(STAGE)/usr/share/doc/dojang/sbom.cdx.json
	for kind in $(KINDS); do \
		document=file; other=rpm; [ $$kind != rpm ] || { document=doc; other=deb; }; \
		find $(STAGE)/usr/share/man $(STAGE)/usr/share/doc -type f | LC_ALL=C sort | \
			sed "s|^$(STAGE)\(.*\)|  - {src: $(STAGE)\1, dst: \1, type: $$document}|" > dist/documents.yaml && \
		sed "/# $$other only$$/d; s/@ARCH@/$(ARCH)/g; s/@VERSION@/$(PACKAGE_VERSION)/g; s/@MAINTAINER@/$(MAINTAINER)/" packaging/nfpm.yaml | \
			sed -e '/@DOCUMENTS@/r dist/documents.yaml' -e '/@DOCUMENTS@/d' > dist/nfpm.yaml && \
		$(NFPM) package --config dist/nfpm.yaml --packager $$kind --target dist/ || exit 1; \
	done

sums:
	cd dist && LC_ALL=C && sha256sum $$(ls *.deb *.rpm *.cdx.json *.tar.gz 2>/dev/null) > SHA256SUMS && rm -f SHA256SUMS.asc
	@[ -z "$(SIGNING_KEY)" ] || gpg --batch --yes --armor --local-user '$(SIGNING_KEY)' --detach-sign dist/SHA256SUMS

# The sources of the commit with the modules that they are built of: needs no network.
TARBALL = dojang-$(VERSION)
dist:
	@git diff --quiet HEAD || echo "what is not committed is left out" >&2
	rm -rf dist/source && mkdir -p dist/source
	git archive --prefix=$(TARBALL)/ HEAD | tar -x -C dist/source
	cd dist/source/$(TARBALL) && $(GO) mod vendor
	printf 'version=%s\ndate=%s\nmaintainer=%s\n' '$(VERSION)' '$(SOURCE_DATE_EPOCH)' '$(MAINTAINER)' > dist/source/$(TARBALL)/packaging/release
	LC_ALL=C tar -C dist/source --use-compress-program='gzip -9n' -cf dist/$(TARBALL).tar.gz --format=gnu --sort=name \
		--mtime=@$(SOURCE_DATE_EPOCH) --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX $(TARBALL)
	rm -rf dist/source
	$(MAKE) sums

clean:
	rm -rf bin dist
