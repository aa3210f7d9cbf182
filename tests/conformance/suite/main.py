# SPDX-License-Identifier: MIT
"""The command line."""
import argparse
import concurrent.futures
import datetime
import multiprocessing
import os
import shutil
import sys

from . import cases, judge, report
from .peers import Client, Server

HELP = """
The verdict of a case is two words: on what came back, and on how the connection ended. Groups 1 to 13 are the 517 cases
of the field's catalogue; groups from 20 on are our own. The exit code is 0 if there was no miss, 1 if there was one,
and 2 if the command line was wrong.

examples:
  run --client ws://127.0.0.1:9001
  run --client ws://127.0.0.1:9001 --cases '1.*,9.3.*' --html report.html
  run --server -- ./echo-client {url}
  run --server --listen 9002            prints the URL of each case, and waits for a client
"""


class Parser(argparse.ArgumentParser):
    def error(self, message):
        print(f"run: {message} (see run --help)", file=sys.stderr)
        sys.exit(2)


def parser():
    p = Parser(prog="run", description="A conformance suite for WebSocket servers and clients.",
                                epilog=HELP, formatter_class=argparse.RawDescriptionHelpFormatter)
    role = p.add_mutually_exclusive_group(required=True)
    role.add_argument("--client", metavar="URL", help="be the client of the server at URL")
    role.add_argument("--server", action="store_true", help="be the server of a client")
    role.add_argument("--list", action="store_true", help="list the cases")
    p.add_argument("--listen", metavar="PORT", type=int, default=0, help="with --server: the port (default: any)")
    p.add_argument("--tls-cert", metavar="FILE", help="with --server: speak TLS, with this certificate")
    p.add_argument("--tls-key", metavar="FILE", help="and this key")
    p.add_argument("--cases", metavar="LIST", default="", help="patterns, by commas: 1.*,9.3.*,7.1.1")
    p.add_argument("--but", metavar="LIST", default="", help="all but these")
    p.add_argument("--quick", action="store_true", help="of groups 12 and 13 three sizes")
    p.add_argument("--jobs", metavar="N", type=int, default=1, help="so many cases at a time")
    p.add_argument("--patience", metavar="X", type=float, default=1.0,
                   help="each time limit times X, for a slow machine (a case that passes waits for none)")
    p.add_argument("--lenient", action="store_true",
                   help="NON-STRICT, UNIMPLEMENTED and FAILED BY CLIENT are no misses")
    p.add_argument("--name", help="the peer's name in reports")
    p.add_argument("--html", metavar="FILE", help="write a page")
    p.add_argument("--json", metavar="FILE", help="write all results")
    p.add_argument("--tap", action="store_true", help="write a line `ok` or `not ok` for each case, and nothing else")
    p.add_argument("command", nargs="*", metavar="-- COMMAND", help="with --server: the client; {url} is the case's")
    return p


def options(argv):
    own, command = (argv[:argv.index("--")], argv[argv.index("--") + 1:]) if "--" in argv else (argv, [])
    p = parser()
    o = p.parse_args(own)
    if o.command:
        p.error(f"unexpected: {' '.join(o.command)} (a command stands behind --)")
    o.command = command
    o.role = "client" if o.server else "server"
    if o.client and command:
        p.error("--client takes no command")
    if command and not any("{url}" in word for word in command):
        p.error("the command has no {url} in it")
    if command and not shutil.which(command[0]):
        p.error(f"{command[0]}: no such program")
    if o.jobs < 1 or o.patience <= 0:
        p.error("--jobs and --patience are above 0")
    if o.server and (o.listen or not command):
        o.jobs = 1
    if bool(o.tls_cert) != bool(o.tls_key):
        p.error("--tls-cert and --tls-key go together")
    o.chosen = cases.chosen([w for w in o.cases.split(",") if w], o.role, o.quick)
    left_out = {case.number for case in cases.chosen([w for w in o.but.split(",") if w], o.role)} if o.but else set()
    o.chosen = [case for case in o.chosen if case.number not in left_out]
    if not o.chosen:
        p.error(f"no case has a number like {o.cases}")
    if o.client:
        try:
            Server(o.client, 1)
        except ValueError as e:
            p.error(str(e))
    return o


peer = None


def begin(o):
    """In each worker: a peer of its own."""
    global peer
    if o.role == "server":
        peer = Server(o.client, o.patience)
    else:
        tls = (o.tls_cert, o.tls_key) if o.tls_cert else None
        peer = Client(o.command, o.listen, o.patience, lambda url: print(url, flush=True), tls)


def one(number, role):
    case = next(case for case in cases.chosen([number], role) if case.number == number)
    return result(case, peer.run(case))


def result(case, outcome):
    behaviour, closing, why = judge.judge(case, outcome)
    return {"case": case.number, "title": case.title, "behaviour": behaviour, "close": closing, "why": why,
            "code": outcome.peer_code if outcome.peer_closed else "none", "seconds": round(outcome.seconds, 4),
            "compressed": outcome.compressed, "log": outcome.log}


def results(o):
    if o.jobs == 1:
        begin(o)
        for case in o.chosen:
            yield result(case, peer.run(case))
        peer.close()
        return
    fork = multiprocessing.get_context("fork")
    # The long ones first, or the last of them would run alone.
    order = sorted(o.chosen, key=lambda case: -case.cost)
    with concurrent.futures.ProcessPoolExecutor(o.jobs, fork, begin, (o,)) as pool:
        for done in concurrent.futures.as_completed([pool.submit(one, case.number, o.role) for case in order]):
            yield done.result()


def main(argv):
    try:
        o = options(argv)
        if o.list:
            for case in o.chosen:
                print(f"{case.number:8}{case.title}")
            return 0
        if o.role == "server":
            Server(o.client, o.patience).connect().close()  # a word at once if nobody is there
        return judged(o)
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(130)
    except OSError as e:
        print(f"run: {e.filename or o.client or o.listen}: {e.strerror or e}", file=sys.stderr)
        return 2


def judged(o):
    teller = report.Tap(o) if o.tap else report.Terminal(o, len(o.chosen))
    found = []
    for r in results(o):
        r["miss"] = judge.is_miss(r["behaviour"], r["close"], o.lenient)
        found.append(r)
        teller.tell(r)
    found.sort(key=lambda r: [int(part) for part in r["case"].split(".")])
    run = {"peer": o.name or o.client or " ".join(o.command) or "client", "role": o.role, "lenient": o.lenient,
           "date": datetime.date.today().isoformat(), "results": found}
    teller.end(run)
    if o.json:
        report.write_json(o.json, run)
    if o.html:
        report.write_html(o.html, [run])
    return 1 if any(r["miss"] for r in found) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
