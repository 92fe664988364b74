#!/bin/sh
# Makes the filter's user, its folders and, where there is none, its
# configuration. An existing configuration is not touched.
set -e

if ! getent group opendkim >/dev/null; then
	groupadd --system opendkim
fi
if ! getent passwd opendkim >/dev/null; then
	useradd --system --gid opendkim --home-dir /run/opendkim --no-create-home --shell /usr/sbin/nologin opendkim
fi
if [ ! -e /etc/opendkim.conf ]; then
	install -m 0644 /usr/share/dojang/opendkim.conf /etc/opendkim.conf
fi
# Debian keeps keys in /etc/dkimkeys, EPEL in /etc/opendkim/keys: each as it is used to.
if [ -e /etc/debian_version ]; then
	[ -d /etc/dkimkeys ] || install -d -m 0700 -o opendkim -g opendkim /etc/dkimkeys
else
	[ -d /etc/opendkim ] || install -d -m 0755 -o root -g opendkim /etc/opendkim
	[ -d /etc/opendkim/keys ] || install -d -m 0750 -o root -g opendkim /etc/opendkim/keys
fi
[ -d /run/opendkim ] || install -d -m 0755 -o opendkim -g opendkim /run/opendkim

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
	systemctl enable opendkim.service >/dev/null 2>&1 || true
	systemctl restart opendkim.service || echo "the filter did not start; ask: dojang config check" >&2
fi
