#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What scanners say of the TLS of `duet serve` as it is shipped (TLS-11). sslscan in any case; with --long testssl.sh,
which takes two minutes. What they may say above "info" stands in EXCUSED with its reason, and must be said."""
import json
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

from common import Server, Skip, claim, failed, free_port

# What is told of the certificate of this test, its name and the scanner itself, or is the operator's to choose.
EXCUSED = {
    "engine_problem": "the scanner's own",
    "DNS_CAArecord": "a record of the name's, which is localhost",
    "HSTS": "it binds a whole host for months, so whoever runs it decides",
}
CURVES = {"x25519", "x448", "secp256r1", "secp384r1", "secp521r1"}


def make_certificates(folder):
    """An authority, and a certificate of it for each kind of key."""
    new = ["openssl", "req", "-nodes"]
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    # It names a list of what was revoked, which is not fetched.
    pathlib.Path(folder, "ext").write_text(
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n"
        "crlDistributionPoints=URI:http://127.0.0.1/list.crl\n")
    commands = [[*new, *ec, "-x509", "-days", "90", "-subj", "/CN=Scan CA", "-keyout", "ca.key", "-out", "ca.pem"]]
    for name, key in (("ecdsa", ec), ("rsa", ["-newkey", "rsa:2048"])):
        commands += [
            [*new, *key, "-subj", "/CN=localhost", "-keyout", f"{name}.key", "-out", "csr"],
            ["openssl", "x509", "-req", "-in", "csr", "-extfile", "ext", "-days", "80", "-CA", "ca.pem", "-CAkey",
             "ca.key", "-CAcreateserial", "-out", f"{name}.pem"]]
    for command in commands:
        subprocess.run(command, check=True, capture_output=True, cwd=folder)


def serve(folder, kind):
    port = free_port()
    return port, Server("--listen", f"https://127.0.0.1:{port}", "--tls-cert", f"{folder}/{kind}.pem", "--tls-key",
                        f"{folder}/{kind}.key")


def run(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise Skip(f"there is no {command[0]}") from error


def by_sslscan(folder, kind):
    port, server = serve(folder, kind)
    with server:
        said = run("sslscan", "--xml=-", "--no-colour", f"127.0.0.1:{port}").stdout
    scan = ET.fromstring(said).find("ssltest")
    assert scan is not None, said
    on = [p.get("type") + p.get("version") for p in scan.iter("protocol") if p.get("enabled") == "1"]
    assert on == ["tls1.2", "tls1.3"], f"enabled are {on}"
    assert all(r.get("supported") == "0" for r in scan.iter("renegotiation")), "it renegotiates"
    assert all(h.get("vulnerable") == "0" for h in scan.iter("heartbleed")), "heartbleed"
    ciphers = [(c.get("sslversion"), c.get("cipher"), c.get("strength")) for c in scan.iter("cipher")]
    assert len(ciphers) == 6, ciphers
    for version, name, strength in ciphers:
        # It calls TLS 1.3's own "acceptable": their names tell of no key exchange.
        assert strength == "strong" or (version == "TLSv1.3" and strength == "acceptable"), f"{name} is {strength}"
        assert name.startswith("TLS_" if version == "TLSv1.3" else "ECDHE-"), name
        assert "GCM" in name or "POLY1305" in name, name
    groups = {g.get("name").split(" ")[0] for g in scan.iter("group")}
    assert groups == CURVES, groups


def by_testssl(folder):
    port, server = serve(folder, "ecdsa")
    report = pathlib.Path(folder, "report.json")
    with server:
        run("testssl", "--quiet", "--color", "0", "--warnings", "off", "--add-ca", f"{folder}/ca.pem", "--jsonfile",
            str(report), f"127.0.0.1:{port}")
        assert report.exists(), "it made no report"
    found = json.loads(report.read_text())
    assert len(found) > 100, f"it looked at {len(found)} things only: {found}"
    assert any(f["id"] == "scanTime" and f["severity"] == "INFO" for f in found), "it did not come to its end"
    above = {f["id"]: f"{f['id']} ({f['severity']}): {f['finding']}" for f in found
             if f["severity"] not in ("OK", "INFO")}
    wrong = [text for name, text in above.items() if name not in EXCUSED]
    assert not wrong, "; ".join(wrong)
    gone = set(EXCUSED) - set(above)
    assert not gone, f"excused and not found any more: {', '.join(sorted(gone))}"
    print(f"# testssl.sh: {len(found)} findings, above info are {', '.join(sorted(above))}, which are excused")


def main():
    with tempfile.TemporaryDirectory(prefix="duet-scan-") as folder:
        make_certificates(folder)
        for kind in ("ecdsa", "rsa"):
            claim(f"TLS-11: sslscan finds TLS 1.2 and 1.3, strong ciphers and curves, and no more ({kind})", by_sslscan,
                  folder, kind)
        if "--long" in sys.argv:
            claim(f"TLS-11: testssl.sh finds nothing above \"info\" but {', '.join(sorted(EXCUSED))}", by_testssl,
                  folder)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
