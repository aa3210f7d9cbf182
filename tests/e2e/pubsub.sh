#!/bin/bash
# SPDX-License-Identifier: MIT
# `duet sub` and `duet pub` with duet serve and Python's websockets. DUET_BUILD=DIR: which program.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash
duet=$(realpath "${DUET_BUILD:-build/release}/duet")
work=$(mktemp -d)
pids=()
trap 'kill -9 "${pids[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT

# ended CLAIM CODE PATTERN: the program of $pid, whose standard error is $work/err.
ended() {
    local rc
    wait "$pid"
    rc=$?
    verdict "$1" "$([ $rc = "$2" ] && grep -qE -e "$3" "$work/err" || { echo "exit $rc"; cat "$work/err"; })"
}

# sub OPENED ARGUMENT...: in the background, until so many connections are open. Without timeout(1), which dies of a
# signal that comes before its fork() has returned; the stage has its minutes.
sub() {
    local opened=$1
    shift
    : >"$work/err"
    "$duet" sub --trace "$@" </dev/null >"$work/out" 2>"$work/err" &
    pid=$!
    pids+=("$pid")
    until_true 20 opened_are "$opened"
}

opened_are() {
    [ "$(grep -cE '^\* +[0-9.]+  open' "$work/err")" -ge "$1" ]
}

# said PATTERN: what `duet pub` said; nothing when there is no pattern.
said() {
    if [ -n "$1" ]; then
        grep -qE -e "$1" "$work/pub.err"
    else
        [ ! -s "$work/pub.err" ]
    fi
}

# pub CLAIM CODE PATTERN ARGUMENT...
pub() {
    local claim=$1 code=$2 pattern=$3 rc
    shift 3
    timeout 30 "$duet" pub "$@" >"$work/pub.out" 2>"$work/pub.err"
    rc=$?
    verdict "$claim" "$([ $rc = "$code" ] && said "$pattern" && [ ! -s "$work/pub.out" ] ||
        { echo "exit $rc"; cat "$work/pub.err" "$work/pub.out"; })"
}

# serve PORT: sets port and server.
serve() {
    : >"$work/serve"
    "$duet" serve --log json --listen "http://127.0.0.1:$1" </dev/null >"$work/serve" 2>&1 &
    server=$!
    pids+=("$server")
    until_true 20 grep -q listening "$work/serve"
    port=$(grep -oE '127\.0\.0\.1:[0-9]+' "$work/serve" | head -1 | cut -d: -f2)
}

for tool in sub pub; do
    verdict "help of duet $tool" "$("$duet" $tool --help | grep -qE "^Usage: duet $tool .*URL" || echo none)"
    "$duet" $tool >"$work/out" 2>"$work/err"
    verdict "duet $tool without a URL ends with 2" "$([ $? = 2 ] && grep -q 'no URL' "$work/err" || cat "$work/err")"
    "$duet" $tool --wait 1 ws://a >"$work/out" 2>"$work/err"
    verdict "duet $tool has no --wait" "$([ $? = 2 ] && grep -q "duet $tool --help" "$work/err" || cat "$work/err")"
done
verdict "nothing sends, nothing prints" "$("$duet" sub ftp://a 2>&1 | grep -v 'begins with none of')"

serve 0
url=ws://127.0.0.1:$port/channel
sub 2 --count 4 "$url/a" "$url/b"
printf 'one\n\n' >"$work/lines"
printf 'two\nthree' >"$work/more"
pub "pub sends the lines of its files" 0 '' "$url/a" "$work/lines" "$work/more"
ended "sub --count ends" 0 'open'
verdict "and has each line" "$(printf 'one\n\ntwo\nthree\n' | diff - "$work/out")"

sub 2 --count 2 --null "$url/a" "$url/b"
printf 'first\n' | timeout 20 "$duet" pub "$url/a" -
until_true 10 test -s "$work/out"
pub "pub --binary sends a file as one message" 0 '' --binary "$url/b" "$work/lines"
ended "sub hears several URLs" 0 'open'
verdict "--null ends messages" "$(printf 'first\0one\n\n\0' | cmp - "$work/out" 2>&1)"

