# SPDX-License-Identifier: MIT
# What tests in bash share; sourced at the top of the tree.

# verdict CLAIM TROUBLE: one TAP line; trouble, when there is any, is told above it, and `failed` is 1 from then on.
failed=0
verdict() {
    if [ -z "$2" ]; then
        echo "ok - $1"
    else
        echo "$2" | head -100 | sed 's/^/# /'
        echo "not ok - $1"
        failed=1
    fi
}

# until_true SECONDS COMMAND...
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.02
    done
}

# background LOG PATTERN COMMAND...: until its log has the pattern; standard input is the file $input, or empty. `pid` is
# its, and `pids` has it, too.
background() {
    local log=$1 pattern=$2
    shift 2
    : >"$log"
    "$@" <"${input:-/dev/null}" >"$log" 2>&1 &
    pid=$!
    pids+=("$pid")
    until_true 30 grep -qE "$pattern" "$log"
}

# port_of LOG [N]: the port that a server picked for its Nth address (the first), as its log says.
port_of() {
    grep -oE '(127\.0\.0\.1|localhost):[0-9]+' "$1" | sed -n "${2:-1}p" | cut -d: -f2
}

free_port() {
    /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
