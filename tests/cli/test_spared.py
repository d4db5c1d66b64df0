"""A service starts without what it has no use for, and all of it is there when it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.certificates import make_certificates

ROOT = Path(__file__).resolve().parents[2]
HANG_S = 60.0
NEEDLESS = ["ssl", "_ssl", "_hashlib", "asyncio.sslproto", "anyio.streams.tls"]
NEEDLESS += ["click", "multiprocessing", "csv", "html", "http.client", "logging.config", "logging.handlers"]
SPARED = "from aico.cli.spared import import_without_needless\nimport_without_needless()\n"
STARTED = """
import asyncio, sys
from types import ModuleType
import aico.cli.serve
from aico.main import create_app
from aico.core.settings import Settings
import uvicorn.server
import anyio.to_thread
app = create_app(Settings(ledger_path="/nowhere/taskHistory.json", database_path=sys.argv[1]))
async def start():
    await anyio.to_thread.run_sync(str)
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    server.close()
asyncio.run(start())
print(*(name for name in sys.argv[2:] if type(sys.modules.get(name)) is ModuleType))
"""
DOCUMENT = """
import json, sys
from aico.main import create_app
from aico.core.settings import Settings
app = create_app(Settings(ledger_path="/nowhere/taskHistory.json", database_path=sys.argv[1]))
print(json.dumps(app.openapi()))
"""
CALL = """
import asyncio, sys
import aico.cli.serve
from pathlib import Path
from aico.proxy.webhook import call_webhook
from tests.services.webhook_receiver import saying, webhook_receiver
async def call():
    async with webhook_receiver(saying(200), certificates=Path(sys.argv[1])) as receiver:
        for name in ("localhost", "127.0.0.2"):
            print(await call_webhook(f"https://{name}:{receiver.port}/", {}, b"{}"))
        print(len(receiver.calls))
asyncio.run(call())
"""
DIGESTS = """
import hashlib, hmac
for name in sorted(hashlib.algorithms_guaranteed):
    digest = hashlib.new(name, b"of this")
    print(name, digest.hexdigest(16) if digest.digest_size == 0 else digest.hexdigest())
print(hmac.new(b"key", b"of this", hashlib.sha256).hexdigest())
"""

LACKING = """
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name in ("_sha2", "_sha256") else find(name)
"""
BARRED = "import sys\nprint(sys.modules.get('_hashlib', 0) is None)"


def said(program: str, *arguments: str, **variables: str) -> str:
    """Run a program in an interpreter of its own and return what it prints."""
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=True,
    ).stdout


def test_service_starts_without_what_it_has_no_use_for(tmp_path: Path) -> None:
    """Neither its making nor its socket nor its threads bring any of it back."""
    database = str(tmp_path / "observer.db")
    assert said(SPARED + STARTED, database, *NEEDLESS).split() == []
    assert set(said(STARTED, database, *NEEDLESS).split()) == set(NEEDLESS)


def test_document_is_the_same(tmp_path: Path) -> None:
    """The models of an OpenAPI document are made when one is asked for."""
    database = str(tmp_path / "observer.db")
    assert said(SPARED + DOCUMENT, database) == said(DOCUMENT, database)


def test_tls_is_there_when_something_is_called(tmp_path: Path) -> None:
    """A certificate is looked at as always: one call comes, one is refused."""
    certificates = make_certificates(tmp_path / "ca", "localhost")
    trusted = {"SSL_CERT_FILE": str(certificates / "ca.pem")}
    plain = said(CALL, str(certificates), **trusted)
    assert said(SPARED + CALL, str(certificates), **trusted) == plain
    assert plain.splitlines()[-1] == "1"


def test_digests_are_the_same() -> None:
    """Python's own are those of OpenSSL."""
    assert said(SPARED + DIGESTS) == said(DIGESTS)


def test_digests_of_openssl_stay_where_python_lacks_some() -> None:
    """Some distributions leave them out."""
    assert said(LACKING + SPARED + BARRED).strip() == "False"
    assert said(SPARED + BARRED).strip() == "True"
