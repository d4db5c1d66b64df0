"""Makes an authority and a certificate of it, with the script that we ship."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_SCRIPT = Path(__file__).resolve().parents[1] / "deploy" / "otel" / "make-certificates"


def make_certificates(folder: Path, *names: str) -> Path:
    """Make an authority and a certificate for ``names``; return where they lie: ``ca.pem``, ``server.pem``, keys."""
    variables = {"CERTIFICATES": str(folder), "PATH": os.environ["PATH"]}
    subprocess.run([_SCRIPT, *names], env=variables, check=True, capture_output=True)
    return folder


def make_sparse_certificates(folder: Path) -> Path:
    """Make the same for ``localhost``, as OpenSSL and our script once made it: it says not what the keys are for."""
    folder.mkdir()
    (folder / "cnf").write_text("[req]\ndistinguished_name=none\n[none]\n[ca]\nbasicConstraints=CA:TRUE\n", "ascii")
    (folder / "ext").write_text("subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n", "ascii")
    key, request = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes", "openssl req -new -config cnf"
    for command in (
        f"{request} {key} -x509 -extensions ca -subj /CN=authority -keyout ca-key.pem -out ca.pem",
        f"{request} {key} -subj /CN=server -keyout server-key.pem -out server.csr",
        "openssl x509 -req -in server.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -extfile ext -out server.pem",
    ):
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder
