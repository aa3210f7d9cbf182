# SPDX-License-Identifier: MIT
"""From what the rounds say to what is told: medians, and ratios within a round."""
import statistics
from typing import NamedTuple


class Figure(NamedTuple):
    value: float            # the median
    ratio: float = None     # the median of the ratios to the base in the same round; None: there was no such round
    least: float = None
    most: float = None
    rounds: int = 0         # that counted


def figure(own, base):
    """Of two lists of rounds, in each a value, or None where the turn failed. None when all did."""
    said = [turn for turn in own if turn is not None]
    if not said:
        return None
    value = statistics.median(said)
    ratios = [a / b for a, b in zip(own, base) if a is not None and b is not None and b > 0]
    if not ratios:
        return Figure(value, rounds=len(said))
    return Figure(value, statistics.median(ratios), min(ratios), max(ratios), len(ratios))


def all_figures(loads, results):
    """`results`: by load and server the rounds. Returns figures in the same way, those that are there."""
    told = {}
    for load in loads:
        of = {server: rounds for (key, server), rounds in results.items() if key == load.key}
        base = of.get(load.base, [])
        for server, rounds in of.items():
            one = figure(rounds, base or [None] * len(rounds))
            if one is not None:
                told[load.key, server] = one
    return told
