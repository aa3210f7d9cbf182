#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Python's Autobahn on asyncio, both roles."""
import asyncio
import os
import ssl
import sys

from autobahn.asyncio.websocket import (WebSocketClientFactory, WebSocketClientProtocol, WebSocketServerFactory,
                                        WebSocketServerProtocol)
from autobahn.websocket import compress
from autobahn.websocket.types import ConnectionDeny

DEFLATE = "INTEROP_DEFLATE" in os.environ


def say(*words):
    print(*words, flush=True)


class Echo:
    messages = octets = 0

    def onOpen(self):
        say("open", self.websocket_protocol_in_use)

    def onMessage(self, payload, isBinary):
        self.messages += 1
        self.octets += len(payload)
        if payload == b"!close":
            self.sendClose(1000, "from the peer")
        elif payload == b"!ping":
            self.sendPing(b"here")
        elif payload.startswith(b"!parts") and not isBinary:
            self.sendMessage(payload, isBinary, fragmentSize=4000)
        else:
            self.sendMessage(payload, isBinary)

    def onPong(self, payload):
        self.sendMessage(b"pong")

    def onClose(self, wasClean, code, reason):
        say("closed", code, self.messages, self.octets, reason or "")
        if sys.argv[1] == "client":
            asyncio.get_running_loop().stop()


class Served(Echo, WebSocketServerProtocol):
    def onConnect(self, request):
        if "interop.v1" not in request.protocols:
            raise ConnectionDeny(400)
        return "interop.v1"


class Client(Echo, WebSocketClientProtocol):
    pass


def accept_offer(offers):
    for offer in offers:
        if isinstance(offer, compress.PerMessageDeflateOffer):
            return compress.PerMessageDeflateOfferAccept(offer)
    return None


def accept_answer(answer):
    return compress.PerMessageDeflateResponseAccept(answer)


loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
if sys.argv[1] == "server":
    context = None
    if "INTEROP_CERT" in os.environ:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.environ["INTEROP_CERT"], os.environ["INTEROP_KEY"])
    factory = WebSocketServerFactory(protocols=["interop.v1"], loop=loop)
    factory.protocol = Served
    if DEFLATE:
        factory.setProtocolOptions(perMessageCompressionAccept=accept_offer)
    server = loop.run_until_complete(loop.create_server(factory, "127.0.0.1", 0, ssl=context))
    say("port", server.sockets[0].getsockname()[1])
else:
    factory = WebSocketClientFactory(sys.argv[2], protocols=["elsewhere.v1", "interop.v1"], loop=loop)
    factory.protocol = Client
    if DEFLATE:
        factory.setProtocolOptions(perMessageCompressionOffers=[compress.PerMessageDeflateOffer()],
                                   perMessageCompressionAccept=accept_answer)
    context = ssl.create_default_context(cafile=os.environ["INTEROP_CA"]) if factory.isSecure else None
    loop.run_until_complete(loop.create_connection(factory, factory.host, factory.port, ssl=context,
                                                   server_hostname="127.0.0.1" if context else None))
loop.run_forever()
