# SPDX-License-Identifier: MIT
"""The figures in words: on standard output, and as docs/performance.md with its pictures."""
import textwrap

import picture
import reasons
import section
import servers

NEAR = 1.03                 # a median within so much of Duet's is called equal
PICTURES = (
    ("echo", "Echo", ("echo-", "in-flight", "utf8-")),
    ("fanout", "Fan-out", ("fan-",)),
    ("others", "Compression, connections, memory", ("deflate-", "connect", "idle")),
)

HEAD = """<!-- Made by `make bench-peers` (bench/peers/run --write), not by hand; the reasons are in bench/peers/reasons.py. -->
# Performance

What a message costs the server: Duet beside servers that anybody can install, and beside a floor that knows just enough of
WebSocket for `duet bench` to talk to it (`bench/floor.c`). `make bench-peers` installs the peers, measures, and writes this.
What Duet's own parts cost is in [benchmarks](benchmarks.md).

Each turn starts one server on core 0 and `duet bench` on core 1, over loopback, plain TCP. The load is Duet's own tool; it asks
all servers for the same, never sleeps, and compares every byte that comes back, so that a server which lost, changed or doubled
a message has no figure. Counted is the CPU time of the server's own processes, from the scheduler's statistics, divided by what
it did. In a round each server has its turn in each load, all of a load within a minute or so. The ratios are to the floor in
the same round (to libduet where the floor has nothing to compare: compression and memory), and what is told of them is the
median, and in brackets the least and the greatest.

{settings}

**The machine was not idle**: others built, tested and fuzzed on the same two cores all the while (load {load_before} at the
start, {load_after} at the end). Shared caches and woken cores make microseconds longer for all, and they differ from round to
round: trust the median ratios, mind the brackets, and compare microseconds with nothing elsewhere.
A difference within the brackets of both is none. How many messages a second a server answered is not told: here that is
mostly what the others left of the cores.

"""


def nice(load, value):
    """With three digits."""
    if load.unit == "byte":
        return f"{value:,.0f} B"
    for unit, size in (("ms", 1e6), ("us", 1e3)):
        if value >= size:
            break
    else:
        return f"{value:.0f} ns"
    scaled = value / size
    return f"{scaled:.{2 if scaled < 9.995 else 1 if scaled < 99.95 else 0}f} {unit}"


def ratio(one):
    return "–" if one is None or one.ratio is None else picture.number(one.ratio)


def spread(one):
    if one.ratio is None:
        return "–"
    return f"{picture.number(one.ratio)} ({picture.number(one.least)} to {picture.number(one.most)})"


def rows_of(load, who, figures):
    """(server, figure) of a load, cheapest first."""
    rows = [(server, figures[load.key, server.key]) for server in who if (load.key, server.key) in figures]
    return sorted(rows, key=lambda row: row[1].value if row[1].ratio is None else row[1].ratio)


def table(loads, who, figures, failures):
    """For a terminal."""
    lines = []
    for load in loads:
        base = "the floor" if load.base == "floor" else "libduet"
        lines.append(f"{load.name}: {picture.what(load)}, its ratio to {base}")
        for server, one in rows_of(load, who, figures):
            lines.append(f"  {server.name:26}{nice(load, one.value):>10}   {spread(one)}")
        lines += [f"  {servers_name(who, key)}: failed, {why}" for (at, key), why in failures.items() if at == load.key]
        lines.append("")
    return "\n".join(lines)


def servers_name(who, key):
    return next(server.name for server in who if server.key == key)


def markdown(rows):
    return "".join("| " + " | ".join(row) + " |\n" for row in [rows[0], ["---"] * len(rows[0]), *rows[1:]])


def matrix(loads, who, figures):
    """The servers beside each other. Of the floor its own figure, whose ratio is 1."""
    rows = [["load", *(server.name for server in who)]]
    for load in loads:
        cells = []
        for server in who:
            one = figures.get((load.key, server.key))
            is_base = one is not None and server.key == load.base
            cells.append(nice(load, one.value) if is_base else f"**{ratio(one)}**" if server.key == "duet" else ratio(one))
        rows.append([load.name, *cells])
    return markdown(rows)


