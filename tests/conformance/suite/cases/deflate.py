# SPDX-License-Identifier: MIT
"""Groups 12 and 13: permessage-deflate with data of five kinds, and with parameters of seven kinds."""
import math

from .. import data
from ..case import ALL, Case, Series, shut
from ..deflate import CLIENT_BITS, CLIENT_NO, SERVER_BITS, SERVER_NO
from ..wire import BINARY, TEXT

CASES = []
KI = 1024
# (length, fragment size, seconds) for each of the eighteen sizes.
SIZES = [(16, 0, 60), (64, 0, 60), (256, 0, 120), (KI, 0, 240)] + [
    (n * KI, 0, 480) for n in (4, 8, 16, 32, 64, 128)] + [
    (n * KI, 256, 480) for n in (8, 16, 32, 64, 128)] + [
    (128 * KI, fragment, 480) for fragment in (1024, 4096, 32768)]
COUNT = 1000
BASE = {CLIENT_NO: None, CLIENT_BITS: None}


def offer(no=False, bits=None):
    """What the tester offers: parameters for the server on top of those it always sends."""
    return {**BASE, **({SERVER_NO: None} if no else {}), **({SERVER_BITS: str(bits)} if bits else {})}


def answer(no=False, bits=None):
    """What the tester, as a server, wants of the client."""
    return {**({CLIENT_NO: None} if no else {}), **({CLIENT_BITS: str(bits)} if bits else {})}


def add(group, what, kind, opcode, wanted):
    for i, (length, fragment, seconds) in enumerate(SIZES, 1):
        def messages(length=length):
            return ((opcode, payload) for payload in data.slices(kind, length, COUNT))
        title = f"{what}, {COUNT} messages of {length}" + (f" in fragments of {fragment}" if fragment else "")
        CASES.append(Case(
            f"{group}.{i}", title, [Series(messages, fragment)], [ALL], timer=shut(seconds),
            cost=math.ceil(length * COUNT / 1048576),
            offers=[offer(**w) for w in wanted], answers=[answer(**w) for w in wanted]))


for sub, (kind, opcode, what) in enumerate((("json", TEXT, "JSON"), ("bitmap", BINARY, "a grey bitmap"),
                                            ("prose", BINARY, "German prose"), ("html", TEXT, "HTML"),
                                            ("pdf", BINARY, "a PDF")), 1):
    add(f"12.{sub}", what, kind, opcode, [{}])
PARAMETERS = (
    ("default", [{}]),
    ("no context of the peer", [{"no": True}]),
    ("a window of 9 bits", [{"bits": 9}]),
    ("a window of 15 bits", [{"bits": 15}]),
    ("no context, a window of 9 bits", [{"no": True, "bits": 9}]),
    ("no context, a window of 15 bits", [{"no": True, "bits": 15}]),
    ("three offers", [{"no": True, "bits": 9}, {"no": True}, {}]),
)
for sub, (what, wanted) in enumerate(PARAMETERS, 1):
    add(f"13.{sub}", what, "json", TEXT, wanted)
