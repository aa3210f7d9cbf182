#!/bin/bash
# SPDX-License-Identifier: MIT
# tools/deps, once everything is there, installs nothing, asks for nothing and says nothing, with a second of the
# processor at most; and names what is missing, with the reason, when something is not there.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash
fake=$(mktemp -d)
trap 'rm -rf "$fake"' EXIT

for name in apt-get sudo npm; do
    printf '#!/bin/sh\necho "%s was called"\nexit 1\n' $name >"$fake/$name"
done
chmod +x "$fake"/*
TIMEFORMAT='%U %S'
{ time said=$(PATH=$fake:$PATH timeout 60 tools/deps build run test 2>&1 || echo "exit $?"); } 2>"$fake/took"
verdict "a second tools/deps does nothing" "$said$(awk '$1 + $2 > 1 { print "it took " $1 + $2 " s of the processor" }' "$fake/took")"

# A machine that has nothing, and apt that only listens.
printf '#!/bin/sh\nexit 1\n' >"$fake/dpkg-query"
printf '#!/bin/sh\nexit 0\n' >"$fake/apt-get"
printf '#!/bin/sh\n[ "$1" != -u ] || echo 0\n' >"$fake/id"
printf '#!/bin/sh\nexit 0\n' >"$fake/sh"
chmod +x "$fake"/*
said=$(PATH=$fake:$PATH /bin/sh tools/deps build 2>&1)
verdict "a first tools/deps says what it installs and why" \
    "$(grep -qE '^  libssl-dev +OpenSSL 3' <<<"$said" || echo "$said")"
verdict "for a build it wants no test packages" "$(grep -E 'chromium|cmocka' <<<"$said")"
