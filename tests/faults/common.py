# SPDX-License-Identifier: MIT
"""What the tests of faults share: `duet serve` as a process, its own counts, and TAP lines."""
import asyncio
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
import traceback
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("DUET_BUILD", ROOT / "build/release"))
DUET = str(BUILD / "duet")
# Only how long a test waits for what must come; a machine may be slow.
PATIENCE = int(os.environ.get("PATIENCE_S", 120))
ONLY = os.environ.get("FAULTS_ONLY", "")

sys.path.insert(0, str(ROOT / "tests/e2e/tools"))
failed = []


class Skip(Exception):
    """The machine does not let a test do its work."""


def free_port(host="127.0.0.1"):
    with socket.create_server((host, 0)) as free:
        return free.getsockname()[1]


def until(question, what, patience=PATIENCE):
    end = time.monotonic() + patience
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {patience} s: {what}")
        time.sleep(0.02)


async def until_async(question, what, patience=PATIENCE):
    end = time.monotonic() + patience
    while True:
        answer = await asyncio.to_thread(question)
        if answer:
            return answer
        assert time.monotonic() <= end, f"not within {patience} s: {what}"
        await asyncio.sleep(0.02)


class Server:
    """`duet serve`, until the end of a `with`, where it must drain and end with `ends`; None: it may be killed."""

    def __init__(self, *args, host="127.0.0.1", before=(), nofile=None, environ=None, stderr=None, ends=0,
                 admin=False):
        self.port = free_port(host)
        self.host, self.ends = host, ends
        self.url = f"http://{host}:{self.port}"
        self.metrics = self.url
        if admin:
            self.metrics = f"http://127.0.0.1:{free_port()}"
            args = (*args, "--admin-listen", self.metrics)
        self.channel = f"ws://{host}:{self.port}/channel/"
        self.log_file = None if stderr is not None else tempfile.TemporaryFile("w+")

        def limit():
            if nofile:
                resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))

        self.process = subprocess.Popen(
            [*before, DUET, "serve", "--listen", self.url, "--log", "json", *args], preexec_fn=limit,
            env={**os.environ, **(environ or {})}, stdout=subprocess.DEVNULL,
            stderr=stderr if stderr is not None else self.log_file)
        self.pid = self.process.pid

    def __enter__(self):
        until(self.healthy, "the server answers")
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGKILL if self.ends is None or kind else signal.SIGTERM)
        try:
            code = self.process.wait(PATIENCE)
        finally:
            self.process.kill()
        if kind is None and self.ends is not None:
            assert code == self.ends, f"the server ended with {code}: {self.log()[-2000:]}"

    def healthy(self):
        assert self.process.poll() is None, f"the server ended with {self.process.returncode}: {self.log()}"
        try:
            return self.get("/health") == (200, "ok\n")
        except OSError:
            return False

    def get(self, path, url=None):
        try:
            with urllib.request.urlopen((url or self.url) + path, timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode()

    def count(self, name):
        status, text = self.get("/metrics", self.metrics)
        assert status == 200, f"/metrics is {status}"
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
        return float(found.group(1)) if found else 0

    def reason(self, name):
        return self.count(f'duet_closed_total{{reason="{name}"}}')

    def log(self):
        if self.log_file is None:
            return ""
        self.log_file.seek(0)
        return self.log_file.read()

    def ticks(self):
        """CPU time so far, in the kernel's ticks."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])


def claim(text, test, *args):
    """Runs a test, which is a function or a coroutine's, and prints its TAP line."""
    if ONLY not in text:
        return
    try:
        result = test(*args)
        if asyncio.iscoroutine(result):
            asyncio.run(result)
        print(f"ok - {text}")
    except Skip as why:
        print(f"ok - {text} # SKIP {why}")
    except Exception:  # what went wrong is for people
        print("".join(f"# {line}\n" for line in traceback.format_exc().splitlines()) + f"not ok - {text}")
        failed.append(text)
    sys.stdout.flush()
