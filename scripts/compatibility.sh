#!/usr/bin/env bash
# Runs whatever reads a server's own words on PostgreSQL 13 to 18 (or on the majors given), rehearses dumps across versions,
# and writes what came of it into docs/compatibility.md. Ends with 1 when anything failed.
#
#   scripts/compatibility.sh [MAJOR...]
#
# Servers that are missing are fetched by scripts/fetch-postgres.sh; 15 is Debian's own where that is installed. About three
# minutes a version on 2 cores once the tests are built. What a version showed is kept in target/compatibility: with majors
# given, those alone run anew, and the page has for the others what was kept. SEATRIAL_BIN names another program for dumps.
set -euo pipefail
cd "$(dirname "$0")/.."

majors=("$@")
[ "$#" -gt 0 ] || majors=(13 14 15 16 17 18)
if [ "$(id -u)" = 0 ]; then cache=/var/cache; else cache=${XDG_CACHE_HOME:-$HOME/.cache}; fi
fetched=${SEATRIAL_TEST_POSTGRES:-$cache/seatrial-test-postgres}

# An area, the test binaries it has, and which tests of them; none named means all.
areas='
servers | server |
plans of queries | explain |
statistics | settle |
catalog | catalog_net |
locks and work | locks |
rollback | rollback | from_the_first prepare_refuses
imported queries | queries | logs_of plans_that statements_a
restore | restore sources | every_format a_running_server what_a_dump_lacks statistics_of_a_dump
data directories | datadir | a_directory
copies by hand | copies | lives_on_its_own
demo | demo | every_story
traffic, queue, retry | scenarios | queue_behind queue_ended stall_behind retry_comes retry_after
scenarios | scenarios | drop_index_in_use two_step_regression create_index_concurrently foreign_key_violated row_security_hides set_not_null_behind role_setting_changed generic_and_custom partitioned_add_column large_object_granted vacuum_full enum_label_used
'

server_of() { # major
    if [ "$1" = 15 ] && [ -x /usr/lib/postgresql/15/bin/initdb ]; then echo /usr/lib/postgresql/15/bin; else echo "$fetched/$1/bin"; fi
}
clients_of() { # major of pg_dump: Debian's 15, or those of 18 that stand beside fetched servers
    if [ "$1" = 18 ]; then echo "$fetched/18/bin"; else echo /usr/lib/postgresql/15/bin; fi
}

for major in "${majors[@]}" 18; do
    [ -x "$(server_of "$major")/initdb" ] || scripts/fetch-postgres.sh "$major"
done
kept=$PWD/target/compatibility
mkdir -p "$kept"
work=$(mktemp -d "${TMPDIR:-/tmp}/compatibility.XXXXXX")
# Servers run as another user, who passes through it.
chmod 711 "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

