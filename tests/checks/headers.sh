#!/bin/bash
# SPDX-License-Identifier: MIT
# Each public header compiles alone, as C11 and as C++.
cd "$(dirname "$0")/../.." || exit 1
for header in include/duet/*.h; do
    for language in "c -std=c11" "c++ -std=c++11"; do
        # shellcheck disable=SC2086
        if out=$(echo "#include <duet/${header##*/}>" | gcc -x $language -Iinclude -Wall -Wextra -Wpedantic -Werror \
            -fsyntax-only - 2>&1); then
            echo "ok - ${header##*/} compiles alone as ${language%% *}"
        else
            echo "$out"
            echo "not ok - ${header##*/} compiles alone as ${language%% *}"
        fi
    done
done
