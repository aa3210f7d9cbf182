#!/bin/bash
# SPDX-License-Identifier: MIT
# The patches of tests/mutants still fit the code, say what they must, and are those of docs/proof.md.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash

loose() {
    for file in tests/mutants/*.patch; do
        patch -s -p1 --dry-run --force <"$file" >/dev/null 2>&1 || echo "$file does not fit"
    done
}

silent() {
    for file in tests/mutants/*.patch; do
        head -1 "$file" | grep -q '^gate: ' || echo "$file does not begin with its gate"
        for word in red build what; do
            sed '/^---/,$d' "$file" | grep -q "^$word: " || echo "$file does not say: $word"
        done
        [ "$(grep -c '^gate: ' "$file")" = "$(grep -c '^red: ' "$file")" ] || echo "$file: a line that is red for each gate"
    done
}

verdict "the patches of tests/mutants fit the code" "$(loose)"
verdict "each names its gates, what is red and what is broken" "$(silent)"
verdict "docs/proof.md has their table (tests/mutants/run --table)" \
    "$(diff <(sed -n '/^| mutant /,/^$/p' docs/proof.md | grep -v '^$') <(tests/mutants/run --table) | head -20)"
