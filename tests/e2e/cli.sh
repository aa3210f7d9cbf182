#!/bin/bash
# SPDX-License-Identifier: MIT
# What `duet` says on its command line (OPS-8): bad input gets one line that says what to do, and its exit code; signals, the
# log and closed descriptors do as the manual page says. DUET_BUILD=DIR: which program.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash
duet=${DUET_BUILD:-build/release}/duet
work=$(mktemp -d)
pids=()
trap 'kill -9 "${pids[@]}" 2>/dev/null; rm -rf "$work"' EXIT

# fails CODE PATTERN ARGUMENT...: ends by itself with this code, nothing on standard output, and one line.
fails() {
    local code=$1 pattern=$2 rc lines
    shift 2
    timeout 20 "$duet" "$@" >"$work/out" 2>"$work/err" </dev/null
    rc=$?
    lines=$(wc -l <"$work/err")
    if [ $rc = "$code" ] && [ "$lines" = 1 ] && [ ! -s "$work/out" ] && grep -qE -e "$pattern" "$work/err"; then
        verdict "duet ${*:-} ends with $code: ${pattern//\\/}"
    else
        verdict "duet ${*:-} ends with $code: ${pattern//\\/}" "exit $rc, $lines lines: $(cat "$work/err" "$work/out")"
    fi
}

# says PATTERN ARGUMENT...: 0, and what standard output has.
says() {
    local pattern=$1 rc
    shift
    timeout 20 "$duet" "$@" >"$work/out" 2>"$work/err" </dev/null
    rc=$?
    if [ $rc = 0 ] && [ ! -s "$work/err" ] && grep -qE -e "$pattern" "$work/out"; then
        verdict "duet $* says ${pattern//\\/}"
    else
        verdict "duet $* says ${pattern//\\/}" "exit $rc: $(cat "$work/err" "$work/out")"
    fi
}

# start LOG ARGUMENT...: a server on a free port; sets pid and port.
start() {
    local log=$1
    shift
    : >"$log"
    "$duet" serve --listen http://127.0.0.1:0 "$@" </dev/null >"$log" 2>&1 &
    pid=$!
    pids+=("$pid")
    until_true 10 grep -q serving\\\|listening "$log"
    port=$(port_of "$log")
}

# ends CODE CLAIM: the server that was started last.
ends() {
    local end=$((SECONDS + 20)) rc
    while kill -0 "$pid" 2>/dev/null && [ $SECONDS -lt $end ]; do sleep 0.02; done
    kill -9 "$pid" 2>/dev/null
    wait "$pid"
    rc=$?
    verdict "$2" "$([ $rc = "$1" ] || echo "exit $rc")"
}

status() {
    curl -s -o /dev/null -w '%{http_code}' --max-time 5 "$@"
}

says '^duet [0-9]+\.[0-9]+\.[0-9]+$' --version
verdict "duet --version is one line" "$([ "$("$duet" --version | wc -l)" = 1 ] || echo more)"
says '^  serve  +[A-Z]' --help
says '^  --listen URL  +[A-Z]' serve --help
verdict "what an option does begins in one column" \
    "$("$duet" serve --help | grep '^  --' | grep -vE '^.{28}[^ ]' | grep -vE '^.{27} ?$')"
verdict "help has no colour in a pipe" "$("$duet" serve --help | grep $'\x1b')"
verdict "help has colour on a terminal" \
    "$(TERM=xterm script -qec "$duet serve --help" /dev/null | grep -q $'\x1b\[' || echo none)"
verdict "and none where NO_COLOR is set" \
    "$(NO_COLOR=1 TERM=xterm script -qec "$duet serve --help" /dev/null | grep $'\x1b\[')"

fails 2 'duet --help'
fails 2 'no command .frobnicate.*--help' frobnicate
fails 2 'no option .--frobnicate.*--help' --frobnicate
fails 2 'no option .--port.*--help' serve --port 80
fails 2 'no command .serv.; did you mean .duet serve.\? See .duet --help' serv
fails 2 'no option .--serve.; did you mean .duet serve.\?' --serve
fails 2 'no option .--lisetn.; did you mean .--listen.\? See .duet serve --help' serve --lisetn=http://127.0.0.1:0
fails 2 'no option .--subprotcol.; did you mean .--subprotocol.\?' connect --subprotcol a ws://127.0.0.1:1
fails 2 'no option .---x.; see' serve ---x
fails 2 '.8080. is no option.*--listen' serve 8080
fails 2 '--listen needs a value' serve --listen
fails 2 '--root needs a value' serve --root=
fails 2 '--proxy-protocol takes no value' serve --proxy-protocol=yes
for threads in 0 257 -1 4x '' 99999999999999999999; do
    fails 2 '--threads (takes a number from 1 to 256|needs a value)' serve --threads "$threads"
