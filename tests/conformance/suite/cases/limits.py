# SPDX-License-Identifier: MIT
"""Groups 9 and 10: large messages, many fragments, small writes, many messages."""
from ..case import ALL, Case, Send, Series, kill, message, shut
from ..wire import BINARY, TEXT, fragments

CASES = []
KI, MI = 1024, 1024 * 1024


class Lazy:
    """Steps and events of a case that are made when it runs: 16 MiB for each would be much to hold."""

    def __init__(self, make):
        self.make = make

    def __iter__(self):
        return iter(self.make())


def fill(pattern, length):
    return (pattern * (length // len(pattern) + 1))[:length]


def add(number, title, opcode, pattern, length, seconds, fragment=0, chop=0, timer=shut):
    def steps():
        return [Send(fragments(opcode, fill(pattern, length), fragment), chop)]
    CASES.append(Case(number, title, Lazy(steps), Lazy(lambda: [message(opcode, fill(pattern, length))]),
                      timer=timer(seconds), cost=length / MI))


def size_of(n):
    return f"{n // MI} Mi" if n >= MI else f"{n // KI} Ki" if n >= KI else f"{n}"


SIZES = (64 * KI, 256 * KI, MI, 4 * MI, 8 * MI, 16 * MI)
KINDS = ((TEXT, "text"), (BINARY, "binary"))
for sub, (opcode, kind), pattern, limits in ((1, KINDS[0], b"BAsd7&jh23", (10, 10, 100, 100, 100, 100)),
                                             (2, KINDS[1], bytes.fromhex("00fe23faf0"), (10, 10, 10, 10, 100, 100))):
    for i, (length, seconds) in enumerate(zip(SIZES, limits), 1):
        add(f"9.{sub}.{i}", f"{kind} of {size_of(length)} in a frame", opcode, pattern, length, seconds)
for sub, (opcode, kind) in zip((3, 4), KINDS):
    for i, size in enumerate((64, 256, KI, 4 * KI, 16 * KI, 64 * KI, 256 * KI, MI, 4 * MI), 1):
        add(f"9.{sub}.{i}", f"{kind} of 4 Mi in fragments of {size_of(size)}", opcode,
            b"\xfe" if (sub, i) == (4, 1) else b"*", 4 * MI, 100, fragment=size)
for sub, (opcode, kind) in zip((5, 6), KINDS):
    for i, chop in enumerate((64, 128, 256, 512, 1024, 2048), 1):
        add(f"9.{sub}.{i}", f"{kind} of 1 Mi in writes of {chop}", opcode, b"*" if opcode == TEXT else b"\xfe", MI,
            1000, chop=chop)
for sub, (opcode, kind), octet in zip((7, 8), KINDS, (b"*", b"\xfe")):
    for i, (length, seconds) in enumerate(zip((0, 16, 64, 256, 1024, 4096), (60, 60, 60, 120, 240, 480)), 1):
        def thousand(opcode=opcode, payload=octet * length):
            return ((opcode, payload) for _ in range(1000))
        CASES.append(Case(f"9.{sub}.{i}", f"1000 {kind} messages of {length} octets, one at a time",
                          [Series(thousand)], [ALL], timer=shut(seconds), cost=1))

PIECES = fragments(TEXT, b"*" * 65536, 1300)
assert [len(PIECES), len(PIECES[-1].payload)] == [51, 536], "the fragmenter makes other frames than it should"
CASES.append(Case("10.1.1", "text of 64 Ki in fragments of 1300 octets", [Send(PIECES)], [message(TEXT, b"*" * 65536)],
                  timer=kill(10)))
