#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""An echo server or client that does everything right but for the faults it is told: what the suite's self-test is
tried on. `wrong.py FAULTS` serves on a port of its own choice and prints it; `wrong.py FAULTS URL` is a client.
FAULTS are words between commas; "none" is a right peer."""
import codecs
import pathlib
import socket
import sys
import threading
import time
from urllib.parse import urlsplit

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from suite import deflate, handshake, wire  # noqa: E402
from suite.wire import BINARY, CLOSE, CONT, PING, PONG, TEXT, Frame, Violation  # noqa: E402

FAULTS = set(sys.argv[1].split(","))


class Peer:
    def __init__(self, sock, is_client, agreed, rest):
        self.sock, self.is_client = sock, is_client
        self.pack = deflate.Deflate(agreed, is_client) if agreed is not None else None
        if self.pack and "window" in FAULTS:
            self.pack.out_bits = 15
        if self.pack and "takeover" in FAULTS:
            self.pack.out_resets = False
        self.data = bytearray(rest)
        self.out = bytearray()
        self.pongs = []
        self.message = None
        self.closed = False

    def live(self):
        while not self.closed:
            try:
                while not self.closed and self.frame():
                    pass
            except Violation as e:
                self.fail(e.code)
            self.flush()
            if not self.closed:
                more = self.sock.recv(1 << 18)
                if not more:
                    return
                self.data += more
        if self.is_client:
            self.drain(10)  # the server drops TCP
        elif "linger" in FAULTS:
            self.drain(10)
        else:
            self.sock.shutdown(socket.SHUT_WR)
            self.drain(2)

    def drain(self, seconds):
        """Reads until the other side is gone: TCP that is closed with unread data would be reset."""
        self.sock.settimeout(seconds)
        try:
            while self.sock.recv(1 << 18):
                pass
        except OSError:
            pass

    def flush(self):
        if self.pongs and ("pong-late" not in FAULTS or self.message is None):
            for frame in self.pongs[-1:] if "newest-ping" in FAULTS else self.pongs:
                self.send(frame)
            self.pongs = []
        if self.out:
            self.sock.sendall(self.out)
            self.out.clear()

    def send(self, frame):
        if "wide" in FAULTS and frame.opcode in (TEXT, BINARY):
            frame = frame._replace(wide=8)
        if "mask-bit" in FAULTS:
            frame = frame._replace(masked="wrong")
        self.out += wire.encode(frame, self.is_client)

    def fail(self, code):
        if "early" in FAULTS:
            self.out.clear()
        self.end(1000 if "code" in FAULTS else code)

    def end(self, code):
        self.closed = True
        for frame in self.pongs:
            self.send(frame)
        self.pongs = []
        if "mute" not in FAULTS:
            self.send(Frame(CLOSE, wire.close_payload(code)))
        if "after-close" in FAULTS:
            self.send(Frame(TEXT, b"one more"))

    def frame(self):
        """Takes one frame. Says whether there was one."""
        b = self.data
        if len(b) < 2:
            return False
        fin, rsv, opcode, masked = b[0] >= 0x80, b[0] >> 4 & 7, b[0] & 15, b[1] >= 0x80
        size = {126: 4, 127: 10}.get(b[1] & 127, 2)
        ignored = self.check(fin, rsv, opcode, masked, b[1] & 127)
        if len(b) < size:
            return False
        length = int.from_bytes(b[2:size], "big") if size > 2 else b[1] & 127
        if length >> 63 and "top-bit" not in FAULTS or (
                length < {2: 0, 4: 126, 10: 65536}[size] and "lengths" not in FAULTS):
            raise Violation(1002, "length")
        start = size + (4 if masked else 0)
        if opcode < 8 and not rsv & 4:
            self.peek(opcode, length, start, fin)
        if len(b) < start + length:
            return False
        payload = bytes(b[start:start + length])
        if masked:
            payload = wire.mask(payload, bytes(b[size:start]))
        del b[:start + length]
        if not ignored:
            self.take(Frame(opcode, payload, fin, rsv))
        return True

    def check(self, fin, rsv, opcode, masked, seven):
        """Raises for what the head alone shows. Says whether the frame is to be ignored."""
        wrong = None
        if masked == self.is_client and "any-mask" not in FAULTS:
            wrong = "mask"
        elif rsv & ~(4 if self.pack and opcode in (TEXT, BINARY) else 0) and "rsv" not in FAULTS:
            wrong = "rsv"
        elif opcode not in wire.NAMES and "opcodes" not in FAULTS:
            wrong = "opcode"
        elif opcode >= 8 and (not fin or seven > 125) and "control" not in FAULTS:
            wrong = "control"
        elif opcode in (CONT, TEXT, BINARY) and (opcode == CONT) != (self.message is not None) and \
                "fragments" not in FAULTS:
            wrong = "fragments"
        if wrong and "ignores" not in FAULTS:
            raise Violation(1002, wrong)
        return bool(wrong) or opcode not in wire.NAMES

    def peek(self, opcode, length, start, fin):
        """Text is judged as far as it is here, inside a frame too."""
        if "late" in FAULTS or "no-utf8" in FAULTS:
            return
        kind, state = (opcode, b"") if self.message is None else (self.message[0], self.message[3])
        if kind != TEXT or self.message and self.message[1] & 4:
            return
        b = self.data
        have = min(len(b) - start, length)
        if have > 0:
            payload = bytes(b[start:start + have])
            if b[1] >= 0x80:
                payload = wire.mask(payload, bytes(b[start - 4:start]))
            judged(state + payload, fin and have == length)

    def take(self, frame):
        if frame.opcode == PING:
            if "ping-utf8" in FAULTS:
                judged(frame.payload, True)
            self.pongs.append(Frame(PONG, frame.payload))
            if "newest-ping" not in FAULTS and "pong-late" not in FAULTS:
                self.send(self.pongs.pop())
        elif frame.opcode == CLOSE:
            self.take_close(frame.payload)
        elif frame.opcode != PONG:
            self.take_data(frame)

    def take_close(self, payload):
        if len(payload) == 1 and "one-octet" in FAULTS:
            payload = b""
        if "any-code" in FAULTS:
            code = int.from_bytes(payload[:2], "big") if payload else None
        else:
            code = wire.close_code(payload)
        self.end(1000 if code is not None and not wire.may_be_received(code) else code)

    def take_data(self, frame):
        if self.message is None or frame.opcode:
            self.message = [frame.opcode or BINARY, frame.rsv, [], b""]
        self.message[2].append(frame.payload)
        if self.message[0] == TEXT and not self.message[1] & 4 and not {"late", "no-utf8"} & FAULTS:
            self.message[3] = judged(self.message[3] + frame.payload, False)
        if not frame.fin:
            return
        opcode, rsv, parts, _ = self.message
        self.message = None
        payload = b"".join(parts)
        if rsv & 4 and self.pack:
            payload = self.pack.unpack(payload)
        if opcode == TEXT and "no-utf8" not in FAULTS:
            judged(payload, True)
        self.echo(opcode, payload)

    def echo(self, opcode, payload):
        if "loses-125" in FAULTS and len(payload) == 125:
            return
        if "swaps" in FAULTS:
            opcode = TEXT + BINARY - opcode
        if "alters" in FAULTS and payload:
            payload = payload[:-1] + bytes((payload[-1] ^ 1,))
        rsv = 0
        if self.pack:
            rsv, payload = 4, self.pack.pack(payload)
        self.send(Frame(opcode, payload, rsv=rsv))
        if "chatty" in FAULTS:
            self.send(Frame(opcode, b"", rsv=0))


def judged(octets, whole):
    """Raises 1007 for octets that are no beginning of UTF-8 (or not `whole`). Gives those of a character begun."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(octets, whole)
    except UnicodeDecodeError:
        raise Violation(1007, "UTF-8") from None
    rest = decoder.getstate()[0]
    if rest:
        check_start(rest)
    return rest


