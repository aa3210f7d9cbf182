# SPDX-License-Identifier: MIT
"""Plays a case on a connection, and says what came of it."""
import time
from dataclasses import dataclass, field
from typing import Any, Optional

from . import handshake, wire
from .case import ALL, ECHO, Events, Send, SendCut, Series, Wait
from .deflate import SERVER_BITS, Deflate
from .endpoint import Endpoint
from .wire import RSV1, Violation

OPENING = 5.0
SILENCE = 20.0  # a peer that has not answered one small message by then will not; the case's limit may be minutes away


@dataclass
class Outcome:
    """All that the judge has to know."""
    handshake_error: Optional[str] = None
    unimplemented: bool = False
    events: list = field(default_factory=list)
    started_by: Optional[str] = None
    peer_closed: bool = False  # a close frame came
    peer_code: Optional[int] = None  # with this code
    late: bool = False  # the server left it to the tester to drop TCP
    violation: Optional[str] = None
    timed_out: bool = False
    answer_error: Optional[str] = None
    log: list = field(default_factory=list)
    seconds: float = 0.0
    compressed: Optional[int] = None
    agreed: Any = None


def play(case, sock, url=None, patience=1.0):
    """As the client of `url`, or as the server where it is None."""
    begun = time.monotonic()
    out = Outcome()
    opened = None
    try:
        deadline = begun + OPENING * patience
        if url is not None:
            agreed, rest = handshake.as_client(sock, url, case.offers, deadline)
        else:
            agreed, rest = handshake.as_server(sock, case.answers, deadline)
        opened = connection(case, sock, url is not None, agreed, rest, patience)
    except (Violation, OSError, ValueError) as e:
        out.handshake_error = str(e)
        sock.close()
    if opened is not None:
        out.agreed = agreed
        if case.answer_fits is not None and agreed is not None:
            out.answer_error = misfit(case.answer_fits, agreed)
        if (case.offers or case.answers) and agreed is None:
            out.unimplemented = True
            opened.send_close(1000)
            opened.run()
        else:
            perform(case, opened, patience)
        conclude(out, opened)
    out.seconds = time.monotonic() - begun
    return out


def connection(case, sock, is_client, agreed, rest, patience):
    packed = None
    if agreed is not None:
        # A client that offers client_no_context_takeover keeps none, whatever the answer says (RFC 7692 7.1.1.2).
        level = 1 if case.cost > 16 else 6
        packed = Deflate(agreed, is_client, resets=is_client, level=level)
    return Endpoint(sock, is_client, rest, packed, patience)


def misfit(wanted, agreed):
    for key, value in wanted.items():
        if key not in agreed:
            return f"the answer has no {key}"
        if key == SERVER_BITS and int(agreed[key]) > value:
            return f"the answer has {key}={agreed[key]}, asked for was {value}"
    return None


def perform(case, end, patience):
    """The steps, and then whatever brings the connection to its end."""
    wanted = list(case.ok)

    def complete():
        return end.events == wanted

    if case.timer and not case.timer_after_steps:
        end.start_timer(case.timer.seconds * patience, case.timer.code)
    pieces = {}
    for step in case.steps:
        if not end.open or end.peer_close or end.violation or end.timed_out:
            break
        take(step, end, pieces, patience)
    if case.timer and case.timer_after_steps:
        end.start_timer(case.timer.seconds * patience, case.timer.code)
    if case.ends == ECHO:
        end.run(lambda: end.events != wanted[:len(end.events)] or complete() or over(end))
        if end.open and not over(end):
            if complete():
                end.send_close(1000)
            else:
                end.start_timer(0, 1001)  # what comes now can put nothing right
    end.run()


def over(end):
    return bool(end.peer_close or end.violation or end.timed_out)


def take(step, end, pieces, patience):
    if isinstance(step, Send):
        end.send(step.frames, step.chop, step.apart)
    elif isinstance(step, SendCut):
        if step.index == 0:
            pieces["cut"] = end.send_cut(step.frame, step.cuts)
        end.send_octets(pieces["cut"][step.index])
    elif isinstance(step, Events):
        end.run(lambda: len(end.events) >= step.count or over(end))
    elif isinstance(step, Wait):
        wait(step, end, patience)
    elif isinstance(step, Series):
        series(step, end, patience)


def wait(step, end, patience):
    end.run(lambda: over(end), step.seconds * (patience if step.ends_early else 1))
    if end.open and not over(end) and step.mark:
        end.events.append(("mark", step.mark))


def series(step, end, patience):
    for opcode, payload in step.messages():
        rsv, body = 0, payload
        if end.deflate:
            rsv, body = RSV1, end.deflate.pack(payload)
        end.send(wire.fragments(opcode, body, step.fragment, rsv))
        answered = end.run(lambda: end.events or over(end), SILENCE * patience)
        if not answered or end.events != [("message", opcode, payload)]:
            end.start_timer(0, None)
            return
        end.events.clear()
    end.events.append(ALL)


def conclude(out, end):
    out.events, out.log = end.events, end.log
    out.started_by, out.violation, out.timed_out = end.started_by, end.violation, end.timed_out
    out.peer_closed = end.peer_close is not None
    out.peer_code = end.peer_close[0] if end.peer_close else None
    out.late = end.late and end.is_client
    out.compressed = end.deflate.compressed if end.deflate else None
