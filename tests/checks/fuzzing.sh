#!/bin/bash
# SPDX-License-Identifier: MIT
# docs/fuzzing.md has each fuzz target, and says how many there are.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash
targets=$(for file in tests/fuzz/*.c; do basename "$file" .c; done | sort)
count=$(wc -l <<<"$targets")
listed=$(sed -n '/^## Targets/,/^## Figures/p' docs/fuzzing.md | sed -nE 's/^\| `([a-z0-9_]+)` .*/\1/p' | sort)
verdict "docs/fuzzing.md lists the fuzz targets" "$(diff <(echo "$targets") <(echo "$listed"))"
verdict "and says how many there are" "$(grep -qF "fuzzer runs: $count targets" docs/fuzzing.md || echo "there are $count")"
