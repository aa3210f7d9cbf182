#!/bin/bash
# SPDX-License-Identifier: MIT
# `duet connect` at a terminal, which is tmux's: what a person types, and what stands on the screen. DUET_BUILD=DIR:
# which program. Nothing here waits for a time; each step waits for what the screen shows.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash
duet=$(realpath "${DUET_BUILD:-build/release}/duet")
work=$(mktemp -d)
pids=()
screen() {
    command tmux -u -S "$work/tmux" -f /dev/null "$@"
}
trap 'screen kill-server 2>/dev/null; kill -9 "${pids[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT

# What is on the screen and above it, wrapped lines joined.
pane() {
    screen capture-pane -p -J -S - -t duet | sed 's/[[:blank:]]*$//'
}

pane_has() {
    pane | grep -qE -e "$1"
}

# The lines of the screen from the last one on that is $1: several patterns must be lines below each other.
pane_ends() {
    local want=$1
    [ "$(pane | grep -v '^$' | tail -n "$(wc -l <<<"$want")")" = "$want" ]
}

# shows CLAIM PATTERN
shows() {
    verdict "$1" "$(until_true 30 pane_has "$2" || { echo "no line has $2:"; pane; })"
}

# ends CLAIM LINES: the last lines of the screen.
ends() {
    verdict "$1" "$(until_true 30 pane_ends "$2" || { echo "wanted at the end:"; echo "$2"; echo "but there is:"; pane; })"
}

keys() {
    screen send-keys -t duet "$@"
}

# typed TEXT: as keys, none of them special.
typed() {
    screen send-keys -t duet -l -- "$1"
}

entered() {
    typed "$1"
    keys Enter
}

# resized COLUMNS ROWS: and the program can see it, which tmux lets wait.
resized() {
    screen resize-window -t duet -x "$1" -y "$2"
    until_true 20 has_size "$2 $1"
}

has_size() {
    [ "$(stty -F "$(screen display-message -p -t duet '#{pane_tty}')" size)" = "$1" ]
}

# An empty screen with the shell's prompt.
fresh() {
    until_true 20 pane_ends '$'
    entered 'clear; printf "\033[3J"'
    until_true 20 cleared
}

cleared() {
    [ "$(pane | grep -v '^$')" = '$' ]
}

# lines_are NUMBER LINE: so many that are just this one; a terminal that is not edited on shows what is typed, too.
lines_are() {
    [ "$(pane | grep -cxF -e "$2")" = "$1" ]
}

# started CLAIM COMMAND: duet connect until it shows its prompt.
started() {
    fresh
    entered "$2"
    shows "$1" '^>$'
}

# exited CLAIM CODE PATTERN: back in the shell, whose terminal is as it was.
exited() {
    shows "$1" "$3"
    until_true 20 pane_ends '$'
    entered 'echo "code $? $(stty | grep -c -e -echo -e -icanon)"'
    shows "with $2 and the terminal as it was" "^code $2 0\$"
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

# said_outside TEXT: somebody else publishes it.
said_outside() {
    printf '%b' "$1" | timeout 20 "$duet" pub --null "ws://127.0.0.1:$port/channel/t" || echo "not published: $1"
}

mkdir "$work/home"
cat >"$work/peer.py" <<'PEER'
import asyncio
import websockets

EVIL = "\x1b[2J\x1b]0;owned\x07\x1b[31m \u009b2J \u202eesrever \u2066 \x7f \u0085"


async def handler(ws, *path):
    headers = ws.request.headers if hasattr(ws, "request") else ws.request_headers
    where = ws.request.path if hasattr(ws, "request") else ws.path
    if where == "/auth":
        await ws.send(str(headers.get("Authorization")))
    async for message in ws:
        if message == "evil":
            await ws.send(EVIL)
        elif message == "evil json":
            await ws.send('{"' + EVIL.replace("\x1b", "").replace("\x07", "") + '": 1}')
        elif message == "evil bytes":
            await ws.send(EVIL.encode() + b"\xff\x9b2J")
        elif message == "evil close":
            await ws.close(4001, EVIL)
        elif message == "many":
            for i in range(200):
                await ws.send(f"message {i}")
        else:
            await ws.send(message)


async def main():
    server = await websockets.serve(handler, "127.0.0.1", 0)
    print(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Future()


asyncio.run(main())
PEER
/usr/bin/python3 "$work/peer.py" </dev/null >"$work/python" 2>&1 &
pids+=($!)
cat >"$work/peer.mjs" <<PEER
import { WebSocketServer } from "file://$PWD/tests/e2e/node_modules/ws/wrapper.mjs";
const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: { threshold: 100 } },
    () => console.log("127.0.0.1:" + server.address().port));
server.on("connection", s => s.on("message", (m, binary) => m == "leave" ? s.close(1001, "see you")
    : m == "drop" ? s.terminate() : s.send(m, { binary })));
