#!/bin/bash
# SPDX-License-Identifier: MIT
# `duet connect` in pipes and on a terminal, against duet serve, npm's ws and Python's websockets.
# DUET_BUILD=DIR: which program.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash
duet=$(realpath "${DUET_BUILD:-build/release}/duet")
work=$(mktemp -d)
pids=()
trap 'kill -9 "${pids[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT

# connect CLAIM CODE OUTPUT PATTERN ARGUMENT...: standard input comes from $work/in; what goes to standard output is OUTPUT
# as printf writes it, and standard error has PATTERN.
connect() {
    local claim=$1 code=$2 output=$3 pattern=$4 rc
    shift 4
    timeout 60 "$duet" connect "$@" <"$work/in" >"$work/out" 2>"$work/err"
    rc=$?
    # shellcheck disable=SC2059
    printf "$output" >"$work/wanted"
    if [ $rc = "$code" ] && cmp -s "$work/wanted" "$work/out" && grep -qE -e "$pattern" "$work/err"; then
        verdict "${claim//$'\r\n'/ }"
    else
        verdict "$claim" "exit $rc: $(head -c 2000 "$work/err"; echo "; output:"; head -c 500 "$work/out" | od -c)"
    fi
}

# refused CODE PATTERN ARGUMENT...: one line, and nothing on standard output.
refused() {
    local code=$1 pattern=$2
    : >"$work/in"
    connect "duet connect ${*:3} ends with $code: ${pattern//\\/}" "$code" '' "^duet connect: .*($pattern)" "${@:3}"
    verdict "in one line" "$(sed 1d "$work/err")"
}

input() {
    # shellcheck disable=SC2059
    printf "$@" >"$work/in"
}

# The command line.
verdict "help is there" "$("$duet" connect --help | grep -qE '^  --header .N: V. +A field' || echo none)"
refused 2 'no URL was given'
refused 2 'one URL is enough' ws://a ws://b
refused 2 'no option .--frobnicate' --frobnicate ws://a
refused 2 '--count takes a number from 1' --count 0 ws://a
refused 2 '--count takes a number from 1' --count -1 ws://a
refused 2 '--wait takes seconds' --wait soon ws://a
refused 2 '--header takes' --header nonsense ws://a
refused 2 '--header needs a value' ws://a --header
refused 2 '--trace takes no value' --trace=yes ws://a
refused 2 'do not go together' --binary --hex ws://a
refused 2 'need each other' --cert cert.pem ws://a
refused 2 '--binary sends one message' --binary --retry ws://a
refused 2 '--json and --hex' --json --hex ws://a
refused 2 'needs --auth USER' --password-file x ws://a
refused 2 '--auth and --header' --auth a:b --header 'authorization: x' ws://a
refused 2 'cannot read /nonexistent: No such file' --auth a --password-file /nonexistent ws://a
refused 2 'has a password, and so has' --auth a:b --password-file /nonexistent ws://a
refused 2 'begins with none of ws: wss:' ftp://a
refused 2 "the handshake's own" --header 'Upgrade: x' ws://127.0.0.1:1
refused 2 "the handshake's own" --header $'X: a\r\nInjected: b' ws://127.0.0.1:1
refused 3 'is the server running' ws://127.0.0.1:1/
refused 3 'is the server running' unix:/nonexistent.sock
refused 2 'nonexistent' --ca /nonexistent.pem wss://127.0.0.1:1/

# npm's ws, which is asked by many tests below.
cat >"$work/peer.mjs" <<END
import { WebSocketServer } from "file://$PWD/tests/e2e/node_modules/ws/wrapper.mjs";
const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: { threshold: 100 } }, () => console.log("127.0.0.1:" + server.address().port));
server.on("connection", s => s.on("message", (m, binary) => s.send(m, { binary })).on("ping", () => s.send("pinged")));
END
background "$work/node" 127 node "$work/peer.mjs"
node=ws://127.0.0.1:$(port_of "$work/node")

# duet serve.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
background "$work/serve" listening "$duet" serve --log json --listen http://127.0.0.1:0 --listen "unix:$work/sock" \
    --listen https://127.0.0.1:0 --tls-cert "$work/cert.pem" --tls-key "$work/key.pem"
plain=ws://127.0.0.1:$(port_of "$work/serve")
secure=wss://127.0.0.1:$(port_of "$work/serve" 2)

input 'one\ntwo\n\nthree'
connect "lines are messages, the last without a newline, too" 0 'one\ntwo\n\nthree\n' 'closed with 1000 \(normal closure\)' \
    --count 4 "$plain/channel/a"
