#!/bin/sh
# Runs every fuzz target in the tree for $FUZZTIME (default 3s) each.
set -eu
cd "$(dirname "$0")/.."

# fuzz PACKAGE TARGET runs one target. On a busy machine the go command may find
# its own workers late at the end and call that a failure, without an input that
# fails: then the target is run once more.
fuzz() {
	for try in 1 2; do
		if out=$(go test -run '^$' -fuzz "^$2\$" -fuzztime "${FUZZTIME:-3s}" "$1" 2>&1); then
			echo "$1 $2: $(echo "$out" | grep -o 'execs: [0-9]*' | tail -n 1)"
			return 0
		fi
		case "$out" in
		*"Failing input written"*) break ;;
		*"context deadline exceeded"*) ;;
		*) break ;;
		esac
	done
	echo "$out"
	return 1
}

found=0
for package in $(go list ./...); do
	dir=$(go list -f '{{.Dir}}' "$package")
	grep -qs '^func Fuzz' "$dir"/*_test.go || continue
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$dir"/*_test.go); do
		found=$((found + 1))
		fuzz "$package" "$target" || exit 1
	done
done
[ "$found" -gt 0 ] || { echo "no fuzz target found"; exit 1; }
echo "$found fuzz targets ran"
