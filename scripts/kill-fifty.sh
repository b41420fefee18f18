#!/usr/bin/env bash
# Kills fifty runs (or as many as the first argument says) with SIGKILL, each after a time drawn at random, then lets one run
# to its end: its verdict has to be that of a run nobody disturbed, and nothing may be left of the others.
#
#   scripts/kill-fifty.sh [RUNS]
#
# Takes a minute or two for fifty. `SEATRIAL=path/to/seatrial` names another program than the one in target/debug.
set -euo pipefail

runs=${1:-50}
root=$(cd "$(dirname "$0")/.." && pwd)
seatrial=${SEATRIAL:-$root/target/debug/seatrial}
[ -x "$seatrial" ] || { echo "no program at $seatrial: cargo build" >&2; exit 2; }

place=$(mktemp -d "${TMPDIR:-/tmp}/kill-fifty.XXXXXX")
chmod 711 "$place"
trap 'rm -rf "$place"' EXIT
cp -r "$root"/tests/shop/. "$place"
echo 'DROP INDEX orders_status_idx;' > "$place/quick.sql"
cd "$place"

check() { # cache, and exec for a shell of its own
    ${2:-} "$seatrial" check quick.sql --source source.sql --queries queries --format json --cache-dir "$place/$1"
}
words() { python3 -c 'import json, sys; report = json.load(sys.stdin)
print(report["verdict"], {name: answer["verdict"] for name, answer in report["answers"].items()},
      sorted({finding["id"] for finding in report["findings"]}))'; }

# How long an undisturbed run takes, from nothing and with a base: moments are drawn from the first.
started=$(date +%s%N)
check calm 2> /dev/null > calm.json || [ $? = 1 ]
took=$((($(date +%s%N) - started) / 1000000))
wanted=$(words < calm.json)
echo "undisturbed: $took ms, $wanted"

over=0
for number in $(seq "$runs"); do
    # In place of the shell in between: it is the program that is to be killed.
    check hunted exec > /dev/null 2> hunted.err &
    victim=$!
    sleep "$(awk -v most="$took" -v seed="$RANDOM$number" 'BEGIN { srand(seed); printf "%.3f", rand() * most / 1000 }')"
    kill -KILL "$victim" 2> /dev/null || over=$((over + 1))
    wait "$victim" 2> /dev/null || true
    # Half of them have to make the base anew, so that its making is hit as often as its use.
    if [ $((number % 2)) = 0 ]; then rm -rf hunted/bases/*[0-9a-f]; fi
done
echo "$runs runs killed, $over of them after they had ended"

check hunted 2> last.err > last.json || [ $? = 1 ] || { cat last.err >&2; exit 1; }
found=$(words < last.json)
echo "the run after: $found"
[ "$found" = "$wanted" ] || { echo "another verdict than undisturbed" >&2; exit 1; }

left=$(
    find hunted/runs -mindepth 1 -maxdepth 1
    find hunted/bases hunted/initdb -mindepth 1 -maxdepth 1 -name '*.partial'
    # Written so that it does not find itself.
    grep -als "$place/[h]unted" /proc/[0-9]*/cmdline || true
)
[ -z "$left" ] || { printf 'left behind:\n%s\n' "$left" >&2; exit 1; }
echo "nothing is left of them"
