#!/bin/bash
# SPDX-License-Identifier: MIT
# The examples as a user meets them: each is started, talked to by curl or Python's websockets, and ended by SIGTERM.
# What was seen is compared with what the example's text promises. DUET_BUILD=DIR: where they are.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash
examples=${DUET_BUILD:-build/release}/examples
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$folder"' EXIT
tests=0 failed=0

# claim TEXT EXPECTED SEEN
claim() {
    tests=$((tests + 1))
    if [ "$2" == "$3" ]; then
        echo "ok $tests - $1"
        return
    fi
    diff <(echo "$2") <(echo "$3") | sed 's/^/# /'
    echo "not ok $tests - $1"
    failed=$((failed + 1))
}

answers() {
    (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}

# start NAME ARGUMENT...: it runs as $server when its port answers.
start() {
    local name=$1
    shift
    "$examples/$name" "$@" <"${input:-/dev/null}" 2>"$folder/$name.err" &
    server=$!
    for _ in $(seq 600); do
        answers && return
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    claim "$name starts" "it answers on port $port" "$(cat "$folder/$name.err")"
    return 1
}

# stop NAME: SIGTERM drains it; with nobody there that takes no time.
stop() {
    local rc
    kill -TERM "$server" 2>/dev/null
    for _ in $(seq 200); do
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    kill -KILL "$server" 2>/dev/null && echo "# $1 did not end"
    wait "$server"
    rc=$?
    server=
    claim "$1 ends with 0 after SIGTERM and says nothing" "0 " "$rc $(cat "$folder/$1.err")"
}

# talk: a Python program on standard input that has `dial`, the connections of websockets, and `server`, the process.
talk() {
    cat - >"$folder/body.py"
    {
        cat <<PROGRAM
import asyncio, os, signal, websockets
from websockets.exceptions import ConnectionClosed, InvalidStatusCode
opened, server, base, fifo = [], $server, "ws://127.0.0.1:$port", "$folder/input"

async def dial(path="/", **options):
    opened.append(await websockets.connect(base + path, compression=None, open_timeout=60, **options))
    return opened[-1]

async def refused(path, **options):
    try:
        await dial(path, **options)
        return "let in"
    except InvalidStatusCode as e:
        return e.status_code

async def heard(*sockets):
    for ws in sockets:
        print(await asyncio.wait_for(ws.recv(), 60))

async def closed(ws):
    try:
        while True:
            await asyncio.wait_for(ws.recv(), 60)
    except ConnectionClosed as e:
        return f"{e.rcvd.code} {e.rcvd.reason}"

async def main():
PROGRAM
        sed 's/^/    /' "$folder/body.py"
        echo '    await asyncio.gather(*(ws.close() for ws in opened))'
        echo 'asyncio.run(main())'
    } >"$folder/talk.py"
    timeout 120 /usr/bin/python3 "$folder/talk.py" 2>&1
}

# hello has its port in its text.
port=9001
if answers; then
    tests=$((tests + 1))
    echo "ok $tests - hello # SKIP port 9001 is in use"
elif start hello; then
    claim "hello sends back what it gets" $'hello\nb\'\\x00\\x01\'\n1001 going away' "$(talk <<'EOP'
ws = await dial()
for message in ("hello", b"\0\1"):
    await ws.send(message)
    await heard(ws)
os.kill(server, signal.SIGTERM)
print(await closed(ws))
EOP
    )"
    stop hello
fi

port=$(free_port)
if start echo --threads 2 "ws://127.0.0.1:$port"; then
    claim "echo sends back what it gets" $'one\nb\'two\'' "$(talk <<'EOP'
for message in ("one", b"two"):
    ws = await dial("/any/path")
    await ws.send(message)
    await heard(ws)
EOP
    )"
    stop echo
fi

port=$(free_port)
if start broadcast --threads 2 "ws://127.0.0.1:$port"; then
    claim "broadcast sends it to everybody" $'news\nnews\nnews\nnews' "$(talk <<'EOP'
