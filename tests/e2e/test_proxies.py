#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""nginx and HAProxy in front of `duet serve`, plain and terminating TLS: channels work with the browser's Origin, a
foreign one is refused, a refused upgrade tunnels nothing (UPG-14), and the log names the client (NET-14)."""
import asyncio
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import tempfile

import websockets
from tools.local import BUILD, free_port, make_certificate

PATIENCE = 60

NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; {user} worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
    server {{
        listen 127.0.0.1:{plain}; listen 127.0.0.1:{secure} ssl;
        ssl_certificate {keys}/cert.pem; ssl_certificate_key {keys}/key.pem;
        location /secret {{ return 404; }}
        location / {{
            proxy_pass http://127.0.0.1:{backend};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""

HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 60s
frontend in
    bind 127.0.0.1:{plain}
    bind 127.0.0.1:{secure} ssl crt {keys}/both.pem
    http-request deny deny_status 404 if {{ path_beg /secret }}
    option forwardfor
    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
    http-request set-header X-Forwarded-Proto http unless {{ ssl_fc }}
    default_backend duet
backend duet
    server duet 127.0.0.1:{backend} {send_proxy}
"""


def answers(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Processes:
    """Programs that end with the test, last started first."""

    def __init__(self):
        self.running = []

    async def start(self, command, port, log):
        """`log`: the file for all it prints."""
        with open(log, "wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        self.running.append(process)
        for _ in range(PATIENCE * 20):
            if process.poll() is not None:
                raise RuntimeError(f"{command[0]}: {pathlib.Path(log).read_text()}")
            if answers(port):
                return process
            await asyncio.sleep(0.05)
        raise RuntimeError(f"{command[0]} does not answer on port {port}")

    def stop(self):
        for process in reversed(self.running):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


class Front:
    """A proxy's address, plain or with TLS."""

    def __init__(self, name, port, context, log=None):
        self.name, self.port, self.ssl, self.log = name, port, context, log
        self.origin = f"{'https' if context else 'http'}://127.0.0.1:{port}"

    def connect(self, path="/channel/proxied", origin=None, **options):
        url = self.origin.replace("http", "ws", 1) + path
        return websockets.connect(url, ssl=self.ssl, origin=origin or self.origin, compression=None, max_size=None,
                                  open_timeout=PATIENCE, **options)

    async def raw(self, requests):
        """Sends bytes at once and returns all that comes until the end, or until nothing comes for a second."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.ssl)
        got = b""
        try:
            for request in requests:
                writer.write(request)
                try:
                    while part := await asyncio.wait_for(reader.read(65536), 1):
                        got += part
                except asyncio.TimeoutError:
                    pass
        except ConnectionError:
            pass
        writer.close()
        return got


async def members_hear_each_other(front):
    async with front.connect() as one, front.connect() as two:
        await one.send("first")
        assert await asyncio.wait_for(one.recv(), PATIENCE) == "first"
        await two.send(b"\0" * 40000)
        for ws in (one, two):
            message = await asyncio.wait_for(ws.recv(), PATIENCE)
            message = await asyncio.wait_for(ws.recv(), PATIENCE) if message == "first" else message
            assert message == b"\0" * 40000, len(message)


async def a_foreign_origin_is_refused(front):
    for origin in ("https://evil.example", front.origin + "0", "null"):
        try:
            async with front.connect(origin=origin):
                raise AssertionError(f"{origin} got in")
        except websockets.exceptions.InvalidStatusCode as refused:
            assert refused.status_code == 403, refused.status_code


async def a_refused_upgrade_tunnels_nothing(front):
    host = f"127.0.0.1:{front.port}"
    secret = f"GET /secret HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    for what, path, version, origin, status in (
            ("a foreign Origin", "/channel/x", 13, "https://evil.example", b"403"),
            ("version 12", "/channel/x", 12, front.origin, b"426"),
            ("no WebSocket", "/nowhere", 13, front.origin, b"404")):
        upgrade = (f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: {version}\r\n"
                   f"Origin: {origin}\r\n\r\n").encode()
        for requests in ([upgrade + secret], [upgrade, secret]):
            got = await front.raw(requests)
            assert got.startswith(b"HTTP/1.1 " + status), (what, got[:80])
            assert b"hidden from outside" not in got, f"{what}: the second request reached the server"


async def the_log_names_the_client(front):
    try:
        async with front.connect(origin="https://evil.example", local_addr=("127.0.0.2", 0)):
            raise AssertionError("it got in")
    except websockets.exceptions.InvalidStatusCode:
        pass
    for _ in range(200):  # the log is written by a thread of its own
        lines = pathlib.Path(front.log).read_text().split("\n")[:-1]
        refused = [line for line in map(json.loads, lines) if line.get("reason") == "origin"]
        if refused[-1]["peer"].split(":")[0] == "127.0.0.2":
            return
        await asyncio.sleep(0.05)
    raise AssertionError(refused[-1])


TESTS = (members_hear_each_other, a_foreign_origin_is_refused, a_refused_upgrade_tunnels_nothing,
         the_log_names_the_client)


def both_in_one(folder):
    cert, key = make_certificate(folder)
    pathlib.Path(folder, "both.pem").write_text(pathlib.Path(cert).read_text() + pathlib.Path(key).read_text())
    return ssl.create_default_context(cafile=cert)


async def run(name, folder, context, options=(), send_proxy=""):
    failed = 0
    where, folder = folder, f"{folder}/{name}{send_proxy}"
    os.mkdir(folder)
    os.chmod(folder, 0o755)
    processes = Processes()
    plain, secure, backend = free_port(), free_port(), free_port()
    words = dict(folder=folder, keys=where, plain=plain, secure=secure, backend=backend, send_proxy=send_proxy,
                 user="user root;" if os.geteuid() == 0 else "")
    config = pathlib.Path(folder, f"{name}.conf")
    config.write_text((NGINX if name == "nginx" else HAPROXY).format(**words))
    try:
        log = f"{folder}/duet.log"
        await processes.start([BUILD / "duet", "serve", "--listen", f"http://127.0.0.1:{backend}", "--root",
                               f"{where}/site", "--trusted-proxy", "127.0.0.1", "--log", "json", *options],
                              backend, log)
        await processes.start(["/usr/sbin/nginx", "-p", folder, "-c", config] if name == "nginx"
                              else ["/usr/sbin/haproxy", "-db", "-f", config], plain, f"{folder}/proxy.log")
        if not options:
            # Or the proxy's rule would hide nothing, and the test could not fail.
            direct = await Front("none", backend, None).raw([b"GET /secret HTTP/1.1\r\nHost: h\r\n\r\n"])
            assert b"hidden from outside" in direct, direct[:200]
        for front in (Front(name, plain, None, log), Front(name, secure, context, log)):
            for test in TESTS:
                claim = f"behind {name}{' with ' + send_proxy if send_proxy else ''}, " \
                        f"{'TLS' if front.ssl else 'plain'}: {test.__name__.replace('_', ' ')}"
                try:
                    await asyncio.wait_for(test(front), PATIENCE)
                    print(f"ok - {claim}", flush=True)
                except Exception as error:  # the next test still runs
                    failed += 1
                    print(f"# {type(error).__name__}: {error}\nnot ok - {claim}", flush=True)
    except Exception as error:
        failed += 1
        print(f"# {error}\nnot ok - behind {name}: it starts", flush=True)
    finally:
        processes.stop()
    return failed


async def main():
    with tempfile.TemporaryDirectory(prefix="duet-e2e-") as folder:
        os.chmod(folder, 0o755)
        site = pathlib.Path(folder, "site")
        site.mkdir()
        (site / "secret").write_text("hidden from outside\n")
        context = both_in_one(folder)
        failed = sum(await asyncio.gather(
            run("nginx", folder, context),
            run("haproxy", folder, context),
            run("haproxy", folder, context, ["--proxy-protocol"], "send-proxy-v2"),
            run("haproxy", folder, context, ["--proxy-protocol"], "send-proxy")))
    return 1 if failed else 0


sys.exit(asyncio.run(main()))
