# SPDX-License-Identifier: MIT
"""docs/conformance.md, made of the results of all peers."""
import subprocess

from . import cases, fleet
from .report import groups

INTRODUCTION = """\
<!-- Made by `make conformance`, not by hand. The rules of the RFCs are those of tests/conformance/rfc.txt. -->
# Conformance

`tests/conformance/` asks a WebSocket peer, server or client, {total} cases: the {known} of the field's catalogue
(groups 1 to 13, its numbers), and {own} of our own (groups from 20). It is Python without any library, and shares no
code with Duet.

    tests/conformance/run --client ws://127.0.0.1:9001       be the client of any server
    tests/conformance/run --server -- ./a-client {{url}}       be the server of any client
    tests/conformance/run --help

A verdict is two words: on what came back, and on how the connection ended. Here it is strict: a miss is all but OK / OK
and INFORMATIONAL. NON-STRICT is right too, but second best: a good message's echo is lost to a bad frame behind it, or
bad text is noticed late. UNIMPLEMENTED: the peer did not agree on permessage-deflate. FAILED BY CLIENT: the server left
it to the client to drop TCP.

Date {date}, revision {revision}, a machine of {cores} cores. Each peer is an echo of a few lines, in
`tests/conformance/peers/` and `examples/`, with compression on, without limits on size, all else by default; a miss is
one of the library and that echo together. Where groups 12 and 13 have 15 and 21 cases, three of the eighteen sizes of
messages were sent. `make conformance` also makes a page, `build/conformance/index.html`, where each miss shows the
frames of both directions.
"""


def write(path, runs, where):
    both = {case.number: case for role in ("server", "client") for case in cases.chosen([], role)}
    known = sum(case.in_catalogue for case in both.values())
    out = [INTRODUCTION.format(total=len(both), known=known, own=len(both) - known, **where)]
    out.append(verdicts(runs))
    out += [misses(run) for run in runs if any(r["miss"] for r in run["results"])]
    out.append(rows())
    path.write_text("\n".join(out), encoding="utf-8")


def verdicts(runs):
    """Passed of run, for each group and peer."""
    lines = ["## Passed, for each group", ""]
    for role in ("server", "client"):
        chosen = [run for run in runs if run["role"] == role]
        lines += [f"| the {role}'s group | | " + " | ".join(run["peer"] for run in chosen) + " |",
                  "| --- | --- |" + " --- |" * len(chosen)]
        split = [groups(run["results"]) for run in chosen]
        for group in sorted({g for found in split for g in found}, key=int):
            cells = [cell(found.get(group, [])) for found in split]
            lines.append(f"| {group} | {cases.TITLES[group]} | " + " | ".join(cells) + " |")
        cells = [cell(run["results"]) for run in chosen]
        lines += ["| | all | " + " | ".join(cells) + " |", ""]
    return "\n".join(lines)


def cell(results):
    if not results:
        return "–"
    missed = sum(r["miss"] for r in results)
    return f"{len(results)}" if not missed else f"**{len(results) - missed}** of {len(results)}"


def misses(run):
    """Every miss by its number, those with one verdict together."""
    found = {}
    for r in run["results"]:
        if r["miss"]:
            found.setdefault(f"{r['behaviour']} / {r['close']}", []).append(r["case"])
    lines = [f"### What {run['peer']} misses as a {run['role']}", ""]
    lines += [f"- {verdict}: {', '.join(shortened(numbers))}" for verdict, numbers in sorted(found.items())]
    return "\n".join(lines) + "\n"


def shortened(numbers):
    """Neighbours as a range: 21.1.1–8."""
    out = []
    for number in numbers:
        stem, _, last = number.rpartition(".")
        if out and out[-1][0] == stem and int(last) == out[-1][2] + 1:
            out[-1][2] = int(last)
        else:
            out.append([stem, int(last), int(last)])
    return [f"{stem}.{a}" if a == b else f"{stem}.{a}–{b}" for stem, a, b in out]


def rows():
    """The table of the RFCs' rules, by the check that also compares it."""
    check = fleet.ROOT / "tests/checks/checklist.sh"
    return subprocess.run([check, "--table"], capture_output=True, text=True, check=True).stdout
