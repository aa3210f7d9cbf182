#!/bin/bash
# SPDX-License-Identifier: MIT
# The tree is the architecture: a folder of src/ includes only what stands below it.
#   cmd > wire, engine > hub > server, client > conn > proto, net > http > base
cd "$(dirname "$0")/../.." || exit 1

floor() {
    case $1 in
    base) echo 0 ;;
    http) echo 1 ;;
    proto | net) echo 2 ;;
    conn) echo 3 ;;
    server | client) echo 4 ;;
    hub) echo 5 ;;
    wire | engine) echo 6 ;;
    cmd) echo 7 ;;
    *) echo -1 ;;
    esac
}

# Above server/ and client/ code uses the public headers and base/, which proves that the API is enough.
may_include() {
    local from=$1 to=$2
    [ "$from" = "$to" ] && return 0
    [ "$(floor "$to")" -ge 0 ] || return 1
    if [ "$(floor "$from")" -ge 5 ] && [ "$(floor "$to")" -lt 5 ]; then
        [ "$to" = base ]
        return
    fi
    [ "$(floor "$to")" -lt "$(floor "$from")" ]
}

for room in src/*/; do
    room=$(basename "$room")
    bad=""
    while IFS=: read -r file line include; do
        to=${include#*\"}
        to=${to%%/*}
        may_include "$room" "$to" || bad+="# $file:$line: ${include}"$'\n'
    done < <(grep -nE '^#include "[a-z]+/' -r "src/$room" --include='*.[ch]')
    if [ -z "$bad" ]; then
        echo "ok - src/$room includes only what stands below it"
    else
        printf '%s' "$bad"
        echo "not ok - src/$room includes only what stands below it"
    fi
done
