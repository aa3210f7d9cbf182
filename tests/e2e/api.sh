#!/bin/bash
# SPDX-License-Identifier: MIT
# The HTTP API as backends speak it, with curl: each method's answer and its errors, the key, the listener of its own,
# and what clients are told of it (a stream that curl reads). DUET_BUILD=DIR: which program.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash
duet=$(realpath "${DUET_BUILD:-build/release}/duet")
work=$(mktemp -d)
pids=()
trap 'kill -9 "${pids[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT

key=0123456789abcdef
echo $key >"$work/key"
cat >"$work/duet.yaml" <<END
listen: [http://127.0.0.1:0]
api:
  listen: http://127.0.0.1:$(free_port)
  key_file: $work/key
channels:
  history_size: 10
  history_ttl: 1m
  allow_recovery: true
  presence: true
  join_leave: true
  allow_subscribe_for_anonymous: true
namespaces:
  - name: bare
    allow_subscribe_for_anonymous: true
  - name: bytes
    kinds: [binary]
    message_max: 4
    history_size: 10
    history_ttl: 1m
END
background "$work/log" listening "$duet" serve --log json --config "$work/duet.yaml"
server=$pid
url=http://127.0.0.1:$(port_of "$work/log")
api=$(sed -n 's/^  listen: //p' "$work/duet.yaml" | tail -1)

# What is another each time gets a name: epochs E, identities U, times T.
plain() {
    sed -E 's/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/U/g; s/"epoch":"[^"]{8}"/"epoch":"E"/g; s/"time":[0-9]+/"time":T/g'
}

ask() {
    curl -sS --max-time 20 -H "X-API-Key: $key" -d "$2" "$api/api/$1"
}

# same WANTED GOT
same() {
    [ "$1" = "$2" ] || printf '%s\nwanted:\n%s\n' "$2" "$1"
}

# answers CLAIM METHOD BODY ANSWER
answers() {
    verdict "$1" "$(same "$4" "$(ask "$2" "$3" | plain)")"
}

# says_no METHOD CODE BODY...: each is answered with this error.
says_no() {
    local method=$1 code=$2 body trouble=""
    shift 2
    for body in "$@"; do
        [[ $(ask "$method" "$body") == '{"error":{"code":'"$code"',"message":"'*'"}}' ]] || trouble+="$body $(ask "$method" "$body")"$'\n'
    done
    verdict "$method: error $code" "$trouble"
}

status() {
    curl -sS --max-time 20 -o "$work/body" -w '%{http_code}' "$@"
}

# heard N: the first N lines that the client was told.
heard() {
    until_true 20 test_lines "$1" || echo "only $(wc -l <"$work/heard") lines"
    head -"$1" "$work/heard" | tail -1 | plain
}

test_lines() {
    [ "$(wc -l <"$work/heard")" -ge "$1" ]
}

# listen WAY BODY: a client; `client` is its identity.
listen() {
    : >"$work/heard"
    curl -sSN -d "$2" "$url/connection/$1" >"$work/heard" 2>&1 &
    pids+=($!)
    until_true 20 test_lines 1
    client=$(grep -oE '"client":"[^"]*' "$work/heard" | head -1 | cut -d'"' -f4)
}

# Publishing.
answers "publish: JSON" publish '{"channel":"a","data":{"x":
[1, 2]}}' '{"result":{"offset":1,"epoch":"E"}}'
answers "publish: base64 that is JSON" publish \
    '{"channel":"a","b64data":"eyJ4IjoxfQ=="}' \
    '{"result":{"offset":2,"epoch":"E"}}'
answers "publish: base64 that is not" publish '{"channel":"a","b64data":"AP8="}' '{"result":{"offset":3,"epoch":"E"}}'
answers "publish: text, and tags" publish \
    '{"channel":"a","text":"a\nb","tags":{"k":"v"}}' \
    '{"result":{"offset":4,"epoch":"E"}}'
