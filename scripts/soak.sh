#!/usr/bin/env bash
# Rehearses 200 times in a row (or as often as the first argument says, at least 50) in ten ways that take turns, and looks
# after every tenth at all that may be left: files, processes, sockets, shared memory, databases and roles on a server.
# Ends with 1 and says what grew, when the last fifth of the runs has more of anything than the first fifth.
#
#   scripts/soak.sh [RUNS]
#
# SEATRIAL_BIN names another program than target/release/seatrial, SEATRIAL_POSTGRES_BIN another server, SEATRIAL_SOAK_LOG a
# folder that keeps the measurements. Takes 20 minutes or more for 200. Whoever is root gets processes, shared memory and
# sockets of its own for it, so that nothing else on the machine is counted; others leave the machine alone meanwhile.
set -euo pipefail

runs=${1:-200}
[ "$runs" -ge 50 ] && [ $((runs % 10)) = 0 ] || { echo "soak: $runs runs: give a multiple of 10 from 50 on" >&2; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
seatrial=${SEATRIAL_BIN:-$root/target/release/seatrial}
bin=${SEATRIAL_POSTGRES_BIN:-$(find /usr/lib/postgresql -maxdepth 2 -name bin 2> /dev/null | sort -V | tail -n 1)}
[ -x "$bin/initdb" ] || { echo "soak: no PostgreSQL server: install one, or name its folder with SEATRIAL_POSTGRES_BIN" >&2; exit 2; }

if [ "$(id -u)" = 0 ] && [ -z "${SOAK_APART:-}" ]; then
    exec env SOAK_APART=1 unshare --mount --ipc --net --pid --fork --mount-proc "$0" "$runs"
fi
if [ -n "${SOAK_APART:-}" ]; then
    ip link set lo up
    mount -t tmpfs -o mode=1777 tmpfs /dev/shm
    place=$(mktemp -d /dev/shm/soak.XXXXXX)
    as_server=(setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups)
else
    place=$(mktemp -d "${TMPDIR:-/tmp}/soak.XXXXXX")
    as_server=()
fi
# Looked for here: what lies in /dev/shm is out of sight by now.
[ -x "$seatrial" ] || { echo "soak: no program at $seatrial: cargo build --release, or name one with SEATRIAL_BIN" >&2; exit 2; }
chmod 711 "$place"
mkdir -m 711 "$place/state" "$place/home"
mkdir -m 1777 "$place/tmp"
# Apart from the place, so that what the server has is not taken for what a run left.
server=$place.server
log=${SEATRIAL_SOAK_LOG:-$place.log}
mkdir -p "$log"
mkdir -m 700 "$server"
[ "${#as_server[@]}" = 0 ] || chown nobody "$server"
in_server() { (cd "$server" && "${as_server[@]}" env -u PGDATABASE TMPDIR=/tmp LC_ALL=C "$@"); }
finish() {
    in_server "$bin/pg_ctl" stop --silent -m fast -D "$server/data" > /dev/null 2>&1 || true
    rm -rf "$place" "$server"
    [ -n "${SEATRIAL_SOAK_LOG:-}" ] || rm -rf "$log"
}
trap finish EXIT
trap 'exit 130' INT TERM

in_server "$bin/initdb" --auth=trust --username=postgres --pgdata="$server/data" > "$log/initdb.log"
cat >> "$server/data/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$server'
port = 5432
fsync = off
max_wal_size = '64MB'
min_wal_size = '32MB'
CONF
in_server "$bin/pg_ctl" start --silent --wait -D "$server/data" -l "$server/log"
asked() { in_server psql --no-psqlrc --quiet --tuples-only --no-align --host="$server" --username=postgres --dbname="${2:-postgres}" --command="$1"; }
address() { printf 'postgres://postgres@%s:5432/%s' "${server//\//%2F}" "$1"; }

cp -r "$root"/tests/shop/. "$place"
cd "$place"
git init --quiet .
asked 'CREATE DATABASE shop'
in_server psql --no-psqlrc --quiet --host="$server" --username=postgres --dbname=shop < source.sql > /dev/null
# It would plan otherwise than its copies, and a run would say so.
asked 'VACUUM ANALYZE' shop
echo 'DROP INDEX orders_status_idx;' > quick.sql
echo 'ALTER TABLE orders ADD COLUMN region text NOT NULL;' > fails.sql
echo 'ALTER TABLE orders ALTER COLUMN total_cents TYPE bigint;' > blocks.sql
printf 'ALTER TABLE orders ADD COLUMN region text;\nSELECT pg_sleep(3600);\n' > endless.sql
python3 - <<'PYTHON'
import sqlite3
shop = sqlite3.connect("shop.db")
shop.executescript("""
CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT NOT NULL, total_cents INTEGER NOT NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO orders SELECT i, CASE i % 100 WHEN 0 THEN 'open' ELSE 'done' END, i FROM n;
CREATE INDEX orders_status_idx ON orders (status);
""")
PYTHON
mkdir lite
printf -- "-- name: OpenOrders :many\n-- params open: status = 'open'\nSELECT id FROM orders WHERE status = :status LIMIT 10;\n" > lite/shop.sql

# Sources that are never the same twice: each is restored anew, and bases pile up until the limit takes the oldest.
limit=80MB
anew() { { cat "$root/tests/shop/source.sql"; echo "CREATE TABLE public.version_$1 (id integer);"; } > source.sql; }

declare -A expected=([everything]=1 [fails]=1 [sqlite]=1 [blocks]=1 [killed]=137 [out-of-time]=124 [killed-on-server]=137
    [on-server]=1 [from-url]=1 [quick]=1)
kinds=(everything fails sqlite blocks killed out-of-time killed-on-server on-server from-url quick)

start() { # kind
    local check=("$seatrial" check --cache-dir "$place/state" --max-cache "$limit" --format "json=$place/report.json" --out "$place/out")
    case $1 in
    everything) check+=(quick.sql --source source.sql --queries queries --passes all) ;;
    fails) check+=(fails.sql --source source.sql --queries queries) ;;
    sqlite) check+=(quick.sql --source sqlite:shop.db --queries lite) ;;
    blocks) check+=(blocks.sql --source source.sql --queries queries --passes "measure,prove,queue") ;;
    killed | quick) check+=(quick.sql --source source.sql --queries queries) ;;
    out-of-time) check+=(endless.sql --source source.sql --queries queries --max-time 3s) ;;
    killed-on-server | on-server) check+=(quick.sql --source shop.sql --queries queries --copies-url "$(address postgres)") ;;
    from-url) check+=(quick.sql --source "$(address shop)" --queries queries --refresh) ;;
    esac
    env -i PATH="$PATH" HOME="$place/home" LANG=C.UTF-8 TMPDIR="$place/tmp" SEATRIAL_POSTGRES_BIN="$bin" \
        "${check[@]}" > run.out 2> run.err &
    pid=$!
}
# A restored source stays the same on the server, whose bases are kept for 14 days whatever room they take.
cp source.sql shop.sql