done
fails 2 '--log takes json or human' serve --log xml
fails 2 '--deflate takes on or off' serve --deflate maybe
fails 2 'needs its --tls-key' serve --tls-cert cert.pem
fails 2 'needs its --tls-cert' serve --tls-key key.pem
fails 2 'ftp://x.*ws: wss:' serve --listen ftp://x
fails 2 'cannot listen on' serve --listen http://127.0.0.1:65536
fails 2 'cannot listen on' serve --admin-listen nonsense --listen http://127.0.0.1:0
fails 2 'is no origin.*https://example.com' serve --origin example.com
fails 2 'is no network.*10.0.0.0/8' serve --trusted-proxy 10.0.0.0/33
fails 2 '--proxy-protocol: proxy_protocol needs trusted_proxies \(--trusted-proxy\)' serve --proxy-protocol
fails 1 '--tls-cert FILE --tls-key FILE' serve --listen https://127.0.0.1:0
fails 1 '/nonexistent/cert.pem.*No such file' serve --tls-cert /nonexistent/cert.pem --tls-key key.pem
fails 1 '/nonexistent.*No such file.*folder' serve --root /nonexistent
fails 1 'folder' serve --root "$duet"

start "$work/log" --log human
verdict "the first line names the address" "$(grep -qE "^Duet [0-9.]+ is serving http://127.0.0.1:$port - open it in a \
browser; Ctrl-C stops it\$" "$work/log" || cat "$work/log")"
fails 1 "port $port is in use.*choose another" serve --listen "http://127.0.0.1:$port"
verdict "/health answers 200" "$(status "http://127.0.0.1:$port/health" | grep -v 200)"
for n in 1 2; do # the second one's line comes behind all of the first one's
    kill -HUP "$pid"
    until_true 10 eval '[ "$(grep -c config_reloaded "$work/log")" = '$n' ]'
done
verdict "SIGHUP without a certificate ends nothing" "$(status "http://127.0.0.1:$port/health" | grep -v 200)"
verdict "and says nothing of one" "$([ "$(grep -c config_reloaded "$work/log")" = 2 ] || cat "$work/log"; grep cert "$work/log")"
kill "$pid"
ends 0 "OPS-1: SIGTERM drains and ends with 0"

start "$work/log" --log json
verdict "as JSON the start is an event" \
    "$(grep -qE '^\{"time":"[^"]*","level":"info","event":"listening",.*\}$' "$work/log" || cat "$work/log")"
curl -sN --max-time 30 "http://127.0.0.1:$port/demo/trace/$(printf '0%.0s' {1..32})" >/dev/null &
pids+=($!)
exec 5<>"/dev/tcp/127.0.0.1/$port"
printf 'GET /demo/echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n%s\r\n\r\n' \
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' >&5
read -r -t 5 -u 5 line
verdict "a WebSocket opens" "$([[ $line == *" 101 "* ]] || echo "$line")"
kill -INT "$pid"
until_true 10 grep -q draining "$work/log"
kill -INT "$pid"
ends 1 "OPS-1: a second signal ends at once, with 1"
exec 5>&-

# OPS-11
"$duet" serve --listen http://127.0.0.1:0 --log json <&- >&- 2>&- &
pid=$!
pids+=("$pid")
listens() {
    readlink "/proc/$pid"/fd/* 2>/dev/null | grep -q signalfd
}
until_true 10 listens
verdict "OPS-11: closed standard descriptors are /dev/null" \
    "$(readlink "/proc/$pid"/fd/[012] | grep -vx /dev/null; listens || echo "it does not run")"
kill "$pid"
ends 0 "OPS-11: and it ends with 0"

# OPS-5: the log is a full pipe that nobody reads.
python3 - "$duet" <<'END'
import fcntl, os, re, signal, socket, subprocess, sys, time, urllib.request

out, to = os.pipe()
fcntl.fcntl(to, fcntl.F_SETPIPE_SZ, 4096)
os.set_blocking(to, False)
try:
    while True:
        os.write(to, b"x" * 512)
except BlockingIOError:
    os.set_blocking(to, True)
with socket.create_server(("127.0.0.1", 0)) as free:
    url = f"http://127.0.0.1:{free.getsockname()[1]}"
program = subprocess.Popen([sys.argv[1], "serve", "--listen", url, "--log", "json"], stderr=to)


def get(path):
    for attempt in range(500):
        try:
            return urllib.request.urlopen(url + path, timeout=5).read().decode()
        except OSError:  # it does not listen yet
            time.sleep(0.02)


def claim(text, good):
    print(f"{'ok' if good else 'not ok'} - OPS-5: {text}")


try:
    claim("it serves while nobody reads its log", get("/health") == "ok\n")
    end = time.time() + 60
    dropped = 0
    while dropped == 0 and time.time() < end:
        for i in range(500):  # each is an event
            program.send_signal(signal.SIGHUP)
            time.sleep(0.0005)
        dropped = int(re.search(r"^duet_log_dropped_total (\d+)$", get("/metrics"), re.M).group(1))
    claim("what the ring cannot hold is dropped and counted", dropped > 0)
    claim("and it still serves", get("/health") == "ok\n")
    program.terminate()
    claim("it ends in order", program.wait(20) == 0)
finally:
    program.kill()
END
