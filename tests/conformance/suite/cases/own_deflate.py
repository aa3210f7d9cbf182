# SPDX-License-Identifier: MIT
"""Groups 25 and 26: what the catalogue does not ask of permessage-deflate. The payloads are made by hand, so that
they do not depend on anybody's zlib."""
import zlib

from ..case import FAIL_SAID, Case, Send, binary, close, cont, kill, message, ping, text
from ..deflate import CLIENT_BITS, CLIENT_NO, SERVER_BITS, SERVER_NO
from ..wire import BINARY, TEXT

CASES = []
NONE_KEPT = {SERVER_NO: None, CLIENT_NO: None}
RSV1 = {"rsv": 4}
HELLO = bytes.fromhex("f248cdc9c90700")  # "Hello", RFC 7692 7.2.3.1
STORED = bytes.fromhex("000500faff48656c6c6f00")  # 7.2.3.3
FINAL = bytes.fromhex("f348cdc9c9070000")  # 7.2.3.4
TWO_BLOCKS = bytes.fromhex("f248050000 00ffffcac9c90700".replace(" ", ""))  # 7.2.3.5
PACKED = zlib.compressobj(9, zlib.DEFLATED, -15)
FULL = PACKED.compress(b"duet" * 4096) + PACKED.flush(zlib.Z_SYNC_FLUSH)[:-4]
ZEROS = zlib.compressobj(9, zlib.DEFLATED, -15)
BOMB = ZEROS.compress(bytes(1 << 20)) + ZEROS.flush(zlib.Z_SYNC_FLUSH)[:-4]


def add(number, title, frames, ok=(), chop=0, **how):
    CASES.append(Case(number, title, [Send(frames, chop)], list(ok), timer=kill(5), offers=[NONE_KEPT],
                      answers=[NONE_KEPT], **how))


def good(number, title, frames, *payloads, opcode=TEXT, **how):
    add(number, title, frames, [message(opcode, payload) for payload in payloads], **how)


def bad(number, title, frames, code, ok=()):
    add(number, title, frames, list(ok), also=[[]] if ok else [], ends=FAIL_SAID,
        codes=(code,) if isinstance(code, int) else code)


good("25.1.1", "the first example of the RFC", [text(HELLO, **RSV1)], b"Hello")
good("25.1.2", "a stored block", [text(STORED, **RSV1)], b"Hello")
good("25.1.3", "a final block", [text(FINAL, **RSV1)], b"Hello")
good("25.1.4", "two blocks", [text(TWO_BLOCKS, **RSV1)], b"Hello")
good("25.1.5", "a final block, then another", [text(FINAL[:-1] + HELLO, **RSV1)], b"HelloHello")
good("25.1.6", "an empty message as one octet", [text(b"\0", **RSV1)], b"")
good("25.1.7", "an empty message as an empty final block", [text(b"\x03\0", **RSV1)], b"")
good("25.1.8", "two fragments", [text(HELLO[:3], fin=False, **RSV1), cont(HELLO[3:])], b"Hello")
good("25.1.9", "a fragment for each octet, empty ones between them",
     [text(b"", fin=False, **RSV1)]
     + [f for octet in HELLO for f in (cont(bytes((octet,)), fin=False), cont(fin=False))] + [cont()], b"Hello")
good("25.1.10", "compressed and not, in turn", [text(HELLO, **RSV1), text(b"plain")] * 2,
     b"Hello", b"plain", b"Hello", b"plain")
good("25.1.11", "a ping between two compressed fragments",
     [binary(FULL[:9], fin=False, **RSV1), ping(b"between"), cont(FULL[9:])], b"duet" * 4096, opcode=BINARY)
CASES[-1].ok.insert(0, ("pong", b"between"))
good("25.1.12", "octet by octet", [text(HELLO, **RSV1)], b"Hello", chop=1)
good("25.1.13", "1 MiB of zeros in a kilobyte", [binary(BOMB, **RSV1)], bytes(1 << 20), opcode=BINARY)
bad("25.2.1", "RSV1 on a ping", [ping(b"x", **RSV1)], 1002)
bad("25.2.2", "RSV1 on a close", [close(1000, closes=False, **RSV1)], 1002)
bad("25.2.3", "RSV1 on a continuation", [text(HELLO[:3], fin=False, **RSV1), cont(HELLO[3:], **RSV1)], 1002)
bad("25.2.4", "RSV1 on a continuation of an uncompressed message", [text(b"a", fin=False), cont(HELLO, **RSV1)], 1002)
bad("25.2.5", "RSV1 and RSV2", [text(HELLO, rsv=6)], 1002)
# RFC 7692 names no code for data that is no stream; 1007 and 1002 are in use.
bad("25.3.1", "a block of the reserved type", [text(b"\x06\x00", **RSV1)], (1007, 1002))
bad("25.3.2", "a stored block whose length does not fit its complement", [text(b"\0\x05\0\xfa\xfeHello\0", **RSV1)],
    (1007, 1002))
bad("25.3.3", "a distance that reaches before the beginning", [text(bytes.fromhex("02130000"), **RSV1)], (1007, 1002))
bad("25.3.4", "a good message, then one that is no stream", [text(HELLO, **RSV1), text(b"\xff\xff", **RSV1)],
    (1007, 1002), [message(TEXT, b"Hello")])
bad("25.3.5", "text that is not UTF-8 inside", [text(b"\0\x01\0\xfe\xff\xff\0", **RSV1)], 1007)

# RFC-89, RFC-91, RFC-93, RFC-97.
# 26: the answer keeps what the offer asked for, or there is none.
for i, (what, offer, fits) in enumerate((
        ("server_no_context_takeover", {SERVER_NO: None}, {SERVER_NO: None}),
        ("server_max_window_bits=9", {SERVER_BITS: "9"}, {SERVER_BITS: 9}),
        ("server_max_window_bits=12", {SERVER_BITS: "12"}, {SERVER_BITS: 12}),
        ("server_max_window_bits=15", {SERVER_BITS: "15"}, {SERVER_BITS: 15}),
        ("both", {SERVER_NO: None, SERVER_BITS: "10"}, {SERVER_NO: None, SERVER_BITS: 10}),
        ("client_max_window_bits=10", {CLIENT_BITS: "10"}, {}),
        ("an offer without client_max_window_bits", {}, {})), 1):
    CASES.append(Case(f"26.1.{i}", f"the answer to {what}", [Send([text(b"Hello")])], [message(TEXT, b"Hello")],
                      timer=kill(1), offers=[offer], answers=[{}], answer_fits=fits, roles="server"))
for i, (what, offer) in enumerate((
        ("an unknown parameter", {"x_unknown": None}), ("server_max_window_bits=7", {SERVER_BITS: "7"}),
        ("server_max_window_bits=16", {SERVER_BITS: "16"}), ("server_max_window_bits=08", {SERVER_BITS: "08"}),
        ("server_max_window_bits without a value", {SERVER_BITS: None}),
        ("server_no_context_takeover=1", {SERVER_NO: "1"}), ("client_no_context_takeover=1", {CLIENT_NO: "1"}),
        ("client_max_window_bits=16", {CLIENT_BITS: "16"})), 1):
    CASES.append(Case(f"26.2.{i}", f"an offer with {what}: the next one is taken", [Send([text(b"Hello")])],
                      [message(TEXT, b"Hello")], timer=kill(1), offers=[offer, {SERVER_NO: None, SERVER_BITS: "11"}],
                      answers=[{}], answer_fits={SERVER_NO: None, SERVER_BITS: 11}, roles="server"))