# Messages with newlines, of no length and with NUL bytes, from one end to the other and back into a file.
printf 'two\nlines\0\0gr\303\274\303\237\n\0last' >"$work/null"
sub 1 --count 4 --null "$url/n"
pub "pub --null" 0 '' --null "$url/n" "$work/null"
ended "sub --null" 0 'open'
verdict "newlines survive --null" "$({ cat "$work/null"; printf '\0'; } | cmp - "$work/out" 2>&1)"
printf '\0\0\0\5a\n\0\377b\0\0\0\0\0\0\0\1\54' >"$work/framed"
{ head -c 300 /dev/zero && seq 1 20000; } >"$work/long"
n=$(stat -c %s "$work/long")
# shellcheck disable=SC2059
printf "$(printf '\\x%02x' $((n >> 24)) $((n >> 16 & 255)) $((n >> 8 & 255)) $((n & 255)))" >>"$work/framed"
cat "$work/long" >>"$work/framed"
sub 1 --count 4 --framed "$url/f"
pub "pub --framed --binary" 0 '' --framed --binary "$url/f" "$work/framed"
ended "sub --framed" 0 'binary +FIN'
verdict "all bytes survive --framed" "$(cmp "$work/framed" "$work/out" 2>&1)"
sub 1 --count 2 --framed "$url/f"
printf '\0\0\0\2hi\0\0\0\0' | pub "pub --framed sends text" 0 '' --framed "$url/f"
ended "and sub has it" 0 'text +FIN'
verdict "as it was" "$(printf '\0\0\0\2hi\0\0\0\0' | cmp - "$work/out" 2>&1)"
printf '\0\0\0\2hi\0\0\0\3ab' >"$work/lines"
pub "a framed message that is cut" 1 'the input ends within a message$' --framed "$url/f" "$work/lines"
printf '\0\0' >"$work/lines"
pub "a length that is cut" 1 "the input ends within a message's length" --framed "$url/f" "$work/lines"
printf '\1\0\0\1' >"$work/lines"
pub "a framed message of 16 MiB and a byte" 1 'over 16 MiB' --framed "$url/f" "$work/lines"
{ head -c 16777217 /dev/zero | tr '\0' a; echo; } >"$work/lines"
pub "a line of 16 MiB and a byte" 1 'a line is over 16 MiB' "$url/f" "$work/lines"
pub "--framed and --null" 2 'of --null, --framed and --hex only one' --framed --null "$url/f"
"$duet" sub --framed --json "$url/f" >"$work/out" 2>"$work/err"
verdict "sub --framed --json" "$([ $? = 2 ] && grep -q 'as they came' "$work/err" || cat "$work/err")"

printf '{"a" : 1}\nno json\n' >"$work/lines"
sub 1 --count 2 --json --timestamps "$url/j"
pub "lines of JSON" 0 '' "$url/j" "$work/lines"
ended "sub --json --timestamps" 0 'open'
verdict "has a line of each" "$(sed -E 's/^20[0-9-]{8}T[0-9:]{8}\.[0-9]{3}Z //' "$work/out" | diff - <(printf '{"a":1}\nno json\n'))"
sub 1 --count 1 --hex "$url/j"
printf '00 ff\n' | pub "pub --hex" 0 '' --hex "$url/j"
ended "sub --hex" 0 'binary +FIN'
verdict "prints the digits" "$(echo 00ff | diff - "$work/out")"

# The rate: so many messages take at least so long. How much longer depends on the machine.
seq 1 41 >"$work/lines"
start=$(date +%s%N)
pub "pub --rate 20 --stats" 0 '^  sent +41 messages, 73 bytes;' --rate 20 --stats "$url/r" "$work/lines"
took=$((($(date +%s%N) - start) / 1000000))
verdict "41 messages at 20 a second take 2 s or more" "$([ $took -ge 2000 ] || echo "$took ms")"

seq 1 50000 >"$work/lines"
sub 1 --count 50000 "$url/c"
pub "50000 lines are sent" 0 '' "$url/c" "$work/lines"
ended "and received" 0 'open'
verdict "in order" "$(cmp "$work/lines" "$work/out" 2>&1)"

printf 'good\n\xff\n' >"$work/lines"
pub "what is no UTF-8 is not sent" 1 'line 2 of .*no UTF-8' "$url/a" "$work/lines"
pub "a file that is not there" 1 'cannot read /nonexistent: No such file' "$url/a" /nonexistent
pub "a folder" 1 'cannot read /: Is a directory' "$url/a" /
pub "a server that is not there" 3 'is the server running' ws://127.0.0.1:1/ "$work/lines"

