#!/bin/bash
# SPDX-License-Identifier: MIT
# The core where size_t has 32 bits (MEM-11): compiled without a warning, and asked about lengths.
cd "$(dirname "$0")/../.." || exit 1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if ! echo 'int main(void) { return 0; }' | gcc -m32 -x c - -o "$folder/probe" 2>/dev/null || ! "$folder/probe"; then
    echo "ok - # SKIP no 32-bit programs here (gcc-12-multilib)"
    exit 0
fi
root=build/sysroot/i386/usr/include
tools/sysroot i386 || exit 1
# SHA-1 is a library's and needs no proof here. Nothing that runs asks for it. igzip is for 64 bits only.
sources=$(ls src/base/*.c src/http/*.c src/proto/*.c | grep -v -e digest.c -e pack_igzip.c)
if gcc -m32 -std=gnu11 -D_GNU_SOURCE -O1 -Wall -Wextra -Wconversion -Wshadow -Wno-psabi -Wno-missing-field-initializers -Werror \
    -fsanitize=undefined -fsanitize-undefined-trap-on-error -ffunction-sections -Wl,--gc-sections \
    -Wl,--unresolved-symbols=ignore-all -no-pie -isystem $root -isystem $root/i386-linux-gnu -Iinclude -Isrc tests/narrow/lengths.c $sources -o "$folder/lengths" \
    2>"$folder/log"; then
    echo "ok - the core compiles for 32 bits without a warning"
else
    sed 's/^/# /' "$folder/log"
    echo "not ok - the core compiles for 32 bits without a warning"
    exit 1
fi
"$folder/lengths"
