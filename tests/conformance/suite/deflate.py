# SPDX-License-Identifier: MIT
"""permessage-deflate (RFC 7692): what is offered and answered, and the two streams of a connection."""
import zlib

from .wire import Violation

NAME = "permessage-deflate"
TAIL = b"\0\0\xff\xff"
SERVER_NO, CLIENT_NO = "server_no_context_takeover", "client_no_context_takeover"
SERVER_BITS, CLIENT_BITS = "server_max_window_bits", "client_max_window_bits"


def parse(header):
    """[(name, {parameter: value or None})] of a Sec-WebSocket-Extensions field."""
    found = []
    for part in header.split(",") if header.strip() else []:
        name, *parameters = (word.strip() for word in part.split(";"))
        values = {}
        for parameter in parameters:
            key, equals, value = (word.strip() for word in parameter.partition("="))
            if key in values:
                raise Violation(1002, f"extension parameter {key} twice")
            values[key] = value.strip('"') if equals else None
        found.append((name, values))
    return found


def write(parameters):
    return "; ".join([NAME] + [key if value is None else f"{key}={value}" for key, value in parameters.items()])


def checked(parameters, answer):
    """Raises Violation for a parameter that RFC 7692 7.1 does not know or not so."""
    for key, value in parameters.items():
        if key in (SERVER_NO, CLIENT_NO):
            good = value is None
        elif key in (SERVER_BITS, CLIENT_BITS):
            free = value is None and key == CLIENT_BITS and not answer
            good = free or value in ("8", "9", "10", "11", "12", "13", "14", "15")
        else:
            good = False
        if not good:
            raise Violation(1002, f"extension parameter {key}={value}")
    return parameters


class Deflate:
    """Both streams of one connection, from what was agreed on."""

    def __init__(self, agreed, is_client, resets=False, level=6):
        mine, peers = (CLIENT_BITS, SERVER_BITS) if is_client else (SERVER_BITS, CLIENT_BITS)
        my_no, peers_no = (CLIENT_NO, SERVER_NO) if is_client else (SERVER_NO, CLIENT_NO)
        self.out_bits = max(9, int(agreed.get(mine) or 15))  # zlib has no raw window of 8
        self.in_bits = int(agreed.get(peers) or 15)
        self.out_resets, self.in_resets = resets or my_no in agreed, peers_no in agreed
        # zlib looks no further back than the window, but for what the same call wrote: small windows take small calls.
        self.step = 0 if self.in_bits == 15 else (1 << self.in_bits) >> 3
        self.level = level
        self.deflater = self.inflater = None
        self.compressed = 0  # messages of the peer that came compressed

    def pack(self, payload):
        if self.deflater is None or self.out_resets:
            self.deflater = zlib.compressobj(self.level, zlib.DEFLATED, -self.out_bits)
        return (self.deflater.compress(payload) + self.deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]

    def unpack(self, payload):
        self.compressed += 1
        if self.inflater is None or self.in_resets:
            self.inflater = zlib.decompressobj(-self.in_bits)
        out, rest = [], payload + TAIL
        try:
            while rest:
                out.append(self.inflater.decompress(rest, self.step))
                rest = self.inflater.unconsumed_tail
                if self.inflater.eof:
                    rest, self.inflater = self.inflater.unused_data, zlib.decompressobj(-self.in_bits)
            return b"".join(out)
        except zlib.error as e:
            raise Violation(1007, f"compressed data that does not fit the window of {self.in_bits} bits: {e}") from None
