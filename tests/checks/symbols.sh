#!/bin/bash
# SPDX-License-Identifier: MIT
# The core (base, http, proto) asks for no system call, clock or random number: its undefined symbols are all on this
# list. OpenSSL appears as digests only.
cd "$(dirname "$0")/../.." || exit 1
allowed='^(mem(cpy|move|set|cmp|chr|rchr|mem)|str(len|n?len|n?cmp|n?casecmp|r?chr|spn|cspn|str|toul|toull|tol|tod|error_r|error_?[a-z]*)|__?xpg_strerror_r|malloc|calloc|realloc|free|v?snprintf|__v?snprintf_chk|__mem(cpy|move|set)_chk|__stack_chk_fail|__assert_fail|abort|qsort|bsearch|__cpu_model|__cpu_indicator_init|_GLOBAL_OFFSET_TABLE_|__tls_get_addr|__ctype_[a-z_]+|__errno_location|gmtime_r|inet_pton|inet_ntop|EVP_[A-Za-z0-9_]+|SHA(1|256)|HMAC|CRYPTO_memcmp)$'
objects=$(find build/release/CMakeFiles/duet_core.dir -name '*.o' 2>/dev/null)
[ -n "$objects" ] || { echo "not ok - build/release holds the core"; exit 1; }
# shellcheck disable=SC2086
asked=$(nm -u $objects | awk '$1 == "U" { print $2 }' | sort -u)
# shellcheck disable=SC2086
own=$(nm --defined-only $objects | awk 'NF == 3 && $2 ~ /[A-Z]/ { print $3 }' | sort -u)
foreign=$(comm -23 <(echo "$asked") <(echo "$own") | grep -vE "$allowed")
if [ -z "$foreign" ]; then
    echo "ok - the core asks for no system call, clock or random number"
else
    echo "$foreign" | sed 's/^/# /'
    echo "not ok - the core asks for no system call, clock or random number"
fi
