#!/bin/bash
# SPDX-License-Identifier: MIT
# HTTP as curl speaks it, with examples/site and examples/echo.
. "$(dirname "$0")/tools/site.bash"

mkdir "$work/root"
echo "a file" >"$work/root/a.txt"
head -c 700000 /dev/urandom >"$work/body"
head -c 3000000 /dev/urandom >"$work/large"
x8=$(printf 'x%.0s' $(seq 8192))

site "$work/root"
claim "curl: two requests use one connection" same 1,0 get -o /dev/null -w '%{num_connects},' "$url/a.txt" \
    --next -sS -o /dev/null -w '%{num_connects}' "$url/a.txt"
claim "curl: Connection: close is obeyed" same 1,1 get -H 'Connection: close' -o /dev/null -w '%{num_connects},' \
    "$url/a.txt" --next -sS -o /dev/null -w '%{num_connects}' "$url/a.txt"
claim "curl: HTTP/1.0 is served, and closed" has '^HTTP/1.1 200' '^connection: close' -- head_of -0 "$url/a.txt"
claim "curl: HTTP/1.0 with keep-alive is kept" same 1,0 get -0 -H 'Connection: keep-alive' -o /dev/null \
    -w '%{num_connects},' "$url/a.txt" --next -0 -sS -o /dev/null -w '%{num_connects}' "$url/a.txt"
claim "curl: HEAD has the length and no body" has '^HTTP/1.1 200' '^content-length: 7$' -- get -I "$url/a.txt"
claim "curl: 404" same 404 status "$url/nothing"
claim "curl: 405 says what is allowed" has '^HTTP/1.1 405' '^allow: GET, HEAD$' -- head_of -X DELETE "$url/a.txt"
claim "curl: 405 for a route's own methods" has '^HTTP/1.1 405' '^allow: POST, PUT$' -- head_of "$url/api/echo"
claim "curl: 405 on a WebSocket's path" has '^HTTP/1.1 405' '^allow: GET$' -- head_of -d x "$url/echo"
claim "curl: 426 says how" has '^HTTP/1.1 426' '^upgrade: websocket$' '^connection: .*upgrade' \
    '^sec-websocket-version: 13$' -- head_of "$url/echo"
claim "curl: 431 for a head over the limit" same 431 status -H "A: $x8" -H "B: $x8" "$url/a.txt"
claim "curl: 414 for a target over the limit" same 414 status "$url/$x8"
claim "curl: 501 for a method that does not exist" same 501 status -X BREW "$url/a.txt"
claim "curl: 400 for two lengths" same 400 status -H 'Content-Length: 1' -H 'Content-Length: 2' "$url/a.txt"
claim "curl: 400 without a Host" same 400 status -H 'Host:' "$url/a.txt"
claim "curl: an offer of h2c is not taken" has '^HTTP/1.1 200' -- head_of --http2 "$url/a.txt"
claim "curl: each answer has its date" has '^date: [A-Z][a-z]{2}, [0-9 A-Za-z:]+ GMT$' -- head_of "$url/a.txt"

body_returns() {
    get "$@" "$url/api/echo" -o "$work/back" && cmp "$work/body" "$work/back"
}
claim "curl: a body with a length" body_returns --data-binary "@$work/body"
claim "curl: a body in chunks" body_returns -H 'Transfer-Encoding: chunked' --data-binary "@$work/body"
claim "curl: a body by PUT" body_returns -T "$work/body"
claim "curl: an empty body in chunks" same "" get -H 'Transfer-Encoding: chunked' -d '' "$url/api/echo"
claim "curl: Expect gets its 100 before the body" has '^< HTTP/1.1 100 Continue' '^< HTTP/1.1 200' -- \
    bash -c "curl -sSv --max-time 60 -H 'Expect: 100-continue' --expect100-timeout 30 --data-binary '@$work/body' \
    -o /dev/null '$url/api/echo' 2>&1"
claim "curl: 413 for a body over the limit, before it came" same 413 status -H 'Expect: 100-continue' \
    --data-binary "@$work/large" "$url/api/echo"
claim "curl: 413 for chunks over the limit" same 413 status -H 'Expect:' -H 'Transfer-Encoding: chunked' \
    --data-binary "@$work/large" "$url/api/echo"
claim "curl: a body over the limit goes in pieces" same '3000000 bytes' get --data-binary "@$work/large" \
    "$url/api/count"
claim "curl: the same in chunks" same '3000000 bytes' get -H 'Transfer-Encoding: chunked' \
    --data-binary "@$work/large" "$url/api/count"
claim "curl: 417 for another expectation" same 417 status -H 'Expect: tea' -d x "$url/api/echo"
claim "curl: another site's page may not send" same 403 status -H 'Origin: http://evil.example' -d x "$url/api/echo"
claim "curl: its own page may" same 200 status -H "Origin: $url" -d x "$url/api/echo"
claim "curl: after all of that it serves" same 'a file' get "$url/a.txt"
stop "the site"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=IP:127.0.0.1 -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
at=127.0.0.1:$(free_port)
serve "$build/examples/echo" --tls-cert "$work/cert.pem" --tls-key "$work/key.pem" "wss://$at"
tls="--cacert $work/cert.pem https://$at/"
# shellcheck disable=SC2086
{
    claim "curl: over TLS 1.3" same 426 status --tlsv1.3 $tls
    claim "curl: over TLS 1.2" same 426 status --tlsv1.2 --tls-max 1.2 $tls
    claim "curl: not over TLS 1.1" same 000 status --tlsv1.0 --tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0 $tls 2>/dev/null
    claim "curl: ALPN agrees on http/1.1" has 'server accepted http/1.1' -- bash -c "curl -sSv --http2 $tls 2>&1"
}
claim "curl: plain HTTP to a TLS port serves nothing" same 000 status "http://$at/" 2>/dev/null
stop "echo over TLS"

at=$work/echo.sock
serve "$build/examples/echo" "unix:$at"
claim "curl: over a unix socket" same 426 status --unix-socket "$at" http://localhost/
stop "echo on a unix socket"
exit $failed
