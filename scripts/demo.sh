#!/usr/bin/env bash
# Runs the demo on this repository's own sample data: on PostgreSQL where a server is found, else on SQLite, which is
# compiled in. Options go to `seatrial demo`. Exit 1 is the demo's right answer: its last migration fails on purpose.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cargo >/dev/null; then
  echo 'cargo is missing: install a Rust toolchain (https://rustup.rs) and a C compiler, then run this again.' >&2
  exit 4
fi
cargo build --release --quiet
exec target/release/seatrial demo "$@"
