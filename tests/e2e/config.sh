#!/bin/bash
# SPDX-License-Identifier: MIT
# `duet serve --config`: what is wrong is told with file and line (OPS-8), options and variables go before the file, SIGHUP
# takes over what it can and says what it cannot (OPS-2), and --production names what is open (HUB-18). DUET_BUILD=DIR:
# which program.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash
duet=$(realpath "${DUET_BUILD:-build/release}/duet")
top=$PWD
example=$top/packaging/duet.yaml
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
fails 'a.yaml:2: none: No such file' --config a.yaml --check
printf 'api:\n  key_env: DUET_NO_SUCH\n' >a.yaml
fails 'DUET_NO_SUCH: there is no such variable' --config a.yaml --check
echo short >short
printf 'api:\n  key_file: short\n' >a.yaml
fails 'short: a secret of 16 to 1024 bytes is expected' --config a.yaml --check
fails 'short: a secret of 16 to 1024 bytes is expected' --api-key-file short --check
fails 'none.yaml: No such file' --config none.yaml
verdict "a variable that is wrong is told" "$(DUET_THREADS=0 "$duet" serve 2>&1 | grep -vx 'duet serve: DUET_THREADS: a number from 1 to 256 is expected')"

# Whatever the start would refuse --check refuses, too, by the line or the option or the variable that it came from.
# both PATTERN TEXT ARGUMENT...: of a configuration.
both() {
    local pattern=$1 rc
    printf '%b' "$2" >b.yaml
    shift 2
    for check in --check ''; do
        # shellcheck disable=SC2086
        timeout 20 "$duet" serve --config b.yaml $check "$@" >out 2>err </dev/null
        rc=$?
        verdict "duet serve $check $* of $(tr '\n' ' ' <b.yaml)says ${pattern//\\/}" "$([[ $check$rc == --check2 || $rc == [12] && -z $check ]] && [ ! -s out ] && [ "$(wc -l <err)" = 1 ] &&
            grep -qE -e "^duet serve: $pattern" err || cat err out - <<<"exit $rc")"
    done
}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out cert.pem 2>/dev/null
openssl ecparam -name prime256v1 -genkey -noout -out other.pem
echo file >file
mkdir -m 777 wide
both 'b.yaml:3: cannot listen on "ftp://b": the URL begins with none of ws:' 'listen:\n - http://127.0.0.1:0\n - ftp://b\n'
both 'b.yaml:2: cannot listen on "http://127.0.0.1:99999"' 'threads: 1\nlisten: http://127.0.0.1:99999\n'
both 'b.yaml:1: this machine has no address 192.0.2.1; listen on one it has' 'listen: http://192.0.2.1:8080\n'
both 'b.yaml:1: cannot find the address of nobody.invalid' 'listen: http://nobody.invalid:8080\n'
both 'b.yaml:1: cannot listen on /none/a: No such file' 'listen: unix:/none/a\n'
both "b.yaml:1: $PWD/file is in use by another program, or is no socket" "listen: unix:$PWD/file\\n"
both 'b.yaml:2: cannot listen on "http://127.0.0.1:1": another URL listens there' 'listen: [http://localhost:1,\n  http://127.0.0.1:1]\n'
both 'b.yaml:2: cannot listen on "http://127.0.0.1:1": another URL listens there' 'listen: http://*:1\nadmin: {listen: http://127.0.0.1:1}\n'
both 'b.yaml:3: cannot listen on "http://127.0.0.1:1": another URL listens there' \
    'listen: http://127.0.0.1:0\nadmin: {listen: http://127.0.0.1:1}\napi: {listen: http://127.0.0.1:1, key_file: secret}\n'
