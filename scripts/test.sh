#!/usr/bin/env bash
# Runs every test on a fresh machine with a Rust toolchain: installs PostgreSQL when missing (asks first; --yes
# answers), fetches the portable servers of other versions into a cache, builds, runs.
set -euo pipefail
cd "$(dirname "$0")/.."

consent=()
if [ "${1:-}" = "--yes" ]; then
  consent=(--yes)
  shift
fi
scripts/install-postgres.sh "${consent[@]}"
scripts/fetch-postgres.sh 18

# Servers in tests make and drop thousands of small files: memory is kinder to the disk, where there is enough of it.
if [ -w /dev/shm ] && [ "$(df --output=avail -k /dev/shm | tail -n 1)" -gt 6000000 ]; then
  TMPDIR=$(mktemp -d /dev/shm/seatrial-tests.XXXXXX)
  # The unprivileged user that servers run as passes through it.
  chmod 711 "$TMPDIR"
  export TMPDIR
  trap 'rm -rf "$TMPDIR"' EXIT
fi

if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --locked --no-fail-fast "$@"
else
  cargo test --locked --no-fail-fast "$@"
fi