answers "publish: without history" publish '{"channel":"a","data":0,"skip_history":true}' '{"result":{}}'
answers "publish: where there is none" publish '{"channel":"bare:a","data":0}' '{"result":{}}'
answers "history: all that was said" history '{"channel":"a","limit":-1}' \
    '{"result":{"publications":[{"data":{"x":[1, 2]},"offset":1,"time":T},{"data":{"x":1},"offset":2,"time":T},{"data":{"b64":"AP8="},"offset":3,"time":T},{"data":"a\u000ab","offset":4,"tags":{"k":"v"},"time":T}],"epoch":"E","offset":4}}'
for _ in 1 2; do
    answers "publish: with a key once" publish \
        '{"channel":"i","data":1,"idempotency_key":"k"}' \
        '{"result":{"offset":1,"epoch":"E"}}'
    answers "publish: a version once" publish \
        '{"channel":"v","data":1,"version":7,"version_epoch":"e"}' \
        '{"result":{"offset":1,"epoch":"E"}}'
done
answers "publish: bytes where only they may be" publish \
    '{"channel":"bytes:a","b64data":"MTIz"}' \
    '{"result":{"offset":1,"epoch":"E"}}'
says_no publish 107 '' '[]' '{"channel":"a"}' '{"data":1}' '{"channel":"","data":1}' '{"channel":1,"data":1}' '{"channel":"a","b64data":"?"}' \
    '{"channel":"a","data":1,"text":"x"}' '{"channel":"a","data":1,"tags":[]}' '{"channel":"a","data":1,"version":-1}' '{"channel":"bytes:a","data":1}'
says_no publish 102 '{"channel":"nowhere:a","data":1}'
says_no publish 106 '{"channel":"bytes:a","b64data":"MTIzNDU="}'
answers "broadcast: each channel has its answer" broadcast '{"channels":["a","bare:a","nowhere:a",""],"data":1}' \
    '{"result":{"responses":[{"result":{"offset":5,"epoch":"E"}},{"result":{}},{"error":{"code":102,"message":"unknown channel"}},{"error":{"code":107,"message":"bad request"}}]}}'
says_no broadcast 107 '{"channels":[],"data":1}' '{"channels":"a","data":1}' '{"data":1}' '{"channels":["a"]}'

# History.
answers "history: the position alone" history '{"channel":"a"}' '{"result":{"publications":[],"epoch":"E","offset":5}}'
answers "history: backwards from a position" history '{"channel":"a","limit":1,"reverse":true,"since":{"offset":3}}' \
    '{"result":{"publications":[{"data":{"x":1},"offset":2,"time":T}],"epoch":"E","offset":5}}'
says_no history 107 '{}' '{"channel":"a","limit":"1"}' '{"channel":"a","since":{"offset":-1}}' '{"channel":"a","limit":1,"reverse":true,"since":{"offset":0}}'
says_no history 112 '{"channel":"a","limit":1,"since":{"offset":1,"epoch":"anotherE"}}'
says_no history 108 '{"channel":"bare:a"}'
says_no history 102 '{"channel":"nowhere:a"}'
answers "history_remove" history_remove '{"channel":"a"}' '{"result":{}}'
answers "history_remove: the position stays" history \
    '{"channel":"a","limit":-1}' \
    '{"result":{"publications":[],"epoch":"E","offset":5}}'
says_no history_remove 107 '{}'
says_no history_remove 108 '{"channel":"bare:a"}'
says_no history_remove 102 '{"channel":"nowhere:a"}'

# Clients.
listen uni_http_stream '{}'
ask publish '{"channel":"room","data":1}' >"$work/body"
answers "subscribe: with all there is to say" subscribe \
    '{"user":"","channel":"room","info":{"n":1},"data":{"d":2},"recover_since":{"offset":0},"expire_at":4000000000,"override":{"presence":{"value":true}}}' '{"result":{}}'
verdict "subscribe: the client is told" \
    "$(same '{"channel":"room","subscribe":{"recoverable":true,"positioned":true,"epoch":"E","recovered":true,"was_recovering":true,"data":{"d":2}}}' "$(heard 2)")"
