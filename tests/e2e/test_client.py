#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Python's websockets as the server of examples/echo-client, over ws, wss and a unix socket."""
import asyncio
import contextlib
import random
import ssl
import sys
import tempfile

import websockets
from tools.local import BUILD, make_certificate

# A sanitizer makes everything some ten times slower.
PATIENCE = 120


async def echoed(ws, message):
    await ws.send(message)
    answer = await asyncio.wait_for(ws.recv(), PATIENCE)
    assert answer == message, f"{len(message)} went, {len(answer)} came back, or others"


async def sizes(ws):
    for size in (0, 1, 125, 126, 127, 65535, 65536, 65537, 1 << 20, 16 << 20):
        await echoed(ws, random.randbytes(size))
    await echoed(ws, "é世𝄞" * 100000)


async def fragments(ws):
    parts = [random.randbytes(size) for size in (1, 0, 7, 125, 126, 4096, 65536, 3)]

    async def pieces():
        for part in parts:
            yield part
            await ws.ping()

    await ws.send(pieces())
    assert await asyncio.wait_for(ws.recv(), PATIENCE) == b"".join(parts)


async def many(ws):
    """1000 messages sent before the first is read come back in order."""
    sent = [f"{i}:" + "x" * random.randrange(2000) for i in range(1000)]

    async def send():
        for message in sent:
            await ws.send(message)

    sending = asyncio.create_task(send())
    for message in sent:
        assert await asyncio.wait_for(ws.recv(), PATIENCE) == message
    await sending


async def pings(ws):
    await asyncio.wait_for(await ws.ping(b"payload"), PATIENCE)


def certificate(folder):
    cert, key = make_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context


@contextlib.asynccontextmanager
async def served(how, folder, context, handler):
    """Yields the URL of a server."""
    options = {"max_size": None, "compression": None, "ping_timeout": None}
    if how == "unix":
        async with websockets.unix_serve(handler, f"{folder}/ws.sock", **options):
            yield f"unix:{folder}/ws.sock"
        return
    secure = {"ssl": context} if how == "wss" else {}
    async with websockets.serve(handler, "127.0.0.1", 0, **options, **secure) as server:
        yield f"{how}://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def one(how, folder, cert, context, test):
    """One client is served by the test, closed with a code, and ends with 0."""
    result = asyncio.get_running_loop().create_future()

    async def handler(ws, *_):
        try:
            await asyncio.wait_for(test(ws), PATIENCE)
            await ws.close(4321, "enough")
            assert ws.close_code == 4321, ws.close_code
            result.set_result(None)
        except Exception as error:
            result.set_exception(error)
            await ws.close()

    async with served(how, folder, context, handler) as url:
        trust = ["--ca", cert] if how == "wss" else []
        process = await asyncio.create_subprocess_exec(BUILD / "examples/echo-client", *trust, url,
                                                       stderr=asyncio.subprocess.PIPE)
        _, said = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode == 0, f"it ended with {process.returncode}: {said.decode()}"
        await asyncio.wait_for(result, PATIENCE)


async def main():
    failed = 0
    with tempfile.TemporaryDirectory(prefix="duet-e2e-") as folder:
        cert, context = certificate(folder)
        for how in ("ws", "wss", "unix"):
            for test in (sizes, fragments, many, pings):
                claim = f"websockets serves echo-client, {how}: {test.__name__}"
                try:
                    await one(how, folder, cert, context, test)
                    print(f"ok - {claim}", flush=True)
                except Exception as error:  # the next test still runs
                    failed += 1
                    print(f"# {type(error).__name__}: {error}\nnot ok - {claim}", flush=True)
    return 1 if failed else 0


sys.exit(asyncio.run(main()))
