# SPDX-License-Identifier: MIT
"""Python's websockets, as its manual has echoes and broadcasts: websockets.py echo|fan PORT"""
import asyncio
import os
import sys

import websockets
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

mode, port = sys.argv[1:]
members = set()


async def echo(socket):
    async for message in socket:
        await socket.send(message)


async def fan(socket):
    members.add(socket)
    try:
        async for message in socket:
            websockets.broadcast(members, message)
    finally:
        members.remove(socket)


async def main():
    deflate = [ServerPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True,
                                              compress_settings={"level": 1})] if os.environ.get("BENCH_DEFLATE") else None
    async with websockets.serve(echo if mode == "echo" else fan, "127.0.0.1", int(port), max_size=2**21, backlog=4096,
                                compression=None, extensions=deflate):
        await asyncio.Future()


asyncio.run(main())