verdict "subscribe: and what it missed" "$(same '{"channel":"room","pub":{"data":1,"offset":1,"time":T}}' "$(heard 3)")"
verdict "subscribe: and that it is there" \
    "$(same '{"channel":"room","join":{"info":{"user":"","client":"U","chan_info":{"n":1}}}}' "$(heard 4)")"
answers "presence" presence \
    '{"channel":"room"}' \
    '{"result":{"presence":{"U":{"user":"","client":"U","chan_info":{"n":1}}}}}'
answers "presence_stats" presence_stats '{"channel":"room"}' '{"result":{"num_clients":1,"num_users":1}}'
answers "channels" channels '{}' '{"result":{"channels":{"room":{"num_clients":1}}}}'
answers "channels: by a pattern" channels '{"pattern":"r*m"}' '{"result":{"channels":{"room":{"num_clients":1}}}}'
answers "channels: none fits" channels '{"pattern":"x*"}' '{"result":{"channels":{}}}'
says_no channels 107 '{"pattern":1}' '[]'
for method in presence presence_stats; do
    says_no $method 107 '{}'
    says_no $method 108 '{"channel":"bare:a"}'
    says_no $method 102 '{"channel":"nowhere:a"}'
done
says_no subscribe 107 '{"channel":"room"}' '{"user":""}' '{"user":"","channel":"room","info":1,"b64info":"MQ=="}' '{"user":"","channel":"room","override":1}'
says_no subscribe 108 '{"user":"","channel":"bare:a","override":{"presence":{"value":true}}}' '{"user":"","channel":"bare:a","recover_since":{}}'
says_no subscribe 110 '{"user":"","channel":"room","expire_at":1}'
says_no subscribe 102 '{"user":"","channel":"nowhere:a"}'
answers "unsubscribe: another client" unsubscribe \
    '{"user":"","channel":"room","client":"00000000-0000-4000-8000-000000000000"}' \
    '{"result":{}}'
answers "unsubscribe: this one" unsubscribe \
    "{\"user\":\"\",\"channel\":\"room\",\"client\":\"$client\"}" \
    '{"result":{}}'
verdict "unsubscribe: the client is told" \
    "$(same '{"channel":"room","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}' "$(heard 5)")"
says_no unsubscribe 107 '{"user":""}' '{"channel":"room"}' '{"user":1,"channel":"room"}'
answers "refresh: until a time" refresh '{"user":"","expire_at":4000000000}' '{"result":{}}'
verdict "refresh: the client is told" \
    "$(heard 6 | grep -qE '^\{"refresh":\{"expires":true,"ttl":[0-9]+\}\}$' || heard 6)"
answers "refresh: for ever" refresh '{"user":""}' '{"result":{}}'
verdict "refresh: it is told of that, too" "$(same '{"refresh":{"expires":false}}' "$(heard 7)")"
says_no refresh 107 '{}' '{"user":"","expire_at":-1}' '{"user":"","info":{}}'
answers "disconnect: whom it spares stays" disconnect "{\"user\":\"\",\"whitelist\":[\"$client\"]}" '{"result":{}}'
answers "disconnect: with a code of ours" disconnect \
    '{"user":"","disconnect":{"code":4000,"reason":"enough"}}' \
    '{"result":{}}'
verdict "disconnect: the client is told" "$(same '{"disconnect":{"code":4000,"reason":"enough"}}' "$(heard 8)")"
says_no disconnect 107 '{}' '{"user":"","disconnect":{"code":1}}' '{"user":"","disconnect":{"code":5000}}' '{"user":"","whitelist":["x"]}' '{"user":"","session":1}'
listen uni_sse '{}'
answers "refresh: expired" refresh '{"user":"","expired":true}' '{"result":{}}'
until_true 20 grep -q 3005 "$work/heard"
verdict "refresh: which ends it" \
    "$(grep -q '"disconnect":{"code":3005,"reason":"connection expired"}' "$work/heard" || cat "$work/heard")"
