# SPDX-License-Identifier: MIT
# For tests with curl: `site FOLDER` serves a folder by examples/site, `claim WORDS COMMAND...` is one TAP line.
cd "$(dirname "${BASH_SOURCE[0]}")/../../.." || exit 1
. tests/tap.bash
build=${DUET_BUILD:-$PWD/build/release}
work=$(mktemp -d -t duet-e2e-XXXXXX)
server=""
failed=0

# serve COMMAND...: in the background, until something listens at `host:port` or the path $at.
serve() {
    "$@" 2>"$work/server.log" &
    server=$!
    for _ in $(seq 300); do
        if [ -S "$at" ] || (exec 3<>"/dev/tcp/${at/://}") 2>/dev/null; then return; fi
        kill -0 $server 2>/dev/null || break
        sleep 0.1
    done
    echo "not ok - $1 starts: $(head -3 "$work/server.log")"
    exit 1
}

site() {
    at=127.0.0.1:$(free_port)
    url=http://$at
    serve "$build/examples/site" "$url" "$1"
}

# Asked to stop, the server ends with 0; a sanitizer's report would be another code.
stop() {
    local code
    kill -TERM $server
    wait $server
    code=$?
    server=""
    claim "${1:-the server} drains and ends with 0" test $code = 0
    [ $code = 0 ] || tail -20 "$work/server.log" | sed 's/^/# /'
}

finish() {
    [ -z "$server" ] || kill -KILL $server
    rm -rf "$work"
}
trap finish EXIT

claim() {
    local words=$1 said
    shift
    if said=$("$@" 2>&1); then
        echo "ok - $words"
    else
        echo "# $*"
        head -c 2000 <<<"$said" | sed 's/^/# /'
        echo "not ok - $words"
        failed=1
    fi
}

# same WANTED COMMAND...: what the command prints is that.
same() {
    local wanted=$1 said
    shift
    said=$("$@") || true
    [ "$said" = "$wanted" ] || { printf '%s\n' "wanted: $wanted" "got:    $said"; return 1; }
}

# has PATTERN... -- COMMAND...: each pattern (grep -E, any case) is in a line of what the command prints.
has() {
    local patterns=() said
    while [ "$1" != -- ]; do patterns+=("$1"); shift; done
    shift
    said=$("$@" | tr -d '\r')
    for pattern in "${patterns[@]}"; do
        grep -qiE -e "$pattern" <<<"$said" || { printf '%s\n' "no $pattern in:" "$said"; return 1; }
    done
}

# curl with its patience; says nothing of its own.
get() {
    curl -sS --max-time 120 "$@"
}
status() {
    get -o /dev/null -w '%{http_code}' "$@"
}
head_of() {
    get -o /dev/null -D - "$@"
}
