"""Which certificates another machine may have."""

from __future__ import annotations

import ssl


def make_context(authority: str | None = None) -> ssl.SSLContext:
    """Return a context that believes ``authority`` (PEM), else whom the system believes. Blocks for files.

    Raises SSLError and ValueError for no certificates. Python 3.13 and later refuse an authority that does not say what
    its key is for, as ``openssl req -x509`` makes them. Python 3.11, gRPC and browsers believe it, and an update of
    Python shall cut nobody off: signature, name and time count as ever.
    """
    context = ssl.create_default_context(cadata=authority)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
