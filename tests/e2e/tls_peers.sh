#!/bin/bash
# SPDX-License-Identifier: MIT
# The client against TLS that others wrote: nginx in front of npm's ws and of examples/echo, over IPv4 and IPv6, and
# `openssl s_server`. Certificates, sessions that are resumed, pins, redirects; and libwebsockets' test server.
# DUET_BUILD=DIR: which programs.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash
build=$(realpath "${DUET_BUILD:-build/release}")
duet=$build/duet
work=$(mktemp -d)
chmod 755 "$work"
pids=()
trap 'kill -9 "${pids[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT

# end PID
end() {
    kill "$1"
    wait "$1"
} 2>/dev/null

# talk CLAIM CODE OUTPUT PATTERN ARGUMENT...: one line goes out; what comes is OUTPUT as printf writes it.
talk() {
    local claim=$1 code=$2 output=$3 pattern=$4 rc
    shift 4
    echo hello | timeout 60 "$duet" connect --trace --count 1 "$@" >"$work/out" 2>"$work/err"
    rc=$?
    # shellcheck disable=SC2059
    printf "$output" >"$work/wanted"
    if [ $rc = "$code" ] && cmp -s "$work/wanted" "$work/out" && grep -qE -e "$pattern" "$work/err"; then
        verdict "$claim" ""
    else
        verdict "$claim" "exit $rc: $(head -c 2000 "$work/err"; echo "; output:"; head -c 500 "$work/out")"
    fi
}

# certificate NAME SUBJECTALTNAME DAYS [ISSUER]: signed by the issuer, or by itself.
certificate() {
    local name=$work/$1
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" -keyout "$name.key" \
        -out "$name.csr" 2>/dev/null
    echo "$2" >"$name.ext"
    if [ -n "$4" ]; then
        openssl x509 -req -in "$name.csr" -extfile "$name.ext" -days "$3" -CA "$work/$4.pem" -CAkey "$work/$4.key" \
            -CAcreateserial -out "$name.pem" 2>"$work/openssl.err"
    else
        openssl x509 -req -in "$name.csr" -extfile "$name.ext" -days "$3" -signkey "$name.key" -out "$name.pem" \
            2>"$work/openssl.err"
    fi || cat "$work/openssl.err"
}

pin() {
    openssl x509 -in "$1" -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64
}

local_names=subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1
certificate ca basicConstraints=critical,CA:TRUE 2
certificate good $local_names 2 ca
certificate expired $local_names -1 ca
certificate wrong subjectAltName=DNS:elsewhere.example 2 ca
certificate selfsigned $local_names 2
certificate someone subjectAltName=DNS:someone.example 2 ca
cat "$work/good.pem" "$work/ca.pem" >"$work/chain.pem"
trust=(--ca "$work/ca.pem")

