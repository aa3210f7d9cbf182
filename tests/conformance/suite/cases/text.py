# SPDX-License-Identifier: MIT
"""Group 6: text is UTF-8, and its faults are seen as early as they can be."""
from ..case import ECHO, FAIL, Case, Send, SendCut, Wait, cont, kill, message, shut, text
from ..wire import TEXT, fragments

CASES = []
GREEK = bytes.fromhex("cebae1bdb9cf83cebcceb5")
EDITED = b"edited"
MIXED = "Hello-µ@ßöäüàá-UTF-8!!".encode()
INVALID = {"ends": FAIL, "codes": (1007,), "endpoint_is_fatal": True}


def add(number, title, steps, ok=(), **how):
    CASES.append(Case(number, title, steps, list(ok), **how))


# 6.1, 6.2: valid text in fragments.
MIDDLE = b"middle frame payload"
add("6.1.1", "empty text", [Send([text()])], [message(TEXT, b"")], timer=shut(1))
add("6.1.2", "empty text in three empty fragments", [Send([text(fin=False), cont(fin=False), cont()])],
    [message(TEXT, b"")], timer=shut(1))
add("6.1.3", "three fragments, the first and the last empty",
    [Send([text(fin=False), cont(MIDDLE, fin=False), cont()])], [message(TEXT, MIDDLE)], timer=shut(1))
add("6.2.1", "valid text in a frame", [Send([text(MIXED)])], [message(TEXT, MIXED)], timer=shut(1))
HALF = len("Hello-µ@ßöä".encode())
add("6.2.2", "valid text in two fragments", [Send([text(MIXED[:HALF], fin=False), cont(MIXED[HALF:])])],
    [message(TEXT, MIXED)], timer=shut(1))
add("6.2.3", "valid text, a fragment for each octet", [Send(fragments(TEXT, MIXED, 1))], [message(TEXT, MIXED)],
    timer=shut(1))
add("6.2.4", "Greek text, a fragment for each octet", [Send(fragments(TEXT, GREEK, 1))], [message(TEXT, GREEK)],
    timer=shut(1))

# 6.3, 6.4: invalid text, and when it is noticed.
SURROGATE = GREEK + b"\xed\xa0\x80" + EDITED
add("6.3.1", "a surrogate inside text", [Send([text(SURROGATE)])], timer=kill(1), **INVALID)
add("6.3.2", "a surrogate inside text, a fragment for each octet", [Send(fragments(TEXT, SURROGATE, 1))],
    timer=kill(1), **INVALID)
TOO_HIGH = GREEK + b"\xf4\x90\x80\x80" + EDITED
A, B = ("mark", "A"), ("mark", "B")


def in_frames(a, b):
    return [Send([text(TOO_HIGH[:a], fin=False)]), Wait(1, "A"), Send([cont(TOO_HIGH[a:b], fin=False)]),
            Wait(1, "B", ends_early=True), Send([cont(TOO_HIGH[b:])])]


def in_one_frame(a, b):
    def piece(i):
        return SendCut(text(TOO_HIGH, fin=False), (a, b), i)
    return [piece(0), Wait(1, "A"), piece(1), Wait(1, "B", ends_early=True), piece(2), Send([cont()])]


for number, where, steps in (("6.4.1", "in fragments, the character whole", in_frames(11, 15)),
                             ("6.4.2", "in fragments, its second octet alone", in_frames(12, 13)),
                             ("6.4.3", "in one frame, the character whole", in_one_frame(11, 15)),
                             ("6.4.4", "in one frame, its second octet alone", in_one_frame(12, 13))):
    add(number, f"a character above U+10FFFF comes slowly {where}", steps, [A], also=[[A, B]], timer=kill(1),
        timer_after_steps=True, **INVALID)

# 6.5 to 6.23: each row is a theme and its texts; V is echoed, I fails.
PREFIXES = " ".join(("V" if n in (2, 5, 7, 9, 11) else "I") + GREEK[:n].hex() for n in range(1, 12))
LONELY = " ".join("I" + "".join(f"{lead:02x}20" for lead in range(first, last + 1))
                  for first, last in ((0xC0, 0xDE), (0xE0, 0xEE), (0xF0, 0xF6), (0xF8, 0xFA), (0xFC, 0xFC)))
UNFINISHED = "c0 e080 f08080 f8808080 fc80808080 df efbf f7bfbf fbbfbfbf fdbfbfbfbf"
HIGH, LOW = ("eda080", "edadbf", "edae80", "edafbf"), ("edb080", "edbfbf")
PLANES = "f09f f0af f0bf f18f f19f f1af f1bf f28f f29f f2af f2bf f38f f39f f3af f3bf f48f".split()
TABLE = (
    (5, "valid text", "V" + " V".join(f"{b'hello'.hex()}{x}{b'world'.hex()}" for x in
                                      ("24", "c2a2", "e282ac", "f0a4ada2")) + " V" + GREEK.hex()),
    (6, "a prefix of Greek text", PREFIXES),
    (7, "the first sequence of a length", "V00 Vc280 Ve0a080 Vf0908080"),
    (8, "the first sequence of five or six octets", "If888808080 Ifc8480808080"),
    (9, "the last sequence of a length", "V7f Vdfbf Vefbfbf Vf48fbfbf"),
    (10, "the last sequence of the old scheme", "If7bfbfbf Ifbbfbfbfbf Ifdbfbfbfbfbf"),
    (11, "a border", "Ved9fbf Vee8080 Vefbfbd Vf48fbfbf If4908080"),
    (12, "stray continuation octets", "I80 Ibf I80bf I80bf80 I80bf80bf I80bf80bf80 I80bf80bf80bf I"
         + bytes(range(0x80, 0xBF)).hex()),
    (13, "lonely first octets", LONELY),
    (14, "the last continuation octet missing", " ".join("I" + x for x in UNFINISHED.split())),
    (15, "all of 6.14 in one", "I" + UNFINISHED.replace(" ", "")),
    (16, "impossible octets", "Ife Iff Ifefeffff"),
    (17, "an overlong slash", "Ic0af Ie080af If08080af If8808080af Ifc80808080af"),
    (18, "the largest overlong form", "Ic1bf Ie09fbf If08fbfbf If887bfbfbf Ifc83bfbfbfbf"),
    (19, "an overlong NUL", "Ic080 Ie08080 If0808080 If880808080 Ifc8080808080"),
    (20, "a surrogate", "Ieda080 Iedadbf Iedae80 Iedafbf Iedb080 Iedbe80 Iedbfbf"),
    (21, "a pair of surrogates", " ".join("I" + high + low for high in HIGH for low in LOW)),
    (22, "a non-character", "Vefbfbe Vefbfbf " + " ".join(f"V{p}bfbe V{p}bfbf" for p in PLANES)),
    (23, "a special character", "Vefbfb9 Vefbfba Vefbfbb Vefbfbc Vefbfbd Vefbfbe Vefbfbf"),
)
for sub, theme, texts in TABLE:
    for i, word in enumerate(texts.split(), 1):
        octets = bytes.fromhex(word[1:])
        good = word[0] == "V"
        add(f"6.{sub}.{i}", f"{theme}: {octets[:12].hex(' ')}" + (" ..." if len(octets) > 12 else ""),
            [Send([text(octets)])], [message(TEXT, octets)] if good else [], timer=kill(0.5),
            **({"ends": ECHO} if good else INVALID))
