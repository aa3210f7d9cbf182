#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`duet serve` when the machine runs out: of descriptors, of memory, of disk; and when clocks jump, processes stand still
and networks drop everything. What the machine does not allow is skipped, with the reason."""
import asyncio
import contextlib
import email.utils
import glob
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

import websockets

from common import PATIENCE, Server, Skip, claim, failed, until

REQUEST = (b"GET /channel/%s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


def need(done, why):
    if not done:
        raise Skip(why)


def ran(*command):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def dial(server, channel=None):
    """A plain socket; with a channel: an open WebSocket that is a member of it."""
    s = socket.create_connection((server.host, server.port), timeout=PATIENCE)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if channel is not None:
        s.sendall(REQUEST % channel.encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = s.recv(1)
            assert byte, f"no answer but {head!r}"
            head += byte
        assert head.startswith(b"HTTP/1.1 101 "), head
    return s


def send(s, first, payload):
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else \
        bytes([0xfe]) + size.to_bytes(2) if size < 65536 else bytes([0xff]) + size.to_bytes(8)
    s.sendall(bytes([first]) + length + bytes(4) + payload)


def receive(s):
    """One short frame: its first byte and payload. A ping is answered and passed over."""
    def exactly(n):
        data = b""
        while len(data) < n:
            more = s.recv(n - len(data))
            assert more, "the connection has ended"
            data += more
        return data
    while True:
        first, size = exactly(2)
        payload = exactly(size)
        if first != 0x89:
            return first, payload
        send(s, 0x8a, payload)


def echoed(sockets, text):
    """Each is alone in a channel and gets back what it says."""
    for s in sockets:
        send(s, 0x81, text)
        answer = receive(s)
        assert answer == (0x81, text), answer


def data_kb(server):
    """What it could touch, in KiB."""
    text = pathlib.Path(f"/proc/{server.pid}/status").read_text()
    return int(re.search(r"VmData:\s+(\d+) kB", text).group(1))


def close_all(sockets):
    for s in sockets:
        s.close()


# Descriptors.

def descriptors():
    seconds = 5
    with Server(nofile=4096) as server:
        old = [dial(server, f"old-{i}") for i in range(50)]
        until(lambda: server.count("duet_connections") == 51, "the question for it is gone")
        full = max(int(fd) for fd in os.listdir(f"/proc/{server.pid}/fd")) + 1
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (full, 4096))
        filler = [dial(server) for _ in range(8)]  # into the numbers that are free in between
        newcomers = [dial(server) for _ in range(200)]  # accepted by the kernel, and by nobody else
        ticks, began = server.ticks(), time.monotonic()
        while time.monotonic() - began < seconds:
            echoed(old, b"still here")
            time.sleep(0.2)
        used = (server.ticks() - ticks) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - began)
        assert used < 0.05, f"{used:.1%} of a CPU"
        said = server.log().count('"reason":"fds"')
        assert 1 <= said <= time.monotonic() - began + 2, f"the log says it {said} times"
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (4096, 4096))
        late = [dial(server, "late") for _ in range(20)]
        echoed(old, b"and still")
        until(lambda: server.count("duet_websockets") == 70, "old and new are in")
        close_all(filler + newcomers + old + late)
        until(lambda: server.count("duet_connections") == 1, "all are let go")


def connections_most():
    """From the limit of descriptors, so that files and others have theirs."""
    with Server(nofile=256) as server:
        most = 256 - 64
        inside = []
        for _ in range(most - 1):
            inside.append(dial(server))
        until(lambda: server.count("duet_connections") == most, "there is room for one question more")
        inside.append(dial(server))
        outside = dial(server)
        answer = outside.recv(1000)
        assert answer.startswith(b"HTTP/1.1 503 ") and b"Retry-After:" in answer, answer
        inside.pop().close()
        until(lambda: server.get("/health")[0] == 200, "there is room again")
        close_all(inside + [outside])


# Memory.

@contextlib.contextmanager
def cgroup(mib):
    """A memory cgroup of ours, of either version. Gives what goes before a command, and the count of what was killed."""
    v2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
    folder = pathlib.Path("/sys/fs/cgroup" if v2 else "/sys/fs/cgroup/memory", f"duet-test-{os.getpid()}")
    try:
        folder.mkdir()
        (folder / ("memory.max" if v2 else "memory.limit_in_bytes")).write_text(str(mib << 20))
    except OSError as error:
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise Skip(f"no memory cgroup: {error}")

    def killed():
        text = (folder / ("memory.events" if v2 else "memory.oom_control")).read_text()
        return int(re.search(r"^oom_kill (\d+)", text, re.M).group(1))
    try:
        yield ("/bin/sh", "-c", f'echo $$ >{folder}/cgroup.procs && exec "$0" "$@"'), killed
    finally:
        until(lambda: ran("rmdir", str(folder)), "the cgroup is empty")


def refused(server):
    with dial(server) as s, contextlib.suppress(OSError):
        s.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return s.recv(1000).startswith(b"HTTP/1.1 503 ")
    return False


def memory():
    """Peers fill a container's memory with messages that they do not end, as fast as this machine can."""
    mib = 96
    with cgroup(mib) as (before, killed), Server(before=before) as server:
        sockets = [dial(server, f"m{i}") for i in range(4 * mib // 3)]
        for s in sockets:
            with contextlib.suppress(OSError):
                send(s, 0x02, bytes(1000 << 10))
        until(lambda: refused(server), "newcomers are refused")
        assert killed() == 0, "the kernel killed it"
        close_all(sockets)
        until(lambda: not refused(server), "there is room again")
        assert server.reason("no_memory") > 0
        with dial(server, "after") as s:
            echoed([s], b"as before")
        assert killed() == 0, "the kernel killed it"


def address_space():
    """Without a budget: allocations fail for good. Who asks for too much is let go, the others go on."""
    with Server() as server:
        old = [dial(server, f"a{i}") for i in range(20)]
        size = int(re.search(r"VmSize:\s+(\d+) kB", pathlib.Path(f"/proc/{server.pid}/status").read_text()).group(1))
        resource.prlimit(server.pid, resource.RLIMIT_AS, ((size << 10) + (16 << 20), -1))
        # An arena of the allocator is 64 MiB that were set aside before.
        greedy = [dial(server, f"g{i}") for i in range(200)]
        for s in greedy:
            with contextlib.suppress(OSError):
                send(s, 0x02, bytes(1000 << 10))
        until(lambda: server.reason("no_memory") > 0, "some are let go")
        resource.prlimit(server.pid, resource.RLIMIT_AS, (-1, -1))
        close_all(greedy)
        echoed(old, b"still here")
        with dial(server, "after") as s:
            echoed([s], b"as before")
        close_all(old)


# The disk.

def disk_full():
    """The log's file system fills up; it goes on, and so does the log when there is room again."""
    with tempfile.TemporaryDirectory() as folder:
        need(ran("mount", "-t", "tmpfs", "-o", "size=64k", "none", folder), "no file system can be mounted here")
        try:
            log, ballast = pathlib.Path(folder, "log"), pathlib.Path(folder, "ballast")
            with open(log, "ab", buffering=0) as to, Server(stderr=to) as server:
                with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as b:
                    while b.write(bytes(1024)):
                        pass
                def dropped():
                    server.process.send_signal(signal.SIGHUP)  # each is a line
                    return server.count("duet_log_dropped_total") > 0
                until(dropped, "lines are dropped, and counted")
                with dial(server, "full") as s:
                    echoed([s], b"still here")
                ballast.unlink()
                def goes_on():
                    server.process.send_signal(signal.SIGHUP)
                    return "config_reloaded" in "".join(log.read_text().splitlines()[-1:])  # none may have fitted yet
                until(goes_on, "the log goes on")
            torn = [line for line in log.read_text().splitlines() if line.count('{"time"') > 1]
            assert not torn, f"a line behind the rest of another: {torn}"
        finally:
            ran("umount", folder)


def nobody_reads_the_log():
    """Its reader is gone: a write is EPIPE, and no signal ends the server."""
    out, to = os.pipe()
    with Server(stderr=to) as server:
        os.close(to)
        os.close(out)
        for _ in range(100):
            server.process.send_signal(signal.SIGHUP)
            time.sleep(0.001)
        until(lambda: server.count("duet_log_dropped_total") > 0, "lines are dropped, and counted")
        with dial(server, "log") as s:
            echoed([s], b"still here")


# Clocks.

def date_of(server):
    with dial(server) as s:
        s.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head = b""
        while more := s.recv(4096):
            head += more
    found = re.search(rb"\r\nDate: ([^\r]+)\r\n", head)
    assert found, head
    return email.utils.parsedate_to_datetime(found.group(1).decode()).timestamp()


FAKETIME = "/usr/lib/*/faketime/libfaketimeMT.so.1"


def wall_clock():
    """The wall clock jumps by a day, to and fro. It shows in the Date field, and nobody is pinged, closed or forgotten."""
    library = next(iter(glob.glob(FAKETIME)), None)
    need(library, "no libfaketime")
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "time")
        file.write_text("+0")
        environ = {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1",
                   "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_RESET": "1"}
        with Server(environ=environ) as server:
            old = [dial(server, f"t{i}") for i in range(50)]
            half_open = dial(server)
            half_open.sendall(b"GET / HTTP/1.1\r\nHost: local")
            for jump in ("+1d", "-1d", "+400d", "+0"):
                file.write_text(jump)
                wanted = time.time() + 86400 * int(jump.rstrip("d"))
                until(lambda: abs(date_of(server) - wanted) < 3600, f"the jump of {jump} is seen")
                echoed(old, jump.encode())
            half_open.sendall(b"host\r\n\r\n")
            assert half_open.recv(12) == b"HTTP/1.1 200"
            assert server.count("duet_websockets") == 50
            assert sum(server.reason(r) for r in ("pong_timeout", "open_timeout", "slow")) == 0
            close_all(old + [half_open])


def uptime():
    """A machine that is up for a hundred years: no deadline is in the past or far away."""
    before = ("unshare", "--time", "--fork", "--kill-child=TERM", "--monotonic", "3000000000", "--boottime", "3000000000")
    need(ran(*before, "true"), "no namespace for time may be made here")
    with Server(before=before, ends=None) as server:
        with dial(server, "up") as s:
            echoed([s], b"hello")
        with dial(server) as s:
            s.sendall(b"GET ")
            until(lambda: server.reason("open_timeout") == 1, "a head has its deadline there, too")


# Processes that stand still.

def stopped_client():
    """A member of a channel is stopped: it alone is closed, and the others have everything."""
    script = ("import sys; sys.path.insert(0, sys.argv[1]); from types import SimpleNamespace as N; "
              "from resources import *; s = dial(N(host='127.0.0.1', port=int(sys.argv[2])), 'stop'); "
              "print('open', flush=True); "
              "[None for _ in iter(lambda: s.recv(65536), b'')]")
    with Server() as server:
        client = subprocess.Popen([sys.executable, "-c", script, os.path.dirname(os.path.abspath(__file__)),
                                   str(server.port)], stdout=subprocess.PIPE)
        try:
            client.stdout.readline()
            client.send_signal(signal.SIGSTOP)
            with dial(server, "stop") as s, dial(server, "stop") as other:
                size, count = 60000, 0
                while server.reason("slow") == 0:
                    assert count < 1000, "60 MB wait for somebody who is stopped"
                    payload = count.to_bytes(4) + bytes(size - 4)
                    send(s, 0x82, payload)
                    for reader in (s, other):
                        data = b""
                        while len(data) < size + 4:
                            data += reader.recv(size + 4 - len(data))
                        assert data[4:] == payload
                    count += 1
                assert server.count("duet_websockets") == 2
        finally:
            client.kill()
            client.wait()
            client.stdout.close()


async def stopped_server(seconds):
    """TIM-3: the server stands still, as with a suspend; whoever answers its pings afterwards stays."""
    number = 1000
    with Server(nofile=4096) as server:
        sockets = []
        for i in range(0, number, 100):
            sockets += await asyncio.gather(*(websockets.connect(server.channel + f"s{k}", ping_interval=None)
                                              for k in range(i, i + 100)))
        server.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        server.process.send_signal(signal.SIGCONT)

        async def echo(ws):
            await ws.send("hello")
            return await ws.recv() == "hello"
        results = await asyncio.gather(*(echo(ws) for ws in sockets), return_exceptions=True)
        left = sum(result is True for result in results)
        assert left == number, f"{left} of {number} are left: {[r for r in results if r is not True][:3]}"
        await asyncio.sleep(11 if seconds > 25 else 0)  # as long as a pong may take
        assert await asyncio.to_thread(server.count, "duet_websockets") == number
        await asyncio.gather(*(ws.close() for ws in sockets))


# The network.

def vanished():
    """Members in a network of their own, which from one moment on drops everything both ways."""
    name, number = f"duet{os.getpid()}", 200
    net = f"10.213.{os.getpid() % 250}."
    need(ran("ip", "netns", "add", name), "no network namespace may be made here")
    try:
        inside = ("ip", "netns", "exec", name)
        ours = f"d{os.getpid()}"
        steps = (("ip", "link", "add", ours, "type", "veth", "peer", "name", "eth0", "netns", name),
                 ("ip", "addr", "add", net + "1/24", "dev", ours), ("ip", "link", "set", ours, "up"),
                 (*inside, "ip", "addr", "add", net + "2/24", "dev", "eth0"),
                 (*inside, "ip", "link", "set", "eth0", "up"), (*inside, "nft", "add", "table", "inet", "t"),
                 (*inside, "nft", "add chain inet t in { type filter hook input priority 0; }"),
                 (*inside, "nft", "add chain inet t out { type filter hook output priority 0; }"))
        for step in steps:
            need(ran(*step), f"`{' '.join(step)}` is not possible here")
        script = ("import sys; sys.path.insert(0, sys.argv[1]); from types import SimpleNamespace as N; "
                  "from resources import *; "
                  f"s = [dial(N(host=sys.argv[2], port=int(sys.argv[3])), 'n') for _ in range({number})]; "
                  "print('open', flush=True); time.sleep(600)")
        with Server(host=net + "1", admin=True) as server:
            memory = data_kb(server)
            clients = subprocess.Popen([*inside, sys.executable, "-c", script,
                                        os.path.dirname(os.path.abspath(__file__)), server.host, str(server.port)],
                                       stdout=subprocess.PIPE)
            try:
                clients.stdout.readline()
                with dial(server, "n") as local:
                    assert server.count("duet_subscriptions") == number + 1
                    need(ran(*inside, "nft", "add rule inet t in drop") and
                         ran(*inside, "nft", "add rule inet t out drop"), "nft drops nothing")
                    files = len(os.listdir(f"/proc/{server.pid}/fd"))
                    # Half of them with data under way, which nobody acknowledges.
                    send(local, 0x81, b"to nobody")
                    assert receive(local) == (0x81, b"to nobody")
                    def alone():
                        send(local, 0x8a, b"")  # as whoever answers pings
                        return server.count("duet_websockets") == 1
                    until(alone, "the others are found gone")
                    until(lambda: len(os.listdir(f"/proc/{server.pid}/fd")) <= files - number, "descriptors are free")
                    assert data_kb(server) - memory < 1024, f"{data_kb(server) - memory} KiB stay"
            finally:
                clients.kill()
                clients.wait()
                clients.stdout.close()
    finally:
        ran("ip", "link", "del", f"d{os.getpid()}")
        ran("ip", "netns", "del", name)


def main():
    long = "--long" in sys.argv
    claim("NET-1: without descriptors the old ones go on, at no cost, and newcomers get in when there is room",
          descriptors)
    claim("more connections than descriptors allow get 503", connections_most)
    claim("MEM-7, MSG-3: in a memory cgroup newcomers get 503, nobody is killed, and there is room again", memory)
    claim("MEM-1: allocations that fail for good end only those who ask for much", address_space)
    claim("OPS-5: a full disk below the log stops nothing, and it goes on afterwards", disk_full)
    claim("OPS-5: a log that nobody reads any more stops nothing", nobody_reads_the_log)
    claim("TIM-3: the wall clock jumps, and nobody is closed", wall_clock)
    claim("TIM-3: deadlines hold on a machine that is up for a century", uptime)
    claim("MEM-2: a client that is stopped is closed alone", stopped_client)
    claim("TIM-3: a server that stood still loses nobody", stopped_server, 60 if long else 2)
    claim("NET-7: a network that drops everything: its members are found gone", vanished)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
