#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
STO-1: `duet serve --data` is killed (SIGKILL) at seeded moments, 50 times, and started again, while publishers publish
by the API, each with a key and again until it is acknowledged, and subscribers of both plain ways come back with what
they have. A checker knows every offset that anybody was told of: none is lost, doubled, reordered, or another thing than
it was, and no epoch ends. Two backends tell the same changes under versions, and old ones again: each change is told
once, and no old one, whatever was killed meanwhile. KILLS=1000 for more, SEED=n for other moments.
"""
import asyncio
import json
import os
import random
import sys
import tempfile
import time

import websockets
from tools.local import BUILD, free_port

SANITIZED = BUILD.name in ("asan", "tsan")
KILLS = int(os.environ.get("KILLS", 8 if SANITIZED else 50))
SEED = int(os.environ.get("SEED", 1))
PATIENCE = 120
CHANNELS = ("left", "right")
VERSIONED = "feed"   # all in it has a version, 1, 2, 3, ..., so that offsets are versions
SHORT = "short:feed"
KEEPS = 3            # what SHORT's history keeps
PUBLISHERS = 3
CONFIG = """channels:
  history_size: 1000000
  history_ttl: 10h
  allow_recovery: true
  allow_subscribe_for_anonymous: true
  allow_publish_for_anonymous: true
namespaces:
- name: short
  history_size: %d
  history_ttl: 10h
""" % KEEPS


class Story:
    """What everybody was told, by channel and offset."""

    def __init__(self):
        self.epochs = {}
        self.told = {}      # (channel, offset): payload
        self.where = {}     # (channel, payload): offset
        self.acknowledged = self.skipped = 0

    def tell(self, who, channel, epoch, offset, payload):
        assert channel != VERSIONED or payload.startswith(f"{offset} "), f"{who}: at {offset} there is {payload}"
        known = self.epochs.setdefault(channel, epoch)
        assert known == epoch, f"{who}: {channel} was of epoch {known} and is of {epoch}"
        told = self.told.setdefault((channel, offset), payload)
        assert told == payload, f"{who}: {channel}:{offset} was {told} and is {payload}"
        where = self.where.setdefault((channel, payload), offset)
        assert where == offset, f"{who}: {payload} is at {where} and at {offset} of {channel}"

    def top(self, channel):
        return max((offset for name, offset in self.told if name == channel), default=0)


class Server:
    def __init__(self, folder):
        self.port = free_port()
        self.command = [str(BUILD / "duet"), "serve", "--listen", f"http://127.0.0.1:{self.port}", "--threads", "2",
                        "--config", f"{folder}/duet.yaml", "--data", f"{folder}/data", "--log", "json"]
        self.log = open(f"{folder}/log", "ab")
        self.process = None
        self.up = asyncio.Event()
        self.over = False

    async def start(self):
        self.process = await asyncio.create_subprocess_exec(*self.command, stdout=self.log, stderr=self.log)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                self.up.set()
                return
            except OSError:
                assert self.process.returncode is None, f"the server ended with {self.process.returncode}"
                assert time.monotonic() < end, "the server does not start"
                await asyncio.sleep(0.01)

    async def kill(self):
        self.up.clear()
        self.process.kill()
        await self.process.wait()


async def ask(server, method, params):
    """The API's answer, or None when the server is not there to give one."""
    body = json.dumps(params).encode()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            writer.write(b"POST /api/%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
                         % (method.encode(), len(body), body))
            async with asyncio.timeout(PATIENCE):
                answer = await reader.read()
        finally:
            writer.close()
    except OSError:
        return None
    head, _, text = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None  # it was cut


async def say(server, params):
    """Publishes until that is acknowledged; the result."""
    while True:
        await server.up.wait()
        said = await ask(server, "publish", params)
        if said and "result" in said:
            return said["result"]
        # Not there, or the store has not taken it: again, until it has.
        assert said is None or said["error"]["code"] == 100, said
        await asyncio.sleep(0.005)


async def publisher(server, story, number, stop):
    rng = random.Random(SEED * 100 + number)
    count = 0
    while not stop.is_set():
        channel = rng.choice(CHANNELS)
        count += 1
        key = f"{number}-{count}"
        payload = key + "x" * rng.choice((0, 10, 1000))
        result = await say(server, {"channel": channel, "data": payload, "idempotency_key": key})
        story.tell("publisher", channel, result["epoch"], result["offset"], payload)
        story.acknowledged += 1


async def replica(server, story, number, stop):
    """One of the backends that tell the same changes. It counts on versions alone, without keys."""
    rng = random.Random(SEED * 200 + number)
    version = 0
    while not stop.is_set():
        late = version > 0 and rng.random() < 0.3
        says = rng.randint(1, version) if late else version + 1
        word = "late" if late else f"by {number}"
        result = await say(server, {"channel": VERSIONED, "data": f"{says} {word}", "version": says,
                                    "version_epoch": "changes"})
        # What was not told stands behind what was: it is known, though the server was killed since.
        assert result["offset"] >= max(says, version), f"version {says} is acknowledged at {result['offset']}"
        version = max(says, version)
        story.acknowledged += 1
        story.skipped += late


async def forgetful(server, story, stop):
    """The same where the history is short: a version is known as long as it is there."""
    rng = random.Random(SEED * 300)
    version = top = count = 0
    while not stop.is_set():
        version += 1
        result = await say(server, {"channel": SHORT, "data": version, "version": version})
        top += 1
        assert result["offset"] == top, f"version {version} is at {result['offset']} and not at {top}"
        behind = rng.randrange(KEEPS + 2)
        for _ in range(behind):
            count += 1
            top += 1
            result = await say(server, {"channel": SHORT, "data": "none", "idempotency_key": str(count)})
            assert result["offset"] == top
        result = await say(server, {"channel": SHORT, "data": "again", "version": version})
        assert result["offset"] == top or behind >= KEEPS, f"version {version} was {behind} ago, and is told again"
        top = result["offset"]
        story.acknowledged += behind + 2


