#!/bin/bash
# SPDX-License-Identifier: MIT
# `duet trace` with duet serve: each step of a publication's way. DUET_BUILD=DIR: which program.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash
duet=$(realpath "${DUET_BUILD:-build/release}/duet")
work=$(mktemp -d)
pids=()
trap 'kill -9 "${pids[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT

echo 'a secret of operators' >"$work/token"
cat >"$work/duet.yaml" <<END
admin: { token_file: $work/token }
threads: 3
channels:
  history_size: 10
  history_ttl: 1h
  allow_subscribe_for_anonymous: true
  allow_publish_for_anonymous: true
namespaces:
  - name: shut
    allow_subscribe_for_anonymous: true
END
background "$work/serve" listening "$duet" serve --log json --listen http://127.0.0.1:0 --config "$work/duet.yaml" \
    --data "$work/data"
port=$(port_of "$work/serve")
url=http://127.0.0.1:$port

# trace CHANNEL: in the background, until it follows. `pid` is its.
trace() {
    background "$work/trace" following "$duet" trace "$1" --url "$url" --token-file "$work/token"
}

# api METHOD JSON
api() {
    curl -s -d "$2" "$url/api/$1"
}

# shows PATTERN: within ten seconds.
shows() {
    until_true 10 grep -qE -e "$1" "$work/trace"
}

# step CLAIM PATTERN
step() {
    verdict "$1" "$(shows "$2" || cat "$work/trace")"
}

# stop CLAIM: as Ctrl-C does.
stop() {
    local rc
    kill -INT "$pid"
    wait "$pid"
    rc=$?
    verdict "$1" "$([ $rc = 0 ] || echo "exit $rc"; grep -E 'sanitizer|runtime error' "$work/trace")"
}

members=()
for i in 1 2 3 4 5; do
    background "$work/sub$i" open "$duet" sub --trace "ws://127.0.0.1:$port/channel/a%20b%2Fc"
    members+=("$pid")
done
trace 'a b/c'
api publish '{"channel":"a b/c","data":{"x":1},"idempotency_key":"k"}' >/dev/null
step "it says from where" '^[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}  #1 +came +7 bytes of json by api$'
step "it says which number it got" '^ +\+[0-9]+ us  #1 +numbered +offset 1, and given to the store$'
step "it says that it is kept" '^ +\+[0-9]+ us  #1 +kept +by the store$'
step "it says whom it was told to" '^ +\+[0-9]+ us  #1 +told +5 subscribers, in 1 form$'
given() {
    [ "$(sed -n 's/.*#1 .*has given it to its \([0-9]*\) members\?, in [0-9]* turns\?$/\1/p' "$work/trace" |
        awk '{ n += $1 } END { print n }')" = 5 ]
}
verdict "it says when the loops had given it to all of them" "$(until_true 10 given || cat "$work/trace")"
steps=$(sed -n 's/.*#1 *\([a-z]*\).*/\1/p' "$work/trace" | tr '\n' ' ')
verdict "its steps are in order" "$([[ $steps =~ ^"came "("waits ")?"numbered kept told "(loop\ )+$ ]] || echo "$steps")"
api publish '{"channel":"a b/c","data":{"x":1},"idempotency_key":"k"}' >/dev/null
step "the same key again is known" '#2 +known +its key was seen before, at offset 1$'
printf 'from a client' | "$duet" pub "ws://127.0.0.1:$port/channel/a%20b%2Fc"
step "it says which way a client came, and who it is" '#3 +came +13 bytes of text by channel from \{"user":"","client":"[0-9a-f-]{36}"\}$'
step "there is nothing of what nobody publishes there" '#3 +kept'
api publish '{"channel":"other","data":1}' >/dev/null
stop "it ends by Ctrl-C"
verdict "other channels are not in it" "$(grep -E '#[4-9]' "$work/trace")"

trace shut:c
printf 'no' | timeout 10 "$duet" pub "ws://127.0.0.1:$port/channel/shut:c" >/dev/null 2>&1
step "it says why one was refused" '#[0-9]+ +refused +103: permission denied$'
kill "$pid"

# refused CODE PATTERN ARGUMENT...
refused() {
    local code=$1 pattern=$2 rc
    shift 2
    timeout 20 "$duet" trace "$@" >"$work/out" 2>"$work/err" </dev/null
    rc=$?
    verdict "duet trace ${*//$work/}: $pattern" "$([ $rc = "$code" ] && grep -qE -e "$pattern" "$work/err" && [ ! -s "$work/out" ] ||
        { echo "exit $rc"; cat "$work/err" "$work/out"; })"
}
echo 'another secret that is long' >"$work/wrong"
refused 4 'operators come with their token' c --url "$url"
refused 4 "not the operators' token" c --url "$url" --token-file "$work/wrong"
refused 4 'no such namespace' none:c --url "$url" --token-file "$work/token"
refused 2 'cannot read --token-file' c --url "$url" --token-file "$work/none"
refused 2 'no channel was given' --url "$url"
refused 2 'one channel' a b
refused 2 'unix' c --url unix:/run/duet.sock
refused 2 'leave --auth' c --token-file "$work/token" --header 'Authorization: Bearer x'
kill "${members[@]}"
