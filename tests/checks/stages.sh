#!/bin/bash
# SPDX-License-Identifier: MIT
# CONTRIBUTING's table of stages is that of tests/run, minutes included.
cd "$(dirname "$0")/../.." || exit 1
run=$(sed -n "/^table='/,/^'/p" tests/run | awk 'NF > 2 { print $1, $2 }')
papers=$(awk -F'|' '/^\| `[a-z]/ { gsub(/[ `]/, "", $2); gsub(/ /, "", $3); print $2, $3 }' CONTRIBUTING.md)
if [ -n "$run" ] && difference=$(diff <(echo "$run") <(echo "$papers")); then
    echo "ok - CONTRIBUTING lists the stages of the test run"
else
    echo "$difference"
    echo "not ok - CONTRIBUTING lists the stages of the test run"
fi
