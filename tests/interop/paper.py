# SPDX-License-Identifier: MIT
"""The matrix as a table, and docs/interop.md."""
import fleet


def word(result, notes):
    if result is None:
        return "–"
    checks, misses, seen = result
    if misses:
        return f"**miss**: {len(misses)} of {checks}"
    if not seen:
        return str(checks)
    marks = []
    for reason in seen:
        if reason not in notes:
            notes.append(reason)
        marks.append(f"[{notes.index(reason) + 1}]")
    return f"{checks - len(seen)} of {checks} {' '.join(marks)}"


def table(peers, results, notes=None):
    notes = [] if notes is None else notes
    rows = [("", "Duet is the", *fleet.COLUMNS)]
    for peer in peers:
        for role in peer.roles:
            rows.append((f"{peer.name} {fleet.version(peer.package)}", "client" if role == "server" else "server",
                         *(word(results.get((peer.key, role, column)), notes) for column in fleet.COLUMNS)))
    rows.insert(1, ("---",) * len(rows[0]))
    wide = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("| " + " | ".join(text.ljust(wide[i]) for i, text in enumerate(row)).rstrip() + " |" for row in rows)


def write(file, peers, results, where):
    pass
