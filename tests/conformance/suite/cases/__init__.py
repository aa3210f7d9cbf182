# SPDX-License-Identifier: MIT
"""All cases, and how some of them are chosen."""
import fnmatch

from . import closing, deflate, framing, limits, own, own_deflate, text

TITLES = {
    "1": "framing", "2": "pings and pongs", "3": "reserved bits", "4": "reserved opcodes", "5": "fragmentation",
    "6": "UTF-8", "7": "closing", "9": "limits and performance", "10": "automatic fragmentation",
    "12": "permessage-deflate: data", "13": "permessage-deflate: parameters",
    "20": "masks", "21": "lengths", "22": "reserved bits and opcodes, the rest", "23": "closing, the rest",
    "24": "failing says why", "25": "permessage-deflate: faults", "26": "permessage-deflate: answers",
}
QUICK_SIZES = (1, 5, 11)  # of the 18 of groups 12 and 13: the smallest, one of a frame, one in fragments


def everything():
    cases = [case for part in (framing, text, closing, limits, deflate, own, own_deflate) for case in part.CASES]
    return sorted(cases, key=lambda case: case.key)


def chosen(patterns, role, quick=False):
    """The cases that patterns like 1.*,9.3.* name, for "server" or "client" under test."""
    found = []
    for case in everything():
        if case.roles not in ("both", role) or quick and is_long(case):
            continue
        if not patterns or any(fnmatch.fnmatchcase(case.number, p) or case.number.startswith(p.rstrip("*.") + ".")
                               for p in patterns):
            found.append(case)
    return found


def is_long(case):
    return case.group in ("12", "13") and case.key[2] not in QUICK_SIZES
