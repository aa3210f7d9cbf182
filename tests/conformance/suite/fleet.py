# SPDX-License-Identifier: MIT
"""The peers that the suite is run against here: Duet's examples, and programs that nobody here wrote."""
import contextlib
import os
import pathlib
import re
import socket
import subprocess
import time
from typing import NamedTuple

HERE = pathlib.Path(__file__).resolve().parents[1]
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "conformance"
EXAMPLES = pathlib.Path(os.environ.get("DUET_BUILD", ROOT / "build" / "release")) / "examples"


class Peer(NamedTuple):
    key: str
    name: str
    server: list  # {port} in it is a free port; without one it prints the port it took
    client: list
    whole: bool = True  # all sizes of groups 12 and 13, or three


def duet(key, name, option):
    return Peer(key, name, [str(EXAMPLES / "echo"), option, "ws://127.0.0.1:{port}"],
                [str(EXAMPLES / "echo-client"), option, "{url}"])


def script(name):
    return str(HERE / "peers" / name)


OURS = [duet("duet", "Duet", "--deflate"), duet("duet-kept", "Duet, windows kept", "--keep-window")]
OTHERS = [
    Peer("ws", "ws {ws}", ["node", script("ws_server.mjs")], ["node", script("ws_client.mjs"), "{url}"]),
    Peer("websockets", "websockets {python3-websockets}", [script("websockets_server.py")],
         [script("websockets_client.py"), "{url}"]),
    Peer("libwebsockets", "libwebsockets {libwebsockets-dev}", [str(BUILD / "lws")], [str(BUILD / "lws"), "{url}"],
         whole=False),
]


def version(package):
    """Of a Debian package or of ws, as its makers number it."""
    if package == "ws":
        text = (ROOT / "tests/e2e/node_modules/ws/package.json").read_text()
        return re.search(r'"version": "([^"]+)"', text)[1]
    said = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, check=True)
    return said.stdout.rpartition("-")[0] or said.stdout


def named(peer):
    return re.sub(r"\{([^}]+)\}", lambda m: version(m[1]), peer.name)


def build():
    """The peer that is a C program."""
    BUILD.mkdir(parents=True, exist_ok=True)
    subprocess.run(["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", script("lws.c"), "-o", str(BUILD / "lws"),
                    "-lwebsockets"], check=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def serving(command):
    """Starts a server, gives its URL once it takes connections, and ends it."""
    chosen = any("{port}" in word for word in command)
    port = free_port() if chosen else None
    words = [word.replace("{port}", str(port)) for word in command]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL if chosen else subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
    try:
        if not chosen:
            port = int(server.stdout.readline() or 0)
        wait_for(server, port)
        yield f"{'wss' if any(word.startswith('wss:') for word in words) else 'ws'}://127.0.0.1:{port}/"
    finally:
        server.kill()
        server.wait()


def wait_for(server, port):
    while server.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 5).close()
            return
        time.sleep(0.02)
    raise RuntimeError(f"the server ended with {server.returncode}")


def run(peer, role, *arguments):
    """The suite against this peer in this role; what it prints goes where ours goes. Gives the exit code."""
    if role == "client":
        return subprocess.run([HERE / "run", "--server", *arguments, "--", *peer.client], check=False).returncode
    with serving(peer.server) as url:
        return subprocess.run([HERE / "run", "--client", url, *arguments], check=False).returncode
