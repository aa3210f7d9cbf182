#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Python's Tornado, both roles. Its interface sends whole messages only."""
import asyncio
import os
import ssl
import sys

from tornado import httpclient, httpserver, netutil, web, websocket

OPTIONS = {} if "INTEROP_DEFLATE" in os.environ else None


def say(*words):
    print(*words, flush=True)


class Echo:
    """What both roles do with a connection that has write_message, ping and close."""

    messages = octets = 0

    def took(self, message):
        self.messages += 1
        self.octets += len(message.encode() if isinstance(message, str) else message)
        if message == "!close":
            self.close(1000, "from the peer")
        elif message == "!ping":
            self.ping(b"here")
        else:
            self.write_message(message, binary=isinstance(message, bytes))

    def ended(self):
        say("closed", self.close_code, self.messages, self.octets, self.close_reason or "")


class Served(Echo, websocket.WebSocketHandler):
    def select_subprotocol(self, subprotocols):
        return "interop.v1" if "interop.v1" in subprotocols else None

    def get_compression_options(self):
        return OPTIONS

    def open(self):
        say("open", self.selected_subprotocol)

    def on_message(self, message):
        self.took(message)

    def on_pong(self, data):
        self.write_message("pong")

    def on_close(self):
        self.ended()


class Client(Echo, websocket.WebSocketClientConnection):
    def on_pong(self, data):
        self.write_message("pong")


async def serve():
    context = None
    if "INTEROP_CERT" in os.environ:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.environ["INTEROP_CERT"], os.environ["INTEROP_KEY"])
    sockets = netutil.bind_sockets(0, "127.0.0.1")
    app = web.Application([("/echo", Served)], websocket_max_message_size=1 << 21)
    httpserver.HTTPServer(app, ssl_options=context).add_sockets(sockets)
    say("port", sockets[0].getsockname()[1])
    await asyncio.Future()


async def visit(url):
    request = httpclient.HTTPRequest(url, ca_certs=os.environ.get("INTEROP_CA"))
    request = httpclient._RequestProxy(request, httpclient.HTTPRequest._DEFAULTS)
    client = Client(request, compression_options=OPTIONS, max_message_size=1 << 21,
                    subprotocols=["elsewhere.v1", "interop.v1"])
    await client.connect_future
    say("open", client.selected_subprotocol)
    while (message := await client.read_message()) is not None:
        client.took(message)
    client.ended()


asyncio.run(serve() if sys.argv[1] == "server" else visit(sys.argv[2]))