PEER
node "$work/peer.mjs" </dev/null >"$work/node" 2>&1 &
pids+=($!)
serve 0
until_true 30 grep -q 127 "$work/python"
until_true 30 grep -q 127 "$work/node"
python=ws://$(head -1 "$work/python")
node=ws://$(head -1 "$work/node")
url=ws://127.0.0.1:$port/channel/t
history=$work/home/.local/state/duet/history

env -u NO_COLOR -u XDG_STATE_HOME -u DUET_PASSWORD HOME="$work/home" LC_ALL=C.UTF-8 duet="$duet" url="$url" \
    python="$python" node="$node" bash -c 'command tmux -u -S "$1" -f /dev/null new-session -d -s duet -x 80 -y 24 \
    "PS1=\"$ \" bash --norc --noprofile -i"' - "$work/tmux"

started "a prompt when it is open" '$duet connect $url'
shows "which says how to go on" 'connected; /help tells of commands, Ctrl-D closes'
entered 'grüß dich 日本'
ends "a line is sent, and comes back" $'> grüß dich 日本\n< grüß dich 日本\n>'
typed abc
keys Left Left
typed X
keys Home
typed '['
keys End
typed ']'
keys Left Left BSpace DC
ends "a line is edited" '> [aX]'
keys Enter
ends "and goes as it stands" $'> [aX]\n< [aX]\n>'
keys Up
ends "the line before comes back" '> [aX]'
keys Up
ends "and the one before it" '> grüß dich 日本'
keys Down Down
ends "and away" '>'
typed 'not yet sent'
keys Left Left Left
said_outside 'from outside'
ends "a message that comes stands above the line that is edited" $'< from outside\n> not yet sent'
typed '*'
ends "whose cursor is where it was" '> not yet s*ent'
keys C-u
long=$(printf '%0150d' 7)
typed "$long"
ends "a line longer than the screen is wide" "> $long"
said_outside 'over three rows'
ends "makes room, too" $'< over three rows\n> '"$long"
resized 40 24
said_outside 'in a narrow window'
ends "when the window is narrower" $'< in a narrow window\n> '"$long"
resized 100 30
said_outside 'in a wide window'
ends "and when it is wider" $'< in a wide window\n> '"$long"
verdict "no row of the line is left behind" "$(pane | grep -c "^> 0" | grep -vx 1)"
keys Enter
ends "and is sent whole" "> $long"$'\n'"< $long"$'\n>'
resized 80 24
screen set-buffer -t duet $'first\nse\tcond\nthird\nand'
screen paste-buffer -t duet
ends "each line of what is pasted is sent" $'< third\n> and'
verdict "in order, a tab too" "$(pane | grep -E '^< ' | tail -3 | tr -s ' ' | diff - <(printf '< first\n< se cond\n< third\n'))"
keys C-u C-r
typed dich
ends "Ctrl-R searches" $'> grüß dich 日本\nbck:dich'
said_outside 'while searching'
ends "while messages come" $'< while searching\n> grüß dich 日本\nbck:dich'
keys C-g C-u
ends "and Ctrl-G leaves it" '>'

