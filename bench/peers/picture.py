# SPDX-License-Identifier: MIT
"""Ratios as SVG: a panel for each load, a line for each server from its least to its greatest ratio, a dot at the median."""
import math
from xml.sax.saxutils import escape

WIDE, LEFT, RIGHT, TOP, LINE, COLUMNS = 440, 172, 52, 46, 20, 2
STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 13px }
.scale, .base { font-size: 10px; fill: #59636e }
.grid { stroke: #d1d9e0 }
.one { stroke: #59636e }
.page { fill: #ffffff }
.other { stroke: #57606a; fill: #57606a }
.floor { stroke: #9a6700; fill: #9a6700 }
.ours { stroke: #0969da; fill: #0969da }
line.ours, line.other, line.floor { stroke-width: 3; stroke-opacity: 0.45 }
text.ours { font-weight: 600; stroke: none }
text.other, text.floor { stroke: none; fill: #1f2328 }
@media (prefers-color-scheme: dark) {
  text, text.other, text.floor { fill: #e6edf3 }
  .scale, .base { fill: #9198a1 }
  .grid { stroke: #3d444d }
  .one { stroke: #9198a1 }
  .page { fill: #0d1117 }
  .other { stroke: #b1bac4; fill: #b1bac4 }
  .floor { stroke: #d29922; fill: #d29922 }
  .ours, text.ours { stroke: #4493f8; fill: #4493f8 }
  text.ours { stroke: none }
}"""


def kind(key):
    return {"duet": "ours", "serve": "ours", "floor": "floor"}.get(key, "other")


def scale(rows):
    """From ratio to place, and the steps that lie in it."""
    least = min([row.least for _, row in rows] + [1])
    most = max([row.most for _, row in rows] + [1])
    low = max((step for step in STEPS if step <= least), default=least)
    high = min((step for step in STEPS if step >= most), default=most)
    if high == low:
        high = 2 * low
    across = (WIDE - LEFT - RIGHT) / math.log(high / low)
    return lambda ratio: LEFT + math.log(ratio / low) * across, [step for step in STEPS if low <= step <= high]


def number(ratio):
    return f"{ratio:.2f}" if ratio < 9.995 else f"{ratio:.1f}" if ratio < 99.95 else f"{ratio:.0f}"


def panel(load, rows):
    """`rows`: (server, figure), each with a ratio. Its upper left corner is at 0, 0."""
    at, steps = scale(rows)
    low = TOP + LINE * len(rows)
    base = "the floor" if load.base == "floor" else "libduet"
    out = [f'<text class="title" x="8" y="18">{escape(load.name)}</text>',
           f'<text class="base" x="8" y="33">{what(load)}, {base} = 1</text>']
    for step in steps:
        out += [f'<line class="{"one" if step == 1 else "grid"}" x1="{at(step):.1f}" y1="{TOP - 4}" '
                f'x2="{at(step):.1f}" y2="{low}"/>',
                f'<text class="scale" text-anchor="middle" x="{at(step):.1f}" y="{low + 12}">{step:g}</text>']
    for i, (server, row) in enumerate(rows):
        y, its = TOP + LINE * i + LINE / 2, kind(server.key)
        out += [f'<text class="{its}" text-anchor="end" x="{LEFT - 12}" y="{y + 4}">{escape(server.name)}</text>',
                f'<line class="{its}" x1="{at(row.least):.1f}" y1="{y}" x2="{at(row.most):.1f}" y2="{y}"/>',
                f'<circle class="{its}" cx="{at(row.ratio):.1f}" cy="{y}" r="4"/>',
                f'<text class="{its}" x="{WIDE - RIGHT + 10}" y="{y + 4}">{number(row.ratio)}</text>']
    return "\n".join(out), low + 24


def what(load):
    return "memory" if load.unit == "byte" else f"CPU time a {load.unit}"


def draw(panels, title):
    """`panels`: (load, rows). Cheapest first in each."""
    places, y = [], 0
    for i in range(0, len(panels), COLUMNS):
        drawn = [panel(load, sorted(rows, key=lambda row: row[1].ratio)) for load, rows in panels[i:i + COLUMNS]]
        places += [f'<g transform="translate({WIDE * x},{y})">\n{marks}\n</g>' for x, (marks, _) in enumerate(drawn)]
        y += max(height for _, height in drawn)
    wide = WIDE * min(COLUMNS, len(panels))
    body = "\n".join(places)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {y}" width="{wide}" height="{y}" role="img">\n'
            f'<title>{escape(title)}</title>\n<style>{STYLE}\n</style>\n'
            f'<rect class="page" width="{wide}" height="{y}"/>\n{body}\n</svg>\n')
