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
if cargo nextest --version >/dev/null 2>&1; then
  exec cargo nextest run --no-fail-fast "$@"
fi
exec cargo test --no-fail-fast "$@"
