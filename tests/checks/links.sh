#!/bin/bash
# SPDX-License-Identifier: MIT
# Each link of a paper to another of the tree, or to a heading of it, leads somewhere.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash

# The headings of a paper, as links call them.
headings() {
    awk '/^```/ { code = !code } !code && /^#+ / { sub(/^#+ /, ""); print tolower($0) }' "$1" |
        sed -E 's/\[([^]]*)\]\([^)]*\)/\1/g; s/[^a-z0-9_ -]//g; s/ /-/g'
}

# dead PAPER: its links that lead nowhere.
dead() {
    local paper=$1 link file place
    grep -oE '\]\([^) ]+\)' "$paper" | sed -E 's/^..(.*).$/\1/' | grep -vE '^[a-z]+:' | sort -u | while read -r link; do
        file=${link%%#*} place=$paper
        [ -z "$file" ] || place=$(dirname "$paper")/$file
        if [ ! -e "$place" ]; then
            echo "$link"
        elif [[ $link == *"#"* ]]; then
            headings "$place" | grep -qxF -e "${link#*#}" || echo "$link"
        fi
    done
}

mapfile -t papers < <(git ls-files -- '*.md')
for paper in "${papers[@]}"; do
    verdict "each link of $paper leads somewhere" "$(dead "$paper")"
done
