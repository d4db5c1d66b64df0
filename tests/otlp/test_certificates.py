"""What ``make-certificates`` makes is believed by those that look closely."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.certificates import make_certificates


def test_strict_clients_believe_the_certificates(tmp_path: Path) -> None:
    """Python is one from 3.13 on. The second certificate is by the same authority."""
    for _ in range(2):
        folder = make_certificates(tmp_path / "ca", "localhost", "127.0.0.1")
        words = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "ca.pem", "server.pem"]
        said = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        assert said.stdout == "server.pem: OK\n", said.stderr
