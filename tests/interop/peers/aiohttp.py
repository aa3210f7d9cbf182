#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Python's aiohttp, both roles. Its interface sends whole messages only."""
import asyncio
import os
import ssl
import sys

from aiohttp import ClientSession, WSMsgType, web

DEFLATE = "INTEROP_DEFLATE" in os.environ
OPTIONS = {"autoping": False, "max_msg_size": 0}


def say(*words):
    print(*words, flush=True)


async def echo(socket):
    messages = octets = 0
    reason = ""
    say("open", getattr(socket, "protocol", None) or socket.ws_protocol)
    while True:
        message = await socket.receive()
        if message.type == WSMsgType.PING:
            await socket.pong(message.data)
        elif message.type == WSMsgType.PONG:
            await socket.send_str("pong")
        elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            messages += 1
            text = message.type == WSMsgType.TEXT
            octets += len(message.data.encode() if text else message.data)
            if message.data == "!close":
                await socket.close(code=1000, message=b"from the peer")
                break
            if message.data == "!ping":
                await socket.ping(b"here")
            else:
                await (socket.send_str if text else socket.send_bytes)(message.data)
        else:
            reason = message.extra or ""
            break
    say("closed", socket.close_code, messages, octets, reason)


async def serve(request):
    socket = web.WebSocketResponse(protocols=["interop.v1"], compress=DEFLATE, **OPTIONS)
    await socket.prepare(request)
    await echo(socket)
    return socket


async def main():
    if sys.argv[1] == "server":
        context = None
        if "INTEROP_CERT" in os.environ:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(os.environ["INTEROP_CERT"], os.environ["INTEROP_KEY"])
        app = web.Application()
        app.add_routes([web.get("/echo", serve)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        say("port", runner.addresses[0][1])
        await asyncio.Future()
    url = sys.argv[2]
    context = ssl.create_default_context(cafile=os.environ["INTEROP_CA"]) if url.startswith("wss") else None
    async with ClientSession() as session, session.ws_connect(
            url, ssl=context, protocols=["elsewhere.v1", "interop.v1"], compress=15 if DEFLATE else 0,
            **OPTIONS) as socket:
        await echo(socket)


asyncio.run(main())
