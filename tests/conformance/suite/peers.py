# SPDX-License-Identifier: MIT
"""Where the peer of a case comes from: a URL that is connected to, or a client that is started, or waited for."""
import os
import shlex
import signal
import socket
import ssl
import subprocess
import time
from urllib.parse import urlsplit

from .play import Outcome, play


class Server:
    """The peer is a server: each case is a connection to its URL."""

    def __init__(self, url, patience):
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ValueError(f"{url}: not a ws:// or wss:// URL")
        self.url, self.patience = url, patience
        self.address = (parts.hostname, parts.port or (443 if parts.scheme == "wss" else 80))
        self.tls = None
        if parts.scheme == "wss":
            self.tls = ssl.create_default_context()
            self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE

    def connect(self):
        sock = socket.create_connection(self.address, 5 * self.patience)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.tls.wrap_socket(sock, server_hostname=self.address[0]) if self.tls else sock

    def run(self, case):
        try:
            sock = self.connect()
        except OSError as e:
            return Outcome(handshake_error=f"{self.url}: {e.strerror or e}")
        return play(case, sock, self.url, self.patience)

    def close(self):
        pass


class Client:
    """The peer is a client: `command` is started for each case and told its URL in place of {url}; without a command
    the URL is printed, and whoever connects is the client."""

    def __init__(self, command, listen=0, patience=1.0, say=print, tls=None):
        self.command, self.patience, self.say = command, patience, say
        self.tls = None
        if tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*tls)
        self.listener = socket.create_server(("127.0.0.1", listen), backlog=8)
        self.port = self.listener.getsockname()[1]

    def run(self, case):
        url = f"{'wss' if self.tls else 'ws'}://127.0.0.1:{self.port}/case/{case.number}"
        child = None
        if self.command:
            words = [word.replace("{url}", url) for word in self.command]
            child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL, start_new_session=True)
        else:
            self.say(url)
        try:
            return self.serve(case, child)
        finally:
            if child:
                leave(child, self.patience)

    def serve(self, case, child):
        seconds = 20 * self.patience if child else 600
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.listener.settimeout(0.2)
            try:
                sock, _ = self.listener.accept()
            except TimeoutError:
                if child and child.poll() is not None:
                    return Outcome(handshake_error=f"{shlex.join(self.command)} ended with {child.returncode}, and did "
                                                   "not connect")
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                sock.settimeout(5 * self.patience)
                try:
                    sock = self.tls.wrap_socket(sock, server_side=True)
                except OSError as e:
                    return Outcome(handshake_error=f"TLS: {e}")
            return play(case, sock, None, self.patience)
        return Outcome(handshake_error=f"nobody connected within {seconds:.0f} s")

    def close(self):
        self.listener.close()


def leave(child, patience):
    """The client ends by itself when its connection is over. One that does not is ended."""
    try:
        child.wait(2 * patience)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
