#!/usr/bin/env bash
# Installs PostgreSQL's server and dump tools from the distribution when none are on this machine.
# Asks first; --yes answers for scripts. Does nothing when they are there.
set -euo pipefail

if [ -x "${SEATRIAL_POSTGRES_BIN:-}/postgres" ] \
  || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || compgen -G '/usr/pgsql-*/bin/postgres' >/dev/null \
  || { command -v postgres && command -v initdb && command -v pg_dump; } >/dev/null 2>&1; then
  exit 0
fi
if [ "${1:-}" != "--yes" ]; then
  printf 'No PostgreSQL server binaries were found. Install the distribution'"'"'s packages now? [y/N] ' >&2
  read -r answer || answer=n
  case "$answer" in y | Y | yes) ;; *)
    echo 'Nothing installed. Install PostgreSQL yourself and run this again.' >&2
    exit 4
    ;;
  esac
fi
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
if command -v apt-get >/dev/null; then
  # Only the binaries are wanted: without this the package would create and start a cluster of its own.
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    "${as_root[@]}" mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' | "${as_root[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
  fi
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >&2
elif command -v dnf >/dev/null; then
  "${as_root[@]}" dnf install -y -q postgresql-server postgresql-contrib >&2
else
  echo 'No apt-get and no dnf here: install PostgreSQL 13 or newer with its contrib modules, then run this again.' >&2
  exit 4
fi
