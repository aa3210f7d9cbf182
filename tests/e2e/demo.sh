#!/bin/bash
# SPDX-License-Identifier: MIT
# `duet serve --demo`: what it refuses, which backends it starts and for whom, and that they live no longer than it does.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash
build=${DUET_BUILD:-build/release}
work=$(mktemp -d)
pids=()
trap 'kill -9 "${pids[@]}" 2>/dev/null; rm -rf "$work"' EXIT
# A program whose backends are ours; the one of the auction is not there.
cp "$build/duet" "$work/duet"
mkdir "$work/examples"
for name in game ticker agent event notify; do
    printf '#!/bin/sh\necho "pid $$ at <$DUET_LISTEN> for $DUET_URL and $DUET_API"\nexec sleep 600\n' >"$work/examples/$name"
done
printf '#!/bin/sh\nexit 4\n' >"$work/examples/device"
chmod +x "$work"/examples/*

refused() {
    local pattern=$1 rc
    shift
    timeout 20 "$work/duet" serve --demo "$@" >"$work/out" 2>&1 </dev/null
    rc=$?
    verdict "--demo is refused: $pattern" "$([ $rc = 2 ] && grep -qE -e "$pattern" "$work/out" || cat "$work/out")"
}

demo() {
    background "$work/log" '"event":"listening"' "$work/duet" serve --log json --demo "$@"
    port=$(port_of "$work/log")
}

# began NAME: the pid of a backend, as it said in the log.
began() {
    grep -o "\"event\":\"backend\",.*pid [0-9]*" "$work/log" | grep "\"way\":\"$1\"" | grep -oE '[0-9]+$'
}

has_begun() {
    [ -n "$(began "$1")" ]
}

gone() {
    local pid
    for pid in "$@"; do
        [ ! -d "/proc/$pid" ] || [ "$(cut -d' ' -f3 "/proc/$pid/stat" 2>/dev/null || echo Z)" = Z ] || return 1
    done
}

logged() {
    grep -qE "$1" "$work/log" || { echo "no $1 in:" && cat "$work/log"; }
}

refused 'leave --demo or --config away' --config "$work/other.yaml"
refused 'leave --demo or --root away' --root "$work"
refused 'leave --demo or --production away' --production
DUET_PAGES=false refused 'DUET_PAGES'
DUET_ROOT=$work refused 'leave --demo or --root away'
verdict "--demo --check looks at its configuration" \
    "$([ "$("$work/duet" serve --demo --check)" = "demo.yaml: all is well" ] || echo "another answer")"
DUET_LIMITS_CHANNELS_MAX=none refused 'DUET_LIMITS_CHANNELS_MAX'

# A number of four ports of which the last three are free, too.
free_ports() {
    /usr/bin/python3 - <<'END'
import random, socket
while True:
    port, taken = random.randrange(20000, 32000), []
    try:
        for i in range(4):
            s = socket.socket()
            taken.append(s)
            s.bind(("127.0.0.1", port + i))
        print(port)
        break
    except OSError:
        pass
    finally:
        for s in taken:
            s.close()
END
}

at=$(free_ports)
demo --listen "unix:$work/socket" --listen "http://127.0.0.1:$at"
for name in game market monitor; do until_true 10 has_begun "$name"; done
verdict "backends know where the server is, and where to listen" "$(
    logged "at <ws://127.0.0.1:$((at + 1))> for ws://127.0.0.1:$at and http://127.0.0.1:$at"
    logged "at <ws://127.0.0.1:$((at + 2))> for ws"
    logged '"way":"monitor","detail":"pid [0-9]+ at <> for ws')"
verdict "one that is missing is one line" \
    "$([ "$(grep -c '"event":"backend_missing"' "$work/log")" = 1 ] || cat "$work/log"; logged '"way":"auction"')"
until_true 10 grep -q 'exit code 4; it is started again in 2000 ms' "$work/log"
verdict "OPS-13: one that ends is started again, later each time" "$(logged 'exit code 4; it is started again in 2000 ms')"
said=$(curl -s "http://127.0.0.1:$at/apps/apps.json")
verdict "the pages are told which run" "$(
    grep -qE "\"demo\":true.*\"game\":\{\"port\":$((at + 1))\},\"market\":\{\"port\":$((at + 2))\},\"monitor\":\{\}" <<<"$said" ||
        echo "$said")"
verdict "the demo's namespaces hold" "$(
    curl -s -d '{"channel":"chat:x","data":1}' "http://127.0.0.1:$at/api/publish" | grep -o '"error".*'
    curl -s "http://127.0.0.1:$at/apps/demo.yaml" | cmp - packaging/demo.yaml)"
running=("$(began game)" "$(began market)" "$(began monitor)")
verdict "OPS-13: no backend has a descriptor of the server's" "$(for each in "${running[@]}"; do
    ls -l "/proc/$each/fd" | grep -vE 'total|/dev/null| [12] -> pipe:'
done)"
kill -9 "$pid"
verdict "OPS-13: kill -9 of the server ends its backends" "$(until_true 10 gone "${running[@]}" || echo "${running[@]}")"
wait "$pid" 2>/dev/null

demo --listen "http://127.0.0.1:$at"
until_true 10 has_begun monitor
running=("$(began game)" "$(began market)" "$(began monitor)")
verdict "the port is free again at once" "$(logged "listening\",\"detail\":\"http://127.0.0.1:$at\"")"
kill "$pid"
wait "$pid"
rc=$?
verdict "SIGTERM ends both, with 0" "$([ $rc = 0 ] || echo "$rc"; gone "${running[@]}" || echo "they live")"

demo --listen http://127.0.0.1:0
until_true 10 has_begun monitor
verdict "those that listen are not started behind a port that was picked" \
    "$(logged '"event":"backend_not_started","way":"game"'; ! has_begun game || echo "game began")"
kill "$pid"
wait "$pid"

demo --listen "unix:$work/socket"
until_true 10 grep -q backends_not_started "$work/log"
verdict "without an address they are not started, and it is said" "$(logged backends_not_started)"
kill "$pid"
wait "$pid"

echo 'at least sixteen bytes' >"$work/key"
printf '#!/bin/sh\necho "key $DUET_API_KEY $DUET_API"\nexec sleep 600\n' >"$work/examples/agent"
other=$(free_ports)
demo --listen http://127.0.0.1:0 --api-key-file "$work/key" --api-listen "http://127.0.0.1:$other"
until_true 10 grep -q "key at" "$work/log"
verdict "they have the API's key and address" "$(logged "key at least sixteen bytes http://127.0.0.1:$other")"
kill "$pid"
wait "$pid"

# Not with --demo.
background "$work/log" '"event":"listening"' "$work/duet" serve --log json --listen http://127.0.0.1:0
port=$(port_of "$work/log")
said=$(curl -s "http://127.0.0.1:$port/apps/apps.json")
verdict "without --demo nothing is started, and the pages are told" \
    "$(grep -qE '"demo":false.*"backends":\{\}' <<<"$said" || echo "$said"; grep backend "$work/log")"
kill "$pid"
wait "$pid"