sockets = [await dial() for _ in range(4)]
for ws in sockets:
    await ws.ping()
await sockets[0].send("news")
await heard(*sockets)
EOP
    )"
    stop broadcast
fi

port=$(free_port)
if start chat "ws://127.0.0.1:$port" https://chat.example; then
    claim "chat: those in the room hear who comes, what is said, and who leaves" \
        $'chat None\nBo came in\nBo: hi\nBo: hi\nBo left' "$(talk <<'EOP'
ada = await dial("/room/tea?name=Ada", subprotocols=["other", "chat"])
elsewhere = await dial("/room/coffee?name=Cy")
bo = await dial("/room/tea?name=Bo")
print(ada.subprotocol, bo.subprotocol)
await heard(ada)
await bo.send("hi")
await heard(ada, bo)
await bo.close()
await heard(ada)
EOP
    )"
    claim "chat: what is no room, or nobody, gets 404" "404 404 404 404" "$(talk <<'EOP'
print(*[await refused(path) for path in ("/", "/room/?name=Ada", "/room/a/b?name=Ada", "/room/tea")])
EOP
    )"
    claim "chat: pages of its own and of the named origin come in, others do not" \
        "let in let in 403 403" "$(talk <<'EOP'
origins = [base.replace("ws", "http", 1), "https://chat.example", "https://evil.example", "null"]
print(*[await refused("/room/tea?name=Ada", origin=o) for o in origins])
EOP
    )"
    claim "chat: binary messages and names that are no text are refused" \
        $'1003 only text here\n1007 the name is not UTF-8' "$(talk <<'EOP'
ws = await dial("/room/tea?name=Ada")
await ws.send(b"\0")
print(await closed(ws))
print(await closed(await dial("/room/tea?name=%ff")))
EOP
    )"
    stop chat
fi

port=$(free_port)
if start ticker "ws://127.0.0.1:$port"; then
    claim "ticker: names, the books whole with a sum that they come to, and then batches without a gap" \
        $'20000 200\n4000 True\n0 gaps\nTrue' "$(talk <<'EOP'
import json, struct
ws = await dial()
names = json.loads(await ws.recv())
print(names["rate"], len(names["names"]))
head = struct.Struct("<BBHIIIQ")
levels, numbers = {}, []

def sum_of(levels):
    total = 2166136261
    for key in sorted(levels):
        for word in (key[1], levels[key]):
            total = (total ^ word & 0xffffffff) * 16777619 & 0xffffffff
    return total

while len(numbers) < 150:
    data = await ws.recv()
    kind, _, count, number, extra, _, _ = head.unpack_from(data)
    if kind == 3:
        if len(numbers) == 0:
            print(len(levels), sum_of(levels) == extra)
        last = sum_of(levels) == extra
        continue
    numbers += [number] if kind == 1 else []
    for book, _, quantity, price in struct.iter_unpack("<BBhi", data[24:]):
        levels[book, price] = quantity
        if quantity == 0:
            del levels[book, price]
print(sum(b != a + 1 for a, b in zip(numbers, numbers[1:])), "gaps")
print(last)
EOP
    )"
    claim "ticker: an instrument's past, and what the time is" '0 180 1.5 True' "$(talk <<'EOP'
import json, time
ws = await dial()
await ws.send("watch 0")
await ws.send("clock 1.5")
told = {}
while len(told) < 3:
    data = await ws.recv()
    told.update({} if isinstance(data, bytes) else {tuple(json.loads(data)): json.loads(data)})
past, clock = told["book", "past"], told["clock", "now"]
print(past["book"], len(past["past"]), clock["clock"], abs(clock["now"] / 1000 - time.time()) < 60)
EOP
    )"
    stop ticker