sub 1 "$url/a"
kill -INT "$pid"
ended "SIGINT ends sub in order" 0 'close +FIN'

sub 1 --count 1 "$url/a"
kill -9 "$server"
wait "$server" 2>/dev/null
serve "$port"
until_true 60 opened_are 2
verdict "a lost connection is told of" "$(grep -q 'closed with 1006.*lost' "$work/err" && grep -q 'tried again' "$work/err" || cat "$work/err")"
printf 'again\n' | timeout 20 "$duet" pub "$url/a"
ended "and comes back" 0 'open'
verdict "with what is sent from then on" "$(printf 'again\n' | diff - "$work/out")"

sub 0 "ws://127.0.0.1:$port/nothing"
ended "a refusal for good ends sub" 4 '404.*path of the URL'
sub 0 "ws://127.0.0.1:1/"
until_true 10 grep -q 'again in' "$work/err"
kill -TERM "$pid"
ended "one that waits for its next attempt ends at once" 0 'Connection refused; again in'

# By the API: what comes of it, and all that may go wrong. The server has a key on an address of its own.
secret=0123456789abcdef
echo "$secret" >"$work/key"
echo wrong >"$work/wrong"
background "$work/keyed" listening "$duet" serve --log json --listen http://127.0.0.1:0 --api-listen "unix:$work/api" \
    --api-key-file "$work/key"
api=http://127.0.0.1:$port
printf '{"a" : 1}\nno json\n' >"$work/lines"
sub 2 --count 4 "$url/x" "$url/y"
pub "pub --channel publishes by the API, in several channels" 0 '' --channel x --channel y "$api/" "$work/lines"
ended "which their members hear" 0 'open'
verdict "JSON as JSON and text as text" "$(sort "$work/out" | diff - <(printf '%s\n' no\ json no\ json '{"a" : 1}' '{"a" : 1}'))"
sub 1 --count 3 --hex "$url/x"
pub "pub --channel --binary" 0 '' --channel x --binary "$api" "$work/more"
printf '00 ff\n' | pub "pub --channel --hex" 0 '' --channel x --hex "$api"
printf '\0\0\0\2hi' | pub "pub --channel --framed" 0 '' --channel x --framed "$api"
ended "bytes go as bytes" 0 'open'
verdict "and are the same" "$(printf '74776f0a7468726565\n00ff\n6869\n' | diff - "$work/out")"
for turn in first second; do
    pub "with a key, the $turn time" 0 '' --channel once --idempotency-key k "$api" "$work/lines"
done
verdict "it is published once" "$(curl -s -d '{"channel":"once"}' "$api/api/history" | grep -q '"offset":2}' || echo no)"
pub "an error of the API has its code" 1 '^duet pub: message 1 was not published in a{256}: error 107, bad request$' \
    --channel "$(printf 'a%.0s' {1..256})" "$api" "$work/lines"
pub "and so has each channel's" 1 'message 1 was not published in a\\x01: error 107, bad request$' --channel fine \
    --channel $'a\1' "$api" "$work/lines"
verdict "the other has it, and nothing behind it" \
    "$(curl -s -d '{"channel":"fine"}' "$api/api/history" | grep -q '"offset":1}' || echo no)"