connect "over TLS with --ca" 0 'one\ntwo\n\nthree\n' 'closed with 1000' --ca "$work/cert.pem" "$secure/channel/a"
connect "over a unix socket, whose path / is a page" 4 '' "200 instead of 101.*is it a WebSocket server" "unix:$work/sock"
connect "with --insecure" 0 'one\n' 'closed with 1000' --insecure --count 1 "$secure/channel/a"
connect "an unknown issuer is refused with what to do" 3 '' '--ca FILE' "$secure/channel/a"
connect "a path that is not there" 4 '' '404.*path of the URL' "$plain/nothing"
connect "a foreign origin is refused" 4 '' '403.*--origin' --origin https://evil.example "$plain/channel/a"
connect "--wait ends it" 1 'one\ntwo\n\nthree\n' '4 messages came, not 9' --count 9 --wait 0.5 "$plain/channel/a"
input ''
connect "without input it ends after a second" 0 '' 'closed with 1000' "$plain/channel/none"
input '00ff 41\n\nDEad\n'
connect "--hex" 0 '00ff41\n\ndead\n' 'closed with 1000' --hex --count 3 "$plain/channel/a"
input '0\n'
connect "--hex takes pairs only" 1 '' 'line 1 of standard input was not sent.*pairs' --hex "$plain/channel/a"
input 'good\n\xff\n'
connect "a line that is no UTF-8 is not sent" 1 '' 'line 2.*no UTF-8; --binary' "$plain/channel/none"
input 'x\n'
connect "--trace tells of the handshake" 0 'x\n' '^\* +[0-9.]+  open: 127\.0\.0\.1:[0-9]+, subprotocol none, no compression$' --trace --count 1 \
    "$plain/channel/a"
verdict "of frames sent" "$(grep -qE '^> +[0-9.]+  text +FIN +1 bytes, masked, head 8181[0-9a-f]{8}$' "$work/err" || cat "$work/err")"
verdict "of frames received" "$(grep -qE '^< +[0-9.]+  text +FIN +1 bytes, head 8101$' "$work/err" || cat "$work/err")"
verdict "of the Close" "$(grep -qE '^< +[0-9.]+  close +FIN +2 bytes, head 8802$' "$work/err" || cat "$work/err")"
# traced PATTERN: a line of what --trace said.
traced() {
    grep -qE -e "$1" "$work/err" || cat "$work/err"
}
verdict "of the request as it went" "$(traced '^> +[0-9.]+  GET /channel/a HTTP/1\.1$'; traced '^> +Sec-WebSocket-Key: ')"
verdict "of the answer as it came" "$(traced '^< +[0-9.]+  HTTP/1\.1 101 '; traced '^< +Sec-WebSocket-Accept: ')"
verdict "of both codes at the end" "$(traced "^\* .*the peer's Close: 1000 \(normal closure\); ours: 1000 \(normal closure\)$")"
verdict "and has no colour in a file" "$(grep -n $'\033' "$work/err")"
secrets=(--header 'Authorization: Bearer s3cret' --header 'Cookie: s3cret' --header 'proxy-authorization: s3cret')
connect "secrets do not show in it" 0 'x\n' 'Authorization: Bearer \*\*\*$' --trace --count 1 "${secrets[@]}" "$plain/demo/echo"
verdict "not one" "$(grep s3cret "$work/err"; traced '  Cookie: \*\*\*$'; traced '  proxy-authorization: \*\*\*$')"
connect "but with --trace-secrets" 0 'x\n' 'Authorization: Bearer s3cret$' --trace-secrets --count 1 "${secrets[@]}" \
    "$plain/demo/echo"
input 'x\n%0300d\n' 7
connect "of compressed messages both lengths" 0 "x\n$(printf %0300d 7)\n" '^> +[0-9.]+  text +FIN RSV1 +[0-9]+ bytes of 300, masked' \
    --trace --stats --deflate --count 2 "$node/"
verdict "of those that came, too" "$(traced '^< +[0-9.]+  inflated +300 bytes of [0-9]+ \([0-9.]+ : 1\)$')"
verdict "--stats tells what passed" "$(traced '^  open +[0-9.]+ s, after [0-9.]+ s to open$'
    traced '^  sent +2 messages, 301 bytes; [0-9]+ on the wire; 300 compressed to [0-9]+ \([0-9.]+ : 1\)$'
    traced '^  received +2 messages, 301 bytes; [0-9]+ on the wire; 300 compressed to ')"
