#!/bin/bash
# SPDX-License-Identifier: MIT
# `duet bench` with servers that work and servers that do not. Counts are compared, never times: what a rate makes due
# is known to the message. DUET_BUILD=DIR: which program.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash
build=$(realpath "${DUET_BUILD:-build/release}")
duet=$build/duet
work=$(mktemp -d)
pids=()
trap 'kill -CONT "${pids[@]}" 2>/dev/null; kill -9 "${pids[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT

# bench ARGUMENT...: as JSON into $work/out; $rc. It sleeps when there is nothing to do: others test on this machine.
bench() {
    timeout --foreground 120 "$duet" bench --json --poll sleep --warm-up 0 --wait 60 "$@" </dev/null >"$work/out" 2>"$work/err"
    rc=$?
}

# claim WORDS CODE EXPRESSION: of Python, about `r`, what the last `bench` said, and `e`, the errors that there were.
claim() {
    local judge='import json, sys; r = json.load(open(sys.argv[1])); e = {k: v for k, v in r["errors"].items() if v}'
    verdict "$1" "$([ $rc = "$2" ] && /usr/bin/python3 -c "$judge; assert eval(sys.argv[2])" "$work/out" "$3" 2>&1 ||
        { echo "exit $rc, wanted $2: $3"; cat "$work/out" "$work/err"; })"
}

# refused CLAIM PATTERN ARGUMENT...: the command line is not taken.
refused() {
    local words=$1 pattern=$2
    shift 2
    "$duet" bench "$@" >"$work/out" 2>"$work/err"
    rc=$?
    verdict "$words" "$([ $rc = 2 ] && [ ! -s "$work/out" ] && grep -qE -e "$pattern" "$work/err" || { echo "exit $rc"; cat "$work/err"; })"
}

# --- Command lines.

