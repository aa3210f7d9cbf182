# SPDX-License-Identifier: MIT
"""Who is measured: how each is built and started, and where its version is from. Compilers, npm's modules and versions
are those of tests/interop."""
import os
import pathlib
import re
import shutil
import subprocess
from typing import NamedTuple

import fleet

ROOT = fleet.ROOT
PROGRAMS = pathlib.Path(__file__).resolve().parent / "programs"
BUILD = ROOT / "build" / "bench"
NCHAN = pathlib.Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
# npm's ws is where the interoperability matrix or the end-to-end tests have it.
MODULES = next((folder for folder in (fleet.HERE, ROOT / "tests" / "e2e") if (folder / "node_modules" / "ws").exists()),
               fleet.HERE)


class Server(NamedTuple):
    key: str
    name: str
    package: str            # Debian's or npm's, for its version; empty: ours
    command: list           # PORT, MODE and FOLDER (a new one) are put in
    recipe: list = []       # the compiler's command, for fleet.compile_to
    modes: tuple = ("echo", "fan")
    deflate: list = None    # words for permessage-deflate; None: it has none
    subscribe: str = "/"
    publish: str = "/"
    needs: str = ""         # a program or file without which it cannot be
    settings: str = ""


def ours(program):
    return str(fleet.DUET / program)


def source(name):
    return str(PROGRAMS / name)


def compiled(key, name, package, recipe, **more):
    return Server(key, name, package, [str(BUILD / key), "MODE", "PORT"], recipe, **more)


SERVERS = [
    Server("floor", "the floor", "", [ours("bench_floor"), "MODE", "PORT"],
           settings="`bench/floor.c`: what the kernel takes, and as little as can be beside it. It checks nothing."),
    Server("duet", "libduet", "", [ours("examples/MODE"), "ws://127.0.0.1:PORT"], deflate=["--deflate"],
           settings="`examples/echo.c` and `examples/broadcast.c`, one thread."),
    Server("serve", "duet serve", "", [ours("duet"), "serve", "--listen", "http://127.0.0.1:PORT"], modes=("fan",),
           subscribe="/channel/bench", publish="/channel/bench",
           settings="As it is started without options: `/channel/NAME`, with its history."),
    Server("ws", "ws (Node)", "npm:ws", ["node", source("ws.mjs"), "MODE", "PORT"], deflate=[], needs="node",
           settings="With its native module for masks (bufferutil), as npm brings it."),
    compiled("gorilla", "gorilla/websocket (Go)", "golang-github-gorilla-websocket-dev", ["go", source("gorilla.go")],
             deflate=[], settings="`GOMAXPROCS=1`. A message to all is prepared once (`PreparedMessage`) and written to "
             "one after the other by who received it, which is less work than a channel for each."),
    compiled("nhooyr", "nhooyr.io/websocket (Go)", "golang-nhooyr-websocket-dev", ["go", source("nhooyr.go")],
             deflate=[], settings="`GOMAXPROCS=1`. Writes to all as gorilla; it cannot prepare a message."),
    compiled("beast", "Boost.Beast (C++)", "libboost1.74-dev",
             ["g++", source("beast.cpp"), "-std=c++17", "-pthread"], deflate=[],
             settings="Asynchronous, one thread, `auto_fragment(false)`, or 16 KiB would go out as four frames."),
    compiled("websocketpp", "WebSocket++ (C++)", "libwebsocketpp-dev",
             ["g++", source("websocketpp.cpp"), "-std=c++14", "-w", "-pthread"],
             settings="On Asio, one thread, its logs off."),
    compiled("lws", "libwebsockets (C)", "libwebsockets-dev", ["gcc", source("lws.c"), "-lwebsockets"], deflate=[],
             settings="One thread; UTF-8 is validated, as most others do by themselves."),
    Server("websockets", "websockets (Python)", "python3-websockets",
           ["/usr/bin/python3", "-P", source("websockets.py"), "MODE", "PORT"], deflate=[], needs="/usr/bin/python3",
           settings="On asyncio, with its own C for masks; `websockets.broadcast()`."),
    Server("nchan", "nginx with nchan", "libnginx-mod-nchan",
           ["/usr/sbin/nginx", "-p", "FOLDER", "-c", "FOLDER/nchan.conf"], modes=("fan",), needs=str(NCHAN),
           subscribe="/sub", publish="/pub",
           settings="One worker; its buffer of 10 messages as it comes. Published by its WebSocket publisher, so that "
           "`duet bench` can compare every byte."),
]


def named(keys):
    """Those asked for, and always the floor and Duet."""
    unknown = set(keys) - {server.key for server in SERVERS}
    if unknown:
        raise SystemExit(f"run: no peer is called {' or '.join(sorted(unknown))}; there are "
                         + ", ".join(server.key for server in SERVERS))
    return [s for s in SERVERS if not keys or s.key in keys or s.key in ("floor", "duet")]


def can(server, load):
    return load.mode in server.modes and (not load.deflate or server.deflate is not None)


def missing(server):
    """What is not installed, or nothing."""
    if server.package.startswith("npm:") and not (MODULES / "node_modules" / server.package[4:]).exists():
        return f"npm's {server.package[4:]}"
    if server.package and not server.package.startswith("npm:") and not installed(server.package):
        return f"the package {server.package}"
    needs = server.needs or (server.recipe[0] if server.recipe else "")
    if needs and not shutil.which(needs) and not pathlib.Path(needs).exists():
        return needs
    return ""


def installed(package):
    said = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package], capture_output=True, text=True)
    return said.stdout == "installed"


def build(servers):
    """The peers. Ours must be there."""
    for server in servers:
        program = pathlib.Path(server.command[0].replace("MODE", "echo"))
        if not server.package and not program.exists():
            raise SystemExit(f"run: {program} is not built; `make bench-peers` does that")
    BUILD.mkdir(parents=True, exist_ok=True)
    for server in servers:
        if server.recipe:
            fleet.compile_to(server.key, server.recipe, BUILD)


def version(server):
    return fleet.version(server.package, MODULES) if server.package else ""


def command(server, load, port, folder):
    """To start it with for this load; `folder` is its own for the time."""
    if server.key == "nchan":
        conf = (PROGRAMS / "nchan.conf").read_text()
        pathlib.Path(folder, "nchan.conf").write_text(re.sub(r"\bPORT\b", str(port), conf))
    mode = {"fan": "broadcast"}.get(load.mode, load.mode) if server.key == "duet" else load.mode
    put = {"PORT": str(port), "MODE": mode, "FOLDER": folder}
    words = [re.sub("PORT|MODE|FOLDER", lambda found: put[found[0]], word) for word in server.command]
    return words[:1] + ((server.deflate or []) if load.deflate else []) + words[1:]


def environment(load):
    """A runtime with threads of its own is held to one core, as taskset would have it anyway."""
    env = {**os.environ, "GOMAXPROCS": "1", "BENCH_MODULES": str(MODULES)}
    return {**env, "BENCH_DEFLATE": "1"} if load.deflate else env
