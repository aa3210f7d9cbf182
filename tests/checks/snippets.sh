#!/bin/bash
# SPDX-License-Identifier: MIT
# The C blocks in the papers are quoted from examples/. The line before a block says from where:
#   <!-- examples/hello.c -->           the whole program, without its licence line and opening comment
#   <!-- part of examples/chat.c -->    lines that stand together in the file
# The block in libduet(3) is examples/hello.c.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash
blocks=$(mktemp -d)
trap 'rm -rf "$blocks"' EXIT

# The program in a file: from its first #include on.
program_of() {
    sed -n '/^#include/,$p' "$1"
}

# A paper's blocks as N.c, and what the line before each says as N.mark.
split() {
    rm -f "$blocks"/*
    awk -v folder="$blocks" '
        on && /^```$/ { on = 0; next }
        on { print > (file ".c"); next }
        /^```c$/ {
            file = sprintf("%s/%03d", folder, ++n)
            print before > (file ".mark")
            printf "" > (file ".c")
            on = 1
        }
        { before = $0 }' "$1"
}

# holds FILE BLOCK: nothing, or what is wrong.
holds() {
    local file block
    file=$'\n'$(cat "$1")$'\n'
    block=$'\n'$(cat "$2")$'\n'
    [[ $file == *"$block"* ]] || echo "these lines do not stand together in $1:"$'\n'"$(cat "$2")"
}

# judge PAPER BLOCK
judge() {
    local paper=$1 block=$2 mark
    mark=$(cat "${block%.c}.mark")
    if [[ $mark =~ ^\<!--\ (examples/[a-z-]+\.[ch])\ --\>$ ]]; then
        verdict "$paper quotes ${BASH_REMATCH[1]}" "$(diff <(program_of "${BASH_REMATCH[1]}") "$block" 2>&1)"
    elif [[ $mark =~ ^\<!--\ part\ of\ (examples/[a-z-]+\.[ch])\ --\>$ ]]; then
        verdict "$paper quotes ${BASH_REMATCH[1]}: $(head -n 1 "$block")" \
            "$(holds "${BASH_REMATCH[1]}" "$block" 2>&1)"
    else
        verdict "each C block of $paper says where it is from" "this one does not: $(head -n 1 "$block")"
    fi
}

for paper in README.md docs/*.md; do
    split "$paper"
    for block in "$blocks"/*.c; do
        [ ! -f "$block" ] || judge "$paper" "$block"
    done
done
# The page and the script of the quickstart, which have no licence line to leave out.
for file in index.html push.sh; do
    verdict "docs/quickstart.md quotes examples/quickstart/$file" "$(diff <(grep -v SPDX- "examples/quickstart/$file") \
        <(sed -n "\\|^<!-- examples/quickstart/$file -->|,/^\`\`\`\$/p" docs/quickstart.md | sed '1,2d;$d'))"
done
verdict "libduet(3) quotes examples/hello.c" "$(diff <(program_of examples/hello.c) \
    <(sed -n '/^#include <duet\/duet.h>/,/^\.Ed/p' packaging/man/libduet.3 | sed '/^\.Ed/d'))"
verdict "examples/hello.c is 15 lines of code" \
    "$(program_of examples/hello.c | awk 'NF { n++ } END { if (n > 15) print n " lines" }')"
