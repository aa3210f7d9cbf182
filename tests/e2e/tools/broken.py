#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A server by Python's websockets that breaks what is asked for in the path, and says so on standard output.

/echo          sends back
/fan           sends what one sends to all
/echo/lose     leaves three messages of its first connection out: numbers 5, 7 and 9
/echo/begin    leaves its first three messages out
/echo/twice    sends them twice
/echo/swap     sends them behind the one that comes next
/echo/change   changes their last byte
/echo/head     changes their first byte
/echo/short    cuts their last byte off
/echo/cross    sends the next connection a copy of them
/echo/close    closes its first connection at number 5
/echo/halt     stops itself by SIGSTOP at message 100 of all
/fan/...       the same to the first of those that are there; who comes to /fan/...?pub only publishes
"""
import asyncio
import os
import signal

import websockets

BROKEN = (5, 7, 9)


class Place:
    """All connections of one path."""

    def __init__(self, path):
        self.fan = path.startswith("/fan")
        self.how = path.split("/")[2] if path.count("/") > 1 else ""
        self.members, self.total, self.sent, self.held = [], 0, 0, None


places = {}


async def deliver(place, ws, message):
    """To the first connection: broken as the path says."""
    number = place.sent
    place.sent += 1
    hit = number < 3 if place.how == "begin" else number in BROKEN
    if not hit:
        await ws.send(message)
        if place.held is not None:
            held, place.held = place.held, None
            await ws.send(held)
    elif place.how in ("lose", "begin"):
        pass
    elif place.how == "twice":
        await ws.send(message)
        await ws.send(message)
    elif place.how == "swap":
        place.held = message
    elif place.how == "change":
        # A text of bench has no "!"; among bytes there is none that never stands there.
        await ws.send(message[:-1] + ("!" if isinstance(message, str) else bytes([message[-1] ^ 1])))
    elif place.how == "head":
        await ws.send("!" + message[1:])
    elif place.how == "short":
        await ws.send(message[:-1])
    elif place.how == "cross":
        await ws.send(message)
        await place.members[1].send(message)
    elif place.how == "close" and number == BROKEN[0]:
        await ws.close(1011, "enough")
    else:
        await ws.send(message)


async def handler(ws, *_):
    path = ws.request.path if hasattr(ws, "request") else ws.path
    path, _, query = path.partition("?")
    place = places.setdefault(path, Place(path))
    if query != "pub":
        place.members.append(ws)
    print("from", ws.remote_address[0], flush=True)
    try:
        async for message in ws:
            place.total += 1
            if place.total == 100:
                print("hundred", path, flush=True)
                if place.how == "halt":
                    os.kill(os.getpid(), signal.SIGSTOP)
            for to in place.members if place.fan else [ws]:
                if to is place.members[0]:
                    await deliver(place, to, message)
                else:
                    await to.send(message)
    except websockets.ConnectionClosed:
        pass
    if ws in place.members:
        place.members.remove(ws)
    if not place.members:
        places.pop(path, None)


async def main():
    server = await websockets.serve(handler, "127.0.0.1", 0, ping_interval=None, max_size=None)
    print(f"port {server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Future()


asyncio.run(main())
