#!/bin/bash
# SPDX-License-Identifier: MIT
# `duet serve --config`: what is wrong is told with file and line (OPS-8), options and variables go before the file, SIGHUP
# takes over what it can and says what it cannot (OPS-2), and --production names what is open (HUB-18). DUET_BUILD=DIR:
# which program.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash
duet=$(realpath "${DUET_BUILD:-build/release}/duet")
example=$PWD/packaging/duet.yaml
work=$(mktemp -d)
pids=()
trap 'kill -9 "${pids[@]}" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
echo 0123456789abcdef0123456789abcdef >secret

# fails PATTERN ARGUMENT...: 2, nothing on standard output, and a line.
fails() {
    local pattern=$1 rc
    shift
    timeout 20 "$duet" serve "$@" >out 2>err </dev/null
    rc=$?
    verdict "duet serve $* says ${pattern//\\/}" "$([ $rc = 2 ] && [ ! -s out ] && [ "$(wc -l <err)" = 1 ] &&
        grep -qE -e "$pattern" err || cat err out - <<<"exit $rc")"
}

# start ARGUMENT...: a server; sets pid, port and log.
servers=0
start() {
    log=$((++servers)).log
    background $log 'serving|listening' "$duet" serve --log json "$@"
    port=$(port_of $log)
}

# answers CODE PATH: what the server says to a request.
answers() {
    local code
    code=$(curl -s -o /dev/null -w '%{http_code}' --max-time 10 "http://127.0.0.1:$port$2" "${@:3}")
    [ "$code" = "$1" ] || echo "$2: $code"
}

# The file to begin with.
verdict "duet init writes the example" "$("$duet" init >out && cmp duet.yaml "$example" && grep -q 'duet serve --config duet.yaml' out || cat out)"
verdict "duet init leaves a file alone" "$(echo mine >mine.yaml; "$duet" init mine.yaml >out 2>err; [ $? = 1 ] &&
    [ "$(cat mine.yaml)" = mine ] && grep -q 'it is left as it was' err || cat out err mine.yaml)"
verdict "duet init follows no link that leads nowhere" "$(ln -s nowhere link; ! "$duet" init link 2>err && [ ! -e nowhere ] || cat err)"
verdict "duet init - prints" "$("$duet" init - | cmp - "$example")"
verdict "--check takes what init wrote" "$("$duet" serve --config duet.yaml --check 2>&1 | grep -vx 'duet.yaml: all is well')"

# What is wrong.
echo 'threads: many' >a.yaml
fails 'a.yaml:1: threads: a number from 1 to 256 is expected' --config a.yaml
printf 'tokens:\n  secret: abc\n' >a.yaml
fails 'a.yaml:2: secrets are not written here: secret_file' --config a.yaml --check
printf 'tokens:\n  secret_file: none\n' >a.yaml
fails 'none: No such file' --config a.yaml --check
printf 'api:\n  key_env: DUET_NO_SUCH\n' >a.yaml
fails 'DUET_NO_SUCH: there is no such variable' --config a.yaml --check
echo short >short
printf 'api:\n  key_file: short\n' >a.yaml
fails 'short: a secret of 16 to 1024 bytes is expected' --config a.yaml --check
fails 'short: a secret of 16 to 1024 bytes is expected' --api-key-file short --check
fails 'none.yaml: No such file' --config none.yaml
verdict "a variable that is wrong is told" "$(DUET_THREADS=0 "$duet" serve 2>&1 | grep -vx 'duet serve: DUET_THREADS: a number from 1 to 256 is expected')"

# Which goes first.
cat >a.yaml <<END
listen: http://127.0.0.1:0
pages: false
channels:
  history_size: 3
  history_ttl: 1m
  allow_subscribe_for_anonymous: true
namespaces:
  - name: chat
    allow_subscribe_for_anonymous: true
END
start --config a.yaml
verdict "without pages there are none" "$(answers 404 /; answers 404 /demo/ticks; answers 200 /health)"
verdict "namespaces are those of the file" "$(answers 404 '/events?channel=none:1')"
kill "$pid"
DUET_PAGES=true start --config a.yaml
verdict "a variable goes before the file" "$(answers 200 /)"
kill "$pid"
mkdir root; echo hello >root/index.html
DUET_ROOT=none start --config a.yaml --root root
verdict "an option goes before both" "$(answers 200 / && [ "$(curl -s "http://127.0.0.1:$port/")" = hello ] || echo other)"
kill "$pid"

# The API's key.
start --config a.yaml --api-key-file secret
data=(-X POST -H 'Content-Type: application/json' -d '{"channel":"a","data":1}')
verdict "the API wants its key (HUB-18)" "$(answers 401 /api/publish "${data[@]}"; answers 401 /api/publish -H 'X-API-Key: x' "${data[@]}"
    answers 200 /api/publish -H "X-API-Key: $(cat secret)" "${data[@]}")"
