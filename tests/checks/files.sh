#!/bin/bash
# SPDX-License-Identifier: MIT
# What holds for each file: a licence line, line length, no tabs in C, lock files that name no registry, pages that are
# read in ten minutes.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash

mapfile -t code < <(git ls-files -- '*.c' '*.h' '*.mjs' '*.js' '*.css' '*.py' '*.sh' '*.cmake' '*.txt' Makefile)
mapfile -t c < <(git ls-files -- '*.c' '*.h')
mapfile -t all < <(git ls-files)
verdict "each source file names its licence" "$(for f in "${code[@]}"; do
    [ -f "$f" ] && ! head -3 "$f" | grep -q 'SPDX-License-Identifier: MIT' && echo "$f"
done)"
verdict "no line of C is over 120 columns" "$(grep -nE '^.{121,}' "${c[@]}" /dev/null | cut -c1-80)"
verdict "no tab stands in C" "$(grep -nP '\t' "${c[@]}" /dev/null | cut -c1-80)"
verdict "no line ends in blanks" "$(grep -nIE '[[:blank:]]+$' "${c[@]}" /dev/null | cut -c1-80)"
verdict "no file holds a conflict of git" "$(grep -nIE '^(<{7}|>{7}) ' "${all[@]}" /dev/null | cut -c1-80)"
verdict "lock files name no registry" "$(for f in "${all[@]}"; do
    case $f in *package-lock.json) grep -n '"resolved"' "$f" | head -3 ;; esac
done)"
verdict "allocation goes through base/mem.h" \
    "$(grep -nE '\b(malloc|calloc|realloc|strdup|strndup|free)\(' -r src --include='*.c' | grep -v '^src/base/mem.c:')"
verdict "an application's page and the script that it begins with have at most 300 lines" "$(for page in web/apps/*/index.html; do
    script=$(sed -n 's/^<script type="module" src="\(.*\/\)\?\([^"]*\)".*/\2/p' "$page" | head -1)
    lines=$(cat "$page" "${page%index.html}${script:?}" | wc -l)
    [ "$lines" -le 300 ] || echo "$page and $script: $lines"
done)"
