# SPDX-License-Identifier: MIT
"""The matrix as a table, and docs/interop.md."""
import fleet

HEAD = """<!-- Made by `make interop`, not by hand. -->
# Interoperability

`make interop` lets Duet speak with WebSocket programs that nobody here wrote, as their client and as their server.
`tests/interop/driver.c` is Duet, `tests/interop/peers/` are the others: each an echo of a few lines on the library's own
interface, by default but for limits on size.

A cell is two connections. It opens with one of two subprotocols. Texts in many scripts and binary messages of 0, 1, 125,
126, 65535, 65536 and 1048576 octets come back as they went; so do fragments, cut inside of characters and with an empty
one among them; the peer sends fragments, and pings; it answers ours; 200 messages are under way at once and come back in
order. Duet closes the first connection and the peer the second, with 1000 and a reason. Each side reports what it saw:
the subprotocol, messages and octets, code and reason. All must agree, and permessage-deflate must be agreed on where it
is configured, and nowhere else. TLS is verified by an authority made for the run.

Date {date}, revision {revision}, {cores} cores.

A number is that of the checks, all of which passed. A fault of the peer has its reason below; were it gone, the run would
say so. –: the peer does not have that.

"""


def word(result, notes):
    if result is None:
        return "–"
    checks, misses, seen = result
    if misses:
        return f"**miss**: {len(misses)} of {checks}"
    if not seen:
        return str(checks)
    for reason in seen:
        if reason not in notes:
            notes.append(reason)
    return "its fault " + " ".join(sorted({f"[{notes.index(reason) + 1}]" for reason in seen}))


def table(peers, results, notes):
    rows = [("Peer", "Duet is the", *fleet.COLUMNS)]
    for peer in peers:
        for role in peer.roles:
            rows.append((f"{peer.name} {fleet.version(peer.package)}", "client" if role == "server" else "server",
                         *(word(results.get((peer.key, role, column)), notes) for column in fleet.COLUMNS)))
    rows.insert(1, ("---",) * len(rows[0]))
    wide = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "".join("| " + " | ".join(text.ljust(wide[i]) for i, text in enumerate(row)) + " |\n" for row in rows)


def left_out(peers):
    """What was not asked, and why."""
    lines = [f"- {peer.name}: {step}, {why}.\n" for peer in peers for step, why in peer.without.items()]
    return "## Not asked\n\n" + "".join(lines + [f"- {line}\n" for line in fleet.NOT_HERE])


def write(file, peers, results, where):
    notes = []
    rows = table(peers, results, notes)
    faults = "".join(f"{i}. {note}.\n" for i, note in enumerate(notes, 1))
    file.write_text(HEAD.format(**where) + rows + (f"\n## Faults of the peers\n\n{faults}" if notes else "") + "\n"
                    + left_out(peers))
