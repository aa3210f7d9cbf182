# SPDX-License-Identifier: MIT
"""Groups 20 to 24: what the catalogue does not ask."""
from ..case import (ASKED, ASKED_LOOSE, FAIL_SAID, WRONG_MASK, Case, Send, binary, close, cont, kill, message, ping,
                    pong, ponged, text)
from ..wire import BINARY, CLOSE, TEXT, Frame
from .text import GREEK

CASES = []
HELLO = b"Hello, world!"
BAD = {"ends": FAIL_SAID, "codes": (1002,)}
GOOD = {"ok": [message(TEXT, HELLO)], "also": [[]], **BAD}


def add(number, title, frames, ok=(), chop=0, **how):
    CASES.append(Case(number, title, [Send(frames, chop)], list(ok), timer=kill(1), **how))


# 20: a frame whose mask bit is not as the role wants it. RFC-46, RFC-48.
for i, (what, frame) in enumerate((
        ("text", text(HELLO)), ("empty binary", binary()), ("ping", ping(b"x")), ("pong", pong(b"x"))), 1):
    add(f"20.1.{i}", f"{what} with the wrong mask bit", [frame._replace(masked=WRONG_MASK)], **BAD)
add("20.1.5", "close with the wrong mask bit", [close(1000, closes=False, masked=WRONG_MASK)], **BAD)
add("20.1.6", "a continuation with the wrong mask bit",
    [text(b"a", fin=False), cont(b"b", masked=WRONG_MASK)], **BAD)
add("20.2.1", "good text, then text with the wrong mask bit, back to back",
    [text(HELLO), text(HELLO, masked=WRONG_MASK)], **GOOD)
add("20.2.2", "good text, then text with the wrong mask bit, octet by octet",
    [text(HELLO), text(HELLO, masked=WRONG_MASK)], chop=1, **GOOD)

# 21: lengths. RFC-51, RFC-52.
for i, (length, wide) in enumerate(((0, 2), (1, 2), (125, 2), (0, 8), (1, 8), (125, 8), (126, 8), (65535, 8)), 1):
    add(f"21.1.{i}", f"a length of {length} in {wide} octets", [binary(b"\xfe" * length, wide=wide)], **BAD)
add("21.1.9", "the length of a continuation in 2 octets for 5", [text(b"ab", fin=False), cont(b"01234", wide=2)], **BAD)
add("21.1.10", "the length of a ping in 2 octets for 5", [ping(b"01234", wide=2)], **BAD)
add("21.1.11", "the length of a close in 8 octets for 2", [close(1000, wide=8, closes=False)], **BAD)
for i, length in enumerate((1 << 63, (1 << 63) + 5, (1 << 64) - 1), 1):
    add(f"21.2.{i}", f"a length with its top bit set: {length:#x}", [binary(b"12345", announced=length)], **BAD)
add("21.3.1", "good text, then a length that is too wide, back to back", [text(HELLO), text(HELLO, wide=2)], **GOOD)
add("21.3.2", "good text, then a length with its top bit set, back to back",
    [text(HELLO), text(HELLO, announced=1 << 63)], **GOOD)

# 22: each reserved bit and opcode, on each kind of frame, inside a message too. RFC-49, RFC-50, RFC-58, RFC-59.
for i, rsv in enumerate(range(1, 8), 1):
    add(f"22.1.{i}", f"ping with reserved bits {rsv:03b}", [ping(rsv=rsv)], **BAD)
    add(f"22.2.{i}", f"a continuation with reserved bits {rsv:03b}",
        [text(b"a", fin=False), cont(b"b", rsv=rsv)], **BAD)
for i, opcode in enumerate((3, 4, 5, 6, 7, 11, 12, 13, 14, 15), 1):
    add(f"22.3.{i}", f"opcode {opcode} inside a message", [text(b"a", fin=False), Frame(opcode), cont(b"b")], **BAD)
