# SPDX-License-Identifier: MIT
"""One cell: Duet's driver and a peer, two connections, and what each side says of them."""
import os
import queue
import re
import subprocess
import threading

from fleet import BUILD

PATIENCE = 120
GONE = "(ended)"


class Program:
    """A program whose lines are read as they come."""

    def __init__(self, command, env=None, log=None):
        self.said = []
        self.lines = queue.Queue()
        self.errors = open(log, "ab") if log else subprocess.DEVNULL
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.errors, env={**os.environ, **(env or {})})
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            line = line.decode(errors="replace").rstrip()
            self.said.append(line)
            self.lines.put(line)
        self.lines.put(GONE)

    def until(self, word, patience=PATIENCE):
        """The next line that begins with this word; GONE or a timeout ends the wait with None."""
        try:
            while (line := self.lines.get(timeout=patience)) != GONE:
                if line.split(" ")[0] == word:
                    return line
        except queue.Empty:
            pass
        return None

    def end(self):
        """Ends its input, at which it should end."""
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            pass
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.reader.join(5)
        if self.errors is not subprocess.DEVNULL:
            self.errors.close()


def environment(column, keys):
    env = {}
    if "TLS" in column:
        env |= {"INTEROP_CERT": f"{keys}/cert.pem", "INTEROP_KEY": f"{keys}/key.pem", "INTEROP_CA": f"{keys}/ca.pem"}
    if "deflate" in column:
        env["INTEROP_DEFLATE"] = "1"
    return env


def options(peer, role, column, keys, broken):
    words = ["--deflate"] if "deflate" in column else []
    if "TLS" in column:
        words += ["--ca", f"{keys}/ca.pem"] if role == "server" else ["--cert", f"{keys}/cert.pem", "--key",
                                                                      f"{keys}/key.pem"]
    for step in peer.without:
        words += ["--without", step]
    return words + (["--break"] if broken else [])


def with_server(peer, column, keys, broken, log):
    """The peer serves."""
    server = Program([*peer.command, "server"], environment(column, keys), log)
    try:
        port = server.until("port")
        if port is None:
            return ["miss the peer starts: it named no port"], []
        url = f"{'wss' if 'TLS' in column else 'ws'}://127.0.0.1:{port.split(' ')[1]}/echo"
        driver = Program([BUILD / "driver", "client", url, *options(peer, "server", column, keys, broken)], log=log)
        driver.until("over")
        for _ in range(1 if gave_up(driver) else 2):
            server.until("closed", 10)
        driver.end()
        return driver.said, server.said
    finally:
        server.stop()


def gave_up(driver):
    return "over" in driver.said and any(line.startswith("miss") for line in driver.said)


def wait_for_close(client, driver):
    """Of one that hangs nothing is awaited after the driver gave up."""
    for _ in range(PATIENCE):
        if client.until("closed", 1) or client.process.poll() is not None or gave_up(driver):
            return


def with_client(peer, column, keys, broken, log):
    """The peer is the client, started once for each connection."""
    scheme = "wss" if "TLS" in column else "ws"
    driver = Program([BUILD / "driver", "server", f"{scheme}://127.0.0.1:0",
                      *options(peer, "client", column, keys, broken)], log=log)
    said = []
    try:
        port = driver.until("port")
        if port is None:
            return ["miss the driver starts: it named no port"], []
        for _ in range(2):
            client = Program([*peer.command, "client", f"{scheme}://127.0.0.1:{port.split(' ')[1]}/echo"],
                             environment(column, keys), log)
            wait_for_close(client, driver)
            client.stop()
            said += client.said
        driver.until("over", 10)
        driver.end()
        return driver.said, said
    finally:
        driver.stop()


def peers_view(peer, driver, said):
    """Verdicts on what the peer reports: both opened, both closed with code and reason, and all octets came."""
    opened = [line for line in said if line.split(" ")[0] == "open"]
    closed = [line.split(" ", 4) for line in said if line.split(" ")[0] == "closed"]
    verdicts = []

    def verdict(good, name, what):
        verdicts.append(f"ok {name}" if good else f"miss {name}: {what}")

    verdict(opened == ["open interop.v1"] * 2, "the peer opens with a subprotocol", opened)
    if len(closed) != 2:
        verdict(False, "the peer sees both closes", closed)
        return verdicts
    sent = next((line.split(" ")[1:] for line in driver if line.startswith("sent ")), None)
    reason = closed[0][4] if len(closed[0]) > 4 else ""
    verdict(closed[0][1] == "1000", "the peer sees our close's code", closed[0])
    if "reason" not in peer.without:
        verdict(reason == "from duet", "the peer sees our close's reason", repr(reason))
    verdict(closed[0][2:4] == sent, "the peer has all messages and octets", f"{closed[0][2:4]}, not {sent}")
    verdict(closed[1][1] == "1000", "the peer sees its own close answered", closed[1])
    verdict(closed[1][2:4] == ["1", "6"], "the peer has the order to close", closed[1])
    return verdicts


def all_lines(peer, driver, said, log):
    """The verdicts of both sides; the log gets them, too, and what the programs said."""
    lines = [line for line in driver if line.split(" ")[0] in ("ok", "miss")]
    if not any(line.startswith("sent ") for line in driver) and not any(line.startswith("miss") for line in lines):
        lines.append("miss the driver comes to its end: it does not")
    lines += peers_view(peer, driver, said)
    with log.open("a") as out:
        out.write("\n".join(["", "driver:", *driver, "", "peer:", *said, "", "verdicts:", *lines, ""]))
    return lines


def play(peer, role, column, keys, broken=False):
    """All lines of verdicts; what the programs had to complain of is in a log."""
    log = BUILD / f"{peer.key}-{role}-{re.sub(', ', '-', column)}.log"
    log.write_text("")
    return all_lines(peer, *(with_server if role == "server" else with_client)(peer, column, keys, broken, log), log)


def judge(peer, role, column, lines):
    """Misses that count, and the faults of the peer that were seen."""
    misses = [line[5:] for line in lines if line.startswith("miss ")]
    seen = []
    for fault in peer.faults:
        if role not in fault.roles or not re.fullmatch(fault.columns, column):
            continue
        its = [miss for miss in misses if miss.startswith(fault.line)]
        if its:
            seen.append(fault.reason)
            misses = [] if fault.ends else [miss for miss in misses if miss not in its]
        else:
            misses.append(f"a fault that is listed was not seen: {fault.line}")
    return misses, seen
