#!/bin/bash
# SPDX-License-Identifier: MIT
# The manual pages are well formed, and name what the program and the headers have.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash

for page in packaging/man/*.[1-8]; do
    verdict "${page##*/} is well formed" "$(mandoc -Tlint -Wwarning "$page" 2>&1 | grep -vE 'referenced manual not found')"
done

# missing PAGE WORD...: the words that the page does not have.
missing() {
    local page=$1 text
    shift
    text=$(mandoc -Tutf8 -Owidth=200 "$page" | sed 's,.\x08,,g')
    for word in "$@"; do
        grep -qF -e "$word" <<<"$text" || echo "$word"
    done
}

# shellcheck disable=SC2046
verdict "libduet(3) has every error" \
    "$(missing packaging/man/libduet.3 $(sed -n 's/^    X(\([A-Z0-9_]*\), -1[0-9]*,.*/DUET_ERR_\1/p' include/duet/error.h))"
# shellcheck disable=SC2046
verdict "libduet(3) has every header" "$(missing packaging/man/libduet.3 $(cd include && ls duet/*.h))"
# Declarations as one line each: "int duet_send(duet_conn *c, ...)"; the page's, and all that there are.
declared=$(cat include/duet/*.h | tr '\n' ' ' | tr -s ' ' | grep -oE 'DUET_API [^;]*;' | sed 's/^DUET_API //; s/;$//')
page=$(awk '$1 == ".Ft" { sub(/^\.Ft /, ""); type = $0 (/\*$/ ? "" : " ") }
    $1 == ".Fn" && /"/ {
        name = $2; sub(/^[^"]*"/, ""); sub(/"$/, ""); gsub(/" "/, ", ")
        print type name "(" $0 ")"
    }' packaging/man/libduet.3)
verdict "libduet(3) declares functions as the headers do" "$(grep -vxF "$declared" <<<"$page")"
verdict "libduet(3) names no function that is not there" "$(grep -oE '^\.Fn duet_[a-z_]+' packaging/man/libduet.3 |
    cut -c 5- | sort -u | while read -r name; do grep -qF "$name(" <<<"$declared" || echo "$name"; done)"
[ ! -x build/release/duet ] || for page in packaging/man/duet-*.1; do
    tool=$(basename "$page" .1)
    # shellcheck disable=SC2046
    verdict "$tool(1) has every option of duet ${tool#duet-} --help" "$(missing "$page" \
        $(build/release/duet "${tool#duet-}" --help 2>&1 | grep -oE -e '--[a-z-]+' | grep -vx -e --help -e --version | sort -u))"
done
