#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Python's websockets as an echo client of the URL it is told."""
import asyncio
import logging
import sys

import websockets

logging.disable()


async def main():
    async with websockets.connect(sys.argv[1], max_size=None, ping_interval=None) as connection:
        async for message in connection:
            await connection.send(message)


try:
    asyncio.run(main())
except (websockets.WebSocketException, OSError):
    pass
