#!/bin/bash
# SPDX-License-Identifier: MIT
# Every rule of tests/conformance/rfc.txt is named by a test: RFC-51 in a comment, rfc_18_and_19_ in a test's name. A
# rule that is not there yet is named by none. The last table of docs/conformance.md is that list: `checklist.sh
# --table` prints it, `checklist.sh --write` puts it there.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.bash
list=tests/conformance/rfc.txt
paper=docs/conformance.md

# "RULE PLACE" for each place that names a rule. A place is the next test below the line, or the file.
named() {
    git ls-files -- tests | grep -vE '^tests/(checks|conformance/rfc\.txt)' | while read -r file; do
        [ ! -f "$file" ] || echo "$file"
    done | xargs grep -lE 'RFC-[0-9]|rfc_[0-9]' | xargs awk '
        function flush(place,    i) {
            for (i = 1; i <= waiting; i++) print held[i], place
            waiting = 0
        }
        function hold(text,    word) {
            while (match(text, /RFC-[0-9]+/)) {
                word = substr(text, RSTART + 4, RLENGTH - 4)
                if (length(word) < 4) held[++waiting] = word
                text = substr(text, RSTART + RLENGTH)
            }
        }
        FNR == 1 { flush(last); test = ""; last = FILENAME; sub(/^tests\//, "", last) }
        /^TEST\(/ {
            name = $0; sub(/^TEST\(/, "", name); sub(/\).*/, "", name); sub(/, */, ".", name)
            test = name
            flush("unit " name)
            rest = name
            while (match(rest, /rfc_[0-9]+(_and_[0-9]+|_[0-9]+)*(_|$)/)) {
                part = substr(rest, RSTART + 4, RLENGTH - 4); gsub(/and/, "", part)
                n = split(part, numbers, "_")
                if (length(numbers[1]) < 4) # not rfc_6455_1_3
                    for (i = 1; i <= n; i++)
                        if (numbers[i] != "" && length(numbers[i]) < 4) print numbers[i], "unit " name
                rest = substr(rest, RSTART + RLENGTH)
            }
            next
        }
        /^}/ { flush(test == "" ? last : "unit " test); test = "" }
        { hold($0) }
        END { flush(last) }' | sort -k1,1n -k2 -u
}

rules() {
    grep -E '^[0-9]' "$list"
}

table() {
    echo "## The rules of the RFCs, and the tests that name them"
    echo
    cat <<END
Level: M must, S should, y may. Side: S server, C client, B both.

Not there yet are three things. Rule 28: a client opens as many connections at once as its program asks for, and does not
make those to one address wait for each other; programs that open many, such as \`duet bench\`, live by that. Rule 61:
nothing in Duet relays frames; a message is taken in whole or in pieces, judged, and sent anew by the rules of a sender.
Rules 114 to 124: WebSockets over HTTP/2 and HTTP/3, which Duet does not speak.

END
    echo "| rule | where | level | side | what holds | tests |"
    echo "| --- | --- | --- | --- | --- | --- |"
    awk -F'|' 'NR == FNR { split($0, w, " "); place = substr($0, length(w[1]) + 2)
            sub(/^unit /, "", place); tests[w[1]] = tests[w[1]] (tests[w[1]] == "" ? "" : ", ") "`" place "`"; next }
        /^[0-9]/ { level = $3; later = sub(/-/, "", level)
            printf "| %s | %s | %s | %s | %s | %s |\n", $1, $2, level, $4, $5, later ? "not there yet" : tests[$1] }' \
        <(named) "$list"
}

case $1 in
--table)
    table
    exit
    ;;
--write)
    kept=$(sed '/^## The rules of the RFCs/,$d' "$paper")
    { echo "$kept"; echo; table; } >"$paper"
    exit
    ;;
esac

have=$(named | cut -d' ' -f1 | sort -u)
due=$(rules | awk -F'|' '$3 !~ /-/ { print $1 }' | sort)
verdict "the rules of the RFCs are numbered without a gap" "$(diff <(rules | cut -d'|' -f1) <(seq "$(rules | wc -l)"))"
verdict "each rule of the RFCs has a test that names it" "$(comm -13 <(echo "$have") <(echo "$due"))"
verdict "each rule that a test names is there, and not marked as missing" "$(comm -23 <(echo "$have") <(echo "$due"))"
verdict "$paper has the table of rules (tests/checks/checklist.sh --write)" \
    "$(diff <(sed -n '/^## The rules of the RFCs/,$p' "$paper") <(table) 2>&1 | head -20)"
