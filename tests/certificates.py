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
