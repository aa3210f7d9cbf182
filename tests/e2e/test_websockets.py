#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Python's websockets as a client of examples/echo and examples/broadcast, over ws, wss and a unix socket."""
import asyncio
import contextlib
import os
import random
import signal
import ssl
import subprocess
import sys
import tempfile

import websockets
from tools.local import BUILD, free_port, make_certificate

# A sanitizer makes everything some ten times slower.
PATIENCE = 120


class Server:
    """One example, reached at `url`; `how` is ws, wss or unix."""

    def __init__(self, name, how, folder, *options):
        self.how, self.ssl, port = how, None, free_port()
        self.path = f"{folder}/{name}.sock"
        self.url = f"{'wss' if how == 'wss' else 'ws'}://127.0.0.1:{port}/"
        command = [BUILD / "examples" / name, *options]
        if how == "wss":
            cert, key = f"{folder}/cert.pem", f"{folder}/key.pem"
            if not os.path.exists(cert):
                make_certificate(folder)
            command += ["--tls-cert", cert, "--tls-key", key]
            self.ssl = ssl.create_default_context(cafile=cert)
        command.append(f"unix:{self.path}" if how == "unix" else self.url)
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE)

    async def __aenter__(self):
        for _ in range(PATIENCE * 20):
            try:
                async with self.connect():
                    return self
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError(self.process.stderr.read().decode())
                await asyncio.sleep(0.05)
        raise RuntimeError("the server does not answer")

    async def __aexit__(self, *_):
        """Asked to stop, the server drains and ends with 0; a sanitizer's report would be another code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, said = await asyncio.to_thread(self.process.communicate, timeout=PATIENCE)
        if self.process.returncode != 0:
            raise RuntimeError(f"the server ended with {self.process.returncode}: {said.decode()}")

    def connect(self, **options):
        options = {"max_size": None, "compression": None, "open_timeout": PATIENCE, **options}
        if self.how == "unix":
            return websockets.unix_connect(self.path, **options)
        return websockets.connect(self.url, ssl=self.ssl, **options)


async def echoed(ws, message):
    await ws.send(message)
    answer = await asyncio.wait_for(ws.recv(), PATIENCE)
    assert answer == message, f"{len(message)} went, {len(answer)} came back, or others"


async def sizes(server):
    async with server.connect() as ws:
        for size in (0, 1, 125, 126, 127, 65535, 65536, 65537, 1 << 20, 16 << 20):
            await echoed(ws, random.randbytes(size))
        await echoed(ws, "é世𝄞" * 100000)


async def fragments(server):
    """Frames of 1 B to 64 KiB, with pings between them; the whole comes back."""
    parts = [random.randbytes(size) for size in (1, 0, 7, 125, 126, 4096, 65536, 3)]

    async def pieces(ws):
        for part in parts:
            yield part
            await ws.ping()

    async with server.connect() as ws:
        await ws.send(pieces(ws))
        assert await asyncio.wait_for(ws.recv(), PATIENCE) == b"".join(parts)
        # A character is cut by the frames' border.
        await ws.send(part for part in ())  # nothing: no message
        await echoed(ws, "text after it")


async def concurrent(server):
    """100 connections, each with its own messages, in order."""
    async def one(number):
        async with server.connect() as ws:
            sent = [f"{number}:{i}:" + "x" * random.randrange(2000) for i in range(20)]
            for message in sent:
                await ws.send(message)
            for message in sent:
                assert await asyncio.wait_for(ws.recv(), PATIENCE) == message

    await asyncio.gather(*(one(number) for number in range(100)))


async def closing(server):
    """The code of a Close comes back; a ping is answered with its own payload."""
    async with server.connect() as ws:
        await asyncio.wait_for(await ws.ping(b"payload"), PATIENCE)
        await ws.close(4321, "enough")
        assert ws.close_code == 4321, ws.close_code


async def late_reader(server):
    """One who sends 64 MiB and reads late gets all of it; another is served meanwhile."""
    async with server.connect(max_queue=1) as slow, server.connect() as other:
        async def send():
            for i in range(64):
                await slow.send(bytes([i]) * (1 << 20))

        sending = asyncio.create_task(send())
        for i in range(50):
            await echoed(other, f"meanwhile {i}")
        for i in range(64):
            message = await asyncio.wait_for(slow.recv(), PATIENCE)
            assert len(message) == 1 << 20 and message[0] == i
        await sending


async def to_all(server):
    """Each message reaches every connection, once, and those of one sender in their order."""
    async with contextlib.AsyncExitStack() as stack:
        members = [await stack.enter_async_context(server.connect()) for _ in range(20)]
        # The last one is known to be a member when what it sends comes back to it.
        for ws in members:
            await ws.send(b"here")
        for ws in members:
            here = 0
            while here < len(members):
                assert await asyncio.wait_for(ws.recv(), PATIENCE) == b"here"
                here += 1
        await asyncio.gather(*(ws.send(f"{n}:{i}") for n, ws in enumerate(members[:3]) for i in range(50)))
        for ws in members:
            heard = [await asyncio.wait_for(ws.recv(), PATIENCE) for _ in range(150)]
            for n in range(3):
                assert [m for m in heard if m.startswith(f"{n}:")] == [f"{n}:{i}" for i in range(50)]


async def main():
    failed = 0
    with tempfile.TemporaryDirectory(prefix="duet-e2e-") as folder:
        runs = [("echo", how, (), (sizes, fragments, concurrent, closing, late_reader))
                for how in ("ws", "wss", "unix")]
        runs.append(("echo", "ws", ("--threads", "3"), (concurrent, late_reader)))
        runs.append(("broadcast", "ws", (), (to_all,)))
        runs.append(("broadcast", "wss", ("--threads", "3"), (to_all,)))
        for name, how, options, tests in runs:
            where = " ".join((name, how, *options))
            try:
                async with Server(name, how, folder, *options) as server:
                    for test in tests:
                        claim = f"websockets, {where}: {test.__name__.replace('_', ' ')}"
                        try:
                            await asyncio.wait_for(test(server), PATIENCE)
                            print(f"ok - {claim}", flush=True)
                        except Exception as error:  # the next test still runs
                            failed += 1
                            print(f"# {type(error).__name__}: {error}\nnot ok - {claim}", flush=True)
                print(f"ok - websockets, {where}: drains and ends with 0", flush=True)
            except Exception as error:
                failed += 1
                print(f"# {error}\nnot ok - websockets, {where}: starts, drains and ends with 0", flush=True)
    return 1 if failed else 0


sys.exit(asyncio.run(main()))
