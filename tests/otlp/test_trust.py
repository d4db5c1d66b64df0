"""Which certificates are believed is the same with every Python; 3.13 and later begin stricter."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from aico.core.otlp_settings import OtlpSettings
from aico.proxy.otlp.sender import read_trust
from aico.proxy.webhook import call_webhook
from aico.proxy.webhook_answer import WebhookAnswer
from tests.certificates import make_sparse_certificates
from tests.services.webhook_receiver import saying, webhook_receiver


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], ssl.SSLContext]:
    """Let contexts begin as those of Python 3.13 do; return one that believes a file."""
    make = ssl.create_default_context

    def make_strict(*, cafile: str | None = None, cadata: str | None = None) -> ssl.SSLContext:
        context = make(cafile=cafile, cadata=cadata)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", make_strict)
    return lambda authority: make_strict(cafile=str(authority))


def believe(context: ssl.SSLContext, certificates: Path, name: str = "localhost") -> None:
    """Shake hands with a server that has ``certificates``. Raises SSLCertVerificationError."""
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(certificates / "server.pem", certificates / "server-key.pem")
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(back, there, server_hostname=name)
    server = own.wrap_bio(there, back, server_side=True)
    for side in (client, server):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    client.do_handshake()


def test_private_authority_is_believed_with_every_python(
    tmp_path: Path, strict: Callable[[Path], ssl.SSLContext]
) -> None:
    """OpenSSL made it, or our script did, before it said what the key of an authority is for."""
    certificates = make_sparse_certificates(tmp_path / "ca")
    authority = certificates / "ca.pem"
    with pytest.raises(ssl.SSLCertVerificationError):
        believe(strict(authority), certificates)
    endpoint = {"endpoint": "https://localhost:4318", "protocol": "http/protobuf", "ca_file": authority}
    context = read_trust(OtlpSettings.model_validate(endpoint)).context
    assert context is not None
    believe(context, certificates)
    with pytest.raises(ssl.SSLCertVerificationError):
        believe(context, certificates, "example.org")
    with pytest.raises(ssl.SSLCertVerificationError):
        believe(context, make_sparse_certificates(tmp_path / "other"))


@pytest.mark.usefixtures("strict")
async def test_authority_of_the_system_is_believed_with_every_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A webhook may be of a private one that the owner of the machine has installed."""
    certificates = make_sparse_certificates(tmp_path / "ca")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "ca.pem"))
    async with webhook_receiver(saying(200), certificates=certificates) as receiver:
        assert await call_webhook(f"https://localhost:{receiver.port}/", {}, b"{}") is WebhookAnswer.TAKEN