printf 'good\n\xff\n' | pub "what is no UTF-8 is not published" 1 'line 2 of .*no UTF-8' --channel x "$api"
head -c 16777217 /dev/zero | pub "a file of 16 MiB and a byte" 1 'a file is over 16 MiB' --channel x --binary "$api"
pub "without the key" 4 'status 401: the API wants its key' --channel x "unix:$work/api" "$work/lines"
pub "with another" 4 "status 401: this is not the API's key" --channel x --api-key-file "$work/wrong" "unix:$work/api" "$work/lines"
pub "with the key, to its own address" 0 '' --channel x --api-key-file "$work/key" "unix:$work/api" "$work/lines"
pub "with the key as a field" 0 '' --channel x --header "X-API-Key: $secret" "unix:$work/api" "$work/lines"
pub "where there is no API" 4 'status 40[45]' --channel x "$api/nowhere" "$work/lines"
pub "where nobody is" 3 'message 1 was not published: .*connect' --channel x http://127.0.0.1:1 "$work/lines"
pub "what speaks no HTTP" 2 "URL is the server's" --channel x ftp://a "$work/lines"
pub "a URL with a query" 2 "URL is the server's" --channel x "$api?x" "$work/lines"
pub "a key that is not there" 2 'cannot read --api-key-file /nonexistent' --channel x --api-key-file /nonexistent "$api"
pub "a key that is empty" 2 'has no key of one line' --channel x --api-key-file /dev/null "$api"
pub "a key without a channel" 2 'need --channel NAME' --idempotency-key k "$api"
pub "a WebSocket's option" 2 'are of WebSockets' --channel x --stats "$api"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=IP:127.0.0.1 -keyout "$work/tls.key" -out "$work/tls.pem" 2>/dev/null
background "$work/tls" listening "$duet" serve --log json --listen https://127.0.0.1:0 --tls-cert "$work/tls.pem" --tls-key "$work/tls.key"
tls=https://$(grep -oE '127\.0\.0\.1:[0-9]+' "$work/tls" | head -1)
pin=sha256/$(openssl x509 -in "$work/tls.pem" -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64)
pub "by TLS, with its certificate" 0 '' --channel x --ca "$work/tls.pem" "$tls" "$work/lines"
pub "without it" 3 'certificate' --channel x "$tls" "$work/lines"
pub "with its key, and verified by nothing else" 0 '' --channel x --insecure --pin "$pin" "$tls" "$work/lines"
pub "with another's key" 3 'public key' --channel x --insecure --pin "sha256/$(head -c 32 /dev/zero | base64)" "$tls" "$work/lines"
# One that takes the question and says nothing: the interrupt is heard.
/usr/bin/python3 -c 'import socket, time
s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1], flush=True); c = s.accept()[0]; print(c.recv(9), flush=True); time.sleep(60)' \
    </dev/null >"$work/mute" 2>&1 &
pids+=($!)
until_true 20 test -s "$work/mute"
"$duet" pub --channel x "http://127.0.0.1:$(head -1 "$work/mute")" "$work/lines" </dev/null 2>"$work/err" &
pid=$!
pids+=("$pid")
until_true 20 grep -q POST "$work/mute"
start=$SECONDS
kill -TERM "$pid"
ended "SIGTERM ends one that waits for an answer" 1 'message 1 was not published: interrupted; it may have been'
verdict "and does not wait until it gives up by itself (30 s)" "$([ $((SECONDS - start)) -lt 20 ] || echo "$((SECONDS - start)) s")"

cat >"$work/peer.py" <<'END'
import asyncio
import websockets


async def handler(ws, *path):
    where = ws.request.path if hasattr(ws, "request") else ws.path
    if where.startswith("/close/"):
        await ws.recv()
        await ws.close(int(where[7:]), "enough")
    else:
        async for message in ws:
            print(repr(message), flush=True)


async def main():
    server = await websockets.serve(handler, "127.0.0.1", 0)
    print(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Future()


asyncio.run(main())
END
/usr/bin/python3 "$work/peer.py" </dev/null >"$work/python" 2>&1 &
pids+=($!)
until_true 20 grep -q 127 "$work/python"
python=ws://$(head -1 "$work/python")
printf 'gr\xc3\xbc\xc3\x9f\n\nend' >"$work/lines"
pub "Python's websockets is sent to" 0 '' --deflate "$python/" "$work/lines"
pub "in binary, too" 0 '' --binary "$python/" "$work/more"
verdict "and has read all when pub ends" "$(printf '%s\n' "'grüß'" "''" "'end'" "b'two\\nthree'" | diff - <(sed 1d "$work/python"))"
yes | pub "a server that closes before the end" 1 'closed with 1000.*enough' "$python/close/1000"

# Both queues fill again and again, and a socket file takes little: neither may wait for the other for ever.
"${DUET_BUILD:-build/release}/examples/echo" "unix:$work/echo" </dev/null >/dev/null 2>&1 &
pids+=($!)
until_true 20 test -S "$work/echo"
head -c 300000 /dev/zero | tr '\0' x >"$work/line"
for i in {1..400}; do cat "$work/line" && echo "$i"; done >"$work/bulk"
pub "120 MB to an echo that reads no more while it cannot write" 0 '' "unix:$work/echo" "$work/bulk"
timeout 100 "$duet" connect --count 400 "unix:$work/echo" <"$work/bulk" >"$work/out" 2>"$work/err"
verdict "and they come back whole" "$(cmp "$work/bulk" "$work/out" 2>&1)"