kill "$pid"
printf 'listen: http://127.0.0.1:0\nclients:\n  anonymous: false\ntokens:\n  secret_file: secret\nchannels:\n  allow_subscribe_for_anonymous: true\n' >b.yaml
start --config b.yaml
verdict "without a name nobody comes in who may not" "$(answers 401 '/events?channel=a')"
kill "$pid"

# How long a message may be.
printf 'listen: http://127.0.0.1:0\nchannels:\n  message_max: 3MiB\n  allow_subscribe_for_anonymous: true\n' >long.yaml
start --config long.yaml
long() {
    { printf '{"channel":"a","data":"'; head -c "$1" /dev/zero | tr '\0' x; printf '"}'; } >long.json
    curl -s --max-time 20 -d @long.json "http://127.0.0.1:$port/api/publish"
}
verdict "a message as long as its namespace says is published" "$(long 3145726 | grep -vx '{"result":{}}')"
verdict "one byte more is refused by the hub" "$(long 3145727 | grep -v '"code":106')"
kill "$pid"

# How long a name may be.
printf 'limits: { name_max: 5 }\nchannels: { allow_subscribe_for_anonymous: true }\n' >names.yaml
start --listen http://127.0.0.1:0 --config names.yaml
verdict "a name that is too long is refused with how long one may be" "$(answers 200 '/events?channel=12345' --max-time 1
    for path in '/events?channel=123456' "/events?channel=$(printf '%0257d' 0)" /channel/123456 /admin/trace/123456; do
        upgrade=(-H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13'
            -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==')
        [[ $path != /events* ]] || upgrade=()
        curl -s --max-time 10 "http://127.0.0.1:$port$path" "${upgrade[@]}" |
            grep -qx 'no channel has this name: 1 to 5 bytes, without control characters' || echo "$path"
    done)"
kill "$pid"

# SIGHUP.
cp a.yaml c.yaml
start --config c.yaml
echo 'threads: [' >c.yaml
kill -HUP "$pid"
until_true 10 grep -q config_reload_failed $log
verdict "a broken file changes nothing, and the log says where (OPS-2)" "$(grep -q 'c.yaml:[12]: this is no YAML' $log &&
    answers 404 / || cat $log)"
sed 's/history_size: 3/history_size: 4/' a.yaml >c.yaml
printf 'tokens:\n  secret_file: secret\nthreads: 2\n' >>c.yaml
kill -HUP "$pid"
until_true 10 grep -q '"config_reloaded"' $log
verdict "what is in force, and what waits for a restart, is told (OPS-2)" "$(grep -q '"config_changed".*tokens.secret_file' $log &&
    grep -q '"config_changed".*channels.history_size' $log && grep -q '"config_needs_restart".*threads' $log || cat $log)"
kill "$pid"

# again FILE: SIGHUP, and until it is read.
again() {
    local before
    before=$(grep -c '"config_reloaded"' $log)
    kill -HUP "$pid"
    until_true 10 eval '[ "$(grep -c "\"config_reloaded\"" $log)" -gt '"$before"' ]'
}
cp secret key
cat >live.yaml <<END
listen: http://127.0.0.1:0
pages: false
api: { key_file: key }
channels: { history_size: 3, history_ttl: 1m, allow_recovery: true, allow_subscribe_for_anonymous: true }
namespaces:
  - { name: news, allow_subscribe_for_anonymous: true }
  - { name: shut }
END
start --config live.yaml
key=$(cat key)
for n in 1 2 3; do
    answers 200 /api/publish -H "X-API-Key: $key" -d "{\"channel\":\"c\",\"data\":$n}"
done >&2
# comes CHANNEL: what there is of it.
comes() {
    curl -sN --max-time 1 "http://127.0.0.1:$port/events?channel=$1&last=9" | grep -c '^data: [0-9]'
}
verdict "what is kept is what the file says" "$([ "$(comes c)" = 3 ] && answers 401 '/events?channel=shut:a' || comes c)"
sed -i 's/history_size: 3/history_size: 2/; s/name: news, allow_subscribe_for_anonymous: true/name: news, history_size: 9, history_ttl: 1m/
    s/name: shut/name: shut, allow_subscribe_for_anonymous: true, message_max: 1MiB/' live.yaml
echo '  - { name: late }' >>live.yaml
openssl rand -hex 32 >key
again
verdict "SIGHUP takes over who may, how much is kept, and the API's key (OPS-2)" "$(
    answers 401 /api/publish -X POST -H "X-API-Key: $key" -d '{"channel":"c","data":4}'
    answers 200 /api/publish -X POST -H "X-API-Key: $(cat key)" -d '{"channel":"c","data":4}'
    [ "$(comes c)" = 2 ] || echo "$(comes c) come"
    answers 401 '/events?channel=news:a'
    answers 200 '/events?channel=shut:a' --max-time 1
    answers 404 '/events?channel=late:a')"
