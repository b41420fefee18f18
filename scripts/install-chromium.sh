#!/usr/bin/env bash
# Installs the distribution's Chromium, in which the HTML report is tested, when no such browser is on this machine.
# Asks first; --yes answers for scripts. Does nothing when one is there.
set -euo pipefail

if [ -x "${SEATRIAL_TEST_CHROMIUM:-}" ]; then exit 0; fi
for name in chromium chromium-browser google-chrome google-chrome-stable; do
  if command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
if [ "${1:-}" != "--yes" ]; then
  printf 'No Chromium was found; tests/browser.rs needs one. Install the distribution'"'"'s package now? [y/N] ' >&2
  read -r answer || answer=n
  case "$answer" in y | Y | yes) ;; *)
    echo 'Nothing installed. Install Chromium yourself, or name one in SEATRIAL_TEST_CHROMIUM, and run this again.' >&2
    exit 4
    ;;
  esac
fi
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
if command -v apt-get >/dev/null; then
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >&2
elif command -v dnf >/dev/null; then
  "${as_root[@]}" dnf install -y -q chromium >&2
else
  echo 'No apt-get and no dnf here: install Chromium, then run this again.' >&2
  exit 4
fi