fi
claim "ticker: what it cannot do it says" "Usage: ticker [--rate CHANGES, at most 200000 a second] [URL]
2" "$("$examples/ticker" --rate 200001 2>&1; echo $?)"

port=$(free_port)
if start game --bots 0 "ws://127.0.0.1:$port"; then
    claim "game: who joins has a ship, flies it, and has it again by his token" \
        $'0 0 841\n1 player\n1 True 8\nTrue' "$(talk <<'EOP'
import struct
join = lambda token: b"\1" + token + b"Ada".ljust(16, b"\0")
state = struct.Struct("<BBHIIHHhhHH")

async def take(ws, kind):
    while True:
        data = await asyncio.wait_for(ws.recv(), 60)
        if data[0] == kind:
            return data

ws = await dial()
await ws.send(join(bytes(16)))
_, resumed, ship, number, token = struct.unpack("<BBHI16s", await take(ws, 1))
x = state.unpack_from(await take(ws, 2))[5]
for n in range(1, 9):
    await ws.send(struct.pack("<BBbbII", 2, n == 8, 127, 0, n, 0))
while True:
    now = state.unpack_from(await take(ws, 2))
    if now[4] == 8:
        break
print(resumed, number, (now[5] - x) % 65536)
print(struct.unpack_from("<BBH", await take(ws, 3))[2], "player")
await ws.close()
again = await dial()
await again.send(join(token))
_, resumed, ship_again, number, _ = struct.unpack("<BBHI16s", await take(again, 1))
print(resumed, ship == ship_again, number)
watcher = await dial()
await watcher.send(b"\3")
print(len(await take(watcher, 2)) >= state.size)
EOP
    )"
    stop game
fi
port=$(free_port)
if start game --bots 3 "ws://127.0.0.1:$port"; then
    claim "game: bots play, and play on another's server" "3 bots play" \
        "$("$examples/game" --play 1 --bots 3 "ws://127.0.0.1:$port" | grep -o '^3 bots play')"
    stop game
fi
claim "game: what it cannot do it says" "Usage: game [--bots N, at most 1024] [--play SECONDS] [URL]
2" "$("$examples/game" --bots 1025 2>&1; echo $?)"

port=$(free_port)
base=http://127.0.0.1:$port
if start sse "$base"; then
    # until TEXT: the first listener has heard it.
    until_heard() {
        for _ in $(seq 200); do
            grep -q "$1" "$folder/events" && return
            sleep 0.05
        done
    }
    status() {
        curl -s -o /dev/null -w '%{http_code}' "$@"
    }
    claim "sse: the page is HTML, and known again" "200 text/html; charset=utf-8 304" "$(
        curl -s -o "$folder/page" -w '%{http_code} %{content_type} ' --etag-save "$folder/etag" "$base/"
        status --etag-compare "$folder/etag" "$base/")"
    curl -sN "$base/events" >"$folder/events" &
    first=$!
    until_heard 'data: 1$'
    curl -sN "$base/events" >/dev/null &
    second=$!
    until_heard 'data: 2$'
    kill "$second"
    wait "$second" 2>/dev/null
    for _ in $(seq 200); do
        [ "$(grep -c 'data: 1$' "$folder/events")" = 2 ] && break
        sleep 0.05
    done
    claim "sse: what is posted is answered with 204" "204" "$(status -d 'hello there' "$base/say")"
    claim "sse: two lines, none, or too much of one get 400 and 413" "400 400 413" \
        "$(status --data-binary $'a\nb' "$base/say") $(status -X POST "$base/say") $(
            status -d "$(printf '%01001d' 0)" "$base/say")"
    claim "sse: a foreign page cannot post" "403" "$(status -H 'Origin: https://evil.example' -d hi "$base/say")"
    claim "sse: other methods and places get 405 and 404" "405 405 404" \
        "$(status "$base/say") $(status -d hi "$base/events") $(status "$base/none")"
    claim "sse: HEAD of the stream ends" "200" "$(status -I -m 20 "$base/events")"
    until_heard 'hello there'
    stop sse
    wait "$first"
    claim "sse: the drain ends the stream as a whole answer" "0" "$?"
    claim "sse: the listener heard who else listens, and what was posted" \
        $'event: listening\ndata: 1\n\nevent: listening\ndata: 2\n\nevent: listening\ndata: 1\n\ndata: hello there' \
        "$(cat "$folder/events")"
