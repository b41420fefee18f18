#!/usr/bin/env bash
# Stands for GitHub's command line: knows the calls of ci/comment.sh and no others, answers from files in $STAND_IN, and
# writes down what is changed. `comments` holds what the filter makes of the forge's answer: number, author, first line.
set -euo pipefail
if [ "${GH_TOKEN:-}" != 'a token' ] || [ "${GH_HOST:-}" != forge.example ] || [ -e "$STAND_IN/forge-is-down" ]; then
  echo '::error::gh: Resource not accessible by integration (HTTP 403)' >&2
  exit 1
fi
comments=repos/harbour/shop/issues
filter='.[] | [(.id | tostring), .user.login, ((.body // "") | split("\n")[0] // "" | rtrimstr("\r"))] | @tsv'
case $* in
'api graphql --raw-field query=query { viewer { login } } --jq .data.viewer.login')
  echo 'github-actions[bot]'
  ;;
"api --paginate $comments/7/comments?per_page=100 --jq $filter")
  cat "$STAND_IN/comments"
  ;;
"api --method PATCH $comments/comments/"*" --field body=@"*" --silent" | "api --method POST $comments/7/comments --field body=@"*" --silent")
  body=${6#body=@}
  printf '%s %s\n' "$3" "$4" >>"$STAND_IN/changes"
  cp "$body" "$STAND_IN/body-$(wc -l <"$STAND_IN/changes")"
  ;;
*)
  echo "gh: no such call: $*" >&2
  exit 1
  ;;
esac
