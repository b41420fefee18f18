#!/usr/bin/env bash
# Installs the server of one major version from the distribution's packages where the runner has none, and keeps the
# packages in $RUNNER_TEMP/seatrial-postgres-packages, which action.yml caches. What comes out of a cache is held against the
# signed lists of the distribution first: apt-get itself looks only at the size of a package that is there already.
set -euo pipefail

major=${SEATRIAL_INPUT_POSTGRES:-}
if ! [[ $major =~ ^[0-9]{2}$ ]]; then
  printf '::error title=Seatrial::postgres is a major version, such as 17\n'
  exit 2
fi
packages=$RUNNER_TEMP/seatrial-postgres-packages
mkdir -p "$packages"
if [ -x "${SEATRIAL_POSTGRES_ROOT:-/usr/lib/postgresql}/$major/bin/postgres" ]; then
  echo "PostgreSQL $major is there."
  exit 0
fi
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
mkdir -p "$packages/partial"
# Only the binaries are wanted: without this the package would create and start a cluster of its own.
"${as_root[@]}" mkdir -p /etc/postgresql-common
echo 'create_main_cluster = false' | "${as_root[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
"${as_root[@]}" apt-get update -qq
wanted=(--no-install-recommends install "postgresql-$major" "postgresql-client-$major")

# Name and hash of every package that would be fetched if there were none.
none=$(mktemp -d "$RUNNER_TEMP/seatrial-no-packages.XXXXXX")
trap 'rm -rf "$none"' EXIT
mkdir "$none/partial"
listed=$(apt-get -y -qq --print-uris -o Acquire::ForceHash=SHA256 -o "Dir::Cache::archives=$none" "${wanted[@]}" || true)
for package in "$packages"/*.deb; do
  [ -f "$package" ] || continue
  hash=$(awk -v name="$(basename "$package")" '$2 == name { print $4 }' <<<"$listed")
  sum=$(sha256sum <"$package")
  if [ "$hash" != "SHA256:${sum%% *}" ]; then
    echo "$(basename "$package") is not as the lists have it: it is fetched anew."
    rm -f "$package"
  fi
done

"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o "Dir::Cache::archives=$packages" "${wanted[@]}" || {
  printf '::error title=Seatrial::The package sources of this runner give no PostgreSQL %s; see above.\n' "$major"
  exit 4
}
# The cache is written as the runner's user, who may not read apt's own folder.
"${as_root[@]}" rm -rf "$packages/partial" "$packages/lock"
"${as_root[@]}" chown -R "$(id -u):$(id -g)" "$packages"
