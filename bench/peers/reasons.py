# SPDX-License-Identifier: MIT
"""Why, in a line each. A figure is measured; these were looked for by hand, when the figures asked for it."""

HOW_KNOWN = ""

AHEAD = {}

BEHIND = {}

SETTINGS = ""

NOT_HERE = ""


def ahead(load, server):
    return AHEAD.get((load, server)) or AHEAD.get((load, "")) or "Why is not known."