verdict "and says what it does not" "$(for what in 'namespaces.shut.message_max' '"namespaces"' 'namespaces.news: whether there is a history'; do
    grep -q "\"config_needs_restart\".*$what" $log || echo "$what is not told"; done
    grep -q "\"config_changed\".*the API's key" $log || echo "the key is not told")"
kill "$pid"

# Operators (HUB-18).
echo 'admin: { token_file: secret }' >ops.yaml
start --listen http://127.0.0.1:0 --config ops.yaml
token=$(cat secret)
verdict "/metrics wants the token, if there is one" "$(answers 401 /metrics
    answers 401 /metrics -H "Authorization: Bearer ${token%?}"
    answers 401 /metrics -H "Authorization: Bearer ${token}0"
    answers 401 /metrics -H "Authorization: $token"
    answers 401 "/metrics?token=$token"
    answers 200 /metrics -H "Authorization: Bearer $token"
    answers 200 /metrics -H "authorization: bearer $token" -H 'X-Forwarded-For: 192.0.2.1'
    answers 200 /health)"
kill "$pid"
admin=$(free_port)
start --listen http://127.0.0.1:0 --config ops.yaml --admin-listen "http://127.0.0.1:$admin"
verdict "so it does on a listener of its own" "$(answers 404 /metrics
    port=$admin
    answers 401 /metrics
    answers 200 /metrics -H "Authorization: Bearer $token"
    answers 200 /health)"
kill "$pid"

# The API by itself (HUB-18).
api=$(free_port)
cat >api.yaml <<END
api: { listen: "http://127.0.0.1:$api", key_file: secret }
channels: { history_size: 3, history_ttl: 1m, allow_recovery: true, allow_subscribe_for_anonymous: true }
pages: false
END
start --listen http://127.0.0.1:0 --config api.yaml
publish='{"channel":"c","data":{"n":1}}'
verdict "with api.listen the API is there, and nowhere else" "$(answers 404 /api/publish -X POST -H "X-API-Key: $token" -d "$publish"
    site=$port port=$api
    answers 401 /api/publish -X POST -d "$publish"
    answers 401 "/api/publish?api_key=$token" -X POST -d "$publish"
    answers 200 /api/publish -X POST -H "X-API-Key: $token" -d "$publish"
    answers 404 /events?channel=c; answers 404 /; answers 200 /health
    curl -sN --max-time 1 "http://127.0.0.1:$site/events?channel=c&last=1" | grep -q '{"n":1}' || echo it does not come)"
verdict "two servers for one address are refused" "$(timeout 20 "$duet" serve --listen "http://127.0.0.1:$api" 2>&1 |
    grep -q "$api" || echo it is not)"
kill "$pid"
start --listen http://127.0.0.1:0 --api-listen "http://127.0.0.1:$api" --api-key-file secret
verdict "so it does with --api-listen" "$(answers 405 /api/info -X POST
    port=$api
    answers 200 /api/info -X POST -H "X-API-Key: $token")"
kill "$pid"

# Production.
timeout 20 "$duet" serve --config duet.yaml --production --origin '*' >out 2>err
rc=$?
verdict "--production names each open door, and does not start" "$([ $rc = 2 ] && [ ! -s out ] &&
    grep -qE 'duet.yaml:[0-9]+: channels: anybody may subscribe .*allow_subscribe_for_anonymous: false' err &&
    grep -qE 'duet.yaml:[0-9]+: channels: anybody may publish ' err && grep -q 'api: .*api.key_file' err &&
    grep -q 'origins: .*name the sites' err && grep -q 'pages: false' err && grep -q " $(($(wc -l <err) - 1)) doors are open" err ||
    cat err - <<<"exit $rc")"
cat >good.yaml <<END
listen: http://127.0.0.1:0
pages: false
tokens: { secret_file: secret }
api: { key_file: secret }
admin: { token_file: secret }
channels: { allow_subscribe_for_client: true }
namespaces:
  - { name: open, allow_presence_for_anonymous: true, presence: true }
END
verdict "a namespace's door is named by its line" "$("$duet" serve --config good.yaml --production 2>&1 |
    grep -q 'good.yaml:8: namespace open: anybody may ask who is there' || echo it is not)"
sed -i '/name: open/d' good.yaml
sed -i '/^admin:/d' good.yaml
verdict "/admin without a token is an open door, too" "$("$duet" serve --config good.yaml --production 2>&1 |
    grep -q '^duet serve: admin: every program on this machine reads the metrics and may publish by /admin' || echo it is not)"
verdict "metrics that anybody reads are an open door" "$("$duet" serve --config good.yaml --production --admin-listen http://127.0.0.1:0 2>&1 |
    grep -q '^duet serve: admin: everybody who reaches its address reads the metrics, and may publish by /admin; admin.token_file' || echo it is not)"
echo 'admin: { token_file: secret }' >>good.yaml
start --config good.yaml --production
verdict "with all doors closed it starts, and brings duet.js along" "$(answers 200 /health; answers 200 /duet.js; answers 401 '/events?channel=a')"
kill "$pid"
