#!/bin/bash
# SPDX-License-Identifier: MIT
# The core (base, http, proto) asks for no system call, clock or random number: its undefined symbols are all on this
# list. What reads the environment (getenv, gmtime_r by way of TZ) is not on it, and of OpenSSL only digests are.
# BUILD=DIR: where the objects are.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash
build=${BUILD:-build/release}

# Each word is a whole symbol, as a pattern of grep -E.
allowed='
memcpy memmove memset memcmp memchr memrchr memmem
str(len|nlen|cmp|ncmp|casecmp|ncasecmp|chr|rchr|chrnul|str|spn|cspn|pbrk) strto(ul|ull|l|ll|imax|umax|d) strerror
malloc calloc realloc free malloc_usable_size qsort bsearch abort
v?snprintf __v?snprintf_chk __mem(cpy|move|set)_chk __stack_chk_fail __assert_fail __isoc(99|23)_strto(ul|ull|l|ll)
inet_(pton|ntop)
__cpu_model __cpu_indicator_init _GLOBAL_OFFSET_TABLE_ __tls_get_addr __errno_location
SHA1_Init SHA1_Update SHA1_Final SHA256 HMAC CRYPTO_memcmp EVP_sha(1|256) EVP_Digest[A-Za-z]* EVP_MD_[A-Za-z0-9_]+ EVP_Q_digest
(crc|adler)32(_z)? (in|de)flate[A-Za-z0-9_]* isal_deflate_stateless(_init)?
'

# What the objects ask for, neither their own nor allowed.
foreign() {
    local own asked
    asked=$(nm -u "$@" | awk '$1 == "U" || $1 == "w" { print $2 }' | sort -u)
    own=$(nm --defined-only "$@" | awk 'NF == 3 && $2 ~ /[A-Z]/ { print $3 }' | sort -u)
    # shellcheck disable=SC2086
    comm -23 <(echo "$asked") <(echo "$own") | grep -vxE -f <(printf '%s\n' $allowed)
}

# The list itself must refuse these, or the verdict on the core would prove nothing.
probe=$(mktemp -d)
trap 'rm -rf "$probe"' EXIT
banned='clock_gettime getenv getrandom gmtime_r open rand read recv send socket time usleep write
RAND_bytes EVP_PKEY_keygen SSL_read'
for name in $banned; do
    echo "void $name(void); void call_$name(void); void call_$name(void) { $name(); }"
done >"$probe/probe.c"
gcc -fno-builtin -c "$probe/probe.c" -o "$probe/probe.o"
# shellcheck disable=SC2086
verdict "the list refuses system calls, clocks and random numbers" \
    "$(comm -13 <(foreign "$probe/probe.o") <(printf '%s\n' $banned | sort))"

# By the sources: an object may have outlived its own.
objects=()
for source in src/{base,http,proto}/*.c; do
    object=$build/CMakeFiles/duet_core.dir/$source.o
    [ ! -f "$object" ] || objects+=("$object")
done
if [ ${#objects[@]} = 0 ]; then
    echo "not ok - $build holds the core"
    exit 1
fi
for room in base http proto; do
    [[ ${objects[*]} == */src/$room/* ]] || verdict "$build holds the core's src/$room" "no object of it"
done
verdict "the core asks for no system call, clock or random number" "$(foreign "${objects[@]}")"

# The terminal is the program's: who links libduet gets no line editor.
verdict "libduet needs no libedit" "$(readelf -d "$build/libduet.so" | grep -E 'NEEDED.*(libedit|ncurses|tinfo)')"
verdict "nor what the hub needs" "$(readelf -d "$build/libduet.so" | grep -E 'NEEDED.*(jose|jansson|yaml)')"
verdict "duet does" "$(readelf -d "$build/duet" | grep -q 'NEEDED.*libedit' || readelf -d "$build/duet")"
