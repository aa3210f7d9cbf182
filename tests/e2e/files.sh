#!/bin/bash
# SPDX-License-Identifier: MIT
# Files as curl fetches them from examples/site: what tests/unit/files.c cannot show, clients and numbers that are real.
. "$(dirname "$0")/tools/site.bash"

root=$work/root
mkdir -p "$root/sub"
echo "small" >"$root/a.txt"
ln -s ../secret "$root/out"
echo "secret" >"$work/secret"
for n in $(seq 2000); do echo "line $n of a script that is worth its coding"; done >"$root/app.js"
gzip -k "$root/app.js"
node -e 'const fs = require("fs"); fs.writeFileSync(process.argv[1] + ".br",
    require("zlib").brotliCompressSync(fs.readFileSync(process.argv[1])))' "$root/app.js"
head -c 5000000 /dev/urandom >"$root/middle.bin"
# 300 MiB that look alike nowhere, made in a second.
openssl enc -aes-128-ctr -K 00 -iv 00 -in /dev/zero 2>/dev/null | head -c $((300 << 20)) >"$root/large.bin"
sum=$(sha256sum <"$root/large.bin")

site "$root"

same_file() {
    local file=$1
    shift
    get "$@" -o "$work/back" && cmp "$root/$file" "$work/back"
}
size_of() {
    get -o /dev/null -w '%{size_download}' "$@"
}
claim "files: whole" same_file middle.bin "$url/middle.bin"
claim "files: --compressed takes br" has '^content-encoding: br' '^vary: accept-encoding' -- \
    head_of --compressed "$url/app.js"
claim "files: and undoes it" same_file app.js --compressed "$url/app.js"
claim "files: gzip where that is all" same_file app.js --compressed -H 'Accept-Encoding: gzip' "$url/app.js"
claim "files: coded is what crosses" same "$(stat -c %s "$root/app.js.gz")" size_of -H 'Accept-Encoding: gzip' \
    "$url/app.js"

resumes() {
    head -c 1234567 "$root/middle.bin" >"$work/part"
    get -C - -o "$work/part" "$url/middle.bin" && cmp "$root/middle.bin" "$work/part"
}
claim "files: a download that was cut goes on" resumes
claim "files: a download that is complete has nothing left (416)" same 416 status -r 5000000- "$url/middle.bin"
claim "files: by parts" same "$(head -c 300000 "$root/middle.bin" | tail -c 200000 | sha256sum)" \
    bash -c "curl -sS -r 100000-299999 '$url/middle.bin' | sha256sum"
claim "files: a tag that is known saves the body" same '200,304' bash -c "
    curl -sS --etag-save '$work/tag' -o /dev/null -w '%{http_code},' '$url/middle.bin'
    curl -sS --etag-compare '$work/tag' -o /dev/null -w '%{http_code}' '$url/middle.bin'"
claim "files: a date that is known saves it, too" same 304 status -z "$root/middle.bin" "$url/middle.bin"
claim "files: curl's own path of dots stays below the root" same 404 status --path-as-is "$url/../secret"
claim "files: and so does a link" same 404 status "$url/out"
claim "files: a folder's redirect is followed" same "404 $url/sub/" get -L -o /dev/null \
    -w '%{http_code} %{url_effective}' "$url/sub"

thousand() {
    for n in 1 2 3 4; do
        curl -sS --max-time 120 -Z --parallel-immediate --parallel-max 250 -H 'Connection: close' -o /dev/null \
            -w '%{http_code}\n' "$url/a.txt?$n-[1-250]" &
    done
    wait %1 %2 %3 %4
}
claim "files: 1,000 at once" same '   1000 200' bash -c "url=$url; $(declare -f thousand); set -m; thousand | sort | uniq -c"

memory() {
    awk '/^VmHWM/ { print $2 }' "/proc/$server/status"
}
before=$(memory)
claim "files: 300 MiB arrive as they are" same "$sum" bash -c "curl -sS '$url/large.bin' | sha256sum"
# Ten who read 20 MiB a second each, and stop after 3 seconds.
slow_readers() {
    local pids=()
    for _ in $(seq 10); do
        curl -s --limit-rate 20M --max-time 3 -o /dev/null "$url/large.bin" &
        pids+=($!)
    done
    sleep 1
    same small get "$url/a.txt" || return 1
    wait "${pids[@]}"
    return 0
}
claim "files: slow readers keep nobody waiting" slow_readers
after=$(memory)
echo "# the server's peak grew from $before to $after KiB"
# Two blocks each are 2.5 MiB; what a sanitizer adds is more.
claim "files: ten times 300 MiB take a few MiB" test $((after - before)) -lt 32768

# Cut while it is read: the length was promised, so the connection ends.
shrinks() {
    cp "$root/large.bin" "$root/shrinks.bin"
    curl -s --limit-rate 10M --max-time 60 -o /dev/null "$url/shrinks.bin" &
    local reader=$!
    sleep 0.5
    truncate -s 1000 "$root/shrinks.bin"
    wait $reader
    echo $?
}
claim "files: one that shrinks ends the connection (curl: 18, transfer closed)" same 18 shrinks
claim "files: after all of that it serves" same small get "$url/a.txt"
claim "files: no descriptor of a file is left" same "" bash -c "sleep 0.3; ls -l /proc/$server/fd | grep '$root'"
stop "the site"
exit $failed