add("22.4.1", "ping of 126 octets inside a message", [text(b"a", fin=False), ping(b"x" * 126), cont(b"b")], **BAD)
add("22.4.2", "close in two fragments", [Frame(CLOSE, b"\x03", fin=False, closes=False), cont(b"\xe8")], **BAD)
add("22.5.1", "empty fragments between full ones",
    [binary(b"a", fin=False), cont(fin=False), cont(fin=False), cont(b"b", fin=False), cont()],
    [message(BINARY, b"ab")])
add("22.5.2", "a hundred fragments of nothing", [text(fin=False)] + [cont(fin=False)] * 98 + [cont()],
    [message(TEXT, b"")])
add("22.5.3", "the type is that of the first fragment", [binary(b"\xff", fin=False), cont(b"\xfe")],
    [message(BINARY, b"\xff\xfe")])
add("22.5.4", "two messages of each kind, back to back", [text(b"1"), binary(b"2"), text(b"3"), binary(b"4")],
    [message(TEXT, b"1"), message(BINARY, b"2"), message(TEXT, b"3"), message(BINARY, b"4")])
add("22.5.5", "a ping with each length up to 125", [ping(b"p" * n) for n in (0, 1, 2, 63, 124, 125)],
    [ponged(b"p" * n) for n in (0, 1, 2, 63, 124, 125)])

# 23: close codes that the catalogue leaves out, and what stands around a close frame. RFC-78.
for i, code in enumerate((1012, 1013, 1014), 1):
    add(f"23.1.{i}", f"a close with code {code}, which is registered", [close(code)], ends=ASKED, codes=(1000, code),
        code_is_fatal=True)
for i, code in enumerate((1, 1015, 1099, 1999, 5000, 9999, 65535), 1):
    add(f"23.2.{i}", f"a close with code {code}, which must not be", [close(code)], ends=ASKED_LOOSE, codes=(1002,),
        code_is_fatal=True)
add("23.3.1", "a good message, then the close, back to back", [text(HELLO), close(1000)], [message(TEXT, HELLO)],
    also=[[]], ends=ASKED, code_is_fatal=True)
add("23.3.2", "a ping, then the close, back to back", [ping(b"last"), close(1000)], [ponged(b"last")], also=[[]],
    ends=ASKED, code_is_fatal=True)
add("23.3.3", "a bad frame behind the close", [close(1000), Frame(3, rsv=7)], ends=ASKED, code_is_fatal=True)
add("23.3.4", "a reason in Greek", [close(4000, GREEK)], ends=ASKED, codes=(1000, 4000), code_is_fatal=True)
add("23.3.5", "a reason that ends inside a character", [close(1000, GREEK[:-1])], ends=ASKED_LOOSE, codes=(1002, 1007),
    code_is_fatal=True)

# 24: who fails a connection says why, where the catalogue takes a dropped connection too. RFC-74.
for i, (what, frames, code) in enumerate((
        ("reserved bits", [text(HELLO, rsv=2)], 1002), ("a reserved opcode", [Frame(3)], 1002),
        ("a reserved control opcode", [Frame(11)], 1002), ("a ping of 126 octets", [ping(b"x" * 126)], 1002),
        ("a ping in parts", [ping(b"a", fin=False)], 1002), ("a continuation of nothing", [cont(b"a")], 1002),
        ("a message inside a message", [text(b"a", fin=False), text(b"b")], 1002),
        ("text that is not UTF-8", [text(b"\xff")], 1007), ("text that ends inside a character", [text(b"\xce")], 1007),
        ("a close frame of one octet", [Frame(CLOSE, b"a", closes=False)], 1002),
        ("close code 1005", [close(1005, closes=False)], 1002),
        ("a reason that is not UTF-8", [close(1000, b"\xff", closes=False)], 1007),
        ("a close with reserved bits", [close(1000, rsv=7, closes=False)], 1002)), 1):
    add(f"24.1.{i}", f"the code for {what}", frames, ends=FAIL_SAID, codes=(code,))
add("24.2.1", "the code for a bad frame with a million octets behind it",
    [text(HELLO, rsv=2)] + [binary(b"\xfe" * 65536)] * 16, ends=FAIL_SAID, codes=(1002,))