listen http_stream '{"id":1,"connect":{}}'
session=$(grep -oE '"session":"[^"]*' "$work/heard" | cut -d'"' -f4)
answers "by another session nobody is meant" disconnect '{"user":"","session":"x"}' '{"result":{}}'
answers "by its session a client is" subscribe \
    "{\"user\":\"\",\"channel\":\"bare:s\",\"session\":\"$session\"}" \
    '{"result":{}}'
verdict "and is told" "$(same '{"push":{"channel":"bare:s","subscribe":{}}}' "$(heard 2)")"

# All else.
verdict "info" \
    "$(ask info '{}' | grep -qE '^\{"result":\{"nodes":\[\{"uid":"[^"]+","name":"[^"]+","version":"[^"]+","num_clients":1,"num_users":1,"num_channels":[0-9]+,"uptime":[0-9]+\}\]\}\}$' || ask info '{}')"
answers "batch: in order, each with its own" batch \
    '{"commands":[{"publish":{"channel":"z","data":1}},{"broadcast":{"channels":["z"],"data":2}},{"history":{"channel":"z","limit":1}},{"publish":{}},{"nothing":{}},{"batch":{}},{"presence":{"channel":"bare:a"}},{}],"parallel":true}' \
    '{"replies":[{"publish":{"offset":1,"epoch":"E"}},{"broadcast":{"responses":[{"result":{"offset":2,"epoch":"E"}}]}},{"history":{"publications":[{"data":1,"offset":1,"time":T}],"epoch":"E","offset":2}},{"error":{"code":107,"message":"bad request"}},{"error":{"code":104,"message":"method not found"}},{"error":{"code":104,"message":"method not found"}},{"error":{"code":108,"message":"not available"}},{"error":{"code":104,"message":"method not found"}}]}'
says_no batch 107 '{}' '{"commands":[]}' '{"commands":{}}'
with=(-H "X-API-Key: $key")
verdict "a method that there is not: 404" "$(same 404 "$(status "${with[@]}" -d '{}' "$api/api/nothing")")"
verdict "what is no JSON: 400" "$(same 400 "$(status "${with[@]}" -d '{' "$api/api/info")")"
verdict "by GET: 405" "$(same 405 "$(status "${with[@]}" "$api/api/info")")"
verdict "the answer is JSON that nobody keeps" "$(curl -sSi "${with[@]}" -d '{}' "$api/api/info" | tr -d '\r' >"$work/body"
    grep -qix 'content-type: application/json' "$work/body" && grep -qix 'cache-control: no-store' "$work/body" || cat "$work/body")"

# The door (HUB-18).
verdict "the key in Authorization" "$(same 200 "$(status -H "Authorization: apikey $key" -d '{}' "$api/api/info")")"
verdict "no key: 401" "$(same 401 "$(status -d '{}' "$api/api/info")")"
verdict "another key: 401" "$(same 401 "$(status -H 'X-API-Key: 0123456789abcdeF' -d '{}' "$api/api/info")")"
verdict "a key in the address is none: 401" "$(same 401 "$(status -d '{}' "$api/api/info?api_key=$key")")"
verdict "the public listener has pages there, and no API" "$(same 405 "$(status "${with[@]}" -d '{}' "$url/api/info")")"
verdict "and the API's has nothing else" "$(same 404 "$(status "$api/connection/uni_http_stream")")"
kill -TERM "$server"
wait "$server"
verdict "the server ends with 0" "$(same 0 $?)"
background "$work/log" listening "$duet" serve --log json --listen http://127.0.0.1:0
url=http://127.0.0.1:$(port_of "$work/log")
verdict "without a key programs of this machine may ask" "$(same 200 "$(status -d '{}' "$url/api/info")")"
verdict "by another name they may not: 403" "$(same 403 "$(status -H 'Host: a.example' -d '{}' "$url/api/info")")"
verdict "nor pages: 403" "$(same 403 "$(status -H 'Origin: http://a.example' -d '{}' "$url/api/info")")"
verdict "nor who speaks for another: 403" \
    "$(same 403 "$(status -H 'X-Forwarded-For: 192.0.2.1' -d '{}' "$url/api/info")")"
