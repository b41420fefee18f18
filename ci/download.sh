#!/usr/bin/env bash
# Fetches a release of Seatrial and makes sure that it is the file that was meant: VERSION SHA256 FOLDER.
# An empty SHA256 means the one in the release's own list, SHA256SUMS.
set -euo pipefail

version=$1
sha256=$2
folder=$3

fail() { # message
  # In one line: what is named may be an input, and a line of its own could be a command to the runner.
  printf 'download: %s\n' "${1//[$'\n\r']/ }" >&2
  exit 1
}

# What goes into an address is checked, so that it stays on the way that is meant.
[[ $version =~ ^v?[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]] || fail "$version is no version such as v0.1.0"
[[ $sha256 =~ ^([0-9a-fA-F]{64})?$ ]] || fail 'sha256 is not 64 hexadecimal digits'
[[ ${SEATRIAL_ACTION_REPOSITORY:-} =~ ^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$ ]] \
  || fail 'this copy of the action belongs to no repository with releases; name the path of the program instead'

case $(uname -s)-$(uname -m) in
Linux-x86_64) target=x86_64-unknown-linux-musl ;;
Linux-aarch64 | Linux-arm64) target=aarch64-unknown-linux-musl ;;
*) fail "there is no release for $(uname -s) on $(uname -m); build it, and name its path with the input program" ;;
esac

version=v${version#v}
archive=seatrial-$version-$target.tar.gz
from=${GITHUB_SERVER_URL:-https://github.com}/$SEATRIAL_ACTION_REPOSITORY/releases/download/$version
curl --fail --silent --show-error --location --retry 3 --output "$folder/$archive" "$from/$archive"
if [ -z "$sha256" ]; then
  curl --fail --silent --show-error --location --retry 3 --output "$folder/SHA256SUMS" "$from/SHA256SUMS"
  sha256=$(awk -v name="$archive" '$2 == name { print $1 }' "$folder/SHA256SUMS")
  [ -n "$sha256" ] || fail "SHA256SUMS of $version does not list $archive"
fi
echo "${sha256,,}  $folder/$archive" | sha256sum --check --status \
  || fail "$archive is not the file that was meant: its SHA-256 is not $sha256"
tar -xzf "$folder/$archive" -C "$folder" --strip-components=1 "seatrial-$version-$target/seatrial"