class Subscriber:
    def __init__(self, server, story, channel, name):
        self.server, self.story, self.channel, self.name = server, story, channel, name
        self.epoch, self.offset, self.visits = None, 0, 0

    def take(self, offset, payload):
        assert offset == self.offset + 1, f"{self.name} has {self.offset} and gets {offset}"
        self.offset = offset
        self.story.tell(self.name, self.channel, self.epoch, offset, payload)

    async def run(self):
        while not self.server.over:
            await self.server.up.wait()
            try:
                self.visits += 1
                await self.visit()
            except (OSError, EOFError, asyncio.TimeoutError, websockets.exceptions.WebSocketException):
                pass
            await asyncio.sleep(0.002)


class ByWebSocket(Subscriber):
    async def visit(self):
        since = f"?since={self.epoch}:{self.offset}" if self.epoch else ""
        url = f"ws://127.0.0.1:{self.server.port}/channel/{self.channel}{since}"
        async with websockets.connect(url, subprotocols=["duet.v1"], max_size=None, ping_interval=None) as ws:
            hello = json.loads(await ws.recv())
            if self.epoch:
                assert hello["recovered"] is True, f"{self.name} is told that it cannot have everything at {self.epoch}:{self.offset}"
            else:
                self.epoch, self.offset = hello["epoch"], hello["offset"]
            async for text in ws:
                said = json.loads(text)
                self.take(said["offset"], said["data"])


class ByEvents(Subscriber):
    async def visit(self):
        last = f"Last-Event-ID: {self.epoch}:{self.offset}\r\n" if self.epoch else ""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        try:
            writer.write(f"GET /events?channel={self.channel} HTTP/1.0\r\nHost: a\r\n{last}\r\n".encode())
            position = None
            while line := await reader.readline():
                assert line.endswith(b"\n") or reader.at_eof()
                if not line.endswith(b"\n"):
                    return  # it was cut
                line = line.decode().rstrip()
                assert line != "event: duet.lost", f"{self.name} is told that it cannot have everything"
                if line.startswith("id: "):
                    position = line[4:].split(":")
                elif line.startswith("data: "):
                    assert position[0] == self.epoch
                    self.take(int(position[1]), json.loads(line[6:]))
                elif line == "" and position and self.epoch is None:
                    self.epoch, self.offset = position[0], int(position[1])
        finally:
            writer.close()


async def play(folder, server):
    with open(f"{folder}/duet.yaml", "w") as config:
        config.write(CONFIG)
    rng = random.Random(SEED)
    story, stop = Story(), asyncio.Event()
    await server.start()
    # Of a channel in which nothing was ever said nothing is kept, its epoch neither.
    for channel in (*CHANNELS, VERSIONED):
        result = await say(server, {"channel": channel, "data": "1 by 0", "version": 1, "version_epoch": "changes"})
        story.tell("the first", channel, result["epoch"], result["offset"], "1 by 0")
    subscribers = [way(server, story, channel, f"{way.__name__} of {channel}")
                   for way in (ByWebSocket, ByEvents) for channel in (*CHANNELS, VERSIONED)]
    tasks = [asyncio.create_task(s.run()) for s in subscribers]
    publishing = [asyncio.create_task(publisher(server, story, n, stop)) for n in range(PUBLISHERS)]
    publishing += [asyncio.create_task(replica(server, story, n, stop)) for n in range(2)]
    publishing.append(asyncio.create_task(forgetful(server, story, stop)))

    async def pause(seconds):
        """Sleeps, unless something went wrong meanwhile."""
        done, _ = await asyncio.wait(tasks + publishing, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()

    for _ in range(KILLS):
        await pause(rng.uniform(0.01, 0.25) * (4 if SANITIZED else 1))
        await server.kill()
        await server.start()
    await pause(0.3)
    stop.set()
    await asyncio.wait_for(asyncio.gather(*publishing), PATIENCE)
    end = time.monotonic() + PATIENCE
    while any(s.offset < story.top(s.channel) for s in subscribers):
        assert time.monotonic() < end, {s.name: (s.offset, story.top(s.channel)) for s in subscribers}
        await pause(0.05)
    for channel in (*CHANNELS, VERSIONED):
        kept = await ask(server, "history", {"channel": channel})
        assert kept["result"]["offset"] == story.top(channel), "the stream ends where it was told to"
    server.over = True
    for task in tasks:
        task.cancel()
    server.process.terminate()
    assert await server.process.wait() == 0, "the last one ends orderly"
    return story, subscribers


async def run(folder):
    server = Server(folder)
    try:
        return await play(folder, server)
    finally:
        if server.process and server.process.returncode is None:
            server.process.kill()


def main():
    with tempfile.TemporaryDirectory() as folder:
        try:
            story, subscribers = asyncio.run(run(folder))
        except BaseException:
            print(open(f"{folder}/log", errors="replace").read()[-4000:], file=sys.stderr)
            raise
    assert story.acknowledged > KILLS, "it published at all"
    assert story.skipped > KILLS / 4, "old versions came at all"
    assert all(s.visits > KILLS / 4 for s in subscribers), "they were cut off at all"
    print(f"ok - {KILLS} kills: {story.acknowledged} publications acknowledged and told to "
          f"{len(subscribers)} subscribers once, in order, under one epoch each; {story.skipped} old versions to nobody")


main()
