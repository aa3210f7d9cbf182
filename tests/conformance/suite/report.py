# SPDX-License-Identifier: MIT
"""What people and programs get to read: the terminal, TAP, JSON and a page."""
import html
import json
import sys

from .cases import TITLES

COLOURS = {"OK": 32, "INFORMATIONAL": 36, "NON-STRICT": 33, "UNIMPLEMENTED": 33, "FAILED BY CLIENT": 33, "UNCLEAN": 31,
           "WRONG CODE": 31, "FAILED": 31}


def group_of(result):
    return result["case"].split(".")[0]


def groups(results):
    """{group: its results}, in order."""
    found = {}
    for r in results:
        found.setdefault(group_of(r), []).append(r)
    return dict(sorted(found.items(), key=lambda item: int(item[0])))


def tally(results):
    """How often each verdict that is not OK was given; "" where all are OK."""
    counts = {}
    for r in results:
        for field, word in (("behaviour", ""), ("close", "closing ")):
            if r[field] != "OK":
                counts[word + r[field]] = counts.get(word + r[field], 0) + 1
    return ", ".join(f"{n} {word}" for word, n in counts.items())


class Terminal:
    """Misses as they come, progress on a terminal, a table at the end."""

    def __init__(self, o, total):
        self.lively, self.total, self.done = sys.stdout.isatty(), total, 0

    def paint(self, text, verdict):
        return f"\033[{COLOURS[verdict]}m{text}\033[0m" if self.lively else text

    def line(self, text):
        print(("\r\033[K" if self.lively else "") + text, flush=True)

    def tell(self, r):
        self.done += 1
        if r["miss"]:
            verdicts = f"{self.paint(r['behaviour'], r['behaviour'])} / {self.paint(r['close'], r['close'])}"
            self.line(f"{r['case']:8} {verdicts}  {r['title']}\n         {r['why']}")
        if self.lively:
            print(f"\r\033[K{self.done}/{self.total}  {r['case']}  {r['title'][:60]}", end="", flush=True)
        elif self.done % 100 == 0 and self.done < self.total:
            print(f"{self.done} of {self.total} cases", flush=True)

    def end(self, run):
        self.line(f"\n{run['peer']}, the {run['role']} under test\n")
        self.line("group  cases  passed  missed  seconds")
        for group, results in groups(run["results"]).items():
            missed = sum(r["miss"] for r in results)
            seconds = sum(r["seconds"] for r in results)
            word = self.paint(f"{missed:6}", "FAILED" if missed else "OK")
            self.line(f"{group:>5}  {len(results):5}  {len(results) - missed:6}  {word}  {seconds:7.1f}  "
                      + TITLES[group] + (f"  ({tally(results)})" if tally(results) else ""))
        missed = sum(r["miss"] for r in run["results"])
        self.line("\n" + self.paint(f"{len(run['results']) - missed} passed, {missed} missed",
                                    "FAILED" if missed else "OK"))


class Tap:
    def __init__(self, o):
        self.prefix = f"{o.name}: " if o.name else ""

    def tell(self, r):
        if r["miss"]:
            print(f"# {r['behaviour']} / {r['close']}: {r['why']}")
            for line in r["log"]:
                print(f"#   {line}")
        said = f"{r['case']} {r['title']}".replace("#", "")
        print(f"{'not ok' if r['miss'] else 'ok'} - {self.prefix}{said}", flush=True)

    def end(self, run):
        pass


def write_json(path, run):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(run, f, indent=1)
        f.write("\n")


STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
table { border-collapse: collapse; } th, td { padding: .15rem .6rem; text-align: left; vertical-align: top; }
th { font-weight: 600; } tr + tr td { border-top: 1px solid #8883; }
.grid td { text-align: center; font-variant-numeric: tabular-nums; }
.ok { background: #2a93; } .second { background: #db03; } .bad { background: #d335; } .info { background: #18c3; }
pre { margin: .3rem 0; overflow-x: auto; } summary { cursor: pointer; }
"""


def tone(r):
    words = {r["behaviour"], r["close"]}
    if words & {"FAILED", "UNCLEAN", "WRONG CODE"}:
        return "bad"
    return "second" if words & {"NON-STRICT", "UNIMPLEMENTED", "FAILED BY CLIENT"} else \
        "info" if "INFORMATIONAL" in words else "ok"


def page(runs):
    """One page for all runs: a table of groups, then for each group a table of cases."""
    e = html.escape
    heads = "".join(f"<th>{e(run['peer'])}<br>{run['role']}</th>" for run in runs)
    by_case = [{r["case"]: r for r in run["results"]} for run in runs]
    numbers = {r["case"]: r["title"] for run in runs for r in run["results"]}
    order = groups([{"case": number, "title": title} for number, title in numbers.items()])
    date = max(run["date"] for run in runs)
    out = ["<!doctype html><html lang=en><meta charset=utf-8><title>WebSocket conformance</title>",
           f"<style>{STYLE}</style><h1>WebSocket conformance</h1><p>{e(date)}. Passed of run, for each group.</p>",
           f"<table class=grid><tr><th>group<th>{heads}</tr>"]
    for group, cases in order.items():
        cells = ""
        for found in by_case:
            rs = [found[c["case"]] for c in cases if c["case"] in found]
            missed = sum(r["miss"] for r in rs)
            cells += f"<td class={'bad' if missed else 'ok' if rs else 'none'}>" + \
                (f"{len(rs) - missed} of {len(rs)}" if rs else "–")
        out.append(f"<tr><td>{group}<td><a href='#g{group}'>{e(TITLES[group])}</a>{cells}</tr>")
    out.append("</table>")
    for group, cases in order.items():
        out.append(f"<h2 id=g{group}>{group}: {e(TITLES[group])}</h2><table><tr><th>case<th>{heads}</tr>")
        for c in sorted(cases, key=lambda c: [int(part) for part in c["case"].split(".")]):
            cells = "".join(cell(found.get(c["case"])) for found in by_case)
            out.append(f"<tr><td>{c['case']}<td>{e(c['title'])}{cells}</tr>")
        out.append("</table>")
    return "\n".join(out) + "</html>\n"


def cell(r):
    if r is None:
        return "<td>–"
    words = r["behaviour"] if r["close"] == "OK" else f"{r['behaviour']} / {r['close']}"
    if tone(r) == "ok":
        return f"<td class=ok title='{r['seconds']} s'>{words}"
    log = html.escape("\n".join([r["why"]] + r["log"][:12]))
    return f"<td class={tone(r)}><details><summary>{words}</summary><pre>{log}</pre></details>"


def write_html(path, runs):
    with open(path, "w", encoding="utf-8") as f:
        f.write(page(runs))