trim() { local text=$1; text=${text#"${text%%[! ]*}"}; printf '%s' "${text%"${text##*[! ]}"}"; }
built=$(sed -n 's/^[^|]*| *\([^|]*\) *|.*/\1/p' <<< "$areas" | tr ' ' '\n' | sort -u | sed '/^$/d; s/^/--test /')
# shellcheck disable=SC2086
cargo test --locked --no-run --message-format=json-render-diagnostics $built > "$work/built.json"
declare -A program
while read -r name path; do program[$name]=$path; done < <(python3 -c 'import json, sys
for line in sys.stdin:
    made = json.loads(line)
    if made.get("executable") and "test" in made["target"]["kind"]:
        print(made["target"]["name"], made["executable"])' < "$work/built.json")
seatrial=${SEATRIAL_BIN:-$PWD/target/debug/seatrial}

# Every area on one server: a line each with what passed, what failed, and the names of what failed.
tests_on() { # major
    local area binaries filter test status passed failed started names skipped=()
    # Of these no table is written down that what is measured could be compared with.
    case $1 in 14 | 16 | 17) skipped=(--skip every_statement_of_the_table) ;; esac
    while IFS='|' read -r area binaries filter; do
        area=$(trim "$area")
        [ -n "$area" ] || continue
        started=$SECONDS passed=0 failed=0 names=
        for test in $binaries; do
            status=0
            # shellcheck disable=SC2086
            SEATRIAL_POSTGRES_BIN=$(server_of "$1") "${program[$test]}" --test-threads 2 "${skipped[@]}" $filter > "$work/$test.out" 2>&1 || status=$?
            passed=$((passed + $(grep -c '^test .* ok$' "$work/$test.out" || true)))
            local bad
            bad=$(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$work/$test.out")
            # Whatever ends a binary before it has said what failed.
            if [ "$status" != 0 ] && [ -z "$bad" ]; then bad="$test (ended with $status)"; fi
            if [ -n "$bad" ]; then
                failed=$((failed + $(wc -l <<< "$bad")))
                names="$names $(tr '\n' ' ' <<< "$bad")"
                cat "$work/$test.out" >&2
            fi
        done
        printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$area" "$passed" "$failed" "$((SECONDS - started))" "$(trim "$names")" >> "$results/areas"
        echo "PostgreSQL $1: $area: $passed passed, $failed failed, $((SECONDS - started)) s" >&2
    done <<< "$areas"
}

as_server=()
[ "$(id -u)" != 0 ] || as_server=(setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups)
in_place() { (cd "$place" && "${as_server[@]}" env LC_ALL=C TMPDIR=/tmp "$@"); }

# What a rehearsal says of it in one line.
words() { python3 -c 'import json, sys; report = json.load(sys.stdin)
print(report["rollback"]["verdict"], *(answer["verdict"] for answer in report["answers"].values()),
      *sorted({finding["id"] for finding in report["findings"] if finding["severity"] != "info"}))'; }

rehearse() { # source, major of the copies: prints what came of it
    local code=0
    (cd "$place/project" && env -u SEATRIAL_POSTGRES_BIN PATH="$(clients_of 18):$PATH" "$seatrial" check quick.sql --source "$1" --queries queries \
        --postgres-bin "$(server_of "$2")" --cache-dir "$place/state" --format json > report.json 2> check.err) || code=$?
    if [ "$code" = 1 ]; then words < "$place/project/report.json"; else echo "exit $code: $(tail -n 1 "$place/project/check.err")"; fi
}

tried() { # source's major, way, major of the copies, what was wanted, what came
    local came=refused
    case $5 in "exit "*) ;; *) came=$5 ;; esac
    if [ "$4" = "$came" ]; then
        printf '%s\t%s\t%s\tyes\n' "$1" "$2" "$3"
    else
        printf '%s\t%s\t%s\tno\n' "$1" "$2" "$3"
        echo "PostgreSQL $1, $2, copies on $3: wanted $4, came $5" >&2
    fi >> "$results/dumps"
}

# The shop on a server of this major, read live and dumped by each pg_dump that can; copies on the same major and on 18.
dumps_of() { # major
    local bin client format file target wanted
    bin=$(server_of "$1")
    place=$(mktemp -d "$work/place.XXXXXX")
    chmod 711 "$place"
    mkdir -m 700 "$place/server"
    mkdir -p "$place/project"
    chmod 711 "$place/project"
    cp -r tests/shop/. "$place/project"
    # Settings of roles are in no dump of one database.
    echo "SET lock_timeout = '5s'; DROP INDEX orders_status_idx;" > "$place/project/quick.sql"
    git -C "$place/project" init --quiet
    [ "${#as_server[@]}" = 0 ] || chown nobody "$place/server"
    in_place "$bin/initdb" --auth=trust --username=postgres --pgdata="$place/server/data" > /dev/null
    printf "listen_addresses = ''\nunix_socket_directories = '%s'\nport = 5432\nfsync = off\n" "$place/server" \
        | in_place tee -a "$place/server/data/postgresql.conf" > /dev/null
    in_place "$bin/pg_ctl" start --silent --wait -D "$place/server/data" -l "$place/server/log"
    local on=(--host="$place/server" --username=postgres)
    in_place "$(clients_of 18)/psql" --no-psqlrc --quiet "${on[@]}" --dbname=postgres --set=ON_ERROR_STOP=1 < tests/shop/source.sql > /dev/null
    in_place "$(clients_of 18)/psql" --no-psqlrc --quiet "${on[@]}" --dbname=postgres --command='VACUUM ANALYZE'
    # What the same file says where nothing was dumped.
    wanted=$(rehearse source.sql 18)
    for target in $(printf '%s\n' "$1" 18 | sort -u); do
        tried "$1" live "$target" "$wanted" "$(rehearse "postgres://postgres@${place//\//%2F}%2Fserver:5432/postgres" "$target")"
        for client in 15 18; do
            [ "$client" -ge "$1" ] && [ -x "$(clients_of "$client")/pg_dump" ] || continue
            for format in plain custom; do
                file=$place/project/$client.$format
                [ -e "$file" ] || in_place "$(clients_of "$client")/pg_dump" "${on[@]}" --format="$format" postgres > "$file"
                tried "$1" "$format by pg_dump $client" "$target" "$wanted" "$(rehearse "$file" "$target")"
            done
        done
    done
    # A server older than the source is refused, not tried.
    if [ "$1" -gt 13 ] && [ -x "$(server_of 13)/initdb" ]; then
        tried "$1" "plain by pg_dump 18" 13 refused "$(rehearse "$place/project/18.plain" 13)"
    fi
    in_place "$bin/pg_ctl" stop --silent -m fast -D "$place/server/data"
    rm -rf "$place"
}

for major in "${majors[@]}"; do
    results=$work/$major
    mkdir "$results"
    : > "$results/areas"
    : > "$results/dumps"
    printf '%s\t%s\t%s\n' "$major" "$("$(server_of "$major")/postgres" --version | sed 's/^postgres (PostgreSQL) //; s/ .*//')" \
        "$(date +%F)" > "$results/versions"
    tests_on "$major"
    dumps_of "$major"
    # Whole, or as it was.
    rm -rf "${kept:?}/$major"
    mv "$results" "$kept/$major"
done

python3 - "$kept" docs/compatibility.md <<'PYTHON'
import os, sys

kept, page = sys.argv[1:]
def read(name):
    return [line.rstrip("\n").split("\t") for major in sorted(os.listdir(kept), key=int) for line in open(f"{kept}/{major}/{name}")]
versions = {major: version for major, version, _ in read("versions")}
days = sorted({day for *_, day in read("versions")})
areas = read("areas")
dumps = read("dumps")
majors = list(versions)
failed = []

out = [f"Run on {' and '.join(days)} with {', '.join(versions.values())}.", ""]
out += ["| area | " + " | ".join(majors) + " |", "|---" * (len(majors) + 1) + "|"]
for area in dict.fromkeys(row[1] for row in areas):
    cells = []
    for major in majors:
        _, _, passed, bad, _, names = next(row for row in areas if row[:2] == [major, area])
        cells.append(passed if bad == "0" else f"{passed}, {bad} failed")
        failed += [f"PostgreSQL {major}, {area}: {names}"] if bad != "0" else []
    out.append(f"| {area} | " + " | ".join(cells) + " |")
cells, seconds = [], []
for major in majors:
    mine = [row for row in dumps if row[0] == major]
    bad = [row for row in mine if row[3] == "no"]
    cells.append(str(len(mine)) if not bad else f"{len(mine) - len(bad)}, {len(bad)} failed")
    failed += [f"PostgreSQL {major}, {way}, copies on {target}" for _, way, target, _ in bad]
    seconds.append(f"{sum(int(row[4]) for row in areas if row[0] == major)} s")
out.append("| dumps across versions | " + " | ".join(cells) + " |")
out.append("| time of the tests | " + " | ".join(seconds) + " |")
out += ["", "Each number is tests that passed." if not failed else "Failed:"]
out += [f"- {line}" for line in failed]

out += ["", "| source | taken | copies on |", "|---|---|---|"]
for source, way in dict.fromkeys((row[0], row[1]) for row in dumps):
    mine = [row for row in dumps if row[:2] == [source, way]]
    told = {"yes": "", "no": " (failed)"}
    taken = [target + told[worked] for _, _, target, worked in mine if int(target) >= int(source)]
    refused = [target + told[worked] for _, _, target, worked in mine if int(target) < int(source)]
    out.append(f"| {source} | {way} | " + ", ".join(taken) + (f"; refused on {', '.join(refused)}" if refused else "") + " |")

print("\n".join(out))
begin, end = "<!-- begin: written by scripts/compatibility.sh -->", "<!-- end -->"
text = open(page).read()
before, rest = text.split(begin)
after = rest.split(end)[1]
open(page, "w").write(before + begin + "\n" + "\n".join(out) + "\n" + end + after)
sys.exit(1 if failed else 0)
PYTHON
