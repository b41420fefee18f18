#!/usr/bin/env bash
# Installs the server of one major version from the distribution's packages where the runner has none, and keeps the
# packages in $RUNNER_TEMP/seatrial-postgres-packages, which action.yml caches. apt-get holds each package against its
# own signed lists, so that a cache somebody tampered with installs nothing.
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
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
  -o "Dir::Cache::archives=$packages" "postgresql-$major" "postgresql-client-$major" || {
  printf '::error title=Seatrial::The package sources of this runner have no PostgreSQL %s.\n' "$major"
  exit 4
}
# The cache is written as the runner's user, who may not read apt's own folder.
"${as_root[@]}" rm -rf "$packages/partial" "$packages/lock"
"${as_root[@]}" chown -R "$(id -u):$(id -g)" "$packages"
