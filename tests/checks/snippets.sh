#!/bin/bash
# SPDX-License-Identifier: MIT
# A C block in the papers is a file of examples/, without that file's licence line and opening comment. The line before
# the block says which: <!-- examples/hello.c -->. The one in libduet(3) is examples/hello.c.
cd "$(dirname "$0")/../.." || exit 1

# The program in a file: from its first #include on.
program_of() {
    sed -n '/^#include/,$p' "$1"
}

block_after() {
    awk -v mark="<!-- $2 -->" '$0 == mark { on = 1; next } on == 1 && /^```c$/ { on = 2; next }
        on == 2 && /^```$/ { exit } on == 2' "$1"
}

verdict() {
    local claim=$1 difference=$2
    if [ -z "$difference" ]; then
        echo "ok - $claim"
    else
        echo "$difference"
        echo "not ok - $claim"
    fi
}

for paper in README.md docs/*.md; do
    blocks=$(grep -c '^```c$' "$paper")
    marks=$(grep -oE '^<!-- examples/[a-z]+\.c -->$' "$paper" | awk '{ print $2 }')
    [ "$blocks" = 0 ] && continue
    verdict "each C block of $paper says which example it is" \
        "$([ "$(wc -w <<<"$marks")" = "$blocks" ] || echo "# $blocks blocks, examples named: $marks")"
    for example in $marks; do
        verdict "$paper quotes $example" "$(diff <(program_of "$example") <(block_after "$paper" "$example") 2>&1)"
    done
done
if [ -f examples/hello.c ]; then
    verdict "libduet(3) quotes examples/hello.c" "$(diff <(program_of examples/hello.c) \
        <(sed -n '/^#include <duet\/duet.h>/,/^\.Ed/p' packaging/man/libduet.3 | sed '/^\.Ed/d'))"
    verdict "examples/hello.c is 15 lines of code" \
        "$(program_of examples/hello.c | awk 'NF { n++ } END { if (n > 15) print "# " n " lines" }')"
fi
