"""A collector with TLS, and the application in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import ledger, serve
from tests.certificates import make_certificates
from tests.held_port import held_port
from tests.otlp.fake_collector import FakeCollector, collector

__all__ = ["ledger", "serve"]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where an authority and the certificate of a collector lie."""
    return make_certificates(tmp_path_factory.mktemp("ca"), "localhost", "127.0.0.1")


@pytest.fixture
def receiver(certificates: Path) -> Iterator[FakeCollector]:
    """Run a collector with TLS and a token."""
    with collector(certificates) as fake:
        yield fake


@pytest.fixture
def free_port() -> Iterator[int]:
    """Keep a port on which only a program listens that is told of it."""
    with held_port() as port:
        yield port
