"""What libraries import and make, and ``aico serve`` has no use for: 9 MB of its memory, a quarter of its start."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from aico.api.fastapi_spared import import_fastapi
from aico.core.put_off import put_off

_OWN_DIGESTS = (("_md5", "_sha1", "_sha3", "_blake2"), ("_sha2",), ("_sha256", "_sha512"))
"""Python's own digests: those of all versions, those from 3.12 on, and those before."""


class _NoSocket:
    """No socket is one of these."""


def import_without_needless() -> None:
    """Import the libraries of a service without what it has no use for. For a process that is ours until its end.

    What is put off is there as soon as anything is asked of it.
    """
    # FastAPI looks for it to refuse models of it, of which we have none, and does without.
    _bar("pydantic.v1")
    if _has_digests():
        # The digests of OpenSSL, beside those that Python has itself. TLS brings OpenSSL with it when it is needed.
        _bar("_hashlib")
    # Taken for one word or one rare answer each.
    for name in ("csv", "html", "http.client", "logging.config"):
        put_off(name)
    # uvicorn has settings for a TLS of its own, and asyncio asks each listening socket whether it is one of these.
    put_off("ssl", PROTOCOL_TLS_SERVER=17, CERT_NONE=0, SSLSocket=_NoSocket)
    put_off("asyncio.sslproto")
    # Imported with the first file of the page, which is sent by a thread.
    put_off("anyio.streams.tls", "TLSStream", "TLSConnectable")
    # The commands of these libraries, with Click, and all that starts processes.
    put_off("uvicorn.main", "Server", "main", "run")
    put_off("watchfiles.run", "arun_process", "run_process")
    # The library of prices could fetch newer ones with the first. Few logs are packed.
    put_off("httpx2")
    put_off("zstandard")
    import_fastapi()


def _bar(name: str) -> None:
    sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # which is how an import is barred


def _has_digests() -> bool:
    """Return whether Python has all digests without OpenSSL; some distributions leave them out."""
    always, *ways = _OWN_DIGESTS
    return all(map(find_spec, always)) and any(all(map(find_spec, way)) for way in ways)
