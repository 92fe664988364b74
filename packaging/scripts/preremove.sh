#!/bin/sh
set -e
# "upgrade" (deb) and 1 (rpm) mean that a new version follows.
case "$1" in
upgrade | 1) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
	systemctl stop opendkim.service || true
	systemctl disable opendkim.service >/dev/null 2>&1 || true
fi
