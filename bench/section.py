# SPDX-License-Identifier: MIT
"""Sections of docs/performance.md, of which each is written by who measures it, between two marks."""
import datetime
import os
import pathlib
import platform
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAPER = ROOT / "docs" / "performance.md"
SECTION = re.compile(r"<!-- (\w+): made by .*? -->\n.*?<!-- \1 ends -->\n", re.S)


def marked(name, body):
    return f"<!-- {name}: made by `make bench-{name}` (bench/{name} --write), not by hand. -->\n{body.strip()}\n<!-- {name} ends -->\n"


def kept(text):
    """The sections that there are in a paper, for who writes all the rest of it."""
    return "".join(f"\n{match.group(0)}" for match in SECTION.finditer(text))


def write(name, body, paper=PAPER):
    """Puts a section into the place of what it was, or behind all."""
    text, new = paper.read_text(), marked(name, body)
    places = [match for match in SECTION.finditer(text) if match.group(1) == name]
    if places:
        text = text[:places[0].start()] + new + text[places[0].end():]
    else:
        text = f"{text.rstrip()}\n\n{new}"
    paper.write_text(text)


def markdown(rows):
    lines = [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]]) + "\n"


def said_by(*command):
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout.strip()


def revision():
    """What was measured, in words: a paper that is being written is no change of it."""
    name = said_by("git", "describe", "--always")
    changed = said_by("git", "status", "--porcelain", "--", "src", "include", "examples", "bench", "cmake", "CMakeLists.txt")
    return f"revision {name} with changes" if name and changed else f"revision {name or 'unknown'}"


def where():
    """When and on what it was measured, in a line."""
    model = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    system = re.search(r'^PRETTY_NAME="(.*?)"', pathlib.Path("/etc/os-release").read_text(), re.M)
    return (f"{datetime.date.today().isoformat()}, {revision()}; "
            f"{model.group(1) if model else platform.machine()}, {os.cpu_count()} virtual cores, "
            f"Linux {'.'.join(platform.release().split('.')[:2])}, {system.group(1) if system else 'unknown'}, "
            f"gcc {said_by('gcc', '-dumpfullversion')} -O2")
