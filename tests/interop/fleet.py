# SPDX-License-Identifier: MIT
"""Who is in the matrix: for each the command, the versions' source, what it cannot do, and its known faults."""
import json
import os
import pathlib
import re
import shutil
import subprocess
from typing import NamedTuple

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "interop"
DUET = pathlib.Path(os.environ.get("DUET_BUILD", ROOT / "build" / "release"))
COLUMNS = ("plain", "TLS", "deflate", "TLS, deflate")


class Peer(NamedTuple):
    key: str
    name: str
    package: str            # Debian's or npm's, for its version
    command: list
    roles: tuple = ("server", "client")
    deflate: tuple = ("server", "client")  # the roles that know permessage-deflate
    without: dict = {}      # step or report: why the library cannot
    faults: tuple = ()      # Fault
    proxy: bool = False     # see proxies.py
    tls: bool = True


class Fault(NamedTuple):
    """What the peer does wrong. It must be seen: one that is gone is a miss."""
    roles: str
    columns: str            # a pattern
    line: str               # the beginning of the report's line
    reason: str
    ends: bool = False      # the connection, so that all other misses follow from it


def npm(name):
    return ["node", str(HERE / "peers" / f"{name}.mjs")]


def python(name):
    return ["/usr/bin/python3", "-P", str(HERE / "peers" / f"{name}.py")]


def built(name):
    return [str(BUILD / name)]


def proxy(key, name, package, tls=True):
    return Peer(key, name, package, [], proxy=True, tls=tls)


BROWSERS = "the browsers' interface has none"
WHOLE = "its interface sends whole messages"
NO_VALUE = ("Tornado, as Debian has it, drops parameters without a value (server_no_context_takeover), so that its answer "
            "is not what was offered, and it keeps a window that it may not")
TURNS = ("libwebsockets as a client with permessage-deflate says no more once a frame with content comes that "
         "is not compressed (81 01 61)")
PEERS = [
    Peer("ws", "ws (Node)", "npm:ws", npm("ws")),
    Peer("undici", "undici (Node)", "npm:undici", npm("undici"), roles=("client",),
         without={"their fragments": BROWSERS, "their ping": BROWSERS}),
    Peer("websocket", "websocket (Node)", "npm:websocket", npm("websocket"), deflate=()),
    Peer("faye", "faye-websocket (Node)", "npm:faye-websocket", npm("faye"), deflate=(),
         without={"their fragments": WHOLE}),
    Peer("websockets", "websockets (Python)", "python3-websockets", python("websockets")),
    Peer("aiohttp", "aiohttp (Python)", "python3-aiohttp", python("aiohttp"), without={"their fragments": WHOLE}),
    Peer("tornado", "Tornado (Python)", "python3-tornado", python("tornado"), without={"their fragments": WHOLE},
         faults=(Fault("server", ".*deflate", "connect: the answer has Sec-WebSocket-Extensions", NO_VALUE, True),
                 Fault("client", ".*deflate", "our Close is answered: code 1006, reason \"\", the peer broke", NO_VALUE, True))),
    Peer("autobahn", "Autobahn (Python)", "python3-autobahn", python("autobahn")),
    Peer("gorilla", "gorilla/websocket (Go)", "golang-github-gorilla-websocket-dev", built("gorilla")),
    Peer("nhooyr", "nhooyr.io/websocket (Go)", "golang-nhooyr-websocket-dev", built("nhooyr")),
    Peer("beast", "Boost.Beast (C++)", "libboost1.74-dev", built("beast")),
    Peer("libsoup", "libsoup (C)", "libsoup-3.0-dev", built("libsoup"),
         without={"their fragments": WHOLE, "their ping": "its interface pings by a timer only"}),
    Peer("lws", "libwebsockets (C)", "libwebsockets-dev", built("lws"),
         faults=(Fault("client", ".*deflate", "text of 1 B: nothing came", TURNS, True),)),
    Peer("wslay", "wslay (C)", "libwslay-dev", built("wslay"), deflate=()),
    Peer("chromium", "Chromium", "chromium", [*npm("browser"), "chromium"], roles=("client",),
         without={"their fragments": BROWSERS, "their ping": BROWSERS}),
    Peer("firefox", "Firefox ESR", "firefox-esr", [*npm("browser"), "firefox"], roles=("client",),
         without={"their fragments": BROWSERS, "their ping": BROWSERS}),
    proxy("nginx", "nginx", "nginx"),
    proxy("haproxy", "HAProxy", "haproxy"),
    proxy("apache", "Apache, mod_proxy_wstunnel", "apache2"),
    proxy("varnish", "Varnish", "varnish", tls=False),
    proxy("caddy", "Caddy", "caddy"),
]


NOT_HERE = [
    "nginx, HAProxy, Apache, Varnish, Caddy: of `duet serve` behind them no subprotocol is asked, and neither fragments nor "
    "pings of its own, which it does not send; its drain (1001) closes the second connection. Behind them npm's ws has the "
    "whole of it with the driver.",
    "Varnish: TLS, which it leaves to others.",
    "Firefox, Chromium, undici: no server is theirs.",
    "wslay: it knows no extension; its handshake is written here, and TLS is OpenSSL's.",
]


def version(package, modules=HERE):
    """As its makers number it."""
    if package.startswith("npm:"):
        return json.loads((modules / "node_modules" / package[4:] / "package.json").read_text())["version"]
    said = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, check=True)
    upstream = said.stdout.rpartition("-")[0] or said.stdout
    return re.sub(r"^\d+:|[+~](dfsg|ds|deb).*$|esr$", "", upstream)


def flags(*packages):
    return subprocess.run(["pkg-config", "--cflags", "--libs", *packages], capture_output=True, text=True,
                          check=True).stdout.split()


def compile_to(name, command, folder=BUILD):
    """Unless what was compiled is newer than its source."""
    source = pathlib.Path(command[-1]) if command[0] == "go" else pathlib.Path(command[1])
    out = folder / name
    if out.exists() and out.stat().st_mtime > max(source.stat().st_mtime, (DUET / "libduet.a").stat().st_mtime):
        return
    mode = ["build", "-o", str(out)] if command[0] == "go" else ["-o", str(out), "-O2", "-Wall"]
    env = {**os.environ, "GOPATH": "/usr/share/gocode", "GO111MODULE": "off", "GOCACHE": str(folder / "go"),
           "GOFLAGS": "", "CGO_ENABLED": "0"}
    subprocess.run([command[0], *mode, *command[1:]], check=True, env=env)


def source(name):
    return str(HERE / "peers" / name)


def build(wanted):
    BUILD.mkdir(parents=True, exist_ok=True)
    compile_to("driver", ["gcc", str(HERE / "driver.c"), "-std=gnu11", "-Wextra", f"-I{ROOT / 'include'}",
                          f"-L{DUET}", "-lduet", f"-Wl,-rpath,{DUET}"])
    for key, command in RECIPES.items():
        if key in wanted:
            compile_to(key, command())


RECIPES = {
    "gorilla": lambda: ["go", source("gorilla.go")],
    "nhooyr": lambda: ["go", source("nhooyr.go")],
    "beast": lambda: ["g++", source("beast.cpp"), "-std=c++17", "-pthread", "-lssl", "-lcrypto"],
    "lws": lambda: ["gcc", source("lws.c"), *flags("libwebsockets")],
    "wslay": lambda: ["gcc", source("wslay.c"), "-D_GNU_SOURCE", "-lwslay", "-lssl", "-lcrypto"],
    "libsoup": lambda: ["gcc", source("libsoup.c"), *flags("libsoup-3.0")],
}
