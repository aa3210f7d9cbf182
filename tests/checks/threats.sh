#!/bin/bash
# SPDX-License-Identifier: MIT
# Every row of docs/threats.md that code or a test names is there, and every row there, but for
# those of its last section, is named by a test.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash
kinds='NET|TLS|HTTP|UPG|CLI|FRM|MSG|PMD|CLS|TIM|MEM|HUB|STO|WEB|OPS'

# The rows that the files below some folders name: HTTP-5 in a comment, http_5_ or http_3_and_4_ in a test's name.
named() {
    git grep -ohE "\b($kinds)-[0-9]+\b" -- "$@"
    git grep -ohiE "\b($kinds)(_[0-9]+)(_and_[0-9]+)*_" -- "$@" | sed 's/_and//g' | awk -F_ '{
        for (i = 2; i < NF; i++) print toupper($1) "-" $i }'
}

rows() {
    grep -oE "^\| ($kinds)-[0-9]+ " | tr -d '| ' | sort -u
}

verdict "each threat that is named is in docs/threats.md" \
    "$(comm -23 <(named src include tests examples web | sort -u) <(rows <docs/threats.md))"
verdict "each threat of docs/threats.md is named by a test" "$(comm -13 <(named tests | sort -u) \
    <(sed '/^## Not proved yet/,$d' docs/threats.md | rows))"
