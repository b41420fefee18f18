#!/usr/bin/env bash
# Stands for seatrial: writes down how it was called, says and leaves behind what the test put into $STAND_IN.
set -euo pipefail
case $1 in
check)
  printf '%s\0' "$@" >"$STAND_IN/check"
  env -0 >"$STAND_IN/environment"
  pwd >"$STAND_IN/directory"
  for argument in "$@"; do
    case $argument in --out=*) out=${argument#--out=} ;; esac
  done
  if [ -d "$STAND_IN/reports" ]; then cp -r "$STAND_IN/reports/." "$out/"; fi
  cat "$STAND_IN/says"
  exit "$(cat "$STAND_IN/code")"
  ;;
report)
  printf '%s\0' "$@" >>"$STAND_IN/report"
  case $3 in
  --format=github) echo '::warning file=migrations/1.sql,line=1::an annotation' ;;
  --format=markdown=*) echo '## a report in Markdown' >"${3#--format=markdown=}" ;;
  *) exit 2 ;;
  esac
  ;;
*) exit 2 ;;
esac