both '--admin-listen: cannot listen on "http://127.0.0.1:1": another' 'listen: http://127.0.0.1:1\n' --admin-listen http://127.0.0.1:1
both '--listen: cannot listen on "x": the URL' 'listen: http://127.0.0.1:1\n' --listen x
both 'b.yaml:2: cannot listen on "nonsense"' 'admin:\n  listen: nonsense\n'
both 'b.yaml:1: cannot listen on "https://127.0.0.1:0": TLS needs a certificate and its key: --tls-cert FILE --tls-key FILE, or tls' 'listen: https://127.0.0.1:0\n'
both 'b.yaml:1: cannot listen on "wss://127.0.0.1:0": TLS needs a certificate' 'api: {listen: wss://127.0.0.1:0, key_file: secret}\n'
both 'b.yaml:3: "example.com" is no origin; write it as https://example.com' 'origins:\n- https://a.example\n- example.com\n'
both 'b.yaml:1: "10.1.0.0/8" is no network; write it as 10.0.0.0/8' 'trusted_proxies: [unix, 10.1.0.0/8]\n'
both '--trusted-proxy: "10.0.0.0/33" is no network' 'trusted_proxies: unix\n' --trusted-proxy 10.0.0.0/33
both 'b.yaml:1: cannot serve files from "file": Not a directory; name a folder' 'root: file\n'
both 'b.yaml:2: none.pem: no certificate could be read: No such file' 'tls:\n- cert: none.pem\n  key: key.pem\n'
both 'b.yaml:3: none.pem: no key for the certificate could be read' 'tls:\n- cert: cert.pem\n  key: none.pem\n'
both 'b.yaml:2: .*other.pem' 'tls:\n- {cert: cert.pem, key: other.pem}\n'
both '--tls-cert: none.pem: no certificate could be read' '' --tls-cert cert.pem --tls-key key.pem --tls-cert none.pem --tls-key key.pem
both 'b.yaml:1: none/data: cannot be made \(No such file' 'store: {engine: sqlite, data: none/data}\n'
both "b.yaml:1: $PWD/wide can be written by everybody: chmod o-w it" 'store: {engine: sqlite, data: wide}\n'
both 'b.yaml:1: file: is no folder that can be read' 'store: {engine: sqlite, data: file}\n'
both '--data: file: is no folder' '' --data file
both 'b.yaml:2: none: No such file' 'tokens:\n  secret_file: none\n'
both 'b.yaml:3: algorithms: none of them is one that the key takes' 'tokens:\n  secret_file: secret\n  algorithms: [RS256]\n'
both 'b.yaml:1: DUET_NO_SUCH: there is no such variable' 'api: {key_env: DUET_NO_SUCH}\n'
both 'b.yaml:1: short: a secret of 16 to 1024 bytes' 'admin: {token_file: short}\n'
both '--api-key-file: none: No such file' 'api: {key_file: secret}\n' --api-key-file none
DUET_ORIGINS='https://a.example,b' both 'DUET_ORIGINS: "b" is no origin' 'origins: https://c.example\n'
DUET_TOKENS_ISUER=me both 'DUET_TOKENS_ISUER: there is no such variable; did you mean DUET_TOKENS_ISSUER\?' ''
DUET_API_KEY=secret both 'DUET_API_KEY: nothing says that a secret is there; DUET_API_KEY_ENV=DUET_API_KEY does' ''
# What cannot go together is seen wherever each half was said.
both 'b.yaml:2: proxy_protocol needs trusted_proxies \(--trusted-proxy\)' 'threads: 1\nproxy_protocol: true\n'
both '--proxy-protocol: proxy_protocol needs trusted_proxies' 'threads: 1\n' --proxy-protocol
DUET_PROXY_PROTOCOL=true both 'DUET_PROXY_PROTOCOL: proxy_protocol needs trusted_proxies' ''
DUET_TRUSTED_PROXIES='' both 'b.yaml:2: proxy_protocol needs trusted_proxies' 'trusted_proxies: unix\nproxy_protocol: true\n'
both 'b.yaml:2: api needs key_file \(--api-key-file\) or key_env' 'api:\n  listen: http://127.0.0.1:0\n'
both '--api-listen: api needs key_file' '' --api-listen http://127.0.0.1:0
both 'b.yaml:1: engine sqlite needs data \(--data\)' 'store: {engine: sqlite}\n'
DUET_STORE_ENGINE=sqlite both 'DUET_STORE_ENGINE: engine sqlite needs data' ''
both 'b.yaml:1: require_origin keeps those out who come with the API.s key: api needs a listen' 'require_origin: true\n' --api-key-file secret
both '--api-key-file: short: a secret of 16' 'api: {key_env: DUET_NO_SUCH}\n' --api-key-file short
both 'b.yaml:1: "fd:web": no socket was passed|descriptor 3 \(web\) is named twice' 'listen: [fd:web, fd:web]\n'

