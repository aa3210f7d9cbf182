#!/bin/bash
# SPDX-License-Identifier: MIT
# What is excluded from coverage says why: `GCOV_EXCL_BR_LINE: reason`. The line that follows such a branch, and the end
# of a block, need none.
cd "$(dirname "$0")/../.." || exit 1
mapfile -t c < <(git ls-files -- 'src/*.c' 'src/*.h')
bare=$(awk 'FNR == 1 { reason = 0 }
    /GCOV_EXCL/ && !/GCOV_EXCL_(BR_)?STOP/ {
        if (!/GCOV_EXCL_[A-Z_]+: [^ ]/ && !(/GCOV_EXCL_LINE \*\// && reason)) print FILENAME ":" FNR ": " $0
    }
    { reason = /GCOV_EXCL_BR_LINE: / }' "${c[@]}")
if [ -z "$bare" ]; then
    echo "ok - each exclusion from coverage has its reason"
else
    echo "$bare" | sed 's/^/# /'
    echo "not ok - each exclusion from coverage has its reason"
fi
