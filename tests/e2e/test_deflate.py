#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""permessage-deflate with Python's websockets as the peer: every takeover and window, from 0 B to 1 MiB, both roles."""
import asyncio
import itertools
import json
import random
import sys

import websockets
from tools.local import BUILD, free_port
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory

EXAMPLES = BUILD / "examples"
PATIENCE = 120
WINDOWS = [(None, None)] + [(bits, 24 - bits) for bits in range(9, 16)]
COMBINATIONS = [(*takeover, *windows) for takeover in itertools.product((False, True), repeat=2) for windows in WINDOWS]


def messages():
    rng = random.Random(1)
    for size in (0, 1, 125, 126, 127, 1000, 4081, 4082, 5000, 65535, 65536, 1 << 20):
        yield json.dumps([rng.randrange(1000) for _ in range(size // 4)])[:size].ljust(size, "é")
        yield rng.randbytes(size)


MESSAGES = list(messages())


async def exchange(ws):
    for message in MESSAGES:
        await ws.send(message)
        assert await asyncio.wait_for(ws.recv(), PATIENCE) == message, f"{len(message)} came back otherwise"
    await ws.send([MESSAGES[10], MESSAGES[12], MESSAGES[10]])  # fragments
    assert await asyncio.wait_for(ws.recv(), PATIENCE) == MESSAGES[10] + MESSAGES[12] + MESSAGES[10]


async def as_client(mode):
    url = f"ws://127.0.0.1:{free_port()}/"
    server = await asyncio.create_subprocess_exec(EXAMPLES / "echo", mode, url)
    try:
        for _ in range(PATIENCE * 20):
            try:
                async with websockets.connect(url, compression=None):
                    break
            except OSError:
                await asyncio.sleep(0.05)
        for own, theirs, server_bits, client_bits in COMBINATIONS:
            factory = ClientPerMessageDeflateFactory(own, theirs, server_bits, client_bits or True)
            async with websockets.connect(url, extensions=[factory], compression=None, max_size=None) as ws:
                assert [e.name for e in ws.extensions] == ["permessage-deflate"]
                await exchange(ws)
    finally:
        server.terminate()
    assert await server.wait() == 0, "the server ends with 0"


async def as_server(mode):
    for own, theirs, server_bits, client_bits in COMBINATIONS:
        done = asyncio.get_running_loop().create_future()

        async def serve(ws):
            try:
                assert [e.name for e in ws.extensions] == ["permessage-deflate"]
                await exchange(ws)
                done.set_result(None)
            except Exception as error:
                done.set_exception(error)

        factory = ServerPerMessageDeflateFactory(own, theirs, server_bits, client_bits)
        async with websockets.serve(serve, "127.0.0.1", 0, extensions=[factory], compression=None,
                                    max_size=None) as server:
            port = server.sockets[0].getsockname()[1]
            client = await asyncio.create_subprocess_exec(EXAMPLES / "echo-client", mode, f"ws://127.0.0.1:{port}/")
            await asyncio.wait_for(done, PATIENCE)
            assert await asyncio.wait_for(client.wait(), PATIENCE) == 0, "the client ends with 0"


async def main():
    failed = 0
    for run, how in ((as_client, "--deflate"), (as_client, "--keep-window"), (as_server, "--deflate"),
                     (as_server, "--keep-window")):
        claim = f"websockets {run.__name__.replace('_', ' ')}, {how}: every takeover and window"
        try:
            await run(how)
            print(f"ok - {claim}", flush=True)
        except Exception as error:
            failed += 1
            print(f"# {type(error).__name__}: {error}\nnot ok - {claim}", flush=True)
    return 1 if failed else 0


sys.exit(asyncio.run(main()))
