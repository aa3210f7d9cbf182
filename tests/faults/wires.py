#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Clients that nobody here wrote, and ours, on a wire that fails in between (tools/wire.py) and `duet serve`: what was
acknowledged is not lost, both ends see the right code, and who comes back goes on."""
import asyncio
import contextlib
import json
import subprocess
import sys

import websockets

from common import DUET, PATIENCE, ROOT, Server, claim, failed, until_async
from wire import END, HALF, HOLE, RESET, Cut, Wire

LOST = 'duet_closes_total{code="1006"}'
MESSAGES = 40


def url(port, channel):
    return f"ws://127.0.0.1:{port}/channel/{channel}"


class Witness:
    """A member of the channel whose own wire is whole."""

    def __init__(self, server, channel):
        self.url, self.got = server.channel + channel, []

    async def __aenter__(self):
        self.socket = await websockets.connect(self.url)
        self.task = asyncio.ensure_future(self.listen())
        return self

    async def listen(self):
        with contextlib.suppress(websockets.ConnectionClosed):
            async for message in self.socket:
                self.got.append(int(message))

    async def has(self, numbers):
        await until_async(lambda: len(self.got) >= len(numbers), f"the witness has {len(numbers)}, not {self.got}")
        assert self.got[:len(numbers)] == numbers, f"{self.got} is not {numbers}"
        assert self.got == list(range(len(self.got))), self.got

    async def __aexit__(self, *_):
        self.task.cancel()
        await self.socket.close()


async def python_client(port, channel):
    """Publishes numbers, each when the last came back. What came back, and the code that the client reports."""
    got = []
    try:
        async with websockets.connect(url(port, channel), open_timeout=PATIENCE, close_timeout=PATIENCE) as ws:
            for n in range(MESSAGES):
                await ws.send(str(n))
                got.append(int(await ws.recv()))
    except websockets.ConnectionClosedError as error:
        assert error.rcvd is None, error
        return got, 1006
    except (OSError, websockets.InvalidMessage, EOFError):
        return got, None  # it never opened
    return got, 1000


async def node_client(port, channel):
    program = await asyncio.create_subprocess_exec(
        "node", str(ROOT / "tests/e2e/tools/wire-client.mjs"), url(port, channel), str(MESSAGES),
        stdout=subprocess.PIPE)
    out, _ = await asyncio.wait_for(program.communicate(), PATIENCE)
    said = json.loads(out)
    return said["got"], said["code"]


async def our_client(port, channel):
    """`duet connect`, a line at a time: 0 is a clean end, 5 a loss, 3 that it never opened."""
    program = await asyncio.create_subprocess_exec(DUET, "connect", "--proxy", "none", url(port, channel),
                                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                                   stderr=subprocess.PIPE)
    got = []
    for n in range(MESSAGES):
        with contextlib.suppress(ConnectionError):
            program.stdin.write(f"{n}\n".encode())
            await program.stdin.drain()
        line = await asyncio.wait_for(program.stdout.readline(), PATIENCE)
        if not line:
            break
        got.append(int(line))
    program.stdin.close()
    await asyncio.wait_for(program.wait(), PATIENCE)
    said = (await program.stderr.read()).decode()
    return got, EXITS.get(program.returncode, f"exit {program.returncode}: {said}")


EXITS = {0: 1000, 5: 1006, 3: None}


async def a_bad_line(server, client):
    """Late, thin and in pieces of a few bytes: all of it arrives, and the end is a clean one."""
    channel = f"bad-{client.__name__}"
    async with Witness(server, channel) as witness, Wire(server.port, delay=0.0005, rate=200000, piece=3) as wire:
        got, code = await client(wire.port, channel)
        assert (got, code) == (list(range(MESSAGES)), 1000), (got, code)
        await witness.has(got)
        assert wire.lines[0].passed["up"] > 6 * MESSAGES


async def cuts(server, client, at):
    """The wire ends after so many bytes, in each direction, with and without a reset."""
    for direction, n, how in ((d, n, how) for d in at for n in at[d] for how in (RESET, END)):
        channel = f"cut-{client.__name__}-{direction}-{how}-{n}"
        lost, opened = server.count(LOST), server.count("duet_opened_total")
        async with Witness(server, channel) as witness, Wire(server.port, cuts=[Cut(direction, n, how)]) as wire:
            got, code = await client(wire.port, channel)
            assert wire.lines[0].passed[direction] == n, f"cut at {wire.lines[0].passed}, not at {n}"
            assert code in (None, 1006) and len(got) < MESSAGES, (channel, got, code)
            # What came back had been accepted: everybody has it, once and in order.
            assert got == list(range(len(got))), got
            await witness.has(got)
            await until_async(lambda: server.count("duet_connections") == 2, "the server lets it go")
            # Who was open for the server (the witness still is) is lost to it, too.
            assert server.count(LOST) - lost == server.count("duet_opened_total") - opened - 1, channel


async def cuts_at_every_byte(server):
    """Through the end of the handshake and the first frames, byte by byte."""
    await cuts(server, python_client, {"up": range(285, 320), "down": range(120, 155)})


async def cuts_of(server, client):
    await cuts(server, client, {"up": (1, 100, 300, 460), "down": (1, 100, 200, 250)})


async def half_close(server):
    """NET-6: who ends its own direction without a Close is gone, though it would still read."""
    lost = server.count(LOST)
    request = (b"GET /channel/half HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    frame = b"\x81\x81\0\0\0\0" + b"7"
    for n in (len(request), len(request) + 1, len(request) + len(frame)):
        async with Wire(server.port, cuts=[Cut("up", n, HALF)]) as wire:
            reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
            writer.write(request + frame)
            await asyncio.wait_for(reader.read(), PATIENCE)  # to the end of file: the server closed it
            writer.close()
    await until_async(lambda: server.count("duet_connections") == 1, "nobody is left")
    assert server.count(LOST) == lost + 3, "each of them is 1006"


async def sub_lines(program, into):
    while line := await program.stdout.readline():
        into.append(int(line))


async def sub_comes_back(server):
    """`duet sub` on a wire that is cut again and again; what is published while it is there, it prints, in order."""
    got, sent, rounds = [], [], 6
    ways = [Cut("down", 300 + 60 * i, (RESET, END, HOLE)[i % 3]) for i in range(rounds)]
    async with Wire(server.port, cuts=ways) as wire, websockets.connect(server.channel + "sub") as publisher:
        program = await asyncio.create_subprocess_exec(
            DUET, "sub", "--proxy", "none", "--ping", "1", url(wire.port, "sub"), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        reading = asyncio.ensure_future(sub_lines(program, got))
        try:
            number = 0
            while len(wire.lines) <= rounds or not got or got[-1] < 10**6:
                if len(wire.lines) > rounds:  # the last one lives: from here on nothing may be missed
                    await until_async(lambda: server.count("duet_subscriptions") >= 2, "it is back")
                    number = max(number, 10**6)
                number += 1
                sent.append(number)
                await publisher.send(str(number))
                assert int(await publisher.recv()) == number
                await asyncio.sleep(0.01)
            last = number
            for number in range(last + 1, last + 101):
                await publisher.send(str(number))
                await publisher.recv()
            await until_async(lambda: got[-1] == last + 100, "it has the last message")
        finally:
            program.terminate()
            await program.wait()
            await reading
    assert len(wire.lines) == rounds + 1, len(wire.lines)
    assert got == sorted(set(got)) and set(got) <= set(sent) | set(range(last + 1, last + 101)), "in order, once"
    assert got[-100:] == list(range(last + 1, last + 101)), "nothing is missed while it is there"


async def pub_says_what_is_lost(server):
    """`duet pub` on a wire that is reset says so and does not end with 0."""
    async with Wire(server.port, cuts=[Cut("up", 5000, RESET)]) as wire:
        program = await asyncio.create_subprocess_exec(
            DUET, "pub", "--proxy", "none", url(wire.port, "pub"), "/dev/stdin", stdin=subprocess.PIPE,
            stderr=subprocess.PIPE)
        _, said = await asyncio.wait_for(program.communicate(b"a line\n" * 2000), PATIENCE)
    assert program.returncode == 5 and b"lost" in said, (program.returncode, said)


async def a_head_in_a_hole(_):
    with Server() as server:  # of its own: others, too, are too late
        async with Wire(server.port, cuts=[Cut("up", 30, HOLE)]) as wire:
            _, writer = await asyncio.open_connection("127.0.0.1", wire.port)
            writer.write(b"GET /channel/hole HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert await asyncio.to_thread(server.healthy)
            await until_async(lambda: server.reason("open_timeout") == 1, "the head has its deadline")
            writer.close()


async def our_client_in_a_hole(server):
    async with Wire(server.port, cuts=[Cut("up", 0, HOLE)]) as wire:
        got, code = await our_client(wire.port, "hole")
        assert (got, code) == ([], None), (got, code)


async def vanished(server):
    async with Witness(server, "gone"), Wire(server.port) as wire:
        before = server.reason("pong_timeout")
        sockets = [await websockets.connect(url(wire.port, "gone"), ping_interval=None) for _ in range(50)]
        for line in wire.lines:
            line.silent = True  # what comes next, a ping, is swallowed
        await until_async(lambda: server.reason("pong_timeout") == before + 50, "all of them are found gone")
        assert server.count("duet_websockets") >= 1
        for ws in sockets:
            ws.transport.abort()


WAITING = (
    ("HTTP-1: a request that stops in its middle is let go after the time to open", a_head_in_a_hole),
    ("duet connect gives up on a server that says nothing", our_client_in_a_hole),
    ("NET-7: members whose wires fall silent are gone after ping and pong", vanished),
)


async def waiting(server):
    """What has to wait for a deadline waits together."""
    results = await asyncio.gather(*(test(server) for _, test in WAITING), return_exceptions=True)
    for (text, _), result in zip(WAITING, results):
        def show(result=result):
            if result is not None:
                raise result
        claim(text, show)


def main():
    with Server() as server:
        for client in (python_client, node_client, our_client):
            claim(f"{client.__name__}: late, thin and in pieces, all of it arrives", a_bad_line, server, client)
            claim(f"{client.__name__}: a cut is 1006 on both sides, and what was acknowledged is there", cuts_of, server,
                  client)
        claim("a cut at every byte of the handshake and of the first frames", cuts_at_every_byte, server)
        claim("NET-6: a half close without a Close is 1006 at once", half_close, server)
        claim("duet sub comes back, and misses nothing while it is there", sub_comes_back, server)
        claim("duet pub tells of a wire that was cut", pub_says_what_is_lost, server)
        asyncio.run(waiting(server))
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