entered /ping
shows "/ping" '^round trip [0-9]+ us$'
entered //slash
shows "two slashes are one" '^< /slash$'
entered /frobnicate
shows "an unknown command" 'there is no command /frobnicate; see /help'
entered /pign
shows "a command that is misspelt" 'there is no command /pign; did you mean /ping\? See /help'
entered '/binary 48 6'
shows "/binary with half a byte" 'pairs of hexadecimal digits'
entered '/binary 48 6921'
shows "/binary" '^< Hi!$'
entered '/binary'
shows "/binary without bytes" 'write /binary HEX'
printf 'in a file' >"$work/file"
entered "/file $work/file"
shows "/file" '^< in a file$'
entered "/file $work"
shows "/file of a folder" 'cannot read .*: Is a directory'
entered /json
shows "/json" 'JSON is laid out'
entered '{"a":[1.50,{}],"b":null}'
ends "lays out what comes" '> {"a":[1.50,{}],"b":null}
< {
  "a": [
    1.50,
    {}
  ],
  "b": null
}
>'
entered /stats
shows "/stats" '^  sent +[0-9]+ messages, [0-9]+ bytes; [0-9]+ on the wire'
entered /help
shows "/help" '^  /close \[CODE \[REASON\]\] +Close'
entered '/close 999'
shows "/close with a number that is no code" 'a code is a number from 1000 on'
entered '/close 1005'
shows "or one that may not be sent" 'this code may not be sent'
entered ' secret'
shows "a line that begins with a blank is sent" '^<  secret$'
entered '/close 4001 bye'
exited "/close" 0 'closed with 4001'
verdict "what was typed is kept" "$(grep -qx 'grüß dich 日本' "$history" || cat "$history")"
verdict "but not what begins with a blank" "$(grep secret "$history")"
verdict "for nobody else" "$(stat -c %a "$history" "${history%/*}" | tr '\n' ' ' | grep -vx '600 700 ')"

cp "$history" "$work/history"
started "again, with --no-history" '$duet connect --no-history --timestamps $node'
entered unkept
shows "--timestamps: of what is sent" '^[0-9:]{8}\.[0-9]{3} > unkept$'
shows "and of what comes" '^[0-9:]{8}\.[0-9]{3} < unkept$'
keys C-d
exited "Ctrl-D closes" 0 'closed with 1000 \(normal closure\)'
verdict "--no-history leaves the file alone" "$(cmp "$history" "$work/history" 2>&1)"
verdict "Ctrl-D is not printed" "$(pane | grep -F '^D')"

started "a second run" '$duet connect $node'
keys Up
ends "knows the lines of the first" '> /close 4001 bye'
keys C-u
typed 'abandoned'
keys C-c
exited "Ctrl-C closes" 0 'closed with 1000'
verdict "and what was not entered is gone" "$(pane | grep abandoned)"

started "Ctrl-Z" '$duet connect $node'
typed 'half a li'
ends "comes after what was typed" '> half a li' # the kernel drops what nobody has read
keys C-z
shows "stops it" 'Stopped'
until_true 20 pane_ends '$'
entered 'stty | grep -c -e -echo -e -icanon'
ends "with the terminal as it was" $'0\n$'
entered fg
shows "and fg draws the line again" '^> half a li$'
typed ne
keys Enter
ends "to go on" $'> half a line\n< half a line\n>'
entered leave
exited "a server that leaves ends it" 0 'closed with 1001 \(going away\), the peer says "see you"$'
started "another" '$duet connect $node'
typed 'being typed'
keys C-a C-k
entered drop
exited "a connection that is lost" 5 'closed with 1006'

started "what comes from a hostile peer" '$duet connect $python'
screen select-pane -t duet -T 'its title'
evil='\\x1b\[2J\\x1b\]0;owned\\x07\\x1b\[31m \\xc2\\x9b2J \\xe2\\x80\\xaeesrever \\xe2\\x81\\xa6 \\x7f \\xc2\\x85'
entered evil
shows "is shown by its bytes" "^< $evil\$"
entered 'evil bytes'
shows "in binary" "^< $evil\\\\xff\\\\x9b2J\$"
entered /json
entered 'evil json'
shows "in JSON" '"\[2J\]0;owned\[31m \\xc2\\x9b2J \\xe2\\x80\\xaeesrever'
entered 'evil close'
exited "in the reason of a Close" 0 "closed with 4001 \\(private\\), the peer says \"$evil\"\$"
verdict "it cleared no screen" "$(pane_has '^< .x1b' || pane)"
verdict "and gave no title" "$(screen display-message -p -t duet '#{pane_title}' | grep -vx 'its title')"

started "many messages while a line is typed" '$duet connect $python'
entered many
typed 'in between'
ends "leave it whole" $'< message 199\n> in between'
verdict "and are whole themselves" "$(pane | grep -cE '^< message [0-9]+$' | grep -vx 200)"
keys C-c
exited "and it ends" 0 'closed with 1000'

fresh
entered '$duet connect --auth me $python/auth'
shows "a password is asked for" '^Password of me:$'
typed 'wrongx'
keys BSpace C-u
typed 's3cret'
keys Enter
shows "and sent" "^< Basic $(printf me:s3cret | base64)\$"
verdict "and never shown" "$(pane | grep -e s3cret -e wrong)"
keys C-d
exited "as always" 0 'closed with 1000'
fresh
entered '$duet connect --auth me $python/auth'
shows "a password is asked for again" '^Password of me:$'
keys C-c
exited "and not given" 2 'no password was typed'

started "without a locale" 'LC_ALL=C $duet connect $python'
entered 'grüß'
shows "UTF-8 is shown by its bytes" '^< gr\\xc3\\xbc\\xc3\\x9f$'
keys C-d
exited "and was sent as it is" 0 'closed with 1000'
started "a dumb terminal reads lines" 'TERM=dumb $duet connect --send hi $node & sleep 0; echo ">"; fg >/dev/null'
shows "and prints what comes" '^hi$'
entered 'plain line'
until_true 20 lines_are 2 'plain line'
verdict "without editing" "$(lines_are 2 'plain line' || pane)"
keys C-c
exited "and without a prompt" 0 'closed with 1000'

started "--retry at a prompt" '$duet connect --retry $url'
kill -9 "$server"
wait "$server" 2>/dev/null
ends "tells that there is no connection" 'not connected'
entered 'lost words'
shows "and sends nothing" 'not sent: there is no connection now'
serve "$port"
ends "and comes back" '>'
entered 'found words'
shows "to go on" '^< found words$'
keys C-d
exited "to its end" 0 'closed with 1000'
started "--retry at a prompt, and /close" '$duet connect --retry $url'
entered '/close 4001 enough'
exited "which ends it" 0 'closed with 4001'
verdict "and does not say that it goes on" "$(pane | grep 'tried again')"