fi

# The clients, against a server of Python's: it says what the client's request was, then echoes three messages.
cat >"$folder/server.py" <<'EOP'
import asyncio, sys, websockets

async def serve(ws):
    try:
        if ws.path == "/ask":
            for message in ("one", b"\0two", "\u4e16" * 70000):
                await ws.send(message)
                print(await ws.recv() == message, flush=True)
        else:
            await ws.send("welcome to " + ws.path)
            async for message in ws:
                await ws.send("heard " + message)
    except websockets.ConnectionClosed:
        pass

async def main():
    async with websockets.serve(serve, "127.0.0.1", int(sys.argv[1])):
        await asyncio.Future()

asyncio.run(main())
EOP
port=$(free_port)
/usr/bin/python3 "$folder/server.py" "$port" >"$folder/served" 2>&1 &
server=$!
for _ in $(seq 200); do
    answers && break
    sleep 0.05
done
claim "echo-client: what the server sends comes back, until it closes" $'0\nTrue\nTrue\nTrue' \
    "$(timeout 60 "$examples/echo-client" "ws://127.0.0.1:$port/ask" 2>&1; echo $?; cat "$folder/served")"
claim "client: lines go out, messages come in, and it ends with its input" \
    $'welcome to /a?b\nheard first\nheard second\nheard third\n0' "$({
        printf 'first\nsec'
        sleep 0.3
        printf 'ond\nthird\n'
        for _ in $(seq 200); do
            grep -q third "$folder/said" && break
            sleep 0.05
        done
    } | timeout 60 "$examples/client" "ws://127.0.0.1:$port/a?b" 2>"$folder/client.err" >"$folder/said"
    rc=$?
    cat "$folder/said"
    echo "$rc")"
claim "client: it says how it went" $'client: connected to 127.0.0.1\nclient: closed with 1000, normal closure' \
    "$(sed "s/:$port$//" "$folder/client.err")"
kill "$server"
wait "$server" 2>/dev/null
server=

claim "sansio: both ends say what happens to them" 'server: asked for /weather
client: open, speaking talk
server: message of 12 bytes: how are you?
client: message of 4 bytes: fine
(25 s later)
client: ping
server: pong
server: closed with 1000, normal closure: '\''that is all'\''
client: closed with 1000, normal closure: '"''" "$("$examples/sansio" 2>&1)"

port=$(free_port)
mkfifo "$folder/input"
exec 5<>"$folder/input"
if input=$folder/input start embed "ws://127.0.0.1:$port"; then
    claim "embed: a line that is typed is heard by WebSockets, between its own timer's" $'first line\nup for' \
        "$(talk <<'EOP'
ws = await dial()
with open(fifo, "w") as keyboard:
    keyboard.write("first line\n")
told = set()
while len(told) < 2:
    text = await asyncio.wait_for(ws.recv(), 60)
    told.add(text[:6] if text.startswith("up for") else text)
print(*sorted(told), sep="\n")
EOP
    )"
    curl -s -m 1 "http://127.0.0.1:$port/next" # leaves before it is answered
    curl -s -m 60 "http://127.0.0.1:$port/next" >"$folder/next" &
    asks=$!
    while kill -0 "$asks" 2>/dev/null; do
        echo "last line" >&5
        sleep 0.2
    done
    claim "embed: who asks for /next is answered by the next line" "last line" "$(cat "$folder/next")"
    stop embed
fi

echo "1..$tests"
[ "$failed" = 0 ]