def check_start(rest):
    """Python's decoder waits for the third octet of what its second already shows to be wrong."""
    if len(rest) > 1 and not any(valid(rest + tail) for tail in (b"\x80", b"\x80\x80", b"\xbf", b"\xbf\xbf")):
        raise Violation(1007, "UTF-8")


def valid(octets):
    try:
        octets.decode()
        return True
    except UnicodeDecodeError:
        return False


def live(sock, is_client, agreed, rest):
    try:
        Peer(sock, is_client, agreed, rest).live()
    except OSError:
        pass
    sock.close()


def answer(offered):
    """What a server agrees to: the first good offer, with what it asks of the server."""
    for name, offer in offered:
        try:
            deflate.checked(offer, False)
        except Violation:
            continue
        if name == deflate.NAME and "no-deflate" not in FAULTS:
            return {key: value for key, value in offer.items() if key in (deflate.SERVER_NO, deflate.SERVER_BITS,
                                                                          deflate.CLIENT_NO)}
    return None


def serve(sock):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        agreed, rest = handshake.as_server(sock, None, time.monotonic() + 10, answer)
    except (Violation, OSError, ValueError):
        sock.close()
        return
    sock.settimeout(None)
    live(sock, False, agreed, rest)


def main():
    if len(sys.argv) > 2:
        parts = urlsplit(sys.argv[2])
        sock = socket.create_connection((parts.hostname, parts.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        offers = [] if "no-deflate" in FAULTS else [{deflate.CLIENT_BITS: None}]
        agreed, rest = handshake.as_client(sock, sys.argv[2], offers, time.monotonic() + 10)
        sock.settimeout(None)
        live(sock, True, agreed, rest)
        return
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock,), daemon=True).start()


main()