# well TEXT ARGUMENT...: --check finds nothing, and leaves nothing behind.
well() {
    printf '%b' "$1" >b.yaml
    shift
    ls -R >before
    "$duet" serve --config b.yaml --check "$@" >out 2>err
    rc=$?
    verdict "--check $* takes $(tr '\n' ' ' <b.yaml)" "$([ $rc = 0 ] && [ "$(cat out)" = "b.yaml: all is well" ] && [ ! -s err ] || cat out err
        ls -R | diff before - )"
}
well 'listen: [fd:web, fd+tls:safe, http://127.0.0.1:0]\ntls: [{cert: cert.pem, key: key.pem}]\nadmin: {listen: fd:admin}\napi: {listen: "fd+tls:api", key_file: secret}\n'
well 'proxy_protocol: true\n' --trusted-proxy unix
well 'trusted_proxies: unix\n' --proxy-protocol
DUET_PROXY_PROTOCOL=true well '' --trusted-proxy unix
well 'api: {listen: http://127.0.0.1:0}\n' --api-key-file secret
DUET_API_KEY_FILE=secret well '' --api-listen http://127.0.0.1:0
well 'store: {engine: sqlite}\n' --data fresh
DUET_STORE_ENGINE=memory well 'store: {engine: memory}\n' --data fresh
well 'listen: []\n' --listen http://127.0.0.1:0
well 'require_origin: true\napi: {key_file: secret}\n' --api-listen http://127.0.0.1:0
well 'listen: https://127.0.0.1:0\n' --tls-cert cert.pem --tls-key key.pem
well 'store: {engine: sqlite, data: fresh}\n'
well "listen: [http://0.0.0.0:1, 'http://[::]:1', unix:$PWD/new.sock, https://localhost:2]\\ntls: [{cert: cert.pem, key: key.pem}]\\n"
start --listen http://127.0.0.1:0 --data mine
well 'store: {engine: sqlite, data: mine}\n' --listen "http://127.0.0.1:$port"
fails_busy=$(timeout 20 "$duet" serve --listen "http://127.0.0.1:0" --data mine 2>&1)
verdict "a folder that another server has is named by its option" "$(grep -q "^duet serve: --data: .*is in use by another process" <<<"$fails_busy" || echo "$fails_busy")"
printf 'listen: http://127.0.0.1:%s\n' "$port" >busy.yaml
fails_busy=$(timeout 20 "$duet" serve --config busy.yaml 2>&1)
verdict "a busy port is named by its line" "$(grep -q "^duet serve: busy.yaml:1: port $port is in use" <<<"$fails_busy" || echo "$fails_busy")"
kill "$pid"
verdict "a variable that is nearly a key is doubted" "$(DUET_THREAD=2 "$duet" serve --check 2>&1 >/dev/null |
    grep -vx 'duet serve: DUET_THREAD is no variable of the configuration; did you mean DUET_THREADS?'
    DUET_THREAD=2 start --listen http://127.0.0.1:0
    kill "$pid"
    grep -q '"warning".*"config_doubtful".*did you mean DUET_THREADS' $log || cat $log)"
# Those that tests and examples read, but for what is the configuration's own.
mapfile -t ours < <(grep -rhoE --include='*.c' --include='*.sh' --include='*.py' --include='*.mjs' --include=run --exclude-dir=node_modules \
    '(getenv\(["'"'"']|\$\{|export |env\.|environ\[["'"'"'])DUET_[A-Z_]+' "$top/tests" "$top/examples" | grep -oE 'DUET_.*' | sort -u |
    grep -vxE 'DUET_(LISTEN|API_KEY)')
verdict "variables of the tests and the examples are doubted by nobody" "$([ ${#ours[@]} -ge 5 ] || echo "only ${ours[*]} were found"
    for variable in "${ours[@]}"; do env "$variable=1" "$duet" serve --check 2>&1; done | grep -vx 'duet serve: all is well')"
verdict "variables of other programs are theirs" "$(DUET_BUILD=a DUET_BACKEND=b DUET_API_PORT=tcp://10.0.0.1:80 "$duet" serve --check 2>&1 |
    grep -vx 'duet serve: all is well')"

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

# Pages only (WEB-2).
# upgrades CODE FIELD...: what a WebSocket's request with these fields gets.
upgrades() {
    local wanted=$1
    shift
    answers "$wanted" /channel/a -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
        -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' --max-time 1 "${@/#/-H}"
}
post=(-X POST -H 'Content-Type: application/json' -d '{"channel":"a","data":1}')
printf 'origins: https://a.example\nchannels: { allow_subscribe_for_anonymous: true }\n' >origin.yaml
start --listen http://127.0.0.1:0 --config origin.yaml
verdict "a program without an Origin may come in" "$(upgrades 101; upgrades 101 'Origin: https://a.example'
    upgrades 403 'Origin: https://b.example'; answers 200 /api/publish "${post[@]}")"
kill "$pid"
for by in file variable; do
    if [ $by = file ]; then
        echo 'require_origin: true' >>origin.yaml
        start --listen http://127.0.0.1:0 --config origin.yaml
    else
        sed -i '/require_origin/d' origin.yaml
        DUET_REQUIRE_ORIGIN=true start --listen http://127.0.0.1:0 --config origin.yaml
    fi
    verdict "with require_origin by $by it may not (WEB-2)" "$(upgrades 403; upgrades 101 'Origin: https://a.example'
        upgrades 101 "Origin: http://127.0.0.1:$port"; upgrades 403 'Origin: https://b.example'; upgrades 403 'Origin: null'
        answers 403 /api/publish "${post[@]}"; answers 200 /api/publish "${post[@]}" -H "Origin: http://127.0.0.1:$port"
        answers 200 /health; answers 200 '/events?channel=a' --max-time 1)"
    kill "$pid"
