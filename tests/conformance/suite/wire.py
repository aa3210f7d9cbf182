# SPDX-License-Identifier: MIT
"""Frames as octets: an encoder that can also write what is forbidden, and a decoder that takes nothing forbidden."""
import os
import struct
from typing import NamedTuple, Optional

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NAMES = {CONT: "CONT", TEXT: "TEXT", BINARY: "BINARY", CLOSE: "CLOSE", PING: "PING", PONG: "PONG"}
RSV1 = 4


class Frame(NamedTuple):
    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv: int = 0
    wide: int = 0  # octets of the extended length: 2 or 8 where fewer would do
    announced: Optional[int] = None  # the length in the head, where it is not that of the payload
    masked: Optional[str] = None  # "wrong": other than the role wants it
    closes: bool = True  # a close frame that starts the closing handshake


class Violation(Exception):
    """The peer broke a rule; `code` is what a strict endpoint closes with."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def mask(payload, key):
    """`payload` under the four octets of `key`. One XOR of two long numbers, whatever the length."""
    n = len(payload)
    if n == 0:
        return b""
    stream = (key * ((n >> 2) + 1))[:n]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(stream, "little")).to_bytes(n, "little")


def head(frame, masked):
    """The octets before the mask key."""
    length = len(frame.payload) if frame.announced is None else frame.announced
    bit = 0x80 if masked else 0
    first = (0x80 if frame.fin else 0) | frame.rsv << 4 | frame.opcode
    if frame.wide == 8 or length > 65535:
        return struct.pack(">BBQ", first, bit | 127, length)
    if frame.wide == 2 or length > 125:
        return struct.pack(">BBH", first, bit | 126, length)
    return bytes((first, bit | length))


def encode(frame, masking):
    """The whole frame. A fresh key for each frame that is masked."""
    masked = masking != (frame.masked is not None)
    if not masked:
        return head(frame, False) + frame.payload
    key = os.urandom(4)
    return head(frame, True) + key + mask(frame.payload, key)


def fragments(opcode, payload, size, rsv=0):
    """A message in frames of `size` octets (0: one frame). Where the length is a larger multiple of the size, an
    empty frame ends the message."""
    if size == 0 or len(payload) <= size:
        return [Frame(opcode, payload, rsv=rsv)]
    last = len(payload) // size * size
    frames = [Frame(CONT, payload[at:at + size], fin=False) for at in range(0, last, size)]
    frames[0] = frames[0]._replace(opcode=opcode, rsv=rsv)
    return frames + [Frame(CONT, payload[last:])]


def close_payload(code=None, reason=b""):
    return b"" if code is None else struct.pack(">H", code) + reason


def may_be_received(code):
    """Close codes that may be on the wire: those registered, and those free for all."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


class Decoder:
    """Takes octets, gives frames. `masked`: how the peer's frames have to be."""

    def __init__(self, masked):
        self.masked = masked
        self.rsv_allowed = 0
        self.buffer = bytearray()

    def feed(self, octets):
        self.buffer += octets

    def next(self):
        """The next whole frame, or None while it is not here; raises Violation as soon as its head is wrong."""
        b = self.buffer
        if len(b) < 2:
            return None
        size = {126: 4, 127: 10}.get(b[1] & 0x7F, 2)
        fin, rsv, opcode = b[0] >= 0x80, b[0] >> 4 & 7, b[0] & 15
        self.check(fin, rsv, opcode, b[1])
        if len(b) < size:
            return None
        length = b[1] & 0x7F
        if size > 2:
            length = int.from_bytes(b[2:size], "big")
            if length < {4: 126, 10: 65536}[size] or length >> 63:
                raise Violation(1002, f"a length of {length} in {size - 2} octets")
        start = size + (4 if self.masked else 0)
        if len(b) < start + length:
            return None
        payload = bytes(memoryview(b)[start:start + length])
        if self.masked:
            payload = mask(payload, bytes(b[size:start]))
        del b[:start + length]
        return Frame(opcode, payload, fin, rsv)

    def check(self, fin, rsv, opcode, second):
        """What a peer must never send, whatever the case: RFC-45, RFC-47, RFC-104."""
        if (second >= 0x80) != self.masked:
            raise Violation(1002, "a frame without a mask" if self.masked else "a frame with a mask")
        if opcode not in NAMES:
            raise Violation(1002, f"opcode {opcode}")
        if rsv & ~(self.rsv_allowed if opcode in (TEXT, BINARY) else 0):
            raise Violation(1002, f"reserved bits {rsv}")
        if opcode >= 8 and (not fin or second & 0x7F > 125):
            raise Violation(1002, "a control frame in parts, or over 125 octets")


def close_code(payload):
    """The code of a close frame's body; None for an empty one."""
    if not payload:
        return None
    if len(payload) == 1:
        raise Violation(1002, "a close frame with a body of one octet")
    code = int.from_bytes(payload[:2], "big")
    if not may_be_received(code):
        raise Violation(1002, f"close code {code}")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        raise Violation(1007, "a reason that is not UTF-8") from None
    return code


def show(frame):
    """A frame in a line."""
    body = frame.payload if len(frame.payload) <= 24 else frame.payload[:20]
    more = "" if body is frame.payload else f"... ({len(frame.payload)} octets)"
    said = [NAMES.get(frame.opcode, f"opcode {frame.opcode}"), "" if frame.fin else "FIN=0",
            f"rsv={frame.rsv}" if frame.rsv else "", f"length in {frame.wide} octets" if frame.wide else "",
            "" if frame.masked is None else "wrong mask bit"]
    return " ".join(word for word in said if word) + f" {bytes(body)!r}{more}"