def ahead(loads, who, figures):
    """Where another's median is less than libduet's, with the reason."""
    lines = []
    for load in loads:
        ours = figures.get((load.key, "duet"))
        if ours is None or ours.ratio is None:
            continue
        for server, one in rows_of(load, who, figures):
            if server.key not in ("floor", "duet", "serve") and one.ratio is not None and one.ratio * NEAR < ours.ratio:
                lines.append(item(f"{load.name}: {server.name} {spread(one)}, libduet {spread(ours)}. "
                                  f"{reasons.ahead(load.key, server.key)}"))
    return "".join(lines) or "Nowhere in this run.\n"


def item(text):
    return textwrap.fill(f"- {text}", 125, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False) + "\n"


def behind(who):
    return "".join(item(f"{server.name}: {reasons.BEHIND[server.key]}") for server in who if server.key in reasons.BEHIND)


def fewer(rows, rounds):
    """Whose ratio is of fewer rounds: its turn failed, or that of what it is compared with."""
    counts = sorted({one.rounds for _, one in rows})
    if counts == [rounds]:
        return ""
    told = [f"{count} of {', '.join(server.name for server, one in rows if one.rounds == count)}" for count in counts]
    which = "; ".join(told) if len(counts) > 1 else f"{counts[0]} of each"
    return f"\nOf {rounds} rounds there count {which}: in the others it failed, or what it is compared with did.\n"


def details(load, who, figures, failures, rounds):
    base = "the floor" if load.base == "floor" else "libduet"
    each = "memory" if load.unit == "byte" else f"CPU a {load.unit}"
    rows = [["server", each, f"to {base}"]]
    told = rows_of(load, who, figures)
    for server, one in told:
        rows.append([server.name, nice(load, one.value), spread(one)])
    notes = fewer(told, rounds) + "".join(f"\n{servers_name(who, key)}: {why}.\n" for (at, key), why in failures.items() if at == load.key)
    return f"### {load.name[0].upper()}{load.name[1:]}\n\n{markdown(rows)}{notes}\n"


def about(who, missing):
    rows = [["server", "version", "settings"]]
    for server in who:
        rows.append([server.name, servers.version(server) or "this revision", server.settings])
    absent = "".join(f"\nNot measured, since not installed: {name} ({what}).\n" for name, what in missing.items())
    return f"## Who is measured\n\n{reasons.SETTINGS}\n{markdown(rows)}{absent}\n{reasons.NOT_HERE}"


def write_pictures(folder, loads, who, figures):
    """Returns for each its name and title."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, title, beginnings in PICTURES:
        panels = [(load, [row for row in rows_of(load, who, figures) if row[1].ratio]) for load in loads
                  if load.key.startswith(beginnings)]
        panels = [(load, rows) for load, rows in panels if rows]
        if panels:
            (folder / f"{name}.svg").write_text(picture.draw(panels, f"{title}: ratios"))
            drawn.append((name, title))
    return drawn


def write(folder, loads, who, figures, failures, run):
    """docs/performance.md and docs/performance/, in this folder."""
    rounds = max((len(values) for _, _, values in run["results"]), default=0)
    pictures = write_pictures(folder / "performance", loads, who, figures)
    text = [HEAD.format(**run), "## Ratios\n\n", matrix(loads, who, figures), "\n",
            "In the floor's column, and for what it cannot do in libduet's, stands what it took. –: the server does not do that.\n\n",
            *(f"![{title}: the ratios of each server, by load](performance/{name}.svg)\n\n" for name, title in pictures),
            "## Where another is ahead of libduet, and why\n\n", ahead(loads, who, figures),
            "\n## What each spends it on\n\n", reasons.HOW_KNOWN, reasons.DUET, behind(who), "\n## Each load\n\n",
            *(details(load, who, figures, failures, rounds) for load in loads), about(who, run["missing"])]
    page = folder / "performance.md"
    text.append(section.kept(page.read_text()) if page.exists() else "")
    page.write_text("".join(text))
