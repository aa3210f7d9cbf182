# SPDX-License-Identifier: MIT
"""What is asked of the servers: `duet bench`'s words, and what is made of its answer."""
from typing import NamedTuple


class Load(NamedTuple):
    key: str
    name: str
    mode: str               # of the server: echo or fan
    words: str              # of duet bench
    unit: str = "message"   # what the CPU time is divided by; `byte` is memory instead, of a connection
    base: str = "floor"     # whom the ratios are to
    deflate: bool = False


def echo(key, name, words, **more):
    return Load(key, f"echo, {name}", "echo", f"echo {words}", **more)


def fan(key, members, size, words):
    return Load(key, f"fan-out to {members}, {size}", "fan", f"fanout {words}", unit="delivery")


LOADS = [
    echo("echo-1", "1 connection, 20 B", "--connections 1 --size 20"),
    echo("echo-100", "100 connections, 20 B", "--connections 100 --size 20"),
    echo("echo-1000", "1,000 connections, 20 B", "--connections 1000 --size 20"),
    echo("in-flight", "100 connections, 20 B, 16 in flight", "--connections 100 --size 20 --in-flight 16"),
    echo("echo-1k", "100 connections, 1 KiB", "--connections 100 --size 1k"),
    echo("echo-16k", "100 connections, 16 KiB", "--connections 100 --size 16k"),
    echo("utf8-16k", "100 connections, 16 KiB of mixed scripts", "--connections 100 --size 16k --utf8"),
    echo("echo-1m", "10 connections, 1 MiB", "--connections 10 --size 1m"),
    fan("fan-1000", "1,000", "16 B", "--connections 1000 --size 16"),
    fan("fan-1000-1k", "1,000", "1 KiB", "--connections 1000 --size 1k"),
    fan("fan-9000", "9,000", "16 B", "--connections 9000 --size 16"),
    fan("fan-9000-1k", "9,000", "1 KiB", "--connections 9000 --size 1k"),
    echo("deflate-1k", "100 connections, 1 KiB, compressed both ways", "--connections 100 --size 1k --deflate",
         base="duet", deflate=True),
    Load("connect", "connections opened and closed, 100 at once", "echo", "connect --connections 100",
         unit="connection"),
    Load("idle", "memory of an idle connection, of 9,000", "echo", "idle --connections 9000", unit="byte", base="duet"),
]


def named(keys):
    unknown = set(keys) - {load.key for load in LOADS}
    if unknown:
        raise SystemExit(f"run: no load is called {' or '.join(sorted(unknown))}; there are "
                         + ", ".join(load.key for load in LOADS))
    return [load for load in LOADS if not keys or load.key in keys]


def warm_up(load, seconds):
    return 0 if load.unit == "byte" else min(0.5, seconds)


def arguments(load, seconds):
    """Without the URL."""
    words = [*load.words.split(), "--json", "--wait", "20", "--duration", str(seconds),
             "--warm-up", str(warm_up(load, seconds))]
    # The load has a core for itself and never sleeps, so that no server pays for waking it.
    return words if load.unit == "byte" else [*words, "--poll", "spin"]


def value(load, said):
    """Nanoseconds of CPU each, or bytes."""
    return said["server"]["own_each" if load.unit == "byte" else "cpu_ns_each"]
