# SPDX-License-Identifier: MIT
"""The opening handshake, as either side, with a blocking socket that has a time limit."""
import base64
import hashlib
import os
import socket
import time
from urllib.parse import urlsplit

from . import deflate
from .wire import Violation

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
HEAD_MAX = 65536


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def read_head(sock, deadline):
    """The lines of a head as (first line, {lower-case name: [values]}), and what came behind it."""
    data = b""
    while b"\r\n\r\n" not in data:
        left = deadline - time.monotonic()
        if left <= 0:
            raise Violation(1002, "the opening handshake did not come to its end in time")
        sock.settimeout(left)
        try:
            more = sock.recv(65536)
        except (TimeoutError, socket.timeout):
            continue
        except OSError as e:
            raise Violation(1002, f"the connection ended in the opening handshake: {e}") from None
        if not more:
            raise Violation(1002, "the connection ended in the opening handshake")
        data += more
        if len(data) > HEAD_MAX and b"\r\n\r\n" not in data:
            raise Violation(1002, "a head of over 64 KiB")
    top, rest = data.split(b"\r\n\r\n", 1)
    first, *lines = top.decode("latin-1").split("\r\n")
    fields = {}
    for line in lines:
        name, _, value = line.partition(":")
        fields.setdefault(name.lower(), []).append(value.strip(" \t"))
    return first, fields, rest


def has_token(fields, name, token):
    words = (word.strip().lower() for word in ",".join(fields.get(name, [])).split(","))
    return token in words


def only(fields, name):
    """The value of a field that may come once; None where it is absent."""
    values = fields.get(name, [])
    if len(values) > 1:
        raise Violation(1002, f"{name} twice")
    return values[0] if values else None


def as_client(sock, url, offers, deadline):
    """Asks and reads the answer. Gives (parameters of permessage-deflate or None, octets behind the answer)."""
    parts = urlsplit(url)
    key = base64.b64encode(os.urandom(16)).decode()
    target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    lines = [f"GET {target} HTTP/1.1", f"Host: {parts.netloc.rpartition('@')[2]}", "Upgrade: websocket",
             "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
    if offers:
        lines.append("Sec-WebSocket-Extensions: " + ", ".join(deflate.write(offer) for offer in offers))
    sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    first, fields, rest = read_head(sock, deadline)
    if first.split(" ")[:2] != ["HTTP/1.1", "101"]:
        raise Violation(1002, f"the answer is {first!r}")
    if (only(fields, "upgrade") or "").lower() != "websocket" or not has_token(fields, "connection", "upgrade"):
        raise Violation(1002, "the answer does not upgrade to websocket")
    if only(fields, "sec-websocket-accept") != accept_of(key):
        raise Violation(1002, "a wrong Sec-WebSocket-Accept")
    if "sec-websocket-protocol" in fields:
        raise Violation(1002, "a subprotocol that nobody asked for")
    chosen = deflate.parse(only(fields, "sec-websocket-extensions") or "")
    if not chosen:
        return None, rest
    if not offers or len(chosen) > 1 or chosen[0][0] != deflate.NAME:
        raise Violation(1002, f"extensions that nobody asked for: {fields['sec-websocket-extensions']}")
    return deflate.checked(chosen[0][1], True), rest


def as_server(sock, answers, deadline, choose=None):
    """Reads the request and upgrades. `answers`: sets of parameters for the client's side, the first that fits is
    taken; or `choose` says what is agreed on. Gives what as_client() gives."""
    first, fields, rest = read_head(sock, deadline)
    key = only(fields, "sec-websocket-key") or ""
    good = (first.startswith("GET /") and first.endswith(" HTTP/1.1") and len(fields.get("host", [])) == 1
            and has_token(fields, "upgrade", "websocket") and has_token(fields, "connection", "upgrade")
            and only(fields, "sec-websocket-version") == "13" and len(base64.b64decode(key)) == 16)
    if not good:
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        raise Violation(1002, f"a request that is no good upgrade: {first!r}")
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
             f"Sec-WebSocket-Accept: {accept_of(key)}"]
    offered = deflate.parse(",".join(fields.get("sec-websocket-extensions", [])))
    agreed = choose(offered) if choose else agree(offered, answers)
    if agreed is not None:
        lines.append("Sec-WebSocket-Extensions: " + deflate.write(agreed))
    sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    return agreed, rest


def agree(offered, answers):
    """The answer to a client's offers, or None."""
    offers = [deflate.checked(values, False) for name, values in offered if name == deflate.NAME]
    for wanted in answers or []:
        for offer in offers:
            if deflate.CLIENT_BITS in wanted and deflate.CLIENT_BITS not in offer:
                continue
            asked = {key: offer[key] for key in (deflate.SERVER_NO, deflate.SERVER_BITS) if key in offer}
            if deflate.SERVER_BITS in asked and int(asked[deflate.SERVER_BITS]) < 9:
                continue  # zlib could not honour it
            return {**asked, **wanted}
    return None