# npm's ws echoes, tells a request's fields at /asked, and drops at /drop; examples/echo.
cat >"$work/peer.mjs" <<END
import { WebSocketServer } from "file://$PWD/tests/e2e/node_modules/ws/wrapper.mjs";
const server = new WebSocketServer({ port: 0, host: "127.0.0.1" }, () => console.log("port " + server.address().port));
server.on("connection", (s, r) => {
    if (r.url === "/asked")
        s.send(r.headers.cookie + " " + r.headers.authorization + " " + r.headers["user-agent"]);
    s.on("message", (m, binary) => s.send(m, { binary }));
    if (r.url === "/drop")
        setTimeout(() => s.terminate(), 50);
});
END
background "$work/node" '^port' node "$work/peer.mjs"
node=$(sed -n 's/^port //p' "$work/node")
"$build/examples/echo" "unix:$work/echo.sock" </dev/null >"$work/echo" 2>&1 &
pids+=($!)
until_true 30 test -S "$work/echo.sock" || cat "$work/echo"
# Ports for those that cannot be asked for any: none that the system gives to others meanwhile.
read -r ws tls12 expired wrong selfsigned pinned wants plain lws lws_echo < <(python3 -c '
import random, socket
ports = []
for port in random.sample(range(20000, 32000), 1000):
    with socket.socket() as s:
        if len(ports) < 10 and s.connect_ex(("127.0.0.1", port)) != 0:
            ports.append(port)
print(*ports)')

secure() {
    printf 'listen 127.0.0.1:%s ssl; listen [::1]:%s ssl; ssl_certificate %s; ssl_certificate_key %s.key;' \
        "$1" "$1" "$work/$2.pem" "$work/${3:-$2}"
}
cat >"$work/nginx.conf" <<END
daemon off; master_process off; pid $work/nginx.pid; error_log $work/nginx.log; worker_processes 1; $([ "$(id -u)" != 0 ] || echo "user root;")
events { worker_connections 256; }
http {
    log_format tls '\$server_port \$ssl_protocol \$ssl_session_reused \$ssl_client_s_dn';
    access_log $work/access tls;
    client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/fastcgi;
    uwsgi_temp_path $work/uwsgi; scgi_temp_path $work/scgi;
    proxy_http_version 1.1;
    proxy_set_header Host \$http_host;
    proxy_set_header Upgrade \$http_upgrade;
    proxy_set_header Connection upgrade;
    ssl_protocols TLSv1.2 TLSv1.3; # nginx before 1.23 has the older one only
    server {
        $(secure "$ws" chain good)
        location / { proxy_pass http://127.0.0.1:$node; }
        location /echo { proxy_pass http://unix:$work/echo.sock:/; }
        location /old { return 301 /asked; }
        location /away { return 302 https://[::1]:$ws/asked; }
        location /down { return 307 http://127.0.0.1:$plain/; }
        location /loop { return 302 /loop; }
    }
    server { $(secure "$tls12" good) ssl_protocols TLSv1.2; location / { proxy_pass http://127.0.0.1:$node; } }
    server { $(secure "$expired" expired) return 204; }
    server { $(secure "$wrong" wrong) return 204; }
    server { $(secure "$selfsigned" selfsigned) return 204; }
    server { $(secure "$pinned" chain good) return 204; }
    server {
        $(secure "$wants" good) ssl_verify_client on; ssl_client_certificate $work/ca.pem;
        location /old { return 301 /asked; }
        location /away { return 301 https://[::1]:$wants/asked; }
        location / { proxy_pass http://127.0.0.1:$node; }
    }
    server { listen 127.0.0.1:$plain; return 301 https://127.0.0.1:$ws/asked; }
}
END
/usr/sbin/nginx -c "$work/nginx.conf" </dev/null >"$work/nginx.out" 2>&1 &
pids+=($!)
until_true 30 curl -s --cacert "$work/ca.pem" -o /dev/null "https://127.0.0.1:$ws/" || cat "$work/nginx.out" "$work/nginx.log"

for host in 127.0.0.1 '[::1]' localhost; do
    talk "npm's ws behind nginx, at $host" 0 'hello\n' 'open: .*, TLS, .*' "${trust[@]}" "wss://$host:$ws/"
    talk "examples/echo behind nginx, at $host" 0 'hello\n' 'closed with 1000' "${trust[@]}" "https://$host:$ws/echo"
done
seq 1 20000 >"$work/lines"
timeout 60 "$duet" connect --count 20000 "${trust[@]}" "wss://[::1]:$ws/" <"$work/lines" 2>"$work/err" | cmp - "$work/lines" \
    >"$work/out"
verdict "20000 lines come back through nginx in order" "$(cat "$work/out"; grep -v 1000 "$work/err")"

# TLS-9: what is wrong is said, and nothing was asked.
talk "nginx with an expired certificate is refused" 3 '' 'certificate has expired' "${trust[@]}" "wss://127.0.0.1:$expired/"
talk "nginx with another's certificate is refused" 3 '' 'not for the address 127.0.0.1' "${trust[@]}" "wss://127.0.0.1:$wrong/"
talk "by name, too" 3 '' 'not for the name localhost' "${trust[@]}" "wss://localhost:$wrong/"
talk "nginx with a self-signed certificate is refused" 3 '' 'self-signed, or by an authority that is not trusted' \
    "${trust[@]}" "wss://127.0.0.1:$selfsigned/"
talk "nginx by an issuer that the system does not know" 3 '' 'not trusted.*--ca FILE' "wss://127.0.0.1:$pinned/"
talk "nginx with another key than the pinned one is refused" 3 '' "none of the pinned ones, but sha256/$(pin "$work/good.pem" |
    sed 's,[+/],.,g')" "${trust[@]}" --pin "$(pin "$work/wrong.pem")" "wss://127.0.0.1:$pinned/"
talk "nor does the authority's key count, which comes along" 3 '' 'none of the pinned ones' "${trust[@]}" \
    --pin "$(pin "$work/ca.pem")" "wss://127.0.0.1:$pinned/"
verdict "none of them saw a byte of HTTP" "$(grep -E "^($expired|$wrong|$selfsigned|$pinned) " "$work/access")"
talk "a pinned key is enough where nothing else is verified" 0 'hello\n' 'closed with 1000' --insecure \
    --pin "sha256/$(pin "$work/good.pem")" "wss://127.0.0.1:$ws/"
talk "what is no pin is said at once" 2 '' 'a pin is the base64' --pin sha256/x "wss://127.0.0.1:$ws/"
curl_pin=$(curl -s -o /dev/null -w '%{http_code}' --insecure --pinnedpubkey "sha256//$(pin "$work/good.pem")" \
    "https://127.0.0.1:$ws/echo")
verdict "curl means the same by it" "$([ "$curl_pin" != 000 ] || echo "curl: $curl_pin")"

# Our own certificate.
talk "nginx that wants a certificate gets it" 0 'hello\n' 'closed with 1000' "${trust[@]}" --cert "$work/someone.pem" \
    --key "$work/someone.key" "wss://127.0.0.1:$wants/"
talk "and answers 400 without" 4 '' 'answered 400' "${trust[@]}" "wss://127.0.0.1:$wants/"

talk "where it is led in the same place, too" 0 'undefined undefined undefined\n' 'closed with 1000' --redirects 1 \
    "${trust[@]}" --cert "$work/someone.pem" --key "$work/someone.key" "wss://127.0.0.1:$wants/old"
talk "but to another it is not shown" 4 '' 'answered 400' --redirects 1 "${trust[@]}" --cert "$work/someone.pem" \
    --key "$work/someone.key" "wss://127.0.0.1:$wants/away"

# CLI-3.
private=(--header 'Cookie: a=b' --header 'Authorization: x' --header 'User-Agent: me')
talk "a Cookie arrives" 0 'a=b x me\n' 'closed with 1000' "${trust[@]}" "${private[@]}" "wss://127.0.0.1:$ws/asked"
talk "a redirect is not followed" 4 '' 'answered 301.*--redirects N' "${trust[@]}" "wss://127.0.0.1:$ws/old"
talk "unless it may be" 0 'a=b x me\n' 'closed with 1000' --redirects 1 "${trust[@]}" "${private[@]}" \
    "wss://127.0.0.1:$ws/old"
talk "to another host without secrets" 0 'undefined undefined me\n' 'closed with 1000' --redirects 1 "${trust[@]}" \
    "${private[@]}" "wss://127.0.0.1:$ws/away"
talk "from http to https, too" 0 'undefined undefined me\n' 'closed with 1000' --redirects 1 "${trust[@]}" \
    "${private[@]}" "ws://127.0.0.1:$plain/"
talk "never from https to http" 4 '' '307, which is not followed: its Location gives up TLS' --redirects 5 "${trust[@]}" \
    "wss://127.0.0.1:$ws/down"
talk "a loop ends" 4 '' '302, which is not followed: there were too many' --redirects 5 "${trust[@]}" "wss://127.0.0.1:$ws/loop"

# A client that comes back resumes: nginx says so, and so do we.
resumes() {
    : >"$work/access"
    background "$work/sub" 'open: .*TLS resumed' "$duet" sub --trace "${trust[@]}" "wss://127.0.0.1:$2/drop"
    verdict "a client that comes back resumes $1 of nginx" "$(
        until_true 20 grep -qE "^$2 $1 r" "$work/access" && grep -q 'TLS resumed' "$work/sub" || cat "$work/access" "$work/sub")"
    verdict "and before it did not" "$(head -1 "$work/access" | grep -vE "^$2 $1 \\. ")"
    end "$pid"
}
resumes TLSv1.3 "$ws"
resumes TLSv1.2 "$tls12"

# openssl s_server prints what it knows, and answers what stands on its input: come again.
mkfifo "$work/orders"
exec 5<>"$work/orders"
server() {
    input=$work/orders background "$work/openssl" '^ACCEPT' openssl s_server -accept 127.0.0.1:0 -naccept 9 \
        -cert "$work/$1.pem" -key "$work/$1.key" "${@:2}"
    openssl=$(sed -n 's/^ACCEPT.*:\([0-9]*\)$/\1/p' "$work/openssl")
    server_pid=$pid
}
for version in tls1_2 tls1_3; do
    server good -$version
    "$duet" sub --trace "${trust[@]}" "wss://127.0.0.1:$openssl/" </dev/null >"$work/sub" 2>&1 &
    pids+=($!)
    until_true 20 grep -q '^CIPHER is' "$work/openssl"
    until_true 20 grep -q '^Sec-WebSocket-Version' "$work/openssl"
    printf 'HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n' >&5
    verdict "openssl s_server -$version: Reused" "$(until_true 20 grep -q '^Reused' "$work/openssl" || cat "$work/openssl")"
    end $!
    end "$server_pid"
done
server expired
talk "openssl s_server with an expired certificate is refused" 3 '' 'certificate has expired' "${trust[@]}" \
    "wss://127.0.0.1:$openssl/"
verdict "before any byte of HTTP" "$(grep 'GET' "$work/openssl")"
end "$server_pid"
server good -Verify 1 -CAfile "$work/ca.pem" -verify_return_error
talk "openssl s_server that wants a certificate: there is none" 3 '' 'certificate required|handshake failure' "${trust[@]}" \
    "wss://127.0.0.1:$openssl/"
: >"$work/openssl"
timeout 20 "$duet" connect --cert "$work/someone.pem" --key "$work/someone.key" "${trust[@]}" \
    "wss://127.0.0.1:$openssl/" </dev/null >"$work/sub" 2>&1 &
pids+=($!)
verdict "and here it is" "$(until_true 20 grep -q '^subject=CN = someone' "$work/openssl" || cat "$work/openssl")"
end "$server_pid"

# libwebsockets.
libwebsockets-test-server --port="$lws" </dev/null >"$work/lws" 2>&1 &
pids+=($!)
until_true 20 curl -s -o /dev/null "http://127.0.0.1:$lws/"
for host in 127.0.0.1 '[::1]'; do
    talk "libwebsockets' mirror at $host" 0 'hello\n' 'subprotocol lws-mirror-protocol' --subprotocol lws-mirror-protocol \
        "ws://$host:$lws/"
    talk "which may decline permessage-deflate" 0 'hello\n' 'closed with 1000' --deflate --subprotocol lws-mirror-protocol \
        "ws://$host:$lws/"
done
timeout 60 "$duet" connect --subprotocol dumb-increment-protocol --count 20 --wait 30 "ws://127.0.0.1:$lws/" </dev/null \
    >"$work/out" 2>"$work/err"
verdict "libwebsockets' counter counts" "$(seq 0 19 | cmp - "$work/out" 2>&1; grep -v 1000 "$work/err")"

# Its permessage-deflate, which that server does not turn on.
gcc -O1 -o "$work/lws-echo" tests/e2e/tools/lws-echo.c -lwebsockets 2>"$work/gcc" || cat "$work/gcc"
"$work/lws-echo" "$lws_echo" </dev/null >"$work/lws-echo.log" 2>&1 &
pids+=($!)
until_true 20 curl -s -o /dev/null "http://127.0.0.1:$lws_echo/"
for lines in 1 100 3000 100000; do
    { seq 1 $lines | tr '\n' ' '; echo; } >"$work/lines"
    timeout 60 "$duet" connect --deflate --trace --count 1 --subprotocol echo "ws://127.0.0.1:$lws_echo/" <"$work/lines" \
        >"$work/out" 2>"$work/err"
    packed=$(grep -cE '^[<>] +[0-9.]+  text .*RSV1' "$work/err")
    verdict "libwebsockets inflates $(stat -c %s "$work/lines") bytes and deflates them" "$(cmp "$work/lines" "$work/out" 2>&1
        [ $lines = 1 ] || [ "$packed" = 2 ] || head -50 "$work/err")"
done
