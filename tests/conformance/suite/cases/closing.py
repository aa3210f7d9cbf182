# SPDX-License-Identifier: MIT
"""Group 7: the closing handshake."""
from ..case import ANY, ASKED, ASKED_LOOSE, Case, Events, Send, close, cont, kill, message, ping, text
from ..wire import CLOSE, TEXT, Frame
from .text import EDITED, GREEK

CASES = []
HELLO = b"Hello World!"


def add(number, title, steps, ok=(), **how):
    CASES.append(Case(number, title, steps, list(ok), timer=kill(1), **how))


def asked(number, title, frames, **how):
    add(number, title, [Send(frames)], ends=ASKED, code_is_fatal=True, **how)


def wrong(number, title, frames, codes=(1002,)):
    add(number, title, [Send(frames)], ends=ASKED_LOOSE, codes=codes, code_is_fatal=True)


add("7.1.1", "a message, then the close", [Send([text(HELLO)]), Events(1), Send([close(1000)])],
    [message(TEXT, HELLO)], ends=ASKED, code_is_fatal=True)
asked("7.1.2", "two close frames", [close(1000), close()])
# RFC-63: no pong once the close was received.
asked("7.1.3", "a ping behind the close", [close(1000), ping()])
asked("7.1.4", "text behind the close", [close(1000), text(HELLO)])
asked("7.1.5", "a close inside a fragmented message", [text("fragment1", fin=False), close(1000), cont("fragment2")])
LONG = b"BAsd7&jh23" * 26215
add("7.1.6", "256 KiB of text, text, the close, a ping",
    [Send([text(LONG[:262144]), text(HELLO), close(1000), ping()])],
    [message(TEXT, LONG[:262144]), message(TEXT, HELLO)], ends=ANY, informational=True)
asked("7.3.1", "an empty close frame", [close()])
wrong("7.3.2", "a close frame of one octet", [Frame(CLOSE, b"a")])
asked("7.3.3", "a close with a code", [close(1000)])
asked("7.3.4", "a close with a reason", [close(1000, HELLO)])
asked("7.3.5", "a close with a reason of 123 octets", [close(1000, b"*" * 123)])
wrong("7.3.6", "a close with a reason of 124 octets", [close(1000, b"*" * 124)])
wrong("7.5.1", "a close with a reason that is not UTF-8", [close(1000, GREEK + b"\xed\xa0\x80" + EDITED)],
      (1002, 1007))
for i, code in enumerate((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999), 1):
    asked(f"7.7.{i}", f"a close with code {code}", [close(code)], codes=(1000, code))
for i, code in enumerate((0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999), 1):
    wrong(f"7.9.{i}", f"a close with code {code}, which must not be", [close(code)])
for i, code in enumerate((5000, 65535), 1):
    add(f"7.13.{i}", f"a close with code {code}", [Send([close(code)])], ends=ANY, informational=True)
