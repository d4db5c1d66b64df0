"""The webhook's address and the secret that signs its calls: by configuration, or by the command ``aico webhook``.

The command's word lies in a private file beside the database: in no backup, and no request reads or writes it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from aico.core.errors import StorageError
from aico.core.private_file import open_private, refuse_planted, webhook_path
from aico.core.settings import Settings
from aico.core.spending_settings import SECRET_LENGTH_MIN, check_webhook_url

_SIZE_MAX = 16_384


class WebhookTarget(NamedTuple):
    """An address and a secret. Never written to a log, an answer or an error."""

    url: str
    secret: str
    fixed_by: str | None
    """The setting that decides; None where the command does."""

    def __repr__(self) -> str:
        """Return nothing of it."""
        return "WebhookTarget(...)"


def find_webhook(settings: Settings) -> WebhookTarget | None:
    """Return the webhook, or None where none is set. Blocking.

    Raises StorageError for a file that somebody else may have written, or that is none of ours.
    """
    if settings.webhook_url is not None and settings.webhook_secret is not None:
        secret = settings.webhook_secret.get_secret_value()
        return WebhookTarget(settings.webhook_url.get_secret_value(), secret, "webhook_url")
    path = webhook_path(settings.database_path)
    try:
        descriptor = open_private(path, create=False)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        text = file.read(_SIZE_MAX)
    target = _parse(text)
    if target is None:
        raise StorageError(f"{path} holds no webhook; set it again")
    return target


def _parse(text: bytes) -> WebhookTarget | None:
    """Return what our own file says, None for anything else; no error holds any of it."""
    try:
        fields = json.loads(text)
        url, secret = check_webhook_url(str(fields["url"])), str(fields["secret"])
    except (ValueError, TypeError, KeyError):
        return None
    return WebhookTarget(url, secret, None) if len(secret) >= SECRET_LENGTH_MIN else None


def store_webhook(database_path: Path, url: str, secret: str) -> None:
    """Keep an address and a secret, in the place of those before. Raises StorageError. Blocking."""
    path = webhook_path(database_path)
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    refuse_planted(path)
    try:
        descriptor = open_private(unfinished, create=True)
        with os.fdopen(descriptor, "wb") as file:
            file.write(json.dumps({"url": url, "secret": secret}).encode())
            file.flush()
            os.fsync(descriptor)
        unfinished.replace(path)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink()
        raise StorageError(f"cannot write {path}: {error.strerror}") from error


def remove_webhook(database_path: Path) -> bool:
    """Forget the command's word; return whether there was any. Raises StorageError. Blocking."""
    path = webhook_path(database_path)
    refuse_planted(path)
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StorageError(f"cannot remove {path}: {error.strerror}") from error
    return True


def new_secret() -> str:
    """Return a secret nobody can guess."""
    return secrets.token_urlsafe(32)


def sign(secret: str, timestamp_s: int, body: bytes) -> str:
    """Return the signature of a call: HMAC-SHA256 over timestamp, a dot and the body, in hexadecimal digits."""
    return hmac.new(secret.encode(), b"%d.%b" % (timestamp_s, body), hashlib.sha256).hexdigest()
