#!/bin/bash
# SPDX-License-Identifier: MIT
# `duet serve --data`: what was acknowledged is there after a kill, under the same epoch; one server a folder (STO-6); a
# damaged file is set aside and said (STO-3); batch and memory begin new epochs after a kill (STO-1). DUET_BUILD=DIR:
# which program.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash
duet=$(realpath "${DUET_BUILD:-build/release}/duet")
work=$(mktemp -d)
pids=()
trap 'kill -9 "${pids[@]}" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1

servers=0
start() {
    log=$((++servers)).log
    background $log 'serving|listening' "$duet" serve --log json --listen http://127.0.0.1:0 "$@"
    port=$(port_of $log)
}

killed() {
    kill -9 "$pid"
    wait "$pid"
} 2>/dev/null

# publish N: the answer comes when it is kept.
publish() {
    curl -s --max-time 20 -H 'Content-Type: application/json' -d "{\"channel\":\"lobby\",\"data\":$1}" \
        "http://127.0.0.1:$port/api/publish"
}

# field NAME: of an answer of the API.
field() {
    grep -oE "\"$1\":\"?[A-Za-z0-9_-]+" | head -1 | sed 's/.*[:"]//'
}

history() {
    curl -s --max-time 20 -H 'Content-Type: application/json' -d '{"channel":"lobby","limit":-1}' \
        "http://127.0.0.1:$port/api/history"
}

# The numbers of the history, in order.
numbers() {
    history | grep -oE '"data":[0-9]+' | cut -d: -f2 | tr '\n' ' '
}

start --data data
epoch=$(publish 1 | field epoch)
for n in 2 3 4 5; do publish $n >/dev/null; done
verdict "publications with --data have an epoch" "$([ ${#epoch} = 8 ] || history)"
killed
start --data data
verdict "STO-1: what was acknowledged is there after kill -9" "$([ "$(numbers)" = "1 2 3 4 5 " ] || history)"
verdict "STO-1: under the epoch that it had" "$([ "$(history | field epoch)" = "$epoch" ] || history)"
verdict "offsets go on" "$([ "$(publish 6 | field offset)" = 6 ] || history)"
curl -sN --max-time 20 -H "Last-Event-ID: $epoch:4" "http://127.0.0.1:$port/events?channel=lobby" >events &
pids+=($!)
verdict "a reader from before gets exactly what it missed" "$(until_true 20 grep -q "^id: $epoch:6" events &&
    [ "$(grep '^data: ' events | tr '\n' ' ')" = "data: 5 data: 6 " ] || cat events)"

"$duet" serve --listen http://127.0.0.1:0 --data data >out 2>err </dev/null
verdict "STO-6: a second server on the folder exits with 1 and a line" "$([ $? = 1 ] && [ "$(wc -l <err)" = 1 ] &&
    grep -q "data is in use by another process, $pid" err || cat err)"
printf 'store:\n  engine: sqlite\n  data: %s/data\n' "$work" >a.yaml
verdict "--check leaves the folder to who has it" "$("$duet" serve --config a.yaml --check 2>&1 | grep -v 'all is well')"
verdict "nobody else may read it" "$(stat -c '%a %n' data data/* | grep -v '^[67]00 ')"

kill -TERM "$pid"
wait "$pid"
verdict "SIGTERM ends it in order" "$([ $? = 0 ] && [ ! -e data/duet.sqlite-wal ] || ls data)"
start --data data --durability batch
verdict "an orderly stop keeps the epoch" "$([ "$(history | field epoch)" = "$epoch" ] && ! grep store_ $log || cat $log)"
publish 7 >/dev/null
killed
start --data data --durability batch
verdict "STO-1: batch begins a new epoch after a kill" "$([ "$(numbers)" = "1 2 3 4 5 6 7 " ] &&
    [ "$(history | field epoch)" != "$epoch" ] && grep -q store_unclean $log || { history; cat $log; })"

epoch=$(history | field epoch)
kill -TERM "$pid"
wait "$pid"
dd if=/dev/urandom of=data/duet.sqlite bs=4096 seek=2 count=1 conv=notrunc status=none
start --data data
verdict "STO-3: a damaged file is set aside, and the log says so" "$(grep -q store_damaged $log &&
    ls data | grep -q 'duet.sqlite.damaged-' || cat $log)"
verdict "and the server serves" "$([ "$(publish 8 | field offset)" -ge 1 ] || cat $log)"
verdict "under another epoch" "$([ "$(history | field epoch)" != "$epoch" ] || history)"

: >file
"$duet" serve --listen http://127.0.0.1:0 --data file >out 2>err </dev/null
verdict "what is no folder is refused with 1 and a line" "$([ $? = 1 ] && grep -q 'file: is no folder' err || cat err)"
"$duet" serve --data data --durability never >out 2>err </dev/null
verdict "an unknown durability is refused with 2" "$([ $? = 2 ] && grep -q 'fsync, batch or memory' err || cat err)"

# A disk of its own, so small that it is full at once.
small=$work/small
mkdir "$small"
if mount -t tmpfs -o size=600k none "$small" 2>/dev/null; then
    trap 'kill -9 "${pids[@]}" 2>/dev/null; umount -l "$small"; rm -rf "$work"' EXIT
    start --data "$small/data"
    publish 1 >/dev/null
    health() {
        curl -s --max-time 20 -w ' %{http_code}' "http://127.0.0.1:$port/${1:-health}" | tr '\n' ' '
    }
    verdict "OPS-7: with a store that works /health says ok" "$(health | grep -v '^ok  *200')"
    dd if=/dev/zero of="$small/full" bs=1k count=600 status=none 2>/dev/null
    refused() {
        publish "\"$(printf 'x%.0s' {1..20000})\"" | grep -q '"code":100'
    }
    verdict "STO-4: on a full disk a publication is refused" "$(until_true 20 refused || health)"
    verdict "OPS-7: /health says so" "$(health | grep -v '^store: .* 503')"
    verdict "/livez asks for no other process all the same" "$(health livez | grep -v '^ok  *200')"
    rm "$small/full"
    kept() {
        publish 2 | grep -q '"offset"'
    }
    verdict "STO-4: with room again it goes on without a restart" "$(until_true 60 kept || health)"
    verdict "OPS-7: and /health is well" "$(until_true 20 eval 'health | grep -q "^ok  *200"' || health)"
else
    echo "ok - a full disk # SKIP nothing can be mounted here"
fi
