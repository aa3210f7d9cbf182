#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What `duet connect` and `duet sub` write to a terminal, byte by byte: nothing that a peer sent is obeyed there, and
no colour goes where none is wanted (OPS-10). DUET_BUILD names the folder of the program."""

import asyncio
import os
import pty
import re
import select
import signal
import sys
import tempfile
import threading
import time

import websockets

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
DUET = os.path.join(os.path.abspath(os.environ.get("DUET_BUILD", os.path.join(ROOT, "build/release"))), "duet")
PATIENCE = 60

# What could be obeyed: a window's title, another colour, a cleared screen, a C1 control, writing that is turned round.
ATTACK = "\x1b]0;owned\x07\x1b[35;5mX\x1b[2J\x1bc\u009b31m\u009d0;x\u009c\u202eabc\u2066\u200f\u061c\u2028\x08\x7f"
HARMFUL = [b"\x1b]", b"\x1b[35;5m", b"\x1b[2J", b"\x1bc", b"\xc2\x9b", b"\xc2\x9d", b"\xe2\x80\xae", b"\xe2\x81\xa6",
           b"\xe2\x80\x8f", b"\xd8\x9c", b"\xe2\x80\xa8", b"\x9b31", b"\x7f"]
# What the program itself writes: colours, and libedit's moves of the cursor and erasures.
OWN = re.compile(rb"\x1b\[[0-9;]*[mKJABCDPGH@]|\x1b\[\?[0-9]+[hl]|\x1b[=>]")

PROMPT = rb">(\x1b\[0m)? "

failed = 0
home = tempfile.TemporaryDirectory()


def verdict(claim, good, said=b""):
    global failed
    if good:
        print("ok -", claim)
        return
    failed += 1
    print("not ok -", claim)
    print("#", said)


class Terminal:
    """A program at the slave end of a pty."""

    def __init__(self, *arguments, **environment):
        self.said = b""
        self.code = None
        environ = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "LC_ALL", "LANG")}
        environ.update({"TERM": "xterm", "LC_ALL": "C.UTF-8", "HOME": home.name})
        environ.update(environment)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(DUET, [DUET, *arguments], environ)

    def until(self, pattern):
        """Reads until it was said."""
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, self.said):
            if time.monotonic() > end or not self.read_some(1):
                return False
        return True

    def read_some(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the program has ended
            data = b""
        self.said += data
        return data != b""

    def type(self, text):
        os.write(self.fd, text)

    def end(self):
        end = time.monotonic() + PATIENCE
        while self.read_some(1) and time.monotonic() < end:
            pass
        if time.monotonic() >= end:
            os.kill(self.pid, signal.SIGKILL)
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return self.code


def unknown_escapes(said):
    return OWN.sub(b"", said).count(b"\x1b")


def harmless(claim, said):
    found = [h for h in HARMFUL if h in said]
    verdict(claim, not found and unknown_escapes(said) == 0, (found, said))


async def handler(ws, *path):
    where = ws.request.path if hasattr(ws, "request") else ws.path
    if where == "/text":
        await ws.send(ATTACK)
        await ws.send(ATTACK.encode() + b"\xff\xfe\x9b31m")
        await ws.send('{"%s": ["%s"]}' % ((re.sub("[\x00-\x1f]", "", ATTACK),) * 2))
        await ws.close(4000, ATTACK[:40])
    else:
        try:
            async for message in ws:
                await ws.send(message)
        except websockets.ConnectionClosed:
            pass


async def refuse(reader, writer):
    """An HTTP server that answers as it likes."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 403 No\r\nContent-Length: 200\r\n\r\n" + (ATTACK * 10).encode()[:200])
    await writer.drain()
    writer.close()


