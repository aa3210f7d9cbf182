# SPDX-License-Identifier: MIT
"""A wire that can fail: a TCP proxy that delays, throttles and cuts into pieces, and after a number of bytes resets, ends,
half closes or swallows. What passed is counted, so that a cut is at a byte and not at a time."""
import asyncio
import contextlib
import socket
import struct

RESET, END, HALF, HOLE = "reset", "end", "half", "hole"


class Cut:
    """After `at` bytes of one direction ("up": to the server, "down": to the client) `how` happens."""

    def __init__(self, direction, at, how):
        self.direction, self.at, self.how = direction, at, how


class Line:
    """One connection that passes."""

    def __init__(self, client, server):
        self.client, self.server = client, server
        self.passed = {"up": 0, "down": 0}
        self.done = asyncio.Event()  # the cut came, or both ends are gone
        self.silent = False  # a black hole
        self.ended = 0  # directions that were closed in order

    def reset(self):
        for end in (self.client, self.server):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RD)  # wakes who reads it
            end.close()
        self.done.set()


class Wire:
    """In front of a port of this machine: `async with Wire(port) as wire`, and connect to wire.port. The settings may be
    changed at any time; `cuts` is a list that is used up, one for each new connection, None for one that lives."""

    def __init__(self, to, delay=0, rate=0, piece=65536, cuts=()):
        self.to, self.delay, self.rate, self.piece, self.cuts = to, delay, rate, piece, list(cuts)
        self.lines, self.tasks = [], set()

    async def __aenter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.start(self.accept())
        return self

    async def __aexit__(self, *_):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.listener.close()
        for line in self.lines:
            line.close()

    def start(self, work):
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def accept(self):
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(self.listener)
            server = socket.socket()
            server.setblocking(False)
            try:
                await loop.sock_connect(server, ("127.0.0.1", self.to))
            except OSError:  # nobody there: the same to the client
                client.close()
                server.close()
                continue
            for end in (client, server):
                end.setblocking(False)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line = Line(client, server)
            cut = self.cuts.pop(0) if self.cuts else None
            self.lines.append(line)
            self.start(self.pump(line, "up", client, server, cut))
            self.start(self.pump(line, "down", server, client, cut))

    async def pump(self, line, direction, source, target, cut):
        loop = asyncio.get_running_loop()
        mine = cut if cut and cut.direction == direction else None
        try:
            while not line.silent:
                left = mine.at - line.passed[direction] if mine else self.piece
                if left <= 0:
                    self.strike(line, mine.how, target)
                    return
                data = await loop.sock_recv(source, min(left, self.piece))
                if line.silent:
                    return
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    break
                if self.delay or self.rate:
                    await asyncio.sleep(self.delay + (len(data) / self.rate if self.rate else 0))
                await loop.sock_sendall(target, data)
                line.passed[direction] += len(data)
        except OSError:
            line.close()
        line.ended += 1
        if line.ended == 2:
            line.close()

    @staticmethod
    def strike(line, how, target):
        if how == RESET:
            line.reset()
        elif how == END:
            line.close()
        elif how == HALF:
            target.shutdown(socket.SHUT_WR)
            line.done.set()
        else:
            line.silent = True
            line.done.set()
