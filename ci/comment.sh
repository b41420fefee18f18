#!/usr/bin/env bash
# Keeps one comment for each database on the pull request up to date: found by its marker and by who wrote it, edited in
# place, said to be resolved once it is clean. Called by action.sh: EXIT_CODE REPORT_FOLDER [REPORT_JSON...].
# A pull request without findings gets no comment at all.
set -euo pipefail

code=$1
folder=$2
shift 2

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if ! [[ ${GITHUB_REF:-} =~ ^refs/pull/([0-9]+)/ ]] || [ "${GITHUB_EVENT_NAME:-}" != pull_request ]; then
  echo 'No comment: this is no run of the pull_request event.'
  exit 0
fi
number=${BASH_REMATCH[1]}
if [ -z "${GH_TOKEN:-}" ]; then
  echo 'No comment: the input token is empty.' >&2
  exit 1
fi

# The forge this run is on, which need not be github.com.
if [ -n "${GITHUB_SERVER_URL:-}" ]; then export GH_HOST=${GITHUB_SERVER_URL#*://} GH_ENTERPRISE_TOKEN=$GH_TOKEN; fi

# Whoever quotes the marker is not us. A token of a job has no user of its own to ask for, but is a viewer all the same.
me=$(gh api graphql --raw-field query='query { viewer { login } }' --jq .data.viewer.login)
[ -n "$me" ]

run=${GITHUB_SERVER_URL:-}/$GITHUB_REPOSITORY/actions/runs/${GITHUB_RUN_ID:-}
body=$(mktemp "$RUNNER_TEMP/seatrial-comment.XXXXXX")
page=$(mktemp "$RUNNER_TEMP/seatrial-page.XXXXXX")
trap 'rm -f "$body" "$page"' EXIT

# The number of our comment that begins with the marker, or nothing.
find_own() { # marker
  local id login first
  while IFS=$'\t' read -r id login first; do
    if [ "$login" = "$me" ] && [ "$first" = "$1" ] && [[ $id =~ ^[0-9]+$ ]]; then
      printf '%s' "$id"
      return
    fi
  done <<<"$comments"
}

publish() { # id or nothing
  if [ -n "$1" ]; then
    gh api --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$1" --field "body=@$body" --silent
  else
    gh api --method POST "repos/$GITHUB_REPOSITORY/issues/$number/comments" --field "body=@$body" --silent
  fi
}

# Only what cannot end an HTML comment, or look like another marker.
key() { # text
  local clean=${1//[!A-Za-z0-9._\/ -]/-}
  while [[ $clean == *--* ]]; do clean=${clean//--/-}; done
  printf '%s' "${clean:0:200}"
}

# A pull request may have more comments than one page.
comments=$(gh api --paginate "repos/$GITHUB_REPOSITORY/issues/$number/comments?per_page=100" \
  --jq '.[] | [(.id | tostring), .user.login, ((.body // "") | split("\n")[0] // "" | rtrimstr("\r"))] | @tsv')

if [ "$#" = 0 ]; then
  # Without a report, what an older comment says is out of date.
  marker="<!-- seatrial:$(key "$SEATRIAL_COMMENT_KEY") -->"
  {
    printf '%s\n' "$marker"
    if [ "$code" = 3 ]; then
      printf '## Seatrial: nothing is pending\n\nThis run expects a pending migration and found none.\n'
    else
      printf '## ? Seatrial: unknown\n\nThe migrations could not be rehearsed (exit code %s), so nothing is known about them.\n' "$code"
    fi
    printf '\n[The log of this run](%s)\n' "$run"
  } >"$body"
  publish "$(find_own "$marker")"
fi

for report in "$@"; do
  own=$(dirname "$report")
  name=$SEATRIAL_COMMENT_KEY
  if [ "$own" != "$folder" ]; then name+=/$(basename "$own"); fi
  marker="<!-- seatrial:$(key "$name") -->"
  id=$(find_own "$marker")
  summary=$(awk -f "$here/summary.awk" "$report")
  verdict=${summary% *}
  if [ "$verdict" = pass ] && [ -z "$id" ]; then continue; fi
  # Made anew: report.md names a folder of this machine. It keeps below what a comment may hold, with room to spare.
  "$SEATRIAL_PROGRAM" report "$report" "--format=markdown=$page" >/dev/null
  {
    printf '%s\n' "$marker"
    if [ "$verdict" = pass ]; then printf '**✓ Resolved:** what was found here before is gone.\n\n'; fi
    cat "$page"
    printf '\n[Log, full report and rollback scripts of this run](%s)\n' "$run"
  } >"$body"
  publish "$id"
done
