# SPDX-License-Identifier: MIT
"""What a case is: steps, what may come back, and how the connection has to end."""
from dataclasses import dataclass, field
from typing import Any, Callable, NamedTuple, Optional

from .wire import BINARY, CLOSE, CONT, PING, PONG, TEXT, Frame, close_payload

# How it has to end.
ECHO = "echo"  # once all came back the tester closes; the peer answers, and a server drops TCP
FAIL = "fail"  # the peer ends it: a close frame with one of the codes, an empty one, or none
FAIL_SAID = "fail, said"  # the same, and the close frame with its code has to be there
ASKED = "asked"  # the tester sent a close frame; the peer answers it
ASKED_LOOSE = "asked, or drop"  # the same, and dropping TCP will do
ANY = "any"  # informational

WRONG_MASK = "wrong"  # for Frame.masked: without a mask to a server, with one to a client


# Steps.
class Send(NamedTuple):
    frames: list
    chop: int = 0
    apart: bool = False


class SendCut(NamedTuple):
    """One write of a frame whose payload is cut at `cuts`; `index` says which."""
    frame: Frame
    cuts: tuple
    index: int


class Wait(NamedTuple):
    seconds: float
    mark: str = ""  # an event of this name, if the connection is still open then
    ends_early: bool = False  # a connection that is gone ends it; else so much time has to pass


class Events(NamedTuple):
    count: int  # so many have come


ALL = ("mark", "all came back")


class Series(NamedTuple):
    """Messages one at a time: the next goes out when the last one's echo is in. Of what came back as it should only the
    event ALL is kept."""
    messages: Callable  # () -> iterable of (opcode, payload)
    fragment: int = 0


class Timer(NamedTuple):
    seconds: float
    code: Optional[int] = None  # None: an empty close frame


def kill(seconds):
    return Timer(seconds, 1001)


def shut(seconds):
    return Timer(seconds)


@dataclass
class Case:
    number: str
    title: str
    steps: list
    ok: list = field(default_factory=list)
    also: list = field(default_factory=list)  # second best: NON-STRICT
    ends: str = ECHO
    codes: tuple = (1000,)
    timer: Optional[Timer] = None
    timer_after_steps: bool = False
    endpoint_is_fatal: bool = False  # who starts the close counts for the behaviour too
    code_is_fatal: bool = False  # so does a wrong close code
    informational: bool = False
    offers: Any = None  # of permessage-deflate, as client; as server, `answers`
    answers: Any = None
    answer_fits: Any = None  # what the peer's answer has to keep, for the cases about answers
    roles: str = "both"
    cost: float = 0.0  # MiB there and back, for the order of work

    @property
    def key(self):
        return tuple(int(part) for part in self.number.split("."))

    @property
    def group(self):
        return self.number.split(".")[0]

    @property
    def in_catalogue(self):
        return int(self.group) < 20


def text(payload=b"", **how):
    return Frame(TEXT, payload if isinstance(payload, bytes) else payload.encode(), **how)


def binary(payload=b"", **how):
    return Frame(BINARY, payload if isinstance(payload, bytes) else payload.encode(), **how)


def cont(payload=b"", **how):
    return Frame(CONT, payload if isinstance(payload, bytes) else payload.encode(), **how)


def ping(payload=b"", **how):
    return Frame(PING, payload if isinstance(payload, bytes) else payload.encode(), **how)


def pong(payload=b"", **how):
    return Frame(PONG, payload if isinstance(payload, bytes) else payload.encode(), **how)


def close(code=None, reason=b"", **how):
    return Frame(CLOSE, close_payload(code, reason if isinstance(reason, bytes) else reason.encode()), **how)


def message(opcode, payload):
    return ("message", opcode, payload if isinstance(payload, bytes) else payload.encode())


def ponged(payload=b""):
    return ("pong", payload if isinstance(payload, bytes) else payload.encode())