mkfifo "$place/never"
exec {never}<> "$place/never"
wait_for() { # milliseconds after which it is killed, or nothing; sets `peak` (KiB) and `code`
    local key value _ from=${EPOCHREALTIME/./} status
    peak=0
    while kill -0 "$pid" 2> /dev/null; do
        while read -r key value _; do
            [ "$key" = VmHWM: ] && peak=$value && break
        done 2> /dev/null < "/proc/$pid/status" || true
        status=$(((${EPOCHREALTIME/./} - from) / 1000))
        if [ -n "${1:-}" ] && [ "$status" -ge "$1" ]; then kill -KILL "$pid" 2> /dev/null || true; fi
        # Nobody writes there: this is a pause without a process.
        read -r -t 0.03 -u "$never" _ || true
    done
    code=0
    wait "$pid" 2> /dev/null || code=$?
    took=$(((${EPOCHREALTIME/./} - from) / 1000))
}

kib() { du --summarize --apparent-size --block-size=1K "$@" 2> /dev/null | awk '{ all += $1 } END { print all + 0 }'; }
entries() { find "$@" -mindepth 1 -maxdepth 1 2> /dev/null | wc -l; }
look() { # run
    local processes=0 process directory
    for process in /proc/[0-9]*; do
        directory=$(readlink "$process/cwd" 2> /dev/null) || continue
        # Everything of a run works in its state folder, or was told of it; this script does neither.
        if [[ $directory == "$place"/state* ]] || grep -aqs "$place/[s]tate" "$process/cmdline"; then processes=$((processes + 1)); fi
    done
    local segments files
    segments=$(ipcs -m | grep -c '^0x' || true)
    files=$(find /dev/shm -maxdepth 1 -name 'PostgreSQL.*' | wc -l)
    {
        printf 'run\t%s\n' "$1"
        printf 'disk of the cache, KiB\t%s\n' "$(kib state)"
        printf 'bases and dumps in it, KiB\t%s\n' "$(kib state/bases state/dumps)"
        printf 'bases in it\t%s\n' "$(find state/bases -mindepth 1 -maxdepth 1 -type d 2> /dev/null | wc -l)"
        printf 'files and folders in the cache\t%s\n' "$(entries state state/bases state/dumps state/initdb)"
        printf 'folders of runs\t%s\n' "$(entries state/runs)"
        printf 'files in TMPDIR and HOME\t%s\n' "$(find tmp home -mindepth 1 | wc -l)"
        printf 'processes\t%s\n' "$processes"
        printf 'unix sockets with a path of a run\t%s\n' "$(grep -c "$place/" /proc/net/unix || true)"
        printf 'System V shared memory segments\t%s\n' "$segments"
        printf 'POSIX shared memory files\t%s\n' "$files"
        printf 'databases on the server\t%s\n' "$(asked 'SELECT count(*) FROM pg_database')"
        printf 'roles on the server\t%s\n' "$(asked 'SELECT count(*) FROM pg_roles')"
        printf 'sessions on the server\t%s\n' "$(asked "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")"
        printf 'disk of the server, KiB\t%s\n' "$(kib "$server/data")"
    } > "$log/look.$1"
}

