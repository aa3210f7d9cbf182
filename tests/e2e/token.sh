#!/bin/bash
# SPDX-License-Identifier: MIT
# `duet token`: what it makes others can read, what others make it can, and it says no like the server (HUB-10). The
# others are Node's crypto and openssl. DUET_BUILD=DIR: which program.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash
duet=${DUET_BUILD:-build/release}/duet
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
secret=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
printf '%s\n' $secret >"$work/secret"
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$work/rsa" 2>/dev/null
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/ec" 2>/dev/null
for key in rsa ec; do
    openssl pkey -in "$work/$key" -pubout -out "$work/$key.pub"
done

# Reads a token as Node has it: exits 0 and prints the payload when the signature is good; or makes one.
cat >"$work/peer.mjs" <<'END'
import { createHmac, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { readFileSync } from "node:fs";
const [what, alg, keyFile, text] = process.argv.slice(2);
const hash = "sha" + alg.slice(2), key = readFileSync(keyFile, "utf8");
const options = alg.startsWith("PS") ? { padding: 6, saltLength: Number(alg.slice(2)) / 8 } : { dsaEncoding: "ieee-p1363" };
if (what === "check") {
    const [head, payload, mac] = text.split(".");
    const signed = Buffer.from(`${head}.${payload}`), bytes = Buffer.from(mac, "base64url");
    const good = alg.startsWith("HS") ? createHmac(hash, key.trim()).update(signed).digest().equals(bytes)
        : verify(hash, signed, { key: createPublicKey(key), ...options }, bytes);
    if (!good || JSON.parse(Buffer.from(head, "base64url")).alg !== alg) process.exit(1);
    console.log(Buffer.from(payload, "base64url").toString());
} else {
    const part = (s) => Buffer.from(s).toString("base64url");
    const signed = `${part(JSON.stringify({ alg }))}.${part(text)}`;
    const mac = alg.startsWith("HS") ? createHmac(hash, key.trim()).update(signed).digest()
        : sign(hash, Buffer.from(signed), { key: createPrivateKey(key), ...options });
    console.log(`${signed}.${mac.toString("base64url")}`);
}
END

# crosses ALGORITHM KEY CHECK-KEY OPTION CHECK-OPTION
crosses() {
    local alg=$1 key=$work/$2 open=$work/$3 make=$4 check=$5 token payload
    token=$("$duet" token "$make" "$key" --algorithm "$alg" --user 42 --info '{"name":"Ann"}')
    payload=$(node "$work/peer.mjs" check "$alg" "$open" "$token" 2>&1)
    verdict "a token of $alg is read by others" "$(grep -qE '"sub":"42".*"info":\{"name":"Ann"\}' <<<"$payload" || echo "$token $payload")"
    token=$(node "$work/peer.mjs" make "$alg" "$key" '{"sub":"43","exp":4000000000}')
    payload=$("$duet" token check "$check" "$open" "$token" 2>&1)
    verdict "a token of $alg that others made is read" "$([ "$payload" = '{"sub":"43","exp":4000000000}' ] || echo "$payload")"
}
for alg in HS256 HS384 HS512; do
    crosses $alg secret secret --secret-file --secret-file
done
for alg in RS256 RS384 RS512 PS256 PS384 PS512; do
    crosses $alg rsa rsa.pub --key --key
done
crosses ES256 ec ec.pub --key --key

# refuses CODE PATTERN ARGUMENT...: nothing on standard output, one line on the other. The token is standard input.
refuses() {
    local code=$1 pattern=$2 rc
    shift 2
    "$duet" token "$@" >"$work/out" 2>"$work/err"
    rc=$?
    verdict "duet token $(sed "s,$work/,,g" <<<"$*") says ${pattern//\\/}" "$([ $rc = "$code" ] && [ ! -s "$work/out" ] &&
        [ "$(wc -l <"$work/err")" = 1 ] && grep -qE -e "$pattern" "$work/err" || cat "$work/err" "$work/out" - <<<"exit $rc")"
}
secret=(--secret-file "$work/secret")
peer() {
    node "$work/peer.mjs" make HS256 "$work/secret" "$1"
}
refuses 1 'expired .*109' check "${secret[@]}" < <(peer '{"sub":"42","exp":1000}')
refuses 1 'not of our key .*3500' check "${secret[@]}" < <("$duet" token "${secret[@]}" | sed 's/[^.]*$/AAAA/')
refuses 1 'no key .*3500' check --key "$work/rsa.pub" < <(node "$work/peer.mjs" make HS256 "$work/rsa.pub" '{"exp":4000000000}')
refuses 1 'another user' check "${secret[@]}" --user 43 < <("$duet" token "${secret[@]}" --user 42)
refuses 1 'another channel .*3500' check "${secret[@]}" --channel a --user 42 < <("$duet" token "${secret[@]}" --user 42 --channel b)
refuses 1 'subscription token' check "${secret[@]}" < <("$duet" token "${secret[@]}" --user 42 --channel b)
refuses 1 'audience' check "${secret[@]}" --audience x < <("$duet" token "${secret[@]}" --audience y)
refuses 1 'issuer' check "${secret[@]}" --issuer x < <("$duet" token "${secret[@]}")
refuses 1 'not of the form' check "${secret[@]}" </dev/null
refuses 1 'over 16 KiB' check "${secret[@]}" < <(head -c 20000 /dev/zero | tr '\0' a)
refuses 1 'signs nothing' --key "$work/rsa.pub"
refuses 2 'at least 32 bytes' --secret-file <(echo short)
refuses 2 'No such file' --secret-file "$work/none"
refuses 2 'no such variable' --secret-env DUET_NOT_SET
refuses 2 'what is it signed with' check
refuses 2 'only one says' "${secret[@]}" --key "$work/rsa"
refuses 2 'none of them is one that the key takes' "${secret[@]}" --algorithm RS256
refuses 2 'HS256, HS384' "${secret[@]}" --algorithm none
refuses 2 'takes JSON' "${secret[@]}" --info '{'
refuses 2 'ALLOW=PATTERN' "${secret[@]}" --cap sub
refuses 2 'sub, pub, prs and hst' "${secret[@]}" --cap 'sub,fly=a'
refuses 2 'need --channel' "${secret[@]}" --client c
refuses 2 'do not go with --channel' "${secret[@]}" --channel a --cap sub=a
refuses 2 '`check`' "${secret[@]}" chek
refuses 2 'no option .--check.; did you mean .duet token check.\?' "${secret[@]}" --check
refuses 1 'over 255 bytes' "${secret[@]}" --user "$(head -c 256 /dev/zero | tr '\0' u)"

made=$("$duet" token "${secret[@]}" --cap 'sub,hst=news:*' --cap pub=chat --subscribe lobby --id 7 --expires 0 | "$duet" token check "${secret[@]}")
verdict "a token has what it was asked for" "$(grep -qE '^\{"sub":"","iat":[0-9]+,"jti":"7","caps":\[\{"allow":\["sub","hst"\],"match":"wildcard","channels":\["news:\*"\]\},\{"allow":\["pub"\],"match":"wildcard","channels":\["chat"\]\}\],"channels":\["lobby"\]\}$' <<<"$made" || echo "$made")"
made=$(DUET_TOKEN_SECRET=$(cat "$work/secret") "$duet" token --channel news --user 42 --allow pub,hst | "$duet" token check "${secret[@]}" --channel news --user 42)
verdict "the secret may be a variable's" "$(grep -q '"allow":\["pub","hst"\]' <<<"$made" || echo "$made")"
