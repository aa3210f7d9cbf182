# SPDX-License-Identifier: MIT
"""Groups 1 to 5: lengths, pings, reserved bits and opcodes, fragments."""
from ..case import FAIL, ASKED, Case, Send, Wait, binary, close, cont, kill, message, ping, pong, ponged, shut, text
from ..wire import BINARY, TEXT, Frame

HELLO = b"Hello, world!"
OCTETS = bytes.fromhex("00fffefdfcfb00ff")
FE = b"\xfe"
BAD = {"ends": FAIL, "codes": (1002,), "timer": kill(1)}
CASES = []


def add(number, title, steps, ok=(), **how):
    CASES.append(Case(number, title, steps, list(ok), **how))


# 1: echo of each way to write a length.
LENGTHS = ((0, 0, 1), (125, 0, 1), (126, 0, 1), (127, 0, 1), (128, 0, 1), (65535, 0, 10), (65536, 0, 10),
           (65536, 997, 10))
for sub, opcode, fill in ((1, TEXT, b"*"), (2, BINARY, FE)):
    for i, (length, chop, seconds) in enumerate(LENGTHS, 1):
        kind = "text" if opcode == TEXT else "binary"
        add(f"1.{sub}.{i}", f"{kind} message of {length} octets" + (f" in writes of {chop}" if chop else ""),
            [Send([Frame(opcode, fill * length)], chop)], [message(opcode, fill * length)], timer=kill(seconds))

# 2: pings and pongs.
for number, title, payload, chop, seconds in (
        ("2.1", "empty ping", b"", 0, 1),
        ("2.2", "ping with text", HELLO, 0, 1),
        ("2.3", "ping with octets that are not UTF-8", OCTETS, 0, 1),
        ("2.4", "ping of 125 octets", FE * 125, 0, 1),
        ("2.6", "ping of 125 octets, octet by octet", FE * 125, 1, 2)):
    add(number, title, [Send([ping(payload)], chop)], [ponged(payload)], timer=shut(seconds))
add("2.5", "ping of 126 octets", [Send([ping(FE * 126)])], **BAD)
UNASKED = b"unsolicited pong payload"
add("2.7", "unsolicited empty pong, then close", [Send([pong(), close(1000)])], ends=ASKED, timer=shut(1))
add("2.8", "unsolicited pong with payload, then close", [Send([pong(UNASKED), close(1000)])], ends=ASKED,
    timer=shut(1))
add("2.9", "unsolicited pong, then a ping", [Send([pong(UNASKED), ping("ping payload")])], [ponged("ping payload")],
    timer=shut(1))
TEN = [f"payload-{i}" for i in range(10)]
add("2.10", "ten pings", [Send([ping(p) for p in TEN])], [ponged(p) for p in TEN], timer=shut(3))
add("2.11", "ten pings, octet by octet", [Send([ping(p) for p in TEN], 1)], [ponged(p) for p in TEN], timer=shut(3))

# 3: reserved bits. What was whole before the bad frame should come back.
GOOD = {"ok": [message(TEXT, HELLO)], "also": [[]], **BAD}
add("3.1", "text with RSV3", [Send([text(HELLO, rsv=1)])], **BAD)
add("3.2", "good text, text with RSV2, ping", [Send([text(HELLO), text(HELLO, rsv=2), ping()])], **GOOD)
add("3.3", "good text, text with RSV2 and RSV3, ping, a write each",
    [Send([text(HELLO), text(HELLO, rsv=3), ping()], apart=True)], **GOOD)
add("3.4", "good text, text with RSV1, ping, octet by octet", [Send([text(HELLO), text(HELLO, rsv=4), ping()], 1)],
    **GOOD)
add("3.5", "binary with RSV1 and RSV3", [Send([binary(OCTETS, rsv=5)])], **BAD)
add("3.6", "binary with RSV1 and RSV2", [Send([binary(HELLO, rsv=6)])], **BAD)
add("3.7", "close with all reserved bits", [Send([close(rsv=7, closes=False)])], **BAD)

# 4: reserved opcodes.
for sub, first in ((1, 3), (2, 11)):
    kind = "data" if sub == 1 else "control"
    add(f"4.{sub}.1", f"reserved {kind} opcode {first}", [Send([Frame(first)])], **BAD)
    add(f"4.{sub}.2", f"reserved {kind} opcode {first + 1} with payload",
        [Send([Frame(first + 1, b"reserved opcode payload")])], **BAD)
    for i, payload, chop, how in ((3, b"", 0, ""), (4, HELLO, 0, " with payload"), (5, HELLO, 1, ", octet by octet")):
        opcode = first + i - 1
        add(f"4.{sub}.{i}", f"good text, reserved {kind} opcode {opcode}{how}, ping",
            [Send([text(HELLO), Frame(opcode, payload), ping()], chop)], **GOOD)

# 5: fragments.
F1, F2 = text("fragment1", fin=False), cont("fragment2")
BOTH = [message(TEXT, "fragment1fragment2")]
WAYS = (({}, ""), ({"apart": True}, ", a write each"), ({"chop": 1}, ", octet by octet"))
add("5.1", "ping in two fragments", [Send([ping("fragment1", fin=False), F2])], **BAD)
add("5.2", "pong in two fragments", [Send([pong("fragment1", fin=False), F2])], **BAD)
STRAY = "non-continuation payload"
for i, (way, how) in enumerate(WAYS):
    add(f"5.{3 + i}", f"text in two fragments{how}", [Send([F1, F2], **way)], BOTH, timer=shut(1))
    add(f"5.{6 + i}", f"text in two fragments with a ping between them{how}",
        [Send([F1, ping("ping payload"), F2], **way)], [ponged("ping payload")] + BOTH, timer=shut(1))
    add(f"5.{9 + i}", f"a last continuation of nothing, then text{how}", [Send([cont(STRAY), text(HELLO)], **way)],
        **BAD)
    add(f"5.{12 + i}", f"a first continuation of nothing, then text{how}",
        [Send([cont(STRAY, fin=False), text(HELLO)], **way)], **BAD)
add("5.15", "a good message, then a continuation of nothing, then text",
    [Send([F1, F2, cont("fragment3", fin=False), text("fragment4")])], ok=BOTH, also=[[]], **BAD)
for number, fin in (("5.16", False), ("5.17", True)):
    add(number, f"twice: a continuation of nothing with FIN={int(fin)}, then text in two fragments",
        [Send([cont("fragment1", fin=fin), text("fragment2", fin=False), cont("fragment3")] * 2)], **BAD)
add("5.18", "text inside a message of text", [Send([F1, text("fragment2")])], **BAD)
PARTS = [message(TEXT, "fragment1fragment2fragment3fragment4fragment5")]
for number, apart in (("5.19", False), ("5.20", True)):
    add(number, "five fragments with two pings and a second between them" + (", a write each" if apart else ""),
        [Send([F1, cont("fragment2", fin=False), ping("pongme 1!")], apart=apart), Wait(1, "a second"),
         Send([cont("fragment3", fin=False), cont("fragment4", fin=False), ping("pongme 2!"), cont("fragment5")],
              apart=apart)],
        [ponged("pongme 1!"), ("mark", "a second"), ponged("pongme 2!")] + PARTS, timer=shut(1),
        timer_after_steps=True)