printf '{"a" : [1.10, 123456789012345678901, "\\n"]}\nno { json\n{"b": "\303\274\302\233"}\n' >"$work/in"
connect "--json makes each message one line, digits as they came" 0 \
    '{"a":[1.10,123456789012345678901,"\\n"]}\nno { json\n{"b":"\303\274\302\233"}\n' 'closed with 1000' \
    --json --count 3 "$plain/channel/j"
input 'x\n'
timeout 60 "$duet" connect --timestamps --count 1 "$plain/channel/a" <"$work/in" >"$work/out" 2>"$work/err"
verdict "--timestamps begins with the time" "$(grep -qE '^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z x$' "$work/out" ||
    cat "$work/out")"
input 'last\n'
connect "--send goes first" 0 'one\ntwo\nlast\n' 'closed with 1000' --send one --send=two --count 3 "$plain/channel/a"
head -c 300000 /dev/urandom >"$work/in"
timeout 60 "$duet" connect --binary --count 1 "$plain/channel/b" <"$work/in" >"$work/out" 2>"$work/err"
verdict "--binary: 300 kB in fragments come back as they went" "$(cmp "$work/in" "$work/out" 2>&1; grep -v 1000 "$work/err")"
seq 1 20000 >"$work/in"
timeout 60 "$duet" connect --count 20000 "$plain/channel/c" <"$work/in" >"$work/out" 2>"$work/err"
verdict "20000 lines come back in order" "$(cmp "$work/in" "$work/out" 2>&1; grep -v 1000 "$work/err")"
seq 1 20000 | timeout 60 "$duet" connect --count 20000 "$plain/channel/c" 2>"$work/err" | cmp - "$work/in" >"$work/out"
verdict "from a pipe, too" "$(cat "$work/out"; grep -v 1000 "$work/err")"
yes | head -100000 | timeout 60 "$duet" connect "$plain/channel/d" 2>"$work/err" | head -1 >/dev/null
verdict "a reader that leaves ends it" "$(grep -q 'cannot write to standard output: Broken pipe' "$work/err" || cat "$work/err")"

# Signals and terminals.
mkfifo "$work/fifo"
"$duet" connect --trace "$plain/channel/a" <>"$work/fifo" >/dev/null 2>"$work/err" &
pid=$!
pids+=("$pid")
until_true 10 grep -q 'open:' "$work/err"
kill -INT "$pid"
wait "$pid"
rc=$?
verdict "SIGINT closes in order" "$([ $rc = 0 ] && grep -q 'closed with 1000' "$work/err" || { echo "exit $rc"; cat "$work/err"; })"

input 'a\033[31m\302\233\342\200\256\\\n'
# typed OPTION...: what a terminal shows of the messages.
typed() {
    script -qec "$duet connect --count 1 $* $plain/channel/t <$work/in 2>/dev/null" /dev/null </dev/null
}
verdict "a terminal gets no controls of the peer" "$(typed | grep -qF 'a\x1b[31m\xc2\x9b\xe2\x80\xae\' || typed | od -c)"
verdict "and with --raw all of them" "$(typed --raw | grep -qaF $'a\033[31m\302\233' || typed --raw | od -c)"

# Python's websockets: what it was asked, and how it closes.
cat >"$work/peer.py" <<'END'
import asyncio
import websockets


lost = []


async def handler(ws, *path):
    headers = ws.request.headers if hasattr(ws, "request") else ws.request_headers
    where = ws.request.path if hasattr(ws, "request") else ws.path
    if where == "/asked":
        await ws.send(f"{headers.get('X-One')} {headers.get('X-Two')} {headers.get('Origin')} {ws.subprotocol}")
        await ws.wait_closed()
    elif where == "/auth":
        await ws.send(str(headers.get("Authorization")))
        await ws.wait_closed()
    elif where.startswith("/twice"):  # the first connection is lost after its first message
        first = where not in lost
        lost.append(where)
        async for message in ws:
            await ws.send(message)
            if first:
                break
        if first:
            await asyncio.sleep(0)
            ws.transport.abort()
    elif where.startswith("/close/"):
        await ws.close(int(where[7:]), "bye \x1b[2J")
    elif where == "/drop":
        ws.transport.abort()
    else:
        async for message in ws:
            await ws.send(message)


