# SPDX-License-Identifier: MIT
"""One turn: a server on one core, the load on another, and what `duet bench` says of it."""
import json
import os
import pathlib
import resource
import socket
import subprocess
import tempfile
import time

import fleet
import loads
import servers

PATIENCE_S = 60
FILES = 20000
CORES = [str(core) for core in sorted(os.sched_getaffinity(0))[:2]]     # the server's, the load's


class Failed(Exception):
    """Why there is no figure."""


def more_files():
    """For us and those we start: a server has 9,000 connections, and so has the load."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES if hard == resource.RLIM_INFINITY else min(FILES, hard), hard))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def make_certificate(folder):
    """Writes `cert` and `key`, of P-256, for 127.0.0.1."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=127.0.0.1", "-keyout", f"{folder}/key", "-out", f"{folder}/cert"],
                   check=True, capture_output=True)


def wait_for(port, process):
    for _ in range(500):
        if process.poll() is not None:
            raise Failed(f"it ended with {process.returncode} at its start")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise Failed("it does not listen")


def compresses(port):
    """Whether it takes an offer of permessage-deflate; what does not, would be measured without."""
    ask = (f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
    with socket.create_connection(("127.0.0.1", port), 5) as s:
        s.sendall(ask.encode())
        head = b""
        while b"\r\n\r\n" not in head:
            piece = s.recv(4096)
            if not piece:
                return False
            head += piece
    return b"permessage-deflate" in head


def processes(pid):
    """It and its children: nginx has a worker."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def end(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def ask(server, load, port, pids, seconds):
    url = f"ws://127.0.0.1:{port}"
    words = loads.arguments(load, seconds)
    for pid in pids:
        words += ["--pid", str(pid)]
    if load.mode == "fan":
        words += ["--publish", url + server.publish]
    words += [url + (server.subscribe if load.mode == "fan" else "/")]
    try:
        run = subprocess.run(["taskset", "-c", CORES[1], str(fleet.DUET / "duet"), "bench", *words], capture_output=True,
                             text=True, timeout=PATIENCE_S + seconds)
    except subprocess.TimeoutExpired:
        raise Failed(f"nothing came of it in {PATIENCE_S} s") from None
    try:
        said = json.loads(run.stdout)
    except ValueError:
        raise Failed(run.stderr.strip().split("\n")[-1]) from None
    if not said["ok"]:
        raise Failed(said["first_error"] or "a message was lost")
    if load.unit != "byte" and said["count"] == 0:
        raise Failed(f"not one {load.unit} in {seconds} s")
    return said


def play(server, load, seconds):
    """What each costs, and how many a second; or Failed."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="duet-bench-") as folder:
        pathlib.Path(folder).chmod(0o755)
        process = subprocess.Popen(["taskset", "-c", CORES[0], *servers.command(server, load, port, folder)],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env=servers.environment(load), cwd=folder)
        try:
            wait_for(port, process)
            if load.deflate and not compresses(port):
                raise Failed("it does not compress")
            time.sleep(0.1)
            return loads.value(load, ask(server, load, port, processes(process.pid), seconds))
        finally:
            end(process)
