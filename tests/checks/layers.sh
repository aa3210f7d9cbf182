#!/bin/bash
# SPDX-License-Identifier: MIT
# The tree is the architecture: a folder of src/ includes only what stands below it, and rooms on one floor do not know
# each other. A public header belongs to the room that implements it, and counts like that room's own.
#   cmd > wire, engine > hub, hook > server, client > conn > proto, net > http > base
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash

declare -A floor=([base]=0 [http]=1 [proto]=2 [net]=2 [conn]=3 [server]=4 [client]=4 [all]=5 [hub]=5 [hook]=5 [wire]=6
    [engine]=6 [cmd]=7)
declare -A room_of=([error.h]=base [log.h]=base [header.h]=base [request.h]=http [proto.h]=proto [loop.h]=net [tls.h]=net
    [conn.h]=conn [http.h]=conn [server.h]=server [client.h]=client [duet.h]=all)

# may_include ROOM INCLUDE: whether a file of the room may have this, as it stands between the quotes or brackets.
may_include() {
    local from=$1 to=${2%%/*} above=false
    [[ $2 == */* && $2 != ../* && $2 != */../* ]] || return 1
    [ "${floor[$from]}" -lt 5 ] || above=true
    if [ "$to" = duet ]; then
        to=${room_of[${2#duet/}]:-}
        [ -n "$to" ] || return 1
        ! $above || return 0
    fi
    [ "$from" != "$to" ] || return 0
    [ -n "${floor[$to]:-}" ] && [ "${floor[$to]}" -lt "${floor[$from]}" ] || return 1
    # Above server/ and client/ code uses the public headers and base/, which proves that the API is enough.
    ! $above || [ "${floor[$to]}" -ge 5 ] || [ "$to" = base ]
}

# offenders ROOM FILE...
offenders() {
    local room=$1 file line include
    shift
    while IFS=: read -r file line include; do
        include=${include#*[\"<]}
        may_include "$room" "${include%%[\">]*}" || echo "$file:$line: ${include%%[\">]*}"
    done < <(grep -nE '^[[:blank:]]*#[[:blank:]]*include[[:blank:]]*("|<duet/)' "$@" /dev/null)
}

# The rule itself, or the verdicts below would prove nothing.
verdict "the rule knows up from down" "$(
    while read -r answer room include; do
        may_include "$room" "$include" && said=may || said=not
        [ "$said" = "$answer" ] || echo "$room, $include: $said"
    done <<'END'
may base base/mem.h
may conn proto/frame.h
may conn duet/conn.h
may net duet/log.h
may hub duet/duet.h
may cmd wire/plain.h
may engine base/map.h
may wire hook/hook.h
not hub hook/hook.h
not hook hub/hub.h
not base http/head.h
not http duet/proto.h
not proto net/loop.h
not net proto/frame.h
not proto duet/loop.h
not client server/topic.h
not server duet/client.h
not conn duet/duet.h
not hub wire/plain.h
not hub conn/conn.h
not wire engine/local.h
not base nowhere/x.h
not base mem.h
not base ../http/head.h
END
)"

for room in src/*/; do
    room=$(basename "$room")
    if [ -z "${floor[$room]:-}" ]; then
        verdict "src/$room stands on a floor" "the rule does not know it"
        continue
    fi
    mapfile -t files < <(find "src/$room" -name '*.[ch]')
    verdict "src/$room includes only what stands below it" "$(offenders "$room" "${files[@]}")"
done
for header in include/duet/*.h; do
    room=${room_of[${header##*/}]:-}
    if [ -z "$room" ]; then
        verdict "${header##*/} stands on a floor" "the rule does not know it"
    else
        verdict "${header##*/} includes only what stands below it" "$(offenders "$room" "$header")"
    fi
done
