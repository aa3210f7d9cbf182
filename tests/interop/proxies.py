# SPDX-License-Identifier: MIT
"""Reverse proxies. With TLS it is the proxy that has the certificate. In both rows both ends were looked at: Duet's
client reaches `duet serve` through it, and npm's ws reaches the driver."""
import os
import pathlib
import random
import re
import socket
import threading
import time
import urllib.request

import cell
import fleet

NGINX = """
daemon off; pid {folder}/pid; error_log stderr; {nginx_user}
events {{ worker_connections 64; }}
http {{
    access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{secure} ssl;
        ssl_certificate {keys}/cert.pem;
        ssl_certificate_key {keys}/key.pem;
        location / {{
            proxy_pass http://127.0.0.1:{backend};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
            proxy_set_header Host $http_host;
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
    default_backend duet
backend duet
    server duet 127.0.0.1:{backend}
"""
APACHE = """
ServerRoot {folder}
ServerName localhost
DefaultRuntimeDir {folder}
PidFile {folder}/pid
ErrorLog /dev/stderr
{apache_user}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
LoadModule proxy_wstunnel_module /usr/lib/apache2/modules/mod_proxy_wstunnel.so
LoadModule socache_shmcb_module /usr/lib/apache2/modules/mod_socache_shmcb.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
Listen 127.0.0.1:{plain}
Listen 127.0.0.1:{secure} https
ProxyPass / ws://127.0.0.1:{backend}/
ProxyPreserveHost On
<VirtualHost 127.0.0.1:{plain}>
    ProxyPass / ws://127.0.0.1:{backend}/
</VirtualHost>
<VirtualHost 127.0.0.1:{secure}>
    SSLEngine on
    SSLCertificateFile {keys}/cert.pem
    SSLCertificateKeyFile {keys}/key.pem
    ProxyPass / ws://127.0.0.1:{backend}/
</VirtualHost>
"""
VARNISH = """
vcl 4.1;
backend duet {{ .host = "127.0.0.1"; .port = "{backend}"; }}
sub vcl_recv {{
    if (req.http.upgrade ~ "(?i)websocket") {{
        return (pipe);
    }}
}}
sub vcl_pipe {{
    if (req.http.upgrade) {{
        set bereq.http.upgrade = req.http.upgrade;
        set bereq.http.connection = req.http.connection;
    }}
}}
"""
CADDY = """
{{
    admin off
    auto_https off
}}
http://127.0.0.1:{plain} {{
    reverse_proxy 127.0.0.1:{backend}
}}
https://127.0.0.1:{secure} {{
    tls {keys}/cert.pem {keys}/key.pem
    reverse_proxy 127.0.0.1:{backend}
}}
"""
PROGRAMS = {
    "nginx": (NGINX, "/usr/sbin/nginx -p {folder} -c {config}"),
    "haproxy": (HAPROXY, "/usr/sbin/haproxy -db -f {config}"),
    "apache": (APACHE, "/usr/sbin/apache2 -DFOREGROUND -f {config}"),
    "varnish": (VARNISH, "/usr/sbin/varnishd -F -j none -a 127.0.0.1:{plain} -f {config} -n {folder}/work -s malloc,16m"),
    "caddy": (CADDY, "/usr/bin/caddy run --adapter caddyfile --config {config}"),
}


GIVEN = set()
GIVING = threading.Lock()


def free_ports(count):
    """Not of those that the system gives to others meanwhile, and none twice."""
    ports = []
    with GIVING:
        for port in random.sample(sorted(set(range(20000, 32000)) - GIVEN), 1000):
            with socket.socket() as s:
                if len(ports) < count and s.connect_ex(("127.0.0.1", port)) != 0:
                    ports.append(port)
        GIVEN.update(ports)
    return ports


def wait_for(program, port):
    for _ in range(2400):
        if program.process.poll() is not None:
            return False
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.05)
    return False


