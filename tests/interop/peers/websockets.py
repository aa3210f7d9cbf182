#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Python's websockets, both roles."""
import asyncio
import logging
import os
import ssl
import sys

import websockets

logging.disable()
OPTIONS = {"max_size": None, "ping_interval": None, "compression": "deflate" if "INTEROP_DEFLATE" in os.environ else None}


def say(*words):
    print(*words, flush=True)


async def echo(connection, path=None):
    messages = octets = 0
    say("open", connection.subprotocol)
    try:
        async for message in connection:
            messages += 1
            octets += len(message.encode() if isinstance(message, str) else message)
            if message == "!close":
                await connection.close(1000, "from the peer")
            elif message == "!ping":
                await (await connection.ping(b"here"))
                await connection.send("pong")
            elif isinstance(message, str) and message.startswith("!parts"):
                await connection.send([message[:20], message[20:15000], message[15000:]])
            else:
                await connection.send(message)
    except websockets.ConnectionClosed:
        pass
    say("closed", connection.close_code, messages, octets, connection.close_reason)


async def main():
    if sys.argv[1] == "server":
        context = None
        if "INTEROP_CERT" in os.environ:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(os.environ["INTEROP_CERT"], os.environ["INTEROP_KEY"])
        async with websockets.serve(echo, "127.0.0.1", 0, ssl=context, subprotocols=["interop.v1"], **OPTIONS) as server:
            say("port", server.sockets[0].getsockname()[1])
            await asyncio.Future()
    url = sys.argv[2]
    context = ssl.create_default_context(cafile=os.environ["INTEROP_CA"]) if url.startswith("wss") else None
    async with websockets.connect(url, ssl=context, subprotocols=["elsewhere.v1", "interop.v1"], **OPTIONS) as connection:
        await echo(connection)


asyncio.run(main())
