# The verdict and the number of errors and warnings of one or several report.json, as seatrial writes them: one key a
# line, two spaces a level. Text cannot look like a key, since a line break within a string is written as \n.
# An answer that is missing is not good news: a run that did not get to its end is at best unknown.

function judge(one) {
  if (one == "pass" && !complete) one = "unknown"
  rank = one == "fail" ? 3 : one == "warn" ? 1 : one == "pass" ? 0 : 2
  if (rank > worst) worst = rank
}

FNR == 1 { if (NR > 1) judge(verdict); verdict = ""; complete = 0; inside = 0 }
/^  "complete": true,?$/ { complete = 1 }
/^  "verdict": "/ { split($0, parts, "\""); verdict = parts[4] }
/^  "findings": \[$/ { inside = 1 }
/^  \]/ { inside = 0 }
inside && /^    \{$/ { severity = ""; counted = 1 }
inside && /^      "severity": "/ { split($0, parts, "\""); severity = parts[4] }
inside && /^      "suppressed_by": / && !/^      "suppressed_by": null,?$/ { counted = 0 }
inside && /^    \},?$/ { if (counted && (severity == "error" || severity == "warning")) findings++ }

END {
  judge(verdict)
  split("pass warn unknown fail", names, " ")
  print names[worst + 1], findings + 0
}