done
both 'b.yaml:1: require_origin keeps those out who come with the API.s key: api needs a listen' 'require_origin: true\napi: {key_file: secret}\n'
both 'b.yaml:1: require_origin: true or false is expected' 'require_origin: a.example\n'
api=$(free_port)
echo "require_origin: true" >origin.yaml
start --listen http://127.0.0.1:0 --config origin.yaml --api-listen "http://127.0.0.1:$api" --api-key-file secret
verdict "backends have a listener of their own then" "$(port=$api; answers 200 /api/info -X POST -H "X-API-Key: $(cat secret)")"
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

# A file that --check would refuse is not taken over in parts.
cat >wrong.yaml <<END
listen: http://127.0.0.1:0
api: { key_file: secret }
admin: { token_file: secret }
pages: false
channels: { allow_subscribe_for_client: true }
END
cp wrong.yaml first.yaml
start --config wrong.yaml --production
# refuses PATTERN TEXT: SIGHUP with this in front of the file, which opens its channels, too.
refuses() {
    local pattern=$1 before
    before=$(grep -c '"config_reload_failed"' $log)
    { printf '%b' "$2"; sed "${3:-}; s/for_client: true/&, history_size: 9, history_ttl: 1m/" first.yaml; } >wrong.yaml
    kill -HUP "$pid"
    until_true 10 eval '[ "$(grep -c "\"config_reload_failed\"" $log)" -gt '"$before"' ]'
    verdict "SIGHUP says ${pattern//\\/}, and changes nothing (OPS-2)" "$(grep '"config_reload_failed"' $log | tail -1 |
        grep -qE "\"detail\":\"$pattern" || tail -3 $log; grep -E 'config_(changed|needs_restart|reloaded)' $log; answers 200 /health)"
}
refuses 'wrong.yaml:1: cannot listen on ."ftp://b."' 'listen: ftp://b\n' '/^listen/d'
refuses 'wrong.yaml:2: this machine has no address 192.0.2.1' 'threads: 1\nlisten: http://192.0.2.1:8080\n' '/^listen/d'
refuses 'wrong.yaml:1: ."example.com." is no origin' 'origins: example.com\n'
refuses 'wrong.yaml:1: ."10.1.0.0/8." is no network' 'trusted_proxies: 10.1.0.0/8\n'
refuses 'wrong.yaml:2: cannot listen on ."nonsense."' 'threads: 1\nadmin: { token_file: secret, listen: nonsense }\n' '/^admin/d'
refuses 'wrong.yaml:1: cannot serve files from ."file."' 'root: file\n'
refuses 'wrong.yaml:1: none.pem: no certificate could be read' 'tls: [{ cert: none.pem, key: key.pem }]\n'
refuses 'wrong.yaml:1: proxy_protocol needs trusted_proxies' 'proxy_protocol: true\n'
refuses 'wrong.yaml:1: file: is no folder' 'store: { engine: sqlite, data: file }\n'
refuses '--production: 1 door is open' '' 's/for_client: true/&, allow_subscribe_for_anonymous: true/'
verdict "the door is named" "$(grep -q '"config_reload_failed".*wrong.yaml:5: channels: anybody may subscribe' $log || cat $log)"
sed 's/for_client: true/&, history_size: 9, history_ttl: 1m/' first.yaml >wrong.yaml
again
verdict "what is right again is taken over" "$(grep -q '"config_changed".*channels.history_size' $log || cat $log)"
# changes COUNT: lines of the log of what holds now.
changes() {
    [ "$(grep -c '"config_changed"' $log)" = "$1" ] || grep '"config_' $log
}
again
verdict "what did not change since is not told again" "$(changes 2)"
cp first.yaml wrong.yaml
again
verdict "what is as it was at first is a change, too" "$(changes 4)"
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
    grep -q '^duet serve: --admin-listen: admin: everybody who reaches its address reads the metrics, and may publish by /admin; admin.token_file' || echo it is not)"
echo 'admin: { token_file: secret }' >>good.yaml
start --config good.yaml --production
verdict "with all doors closed it starts, and brings duet.js along" "$(answers 200 /health; answers 200 /duet.js; answers 401 '/events?channel=a')"
kill "$pid"
