#!/bin/sh
# Publishes by one of the 150 DNS providers that acme.sh knows.
#   Publisher NAME exec /usr/share/dojang/hooks/acme.sh dns_cf [FOLDER-OF-ACME.SH]
# acme.sh is to be installed for the user dojang-dns, and its credentials saved there:
# what its documentation has you export once (CF_Token=...) may stand in account.conf.
# What stands at a name is asked of the name servers: its interface cannot tell.
[ -n "$DOJANG_DO" ] || exec dojang hook "$0" "$@"
set -e
api=$1
home=${2:-$HOME/.acme.sh}
case $api in
dns_*[!a-zA-Z0-9_]* | [!d]*) echo "$api is not the name of an interface: dns_cf" >&2; exit 1 ;;
esac
case $DOJANG_DO in
get) exit 64 ;;
commit) exit 0 ;;
esac

LE_WORKING_DIR=$home
export LE_WORKING_DIR
set --
# Without arguments it shows its help and defines its functions.
. "$home/acme.sh" >/dev/null
set +e
_initpath >/dev/null 2>&1
. "$home/dnsapi/$api.sh" || exit 1
if [ -n "${DOJANG_OLD_TEXT:-}" ]; then
	"${api}_rm" "$DOJANG_NAME" "$DOJANG_OLD_TEXT" >&2 || exit 75
fi
if [ "$DOJANG_DO" = set ]; then
	"${api}_add" "$DOJANG_NAME" "$DOJANG_TEXT" >&2 || exit 75
fi
exit 0