async def main():
    server = await websockets.serve(handler, "127.0.0.1", 0, subprotocols=["chat"])
    print(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Future()


asyncio.run(main())
END
background "$work/python" 127 /usr/bin/python3 "$work/peer.py"
python=ws://127.0.0.1:$(port_of "$work/python")
input ''
connect "headers, origin and subprotocol arrive" 0 '1 2: 3 https://o.example chat\n' 'subprotocol chat' --trace --count 1 \
    --header 'X-One: 1' --header='X-Two:2: 3' --origin https://o.example --subprotocol other --subprotocol chat \
    "$python/asked"
basic() {
    echo "Basic $(printf %s "$1" | base64)\n"
}
connect "--auth" 0 "$(basic 'me:pass:word')" 'closed with 1000' --auth me:pass:word --count 1 "$python/auth"
verdict "--trace does not show it" "$(timeout 20 "$duet" connect --trace --auth me:s3cret --count 1 "$python/auth" \
    <"$work/in" 2>&1 >"$work/out" | grep -e s3cret -e "$(printf me:s3cret | base64)")"
printf 'from file\nmore\n' >"$work/password"
connect "its password from a file" 0 "$(basic 'me:from file')" 'closed with 1000' --auth me --password-file "$work/password" \
    --count 1 "$python/auth"
long=$(printf '%01000d' 7)
printf '%s\r\n' "$long" >"$work/password"
connect "a password of 1000 bytes" 0 "$(echo "Basic $(printf %s "me:$long" | base64 -w 0)")\n" 'closed with 1000' --auth me \
    --password-file "$work/password" --count 1 "$python/auth"
echo "${long}8" >"$work/password"
connect "and not of more" 2 '' 'the password is over 1000 bytes' --auth me --password-file "$work/password" "$python/auth"
connect "in pieces" 0 "$(basic me:slow)" 'closed with 1000' --auth me --password-file <(printf sl; sleep 0.1; echo ow) --count 1 \
    "$python/auth"
DUET_PASSWORD=env connect "its password from the environment" 0 "$(basic me:env)" 'closed with 1000' --auth me --count 1 \
    "$python/auth"
setsid -w "$duet" connect --auth me "$python/auth" <"$work/in" >"$work/out" 2>"$work/err"
verdict "without a password or a terminal it ends" "$([ $? = 2 ] && grep -q 'no terminal to ask' "$work/err" || cat "$work/err")"
input 'first\n'
connect "a lost connection ends it" 5 'first\n' 'closed with 1006' --count 2 "$python/twice"
mkfifo "$work/lines"
exec 7<>"$work/lines"
"$duet" connect --retry --trace "$python/twice/again" <"$work/lines" >"$work/out" 2>"$work/err" 7>&- &
pid=$!
pids+=("$pid")
has() {
    [ "$(grep -cE -e "$2" "$1")" -ge "${3:-1}" ]
}
echo first >&7
until_true 20 has "$work/out" first
until_true 60 has "$work/err" ' open: ' 2
echo second >&7
until_true 20 has "$work/out" second
kill -INT "$pid"
wait "$pid"
rc=$?
verdict "--retry comes back, and reads on" "$([ $rc = 0 ] && printf 'first\nsecond\n' | cmp - "$work/out" 2>&1 &&
    grep -q 'tried again; what was on its way is lost' "$work/err" || { echo "exit $rc"; cat "$work/err" "$work/out"; })"
exec 7>&-
mkfifo "$work/open"
exec 6<>"$work/open"
rm "$work/in"
ln -s "$work/open" "$work/in"
for code in 1000 1001 3000 4999; do
    # RFC-43: the reason is said to be the peer's, and shown without its controls.
    connect "the peer's $code is a clean end" 0 '' "closed with $code \\(.*\\), the peer says \"bye .x1b\\[2J\"\$" \
        "$python/close/$code"
done
for code in 1008 1011; do
    connect "the peer's $code is none" 5 '' "closed with $code " "$python/close/$code"
done
connect "a connection that is lost" 5 '' 'closed with 1006 \(the connection was lost' "$python/drop"
rm "$work/in"
exec 6>&-
input 'gr\303\274\303\237\n\n'
connect "Python's websockets echoes with permessage-deflate" 0 'gr\303\274\303\237\n\n' 'closed with 1000' --deflate --count 2 \
    "$python/"

# npm's ws.
connect "npm's ws echoes" 0 'gr\303\274\303\237\n\n' 'closed with 1000' --count 2 "$node/"
printf 'a\0b' >"$work/in"
connect "and binary" 0 'a\0b' 'closed with 1000' --binary --count 1 "$node/"
input ''
connect "--ping pings, and --trace measures it" 0 'pinged\n' 'round trip [0-9]+ us' --ping 0.2 --trace --wait 5 --count 1 "$node/"
