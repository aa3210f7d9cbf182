# SPDX-License-Identifier: MIT
"""One connection of the tester: it sends what a case says, in the pieces it says, and records what comes back.

Nothing blocks: each turn waits for the socket, makes at most one write, and reads. So a piece is a write of its own,
and a peer that writes before it has read everything holds nobody up.
"""
import collections
import contextlib
import select
import socket
import ssl
import time

from . import wire
from .wire import CLOSE, CONT, PING, PONG, TEXT, Frame, Violation

READ = 1 << 18
LOG_MAX = 60
TURN = 1.0


class Endpoint:
    def __init__(self, sock, is_client, rest=b"", deflate=None, patience=1.0):
        self.sock, self.is_client, self.deflate = sock, is_client, deflate
        self.tls = isinstance(sock, ssl.SSLSocket)
        self.limit = 1.0 * patience  # for each step of the closing
        self.decoder = wire.Decoder(masked=not is_client)
        self.decoder.rsv_allowed = wire.RSV1 if deflate else 0
        self.events = []  # ("message", opcode, payload), ("pong", payload), ("mark", name)
        self.log = []  # frames in both directions, as lines
        self.queue = collections.deque()  # (octets, whether a close frame ends here)
        self.message = None  # (opcode, rsv, parts) of the one that is not complete
        self.started_by = None  # who sent the first close frame, or dropped TCP without one
        self.close_sent = None  # when
        self.peer_close = None  # (code or None,) of the peer's close frame
        self.violation = None
        self.timed_out = False
        self.open = True  # TCP
        self.late = False  # the server left it to the tester to drop TCP
        self.fin_sent = False
        self.timer = None  # (when, close code or None)
        self.last = None  # when the closing must have made a step
        sock.setblocking(False)
        self.poll = select.poll()
        self.feed(rest)

    # What goes out

    def send(self, frames, chop=0, apart=False):
        """Frames back to back; `apart`: each in a write of its own; `chop`: so many octets in each write."""
        octets, together = bytearray(), []
        for frame in frames:
            self.note(">", frame)
            encoded = wire.encode(frame, self.is_client)
            closes = frame.opcode == CLOSE and frame.closes
            if chop:
                pieces = [encoded[at:at + chop] for at in range(0, len(encoded), chop)]
                self.queue.extend((piece, False) for piece in pieces[:-1])
                self.queue.append((pieces[-1], closes))
            elif apart:
                self.queue.append((encoded, closes))
            else:
                octets += encoded
                together.append(closes)
        if octets:
            self.queue.append((bytes(octets), any(together)))

    def send_cut(self, frame, cuts):
        """The writes of a frame whose payload is cut at these places: the head goes with the first."""
        self.note(">", frame)
        encoded = wire.encode(frame, self.is_client)
        start = len(encoded) - len(frame.payload)
        edges = [0] + [start + cut for cut in cuts] + [len(encoded)]
        return [encoded[a:b] for a, b in zip(edges, edges[1:])]

    def send_octets(self, octets):
        self.queue.append((octets, False))

    def send_close(self, code=None, reason=b""):
        self.send([Frame(CLOSE, wire.close_payload(code, reason))])

    def start_timer(self, seconds, code):
        self.timer = (time.monotonic() + seconds, code)

    # Turns

    def run(self, done=lambda: False, seconds=None):
        """Turns until `done`, until the time is over, or until TCP is gone. Says whether it was `done`."""
        end = None if seconds is None else time.monotonic() + seconds
        while not done():
            now = time.monotonic()
            if not self.open or end is not None and now >= end:
                return False
            waits = [TURN] + [when - now for when in (end, self.timer and self.timer[0], self.last) if when]
            self.turn(max(0, min(waits)))
        return True

    def turn(self, wait):
        writes = bool(self.queue)
        if self.tls and not self.fin_sent and self.sock.pending():
            wait = 0
        self.poll.register(self.sock, select.POLLIN | (select.POLLOUT if writes else 0))
        ready = self.poll.poll(wait * 1000)
        happened = ready[0][1] if ready else 0
        if happened & (select.POLLOUT | select.POLLERR) and writes:
            self.write()
        if happened & ~select.POLLOUT or wait == 0:
            self.read()
        self.expire(time.monotonic())

    def write(self):
        octets, closes = self.queue.popleft()
        try:
            n = self.sock.send(octets)
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            n = 0
        except OSError:
            self.queue.clear()  # what the peer sent before it left can still be read
            return
        if n < len(octets):
            self.queue.appendleft((memoryview(octets)[n:], closes))
        elif closes and self.close_sent is None:
            self.close_sent = time.monotonic()
            self.started_by = self.started_by or "tester"
            self.last = self.close_sent + self.limit
            if self.peer_close:
                self.handshake_over()

    def read(self):
        try:
            octets = self.sock.recv(READ)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:
            octets = b""
        if not octets:
            self.gone()
            return
        self.feed(octets)

    def feed(self, octets):
        if self.violation or self.tls and self.fin_sent:  # the octets are no longer TLS's
            return
        self.decoder.feed(octets)
        try:
            while (frame := self.decoder.next()) is not None:
                self.note("<", frame)
                self.take(frame)
        except Violation as e:
            self.violation = str(e)
            self.log.append(f"! {e}")
            self.queue.clear()
            self.send_close(e.code)

    def expire(self, now):
        if self.timer and now >= self.timer[0]:
            _, code = self.timer
            self.timer = None
            if self.close_sent is None and self.peer_close is None:
                self.timed_out = True
                self.log.append("! time is over")
                self.queue.clear()
                self.send_close(code)
                self.last = now + 2 * self.limit  # should even this close frame not get out
        if self.last and now >= self.last:
            self.late = self.peer_close is not None
            self.gone()

    # What comes in

    def take(self, frame):
        if self.peer_close:
            raise Violation(1002, "a frame behind the close frame")
        if frame.opcode == CLOSE:
            self.take_close(frame)
        elif frame.opcode == PING:
            if self.close_sent is None:
                self.send([Frame(PONG, frame.payload)])
        elif frame.opcode == PONG:
            self.events.append(("pong", frame.payload))
        else:
            self.take_data(frame)

    def take_data(self, frame):
        if (frame.opcode == CONT) != (self.message is not None):
            raise Violation(1002, "a message inside another" if frame.opcode else "a continuation of nothing")
        if frame.opcode:
            self.message = (frame.opcode, frame.rsv, [])
        opcode, rsv, parts = self.message
        parts.append(frame.payload)
        if not frame.fin:
            return
        self.message = None
        payload = parts[0] if len(parts) == 1 else b"".join(parts)
        if rsv & wire.RSV1:
            payload = self.deflate.unpack(payload)
        if opcode == TEXT:
            try:
                payload.decode()
            except UnicodeDecodeError:
                raise Violation(1007, "text that is not UTF-8") from None
        self.events.append(("message", opcode, payload))

    def take_close(self, frame):
        code = wire.close_code(frame.payload)
        self.peer_close = (code,)
        if self.close_sent is not None:
            self.handshake_over()
            return
        self.started_by = self.started_by or "peer"
        if not any(closes for _, closes in self.queue):
            self.queue.clear()
            self.send_close(code)
        self.last = time.monotonic() + self.limit

    def handshake_over(self):
        """Both close frames went their way: the server is to drop TCP."""
        self.last = time.monotonic() + self.limit
        if not self.is_client and not self.fin_sent:
            self.fin_sent = True
            with contextlib.suppress(OSError, ValueError):
                if self.tls:
                    self.sock.unwrap()  # says TLS's own word, and waits for nothing
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)  # the client sees the end; what it sends is read until its own

    def gone(self):
        if self.started_by is None and not self.violation:
            self.started_by = "peer"
        self.open = False
        self.timer = self.last = None
        self.queue.clear()
        self.sock.close()

    def note(self, arrow, frame):
        if len(self.log) < LOG_MAX:
            self.log.append(f"{arrow} {wire.show(frame)}")