async def refuse_field(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 403 No\r\nX-Evil: \xc2\x9b31m\xe2\x80\xae\x9b31m\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()
    writer.close()


async def answer_nonsense(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 403 " + ATTACK.encode() + b"\r\n\r\n")
    await writer.drain()
    writer.close()


def serve(ports, ready):
    async def main():
        servers = [await websockets.serve(handler, "127.0.0.1", 0),
                   await asyncio.start_server(refuse, "127.0.0.1", 0),
                   await asyncio.start_server(refuse_field, "127.0.0.1", 0),
                   await asyncio.start_server(answer_nonsense, "127.0.0.1", 0)]
        ports.extend(s.sockets[0].getsockname()[1] for s in servers)
        ready.set()
        await asyncio.Future()

    asyncio.run(main())


def urls():
    ports, ready = [], threading.Event()
    threading.Thread(target=serve, args=(ports, ready), daemon=True).start()
    ready.wait(PATIENCE)
    return [f"ws://127.0.0.1:{port}" for port in ports]


def attacks(peer, refuser, fielder, nonsense):
    for options in ([], ["--trace"], ["--json"], ["--timestamps", "--trace", "--json"]):
        t = Terminal("connect", *options, peer + "/text")
        code = t.end()
        name = " ".join(["duet connect"] + options)
        verdict(f"{name} hears a hostile peer out", code == 0 and b"closed with 4000" in t.said, (code, t.said))
        verdict(f"{name} shows what it sent", t.said.count(b"\\x1b]0;owned\\x07") >= 3, t.said)
        harmless(f"{name} lets none of it through", t.said)
    t = Terminal("sub", "--trace", peer + "/text", "--count", "3")
    verdict("duet sub hears it out", t.end() == 0 and t.said.count(b"\\x1b]0;owned\\x07") >= 2, t.said)
    harmless("duet sub lets none of it through", t.said)
    for what, url in (("body", refuser), ("fields", fielder)):
        for tool in ("connect", "sub", "pub"):
            t = Terminal(tool, "--trace", url)
            code = t.end()
            verdict(f"duet {tool} is refused", code == 4, (code, t.said))
            harmless(f"the {what} of a refusal is harmless in duet {tool} --trace", t.said)
    verdict("and is shown", b"\\xc2\\x9b31m\\xe2\\x80\\xae\\x9b31m" in t.said, t.said)
    t = Terminal("connect", "--trace", nonsense)
    verdict("an answer that is none is refused", t.end() == 4 and b"\\x1b]0;owned\\x07" in t.said, t.said)
    harmless("and is harmless", t.said)
    t = Terminal("connect", "--raw", peer + "/text")
    verdict("only --raw lets it through", t.end() == 0 and all(h in t.said for h in HARMFUL), t.said)


def colours(peer):
    def session(**environment):
        t = Terminal("connect", "--trace", "--json", peer + "/echo", **environment)
        opened = t.until(b"connected") and t.until(PROMPT)
        t.type(b'{"a":1}\n')
        answered = t.until(rb'"a.*: .*1')
        t.type(b"\x04")
        code = t.end()
        verdict(f"a session with {environment}", opened and answered and code == 0, (opened, answered, code, t.said))
        return t.said

    colour = re.compile(rb"\x1b\[[0-9;]*m")
    said = session()
    verdict("there are colours on a terminal", len(colour.findall(said)) > 20, said)
    verdict("for what is sent and what is received", b"\x1b[36m>" in said and b"\x1b[32m<" in said, said)
    said = session(NO_COLOR="1")
    verdict("NO_COLOR turns them off", not [c for c in colour.findall(said) if c not in (b"\x1b[m", b"\x1b[0m")], said)
    t = Terminal("connect", "--trace", "--json", "--send", '{"a":1}', "--count", "1", peer + "/echo", TERM="dumb")
    verdict("a dumb terminal", t.end() == 0 and b'"a": 1' in t.said, t.said)
    verdict("gets no escape at all", b"\x1b" not in t.said, t.said)


def broken_ends(peer):
    """The terminal goes away while a line is typed."""
    t = Terminal("connect", peer + "/echo")
    t.until(b"connected")
    t.until(PROMPT)
    t.type(b"half a line")
    t.until(b"line")
    os.close(t.fd)
    code = os.waitstatus_to_exitcode(os.waitpid(t.pid, 0)[1])
    verdict("a terminal that is gone ends it", code in (0, 1, -signal.SIGHUP), code)
    t = Terminal("connect", peer + "/echo")
    t.until(b"connected")
    t.until(PROMPT)
    t.type(b"\xff\xc3\xe2\x82(\x1b[99~\x1bZ\x16\x07\x1b[A\x1b[B\x14\x19\x0b\x0c" * 20 + b"\x15sane\n")
    verdict("keys that mean nothing do no harm", t.until(rb"<[^\n]* [^\n]*sane"), t.said)
    t.type(b"\x04")
    verdict("and it ends as ever", t.end() == 0, t.said)


peer, refuser, fielder, nonsense = urls()
attacks(peer, refuser, fielder, nonsense)
colours(peer)
broken_ends(peer)
sys.exit(failed > 0)
