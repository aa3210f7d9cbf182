#!/bin/bash
# SPDX-License-Identifier: MIT
# NET-2, NET-5: each system call of the loop fails now and then, one kind at a time, under `duet serve`. A connection may be
# lost by it; the server may not end, spin or stop serving. DUET_BUILD=DIR: which program.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash
duet=${DUET_BUILD:-build/release}/duet
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill -KILL "$server" 2>/dev/null; rm -rf "$folder"' EXIT
failed=0

if ! strace -o /dev/null true 2>/dev/null; then
    echo "ok - # SKIP no strace here, or it may not trace"
    exit 0
fi
# A sanitizer's own calls would fail as well.
case $duet in *asan*|*tsan*) echo "ok - # SKIP not under a sanitizer"; exit 0 ;; esac

# Seconds of CPU the server has used.
cpu() {
    awk -v tick="$(getconf CLK_TCK)" '{ print ($14 + $15) / tick }' "/proc/$1/stat"
}

# A client that asks, sends and listens; prints how often all of it went well.
client() {
    /usr/bin/python3 - "$1" <<'PYTHON'
import asyncio, sys, urllib.request, websockets
port, fine = sys.argv[1], 0

def ask():
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=3) as answer:
        return answer.status

async def main():
    global fine
    for i in range(12):
        try:
            await asyncio.to_thread(ask)
            async with websockets.connect(f"ws://127.0.0.1:{port}/channel/a", open_timeout=3, close_timeout=1) as ws:
                await ws.send(str(i))
                fine += await asyncio.wait_for(ws.recv(), 3) == str(i)
        except Exception:
            pass

asyncio.run(main())
print(fine)
PYTHON
}

# trial SYSCALL ERROR WHEN
trial() {
    local port started fine tracer used
    port=$(free_port)
    strace -f -qq -o /dev/null -e "trace=$1" -e "inject=$1:error=$2:when=$3" \
        "$duet" serve --listen "http://127.0.0.1:$port" >/dev/null 2>"$folder/log" &
    tracer=$!
    for _ in $(seq 100); do
        curl -sf -m 1 "http://127.0.0.1:$port/health" >/dev/null && break
        sleep 0.05
    done
    server=$(pgrep -P "$tracer" | head -1)
    started=$(cpu "$server")
    fine=$(client "$port")
    sleep 0.5
    used=$(awk -v a="$started" -v b="$(cpu "$server")" 'BEGIN { print b - a }')
    if [ "$fine" -ge 4 ] && kill -0 "$server" && awk -v u="$used" 'BEGIN { exit !(u < 2) }'; then
        echo "ok - $1 fails with $2 at each $3"
    else
        echo "not ok - $1 fails with $2 at each $3: $fine of 12 went well, $used s of CPU"
        failed=1
    fi
    kill -KILL "$server" "$tracer" 2>/dev/null
    wait "$tracer" 2>/dev/null
    server=
}

trial accept4 ENOMEM 3+5
trial accept4 ECONNABORTED 3+5
trial accept4 EMFILE 3+7
trial recvfrom EAGAIN 3+3
trial recvfrom EINTR 3+3
trial recvfrom ENOMEM 7+7
trial sendto EINTR 3+3
trial sendto EAGAIN 3+5
trial sendto ENOBUFS 7+7
trial epoll_ctl ENOMEM 9+7
trial epoll_wait EINTR 3+3
trial shutdown ENOTCONN 2+2
exit $failed
