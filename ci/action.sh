#!/usr/bin/env bash
# What action.yml does: rehearses, shows the report and its annotations, sets the outputs, and keeps the exit code.
# Inputs come as SEATRIAL_INPUT_*; lists have one element a line. Nothing of an input is ever read as a command.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Ends the step before anything ran. Only words of our own and inputs go in; a line break would begin another command.
stop() { # message
  local message=${1//%/%25}
  message=${message//$'\r'/%0D}
  printf '::error title=Seatrial::%s\n' "${message//$'\n'/%0A}"
  printf 'verdict=unknown\nfindings=\nreport-path=\n' >>"$GITHUB_OUTPUT"
  exit 2
}

# Takes an input into the variable `value`, and out of the environment: what runs below has no need of it.
take() { # name
  local variable=SEATRIAL_INPUT_$1
  value=${!variable:-}
  unset "$variable"
}

# Adds --option=VALUE, where there is one: behind the equals sign nothing is an option.
option() { # --option, name of the input
  take "$2"
  if [ -n "$value" ]; then arguments+=("$1=$value"); fi
}

# Reads the lines of the input into the array `lines`, empty ones left out.
lines_of() { # name of the input
  lines=()
  local line
  take "$1"
  while IFS= read -r line || [ -n "$line" ]; do
    line=${line%$'\r'}
    if [ -n "$line" ]; then lines+=("$line"); fi
  done <<<"$value"
}

if [ "${GITHUB_EVENT_NAME:-}" = pull_request_target ]; then
  stop 'Seatrial does not run on pull_request_target: the SQL of a pull request would run where the secrets of the repository are. Use pull_request.'
fi

take WORKING_DIRECTORY
cd "$GITHUB_WORKSPACE/${value:-.}" || stop "There is no folder $value in the workspace (working-directory)."

take COMMENT
comment=${value:-false}
case $comment in true | false) ;; *) stop "comment is true or false, not $comment" ;; esac
take COMMENT_KEY
comment_key=${value:-${GITHUB_WORKFLOW:-workflow}/${GITHUB_JOB:-job}}
take TOKEN
token=$value

# A folder of this run alone: whatever it holds in the end is of this run.
report=$(mktemp -d "$RUNNER_TEMP/seatrial-report.XXXXXX")
work=$(mktemp -d "$RUNNER_TEMP/seatrial-work.XXXXXX")
trap 'rm -rf "$work"' EXIT

take PROGRAM
program=$value
take VERSION
version=$value
take SHA256
sha256=$value
if [ -z "$program" ]; then
  # `uses: owner/seatrial@v1.2.3` names a release, too, where nothing else does.
  if [ -z "$version" ] && ! command -v seatrial >/dev/null && [[ ${SEATRIAL_ACTION_REF:-} =~ ^v[0-9]+\.[0-9]+\.[0-9]+ ]]; then
    version=$SEATRIAL_ACTION_REF
  fi
  if [ -n "$version" ]; then
    "$here/download.sh" "$version" "$sha256" "$work" || stop "Seatrial $version could not be fetched; see above."
    program=$work/seatrial
  elif ! program=$(command -v seatrial); then
    stop 'There is no seatrial on the PATH. The input version names a release to fetch, the input program a path.'
  fi
elif [ ! -x "$program" ]; then
  stop "program: $program is not there, or cannot be run."
fi

arguments=("--out=$report")
option --base BASE
option --config CONFIG
option --layout LAYOUT
option --role ROLE
option --passes PASSES
option --fail-on FAIL_ON
option --require REQUIRE
option --max-time MAX_TIME
option --max-disk MAX_DISK
lines_of QUERIES
for line in "${lines[@]}"; do arguments+=("--queries=$line"); done
lines_of FORMATS
for line in "${lines[@]}"; do
  case $line in *=*) ;; *) stop "formats: $line names no file; write FORMAT=FILE" ;; esac
  arguments+=("--format=$line")
done
lines_of ARGS
arguments+=("${lines[@]}")
lines_of MIGRATIONS
arguments+=(-- "${lines[@]}")
# Its own variable keeps a password in it out of the list of processes.
take SOURCE
if [ -n "$value" ]; then export SEATRIAL_SOURCE=$value; fi

# What the report shows may come from strangers: until the token appears, no line is a command to the runner.
pause=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
printf '::stop-commands::%s\n' "$pause"
code=0
"$program" check "${arguments[@]}" 2>&1 || code=$?
printf '\n::%s::\n' "$pause"

# One report, or with several databases one in a folder for each.
reports=()
for file in "$report/report.json" "$report"/*/report.json; do
  if [ -f "$file" ]; then reports+=("$file"); fi
done

case $code in
0) message= ;;
1) message="Seatrial's findings reach the level from which on this step fails." ;;
2) message='Seatrial was called wrongly, or its configuration is wrong (exit code 2). Nothing is known about these migrations.' ;;
3) message='Nothing is pending, and this run expects something to be (exit code 3).' ;;
4) message='Seatrial could not rehearse: no server, no source, a restore that failed, or no space (exit code 4). What is missing is unknown, not fine.' ;;
101) message='Seatrial broke: this is a bug in it (exit code 101). What is missing is unknown, not fine.' ;;
124) message='The budget was spent before the required answers were known (exit code 124). What is missing is unknown, not fine.' ;;
130 | 143) message="Seatrial was stopped from outside (exit code $code). What is missing is unknown, not fine." ;;
*) message="Seatrial did not run to its end (exit code $code). Nothing is known about these migrations." ;;
esac
case $code in
0 | 1) ;;
# Before the annotations: the forge keeps the first ten of a step.
*) printf '::error title=Seatrial::%s\n' "$message" ;;
esac

verdict=unknown
findings=
if [ "${#reports[@]}" -gt 0 ] && summary=$(awk -f "$here/summary.awk" "${reports[@]}"); then
  read -r verdict findings <<<"$summary"
fi
for file in "${reports[@]}"; do
  own=$(dirname "$file")
  if [ "$own" != "$report" ]; then printf '\n# Database %s\n\n' "$(basename "$own")" >>"$GITHUB_STEP_SUMMARY"; fi
  # Annotations, and the report in the step's summary. A run of its own: the formats that seatrial.toml names stay as they are.
  "$program" report "$file" --format=github \
    || printf '::warning title=Seatrial::The annotations could not be written; the report above is whole.\n'
done
{
  printf 'verdict=%s\n' "$verdict"
  printf 'findings=%s\n' "$findings"
  printf 'report-path=%s\n' "$report"
} >>"$GITHUB_OUTPUT"

if [ "$comment" = true ]; then
  SEATRIAL_COMMENT_KEY=$comment_key SEATRIAL_PROGRAM=$program GH_TOKEN=$token \
    "$here/comment.sh" "$code" "$report" "${reports[@]}" \
    || printf '::warning title=Seatrial::The comment on the pull request could not be written; the verdict does not depend on it.\n'
fi
if [ "$code" = 1 ]; then echo "$message"; fi
exit "$code"