look 0
: > "$log/runs"
longest=2000
killed=0
for number in $(seq "$runs"); do
    kind=${kinds[$(((number - 1) % 10))]}
    case $kind in everything | fails | blocks | killed | quick) anew "$number" ;; esac
    start "$kind"
    after=
    case $kind in killed*) after=$((((RANDOM << 15) | RANDOM) % longest)) ;; esac
    wait_for "$after"
    # A run that was drawn a longer time than it takes has ended as ever.
    [ "$code" != 137 ] || killed=$((killed + 1))
    case $kind in killed*) [ "$code" != 1 ] || code=137 ;; esac
    printf '%s\t%s\t%s\t%s\t%s\n' "$number" "$kind" "$code" "$took" "$peak" >> "$log/runs"
    if [ "$code" != "${expected[$kind]}" ]; then
        echo "soak: run $number ($kind) ended with $code, not ${expected[$kind]}:" >&2
        cat run.err >&2
        exit 1
    fi
    # The kind that is nearest to what is killed says how late there is still something to kill.
    if [ "$kind" = quick ]; then longest=$took; fi
    if [ $((number % 10)) = 0 ]; then
        look "$number"
        echo "soak: $number of $runs runs, $killed killed" >&2
    fi
done

python3 - "$log" "$runs" "$killed" "$limit" "$("$seatrial" --version)" "$("$bin/postgres" --version)" <<'PYTHON'
import datetime, os, sys

log, runs, killed, limit, program, server = sys.argv[1], int(sys.argv[2]), *sys.argv[3:]
looks = []
for number in range(0, runs + 1, 10):
    with open(f"{log}/look.{number}") as lines:
        looks.append({name: int(value) for name, value in (line.rstrip("\n").split("\t") for line in lines)})
ran = [line.rstrip("\n").split("\t") for line in open(f"{log}/runs")]
fifth = runs // 5
first = [look for look in looks if 0 < look["run"] <= max(fifth, 10)]
last = [look for look in looks if look["run"] > runs - max(fifth, 10)]

grew = []
print(f"{runs} runs, {killed} of them killed, {datetime.date.today()}, {program}, {server.removeprefix('postgres ')}\n")
print(f"| | before | first fifth | last fifth |\n|---|---|---|---|")
for name in looks[0]:
    if name == "run":
        continue
    one, other = (max(look[name] for look in part) for part in (first, last))
    unit = name.endswith(", KiB")
    # Files of a server are written when it likes, and sources differ by some bytes; what is counted may not differ at all.
    room = one * 1.1 + 4096 if unit else one
    if other > room:
        grew.append(f"{name}: at most {one} in the first fifth, {other} in the last")
    show = (lambda value: f"{value / 1024:.1f} MiB") if unit else str
    print(f"| {name.removesuffix(', KiB')} | {show(looks[0][name])} | {show(one)} | {show(other)} |")

kinds = list(dict.fromkeys(run[1] for run in ran))
print("\n| kind of run | runs | time | peak memory, first fifth | last fifth |\n|---|---|---|---|---|")
for kind in kinds:
    mine = [(int(number), int(took), int(peak)) for number, its, _, took, peak in ran if its == kind]
    one = max(peak for number, _, peak in mine if number <= fifth)
    other = max(peak for number, _, peak in mine if number > runs - fifth)
    times = sorted(took for _, took, _ in mine)
    # Killed runs end anywhere: their peak is chance.
    if not kind.startswith("killed") and other > one * 1.1 + 4096:
        grew.append(f"memory of {kind}: at most {one} KiB in the first fifth, {other} in the last")
    print(f"| {kind} | {len(mine)} | {times[len(times) // 2] / 1000:.1f} s | {one / 1024:.1f} MiB | {other / 1024:.1f} MiB |")

for line in grew:
    print(f"soak: grew: {line}", file=sys.stderr)
sys.exit(1 if grew else 0)
PYTHON