verdict "help" "$("$duet" bench --help | grep -q '^Usage: duet bench .*URL' || echo none)"
refused "no URL" 'no URL' echo
refused "no such mode" 'no mode .ecko' ecko ws://127.0.0.1/
refused "two URLs" 'one URL' ws://127.0.0.1/ ws://127.0.0.1/
refused "a size under the least" '--size takes bytes from 8' --size 7 ws://127.0.0.1/
refused "a size over the most" '--size takes bytes' --size 17m ws://127.0.0.1/
refused "a rate and a number in flight" 'leave one out' --rate 5 --in-flight 2 ws://127.0.0.1/
refused "two kinds" 'exclude each other' --text --binary ws://127.0.0.1/
refused "publishers of an echo" 'for fanout' --publishers 2 ws://127.0.0.1/
refused "a slow echo" 'mode slow' --slow 2 ws://127.0.0.1/
refused "all of them slow" 'some of the connections must read' slow --connections 2 --slow 2 ws://127.0.0.1/
refused "more processes than connections" 'more processes' --connections 2 --processes 3 ws://127.0.0.1/
refused "a process that is not there" 'no such process' --pid 4194305 ws://127.0.0.1/
refused "a process by name" '--pid takes the number' --pid duet ws://127.0.0.1/
refused "too many for one address" '28,000.*--source' --connections 28001 ws://192.0.2.1/
refused "no URL of ours" 'begins with none of' ftp://127.0.0.1/
refused "where none can publish" 'begins with none of' fanout --publish ftp://127.0.0.1/ ws://127.0.0.1/
refused "a header that breaks the handshake" "handshake's own" --header 'Upgrade: x' ws://127.0.0.1/
refused "a source that is no address" 'bind_address is no IP address' --source 127.0.0.2 --source here ws://127.0.0.1/
rc=$(ulimit -n 200; timeout 20 "$duet" bench idle --connections 1000 ws://127.0.0.1:1/ >"$work/out" 2>&1; echo $?)
verdict "too few open files are told with the way out" "$([ "$rc" = 2 ] && grep -q 'needs 1064 open files and may have 200: use --processes 8' "$work/out" || cat "$work/out")"

# --- Servers that work.

# echo_at URL: sets url and server.
echo_at() {
    "$build/examples/echo" "$1" </dev/null >"$work/echo" 2>&1 &
    server=$!
    pids+=("$server")
}
port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
url=ws://127.0.0.1:$port
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
echo_at "$url"
until_true 30 listens "$port"

bench "$url" --duration 0.5 --connections 10 --in-flight 4 --pid "$server"
claim "an echo" 0 'r["ok"] and not e and r["opened"] == 10 and r["count"] > 0 and r["sent"] == r["received"] == r["expected"]'
claim "with the server's time and memory" 0 'r["server"]["cpu_ns_each"] > 0 and r["server"]["rss"] > 1e6'
claim "and percentiles that grow" 0 '(lambda l: l["min"] <= l["p50"] <= l["p90"] <= l["p99"] <= l["p99_9"] <= l["max"] and l["count"] > 0)(r["latency_us"])'
bench "$url" --duration 2 --rate 300 --connections 7 --processes 3
claim "a rate is kept to the message, over processes" 0 'r["sent"] == r["latency_us"]["count"] == r["late_us"]["count"] == r["received"] == 600'
for kind in text binary utf8; do
    bench "$url" --duration 1 --rate 200 --connections 3 --size 8-5000 --$kind
    claim "$kind of any size" 0 'r["received"] == 200 and r["type"] in ("text", "binary", "utf8")'
done
bench "$url" --duration 0.5 --connections 2 --in-flight 3 --size 8,1k,1m --binary
claim "large ones, too" 0 'r["sent"] == r["received"] > 0'
bench "$url" --duration 0.5 --connections 2 --size 1k --utf8 --deflate
claim "compressed" 0 'r["sent"] == r["received"] > 0'
bench connect "$url" --duration 0.5 --connections 4 --pid "$server"
claim "connections open and close" 0 'r["ok"] and r["opened"] >= r["count"] > 0 and r["open_us"]["count"] > 0 and r["server"]["cpu_ns_each"] > 0'
bench connect "$url" --duration 1 --rate 50 --connections 10 --processes 2
claim "at a rate" 0 'r["opened"] == r["open_us"]["count"] == 50'
bench idle "$url" --duration 0.3 --connections 60 --processes 2 --pid "$server"
claim "connections are held" 0 'r["ok"] and r["opened"] == 60 and r["open_us"]["count"] == 60 and "own_each" in r["server"]'
timeout 60 "$duet" bench "$url" --poll sleep --duration 1 --warm-up 0.1 --plot "$work/plot.svg" >"$work/out" 2>"$work/err"
verdict "a table" "$([ $? = 0 ] && grep -qE '^  messages  [0-9,]+ a second' "$work/out" && grep -qE '^  latency .*(us|ms)' "$work/out" && ! grep -q $'\x1b' "$work/out" && [ ! -s "$work/err" ] || cat "$work/out" "$work/err")"
cat >"$work/picture.py" <<'END'
import sys, xml.dom.minidom
d = xml.dom.minidom.parse(sys.argv[1])
words = " ".join(t.firstChild.data for t in d.getElementsByTagName("text"))
assert "90 %" in words and "duet bench echo" in words, words
assert len(d.getElementsByTagName("polyline")) == 1 and "prefers-color-scheme:dark" in d.toxml()
assert "http" not in d.toxml().replace("http://www.w3.org/2000/svg", "")
END
verdict "and a picture" "$(/usr/bin/python3 "$work/picture.py" "$work/plot.svg" 2>&1)"
timeout 60 "$duet" bench "$url" --poll sleep --duration 0.1 --plot /nonexistent/x.svg >"$work/out" 2>"$work/err"
verdict "a picture that cannot be written" "$([ $? = 1 ] && grep -q 'cannot write /nonexistent/x.svg: No such file' "$work/err" || cat "$work/err")"
cat >"$work/terminal.py" <<'END'
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    os.execv(sys.argv[1], [sys.argv[1], "bench", sys.argv[2], "--poll", "sleep", "--duration", "1", "--warm-up", "0.5"])
said = b""
while True:
    try:
        piece = os.read(fd, 65536)
    except OSError:
        break
    if not piece:
        break
    said += piece
status = os.waitpid(pid, 0)[1]
assert status == 0 and b" of 1 s" in said and b"\x1b[1mduet bench" in said, said
END
verdict "progress and colours are for terminals" "$(/usr/bin/python3 "$work/terminal.py" "$duet" "$url" 2>&1)"
bench "$url" --duration 0.1 --rate 100 --connections 1 --trace
verdict "each frame can be seen" "$([ $rc = 0 ] && [ "$(grep -cE ' text +FIN' "$work/err")" = 20 ] && grep -q '101 Switching' "$work/err" || cat "$work/err")"
kill -TERM "$server"
wait "$server"

echo_at "unix:$work/sock"
until_true 30 test -S "$work/sock"
bench "unix:$work/sock" --duration 1 --rate 100 --connections 3
claim "over a unix socket" 0 'r["received"] == 100'

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/key" -out "$work/cert" -days 2 \
    -subj /CN=bench -addext subjectAltName=IP:127.0.0.1 2>/dev/null
"$duet" serve --listen https://127.0.0.1:0 --listen http://127.0.0.1:0 --tls-cert "$work/cert" --tls-key "$work/key" </dev/null >"$work/serve" 2>&1 &
site=$!
pids+=("$site")
until_true 30 test -s "$work/serve"
until_true 30 grep -qE 'http://127\.0\.0\.1:[0-9]+' "$work/serve"
secure=$(grep -oE 'https://127\.0\.0\.1:[0-9]+' "$work/serve" | head -1 | grep -oE '[0-9]+$')
plain=$(grep -oE 'http://127\.0\.0\.1:[0-9]+' "$work/serve" | head -1 | grep -oE '[0-9]+$')
channel=ws://127.0.0.1:$plain/channel/bench
bench fanout "wss://127.0.0.1:$secure/channel/bench" --ca "$work/cert" --duration 1 --rate 20 --connections 5
claim "with TLS" 0 'r["received"] == r["expected"] == 100'
bench fanout "wss://127.0.0.1:$secure/channel/bench" --duration 1 --connections 5
claim "whose certificate is verified" 1 'e == {"not_opened": 6} and "self-signed" in r["first_error"]'
bench fanout "$channel" --duration 2 --rate 50 --connections 20
claim "a fan-out at a rate: each subscriber gets each" 0 'r["received"] == r["expected"] == r["latency_us"]["count"] == 2000'
bench fanout "$channel" --duration 1 --rate 60 --connections 10 --publishers 3 --processes 2
claim "from several publishers" 0 'r["received"] == r["expected"] == 600 and r["publishers"] == 3'
bench fanout "$channel" --duration 0.5 --connections 10 --in-flight 3 --processes 2
claim "as many as are in flight" 0 'r["received"] == r["expected"] >= 10'
bench slow "$channel" --duration 1 --rate 100 --connections 12 --slow 2 --size 4k
claim "slow readers do not harm the others" 0 'r["ok"] and r["received"] == r["expected"] == 1000'
bench slow "$channel" --duration 0.2 --rate 50 --connections 20
claim "one in ten of them, if it is not said" 0 'r["ok"] and r["received"] == r["expected"] == 180'
bench "ws://127.0.0.1:$plain/nothing" --connections 3
claim "a refusal" 1 'e == {"not_opened": 3} and "404" in r["first_error"]'
bench "ws://127.0.0.1:1/" --connections 3
claim "nobody there" 1 'e == {"not_opened": 3} and "refused" in r["first_error"] and r["seconds"] == 0'
bench connect "ws://127.0.0.1:1/" --connections 3
claim "nobody there, again and again, ends" 1 'r["errors"]["not_opened"] >= 1000 and r["opened"] == 0'

# --- Servers that do not work.

/usr/bin/python3 tests/e2e/tools/broken.py </dev/null >"$work/broken" 2>&1 &
broken=$!
pids+=("$broken")
until_true 30 grep -q port "$work/broken"
at=ws://127.0.0.1:$(head -1 "$work/broken" | grep -oE '[0-9]+')

bench "$at/echo" --duration 1 --rate 100 --connections 3 --deflate
claim "what a healthy one does is all well" 0 'r["ok"] and r["received"] == 100'
bench "$at/echo" --duration 0.2 --connections 3 --source 127.0.0.8 --source 127.0.0.9
verdict "connections come from where they should" "$([ $rc = 0 ] && grep -q 'from 127.0.0.8' "$work/broken" && grep -q 'from 127.0.0.9' "$work/broken" || cat "$work/broken" "$work/err")"

# breaks HOW ERRORS: an echo with a rate and without, and a fan-out.
breaks() {
    bench "$at/echo/$1" --duration 1 --rate 100 --connections 4 --wait 1
    claim "$1 at a rate is told to the message" 1 "e == $2 and r['first_error']"
    bench "$at/echo/$1" --duration 1 --in-flight 4 --connections 4 --wait 1 --binary --size 100
    claim "$1 of those in flight is" 1 "e == $2"
    bench fanout "$at/fan/$1" --publish "$at/fan/$1?pub" --duration 1 --rate 50 --connections 4 --wait 1
    claim "$1 by a subscriber is" 1 "e == $2"
}
bench "$at/echo/lose" --duration 1 --rate 100 --connections 4 --wait 1
claim "what is lost is told" 1 'e == {"lost": 3} and r["expected"] == 100 and r["received"] == 97'
bench fanout "$at/fan/lose" --publish "$at/fan/lose?pub" --duration 1 --rate 50 --connections 4 --wait 1
claim "and who lost it" 1 'e == {"lost": 3} and r["expected"] == 200 and r["received"] == 197'
bench fanout "$at/fan/begin" --publish "$at/fan/begin?pub" --duration 1 --rate 50 --connections 4 --wait 1
claim "from the start of the measuring on" 1 'e == {"lost": 3} and r["received"] == 197'
bench fanout "$at/fan/begin" --publish "$at/fan/begin?pub" --duration 1 --rate 50 --connections 4 --warm-up 0.5
claim "and not before, when it may not be subscribed yet" 0 'not e and r["expected"] == r["received"] == 297'
bench "$at/echo/lose" --duration 1 --in-flight 4 --connections 4 --wait 1
claim "in flight, too" 1 'e == {"lost": 3}'
breaks twice '{"twice": 3}'
breaks swap '{"out_of_order": 3}'
breaks change '{"changed": 3}'
breaks short '{"changed": 3}'
bench "$at/echo/head" --duration 1 --rate 100 --connections 4 --wait 1
claim "a head that is changed is" 1 'e == {"changed": 3}'
bench "$at/echo/cross" --duration 1 --rate 100 --connections 4 --wait 1
claim "what another should have got is" 1 'e == {"strange": 3}'
bench "$at/echo/close" --duration 1 --rate 100 --connections 4 --wait 1
claim "a connection that the server closed is" 1 'e["closed"] == 1 and e["unsent"] > 0 and "1011" in r["first_error"]'

# --- Time and signals.

# Without coordinated omission: what is due while the server stands still is late by as much. Of 1000 messages in 5
# seconds a hundredth is due in the first 50 ms of a second's halt, and waits 950 ms at least, on whatever machine.
bench "$at/echo/halt" --duration 5 --rate 200 --connections 10 &
load=$!
is_stopped() { grep -q '^State:.T' "/proc/$broken/status"; }
until_true 60 is_stopped
sleep 1
kill -CONT "$broken"
wait "$load"
rc=0
claim "a server that stands still for a second is charged for all that was due" 0 'r["latency_us"]["count"] == r["received"] == 1000 and r["latency_us"]["p99"] > 900e3 and r["latency_us"]["mean"] > 50e3'

# interrupt SIGNALS...: a long run, once a hundred messages have passed.
interrupt() {
    : >"$work/err"
    "$duet" bench --json --poll sleep --warm-up 0 --duration 600 --rate 200 --connections 2 "$at/echo/$place" </dev/null >"$work/out" 2>"$work/err" &
    load=$!
    pids+=("$load")
    until_true 60 grep -q "hundred /echo/$place" "$work/broken"
}
place=once interrupt
kill -INT "$load"
wait "$load"
rc=$?
claim "Ctrl-C ends it with what was measured" 0 'r["interrupted"] and r["ok"] and r["received"] == r["sent"] >= 100 and r["seconds"] < 600'
place=halt interrupt
until_true 60 is_stopped
kill -INT "$load"
sleep 0.2
kill -INT "$load"
wait "$load"
verdict "twice ends it at once" "$([ $? = 1 ] && [ ! -s "$work/out" ] || cat "$work/out" "$work/err")"
kill -9 "$broken"