def front(key, column, keys, backend, log):
    """Starts the proxy before a port; gives the program and the URL to come in by, or None."""
    plain, secure = free_ports(2)
    folder = pathlib.Path(keys, f"{key}-{plain}")
    folder.mkdir(mode=0o755)
    root = os.geteuid() == 0
    words = dict(folder=folder, keys=keys, plain=plain, secure=secure, backend=backend, config=folder / "config",
                 nginx_user="user root;" if root else "", apache_user="User www-data\nGroup www-data" if root else "")
    config, command = PROGRAMS[key]
    words["config"].write_text(config.format(**words))
    program = cell.Program(command.format(**words).split(), {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "HOME": str(folder)}, log)
    port = secure if "TLS" in column else plain
    url = f"{'wss' if 'TLS' in column else 'ws'}://127.0.0.1:{port}"
    return program, url if wait_for(program, port) else None


def before_driver(peer, column, keys, broken, log):
    """npm's ws comes to the driver through the proxy."""
    flags = ["--deflate"] if "deflate" in column else []
    driver = cell.Program([fleet.BUILD / "driver", "server", "ws://127.0.0.1:0", *flags,
                           *(["--break"] if broken else [])], log=log)
    proxy, said = None, []
    try:
        proxy, url = front(peer.key, column, keys, driver.until("port").split(" ")[1], log)
        if url is None:
            return ["miss the proxy starts: it does not"], []
        for _ in range(2):
            client = cell.Program([*fleet.npm("ws"), "client", f"{url}/echo"], cell.environment(column, keys), log)
            cell.wait_for_close(client, driver)
            client.stop()
            said += client.said
        driver.until("over", 10)
        driver.end()
        return driver.said, said
    finally:
        driver.stop()
        if proxy is not None:
            proxy.stop()


def counted(port):
    """The counters of `duet serve`, asked without a proxy."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        return dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#"))


def before_serve(peer, column, keys, broken, log):
    """Duet's client comes to `duet serve` through the proxy; the drain closes the second connection."""
    (port,) = free_ports(1)
    serve = cell.Program([fleet.DUET / "duet", "serve", "--listen", f"http://127.0.0.1:{port}", "--deflate",
                          "on" if "deflate" in column else "off"], log=log)
    proxy = None
    try:
        proxy, url = front(peer.key, column, keys, port, log) if wait_for(serve, port) else (None, None)
        if url is None:
            return ["miss the proxy starts: it does not"]
        flags = cell.options(peer, "server", column, keys, broken)
        driver = cell.Program([fleet.BUILD / "driver", "client", f"{url}/channel/interop", "--served", *flags], log=log)
        lines = ["miss the driver waits for the drain: it does not"]
        if driver.until("waiting"):
            numbers = counted(port)
            serve.process.terminate()
            driver.until("over")
            lines = serves_view(numbers, next(line for line in driver.said if line.startswith("sent ")))
        driver.end()
        return driver.said + lines
    finally:
        serve.stop()
        if proxy is not None:
            proxy.stop()


def serves_view(numbers, sent):
    messages = sent.split(" ")[1]
    wanted = {"duet_opened_total": "2", "duet_messages_received_total": messages, "duet_messages_sent_total": messages,
              'duet_closes_total{code="1000"}': "1", 'duet_closed_total{reason="protocol"}': "0"}
    return [f"ok {name}" if numbers.get(name) == value else f"miss {name}: {numbers.get(name)}, not {value}"
            for name, value in wanted.items()]


def play(peer, role, column, keys, broken):
    log = fleet.BUILD / f"{peer.key}-{role}-{re.sub(', ', '-', column)}.log"
    log.write_text("")
    if role == "client":
        return cell.all_lines(peer, *before_driver(peer, column, keys, broken, log), log)
    lines = before_serve(peer, column, keys, broken, log)
    with log.open("a") as out:
        out.write("\n".join(["", *lines, ""]))
    return [line for line in lines if line.split(" ")[0] in ("ok", "miss")]
