#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Sockets that somebody else opened (OPS-3): `duet serve` takes them as systemd passes them, tells how it is as systemd
asks, and while it is started anew, again and again, no connection is refused. systemd-socket-activate is the peer that
nobody here wrote.
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from tools.local import BUILD, free_port

DUET = str(BUILD / "duet")
PATIENCE = 60
RESTARTS = 6
UPGRADE = (b"GET /channel/a HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
failed = 0


def verdict(claim, good, *trouble):
    global failed
    for line in str(trouble).splitlines() if not good else ():
        print("#", line)
    print("ok -" if good else "not ok -", claim, flush=True)
    failed += not good


def listening(family=socket.AF_INET, at=("127.0.0.1", 0), kind=socket.SOCK_STREAM):
    s = socket.socket(family, kind)
    s.bind(at)
    if kind == socket.SOCK_STREAM:
        s.listen(200)
    return s


class Server:
    """duet serve with these sockets from descriptor 3 on, as a service manager would start it."""

    def __init__(self, sockets, *arguments, names=None, count=None, notify=None):
        # By way of high numbers: a source may be where another's target is.
        high = [os.dup2(s.fileno(), 100 + i) for i, s in enumerate(sockets)]
        moves = " ".join(f"{3 + i}<&{fd} {fd}<&-" for i, fd in enumerate(high)) or "3<&-"
        environment = dict(os.environ, LISTEN_FDS=str(len(sockets) if count is None else count))
        if names:
            environment["LISTEN_FDNAMES"] = names
        if notify:
            environment["NOTIFY_SOCKET"] = notify
        script = f'exec {moves}; export LISTEN_PID=$$; exec "$0" "$@"'
        self.said = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(["bash", "-c", script, DUET, "serve", "--log", "json", *arguments],
                                        stdin=subprocess.DEVNULL, stdout=self.said, stderr=self.said, env=environment,
                                        pass_fds=high)
        for fd in high:
            os.close(fd)

    def log(self):
        self.said.flush()
        with open(f"/proc/self/fd/{self.said.fileno()}") as again:
            return again.read()

    def listens(self):
        """What it says it listens on."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            found = re.search(r'"listening","detail":"([^"]*)"', self.log())
            if found:
                return found[1]
            time.sleep(0.01)
        return f"nothing: {self.log()}"

    def ends(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def health(address, family=socket.AF_INET):
    with socket.socket(family) as s:
        s.settimeout(PATIENCE)
        s.connect(address)
        s.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := s.recv(4096):
            answer += piece
    return answer.partition(b"\r\n")[0]


def taken_over(folder):
    tcp, local = listening(), listening(socket.AF_UNIX, f"{folder}/s")
    port = tcp.getsockname()[1]
    server = Server([tcp, local])
    said = server.listens()
    verdict("without a --listen all that was passed is listened on", said == f"fd:3 (port {port}), fd:4", said)
    answers = health(tcp.getsockname()), health(f"{folder}/s", socket.AF_UNIX)
    verdict("and serves", answers == (b"HTTP/1.1 200 OK",) * 2, answers)
    environment = open(f"/proc/{server.process.pid}/environ", "rb").read()
    verdict("it ends by SIGTERM", b"LISTEN_FDS=2" in environment and server.ends() == 0, server.log())
    server = Server([tcp, local], "--listen", "fd:web", "--listen", "http://127.0.0.1:0", "--admin-listen", "fd:admin",
                    "--threads", "2", names="web:admin")
    said = server.listens()
    other = re.fullmatch(rf"fd:3 \(port {port}\), http://127\.0\.0\.1:(\d+)", said)
    verdict("names lead to sockets, beside an address", other, said)
    answers = other and (health(tcp.getsockname()), health(("127.0.0.1", int(other[1]))),
                         health(f"{folder}/s", socket.AF_UNIX))
    verdict("and all of them serve", answers == (b"HTTP/1.1 200 OK",) * 3, answers)
    server.ends()
    api = listening()
    server = Server([tcp, local, api], "--listen", "fd:web", "--admin-listen", "fd:admin", "--api-listen", "fd:api",
                    "--api-key-file", key_file(folder), names="web:admin:api")
    server.listens()
    answers = {at: published(at) for at in (tcp.getsockname()[1], api.getsockname()[1])}
    verdict("the API has one of its own", list(answers.values()) == [b"405", b"200"], answers, server.log())
    server.ends()
    api.close()
    tcp.close()
    local.close()


def key_file(folder):
    with open(f"{folder}/api-key", "w") as file:
        file.write("0123456789abcdef")
    return file.name


def published(port):
    """The status that the API answers there."""
    return subprocess.run(["curl", "-s", "--max-time", "10", "-o", os.devnull, "-w", "%{http_code}",
                           "-H", "X-API-Key: 0123456789abcdef", "-d", "{}", f"http://127.0.0.1:{port}/api/info"],
                          capture_output=True).stdout


def secure(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-keyout", f"{folder}/key", "-out", f"{folder}/cert", "-subj", "/CN=localhost"],
                   check=True, capture_output=True)
    tcp = listening()
    server = Server([tcp], "--listen", "fd+tls:web", "--tls-cert", f"{folder}/cert", "--tls-key", f"{folder}/key",
                    names="web")
    server.listens()
    answer = subprocess.run(["curl", "-sk", f"https://127.0.0.1:{tcp.getsockname()[1]}/health"], capture_output=True)
    verdict("fd+tls: is with TLS", answer.stdout.strip() == b"ok", answer, server.log())
    server.ends()
    tcp.close()


def refused(folder):
    tcp, datagrams = listening(), listening(kind=socket.SOCK_DGRAM)

    def refuses(claim, pattern, sockets, *arguments, **more):
        server = Server(sockets, *arguments, **more)
        try:
            code = server.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            code = server.ends(signal.SIGKILL)
        log = server.log()
        verdict(claim, code == 2 and log.count("\n") == 1 and re.search(pattern, log), code, log)

    refuses("a descriptor that is not there is refused", "descriptor 4 is not open", [tcp], count=2)
    refuses("a number that is none is refused", "LISTEN_FDS=many", [tcp], count="many")
    refuses("a socket of datagrams is refused", "descriptor 3 is no stream socket", [datagrams])
    refuses("a connected one is refused", "descriptor 3 does not listen", [socket.socketpair()[0]])
    refuses("a name that is not there is refused", "fd:web.*no socket of that name.*other", [tcp], "--listen", "fd:web",
            names="other")
    refuses("a name where nothing was passed is refused", "fd:web.*no socket was passed", [], "--listen", "fd:web")
    refuses("so it is for the API, by its option",
            '^duet serve: --api-listen: "fd:api": no socket of that name was passed, but: other; FileDescriptorName= ',
            [tcp], "--api-listen", "fd:api", "--api-key-file", key_file(folder), names="other")
    refuses("and one socket for two servers", "--api-listen: descriptor 3 .a. is named twice", [tcp], "--admin-listen",
            "fd:a", "--api-listen", "fd:a", "--api-key-file", key_file(folder), names="a")
    refuses("a socket that nobody serves is refused", r"descriptor 4 \(b\).*nothing listens", [tcp, tcp], "--listen",
            "fd:a", names="a:b")
    tcp.close()
    datagrams.close()


def told(folder):
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(f"{folder}/notify")
    manager.settimeout(PATIENCE)
    tcp = listening()
    server = Server([tcp], notify=f"{folder}/notify")

    def hears(claim, pattern):
        try:
            state = manager.recv(4096).decode()
        except socket.timeout:
            state = "nothing"
        verdict(claim, re.fullmatch(pattern, state), state, server.log())

    hears("it tells when it serves, and where", rf"READY=1\nSTATUS=Serving fd:3 \(port {tcp.getsockname()[1]}\)")
    server.process.send_signal(signal.SIGHUP)
    hears("it tells that it reloads", r"RELOADING=1\nMONOTONIC_USEC=\d+")
    hears("and that it has", "READY=1")
    server.process.send_signal(signal.SIGTERM)
    hears("it tells that it stops, and how long that may take",
          r"STOPPING=1\nSTATUS=Draining\nEXTEND_TIMEOUT_USEC=40000000")
    verdict("and stops", server.process.wait(PATIENCE) == 0, server.log())
    manager.close()
    server = Server([tcp], notify=f"{folder}/notify")
    server.listens()
    server.ends()
    verdict("a manager that does not listen is a line in the log", "notify_failed" in server.log(), server.log())
    tcp.close()


class Visitor(threading.Thread):
    """Connects again and again; what became of each attempt."""

    def __init__(self, address):
        super().__init__()
        self.address, self.over, self.ends = address, False, {}

    def visit(self):
        with socket.socket() as s:
            s.settimeout(PATIENCE)
            try:
                s.connect(self.address)
                s.sendall(UPGRADE)
                answer = s.recv(4096)
            except OSError as error:
                return type(error).__name__
        return answer[9:12].decode() if answer else "closed without an answer"

    def run(self):
        while not self.over:
            end = self.visit()
            self.ends[end] = self.ends.get(end, 0) + 1


def restarts():
    tcp = listening()
    server = Server([tcp], "--threads", "2")
    server.listens()
    visitors = [Visitor(tcp.getsockname()) for _ in range(4)]
    for v in visitors:
        v.start()
    codes = []
    for _ in range(RESTARTS):
        time.sleep(0.1)
        codes.append(server.ends())
        server = Server([tcp], "--threads", "2")
        server.listens()
    time.sleep(0.1)
    for v in visitors:
        v.over = True
    for v in visitors:
        v.join()
    codes.append(server.ends())
    ends = {}
    for v in visitors:
        for end, count in v.ends.items():
            ends[end] = ends.get(end, 0) + count
    print("#", sum(ends.values()), "attempts in", RESTARTS, "restarts:", ends)
    good = codes == [0] * (RESTARTS + 1) and ends.get("101", 0) > 100 and set(ends) <= {"101", "503"}
    verdict("no connection is refused while it is started anew", good, codes, ends)
    tcp.close()


def by_systemd():
    tool = shutil.which("systemd-socket-activate")
    if tool is None:
        print("ok - systemd-socket-activate starts it # SKIP it is not installed")
        return
    ports = free_port(), free_port()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen([tool, "-l", f"127.0.0.1:{ports[0]}", "-l", f"127.0.0.1:{ports[1]}",
                                    "--fdname=web:operators", DUET, "serve", "--listen", "fd:web", "--admin-listen",
                                    "fd:operators", "--log", "json"], stdin=subprocess.DEVNULL, stdout=said,
                                   stderr=said)
        end = time.monotonic() + PATIENCE
        while True:
            said.seek(0)
            if "Listening on" in said.read() or time.monotonic() > end:
                break
            time.sleep(0.01)
        answers = health(("127.0.0.1", ports[0])), health(("127.0.0.1", ports[1]))
        verdict("systemd-socket-activate starts it by a first connection, and that is answered",
                answers == (b"HTTP/1.1 200 OK",) * 2, answers)
        process.terminate()
        code = process.wait(PATIENCE)
        said.seek(0)
        verdict("and it ends in order", code == 0, code, said.read())


with tempfile.TemporaryDirectory() as folder:
    taken_over(folder)
    secure(folder)
    refused(folder)
    told(folder)
    restarts()
    by_systemd()
sys.exit(failed > 0)
