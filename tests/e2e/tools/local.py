# SPDX-License-Identifier: MIT
"""What tests in Python share: where the programs are, a free port, a certificate for 127.0.0.1."""
import os
import pathlib
import socket
import subprocess

BUILD = pathlib.Path(os.environ.get("DUET_BUILD", pathlib.Path(__file__).parents[3] / "build/release"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def make_certificate(folder):
    """Writes cert.pem and key.pem, and returns their paths."""
    cert, key = f"{folder}/cert.pem", f"{folder}/key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key,
                    "-out", cert], check=True, capture_output=True)
    return cert, key
