#!/usr/bin/env bash
# What the release workflow does, so that it can be done by hand as well:
#   ci/release.sh version v0.1.0          the tag is the version of Cargo.toml
#   ci/release.sh pack v0.1.0 TARGET DIR  the built program with its licences, completions and manual page, as one archive
#   ci/release.sh checksums DIR           SHA256SUMS of all archives
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1:-} in
version)
  written=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
  if [ "$2" != "v$written" ]; then
    echo "release: the tag is $2 and Cargo.toml says $written" >&2
    exit 1
  fi
  ;;
pack)
  name=seatrial-$2-$3
  built=${CARGO_TARGET_DIR:-target}/$3/release/seatrial
  mkdir -p "$4"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work/$name/completions"
  install -m 755 "$built" "$work/$name/seatrial"
  install -m 644 README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$work/$name"
  # The program itself writes them, which also shows that it starts.
  "$built" man >"$work/$name/seatrial.1"
  for shell in bash elvish fish powershell zsh; do "$built" completions "$shell" >"$work/$name/completions/seatrial.$shell"; done
  # The same bytes from the same files: names sorted, nobody's and no time's.
  tar --sort=name --owner=0 --group=0 --numeric-owner --mtime='@0' -C "$work" -cf - "$name" | gzip -n >"$4/$name.tar.gz"
  ;;
checksums)
  cd "$2"
  sha256sum -- seatrial-*.tar.gz >SHA256SUMS
  ;;
*)
  echo 'usage: ci/release.sh version TAG | pack TAG TARGET DIR | checksums DIR' >&2
  exit 2
  ;;
esac
