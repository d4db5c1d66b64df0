"""``aico webhook``: the address to call when a budget is reached. It is set here and in the configuration only."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from pydantic import SecretStr

from aico.cli import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from aico.cli.settings import load
from aico.cli.streams import complain, say
from aico.cli.terms import look
from aico.core.command_name import as_typed
from aico.core.errors import SettingFixed, WebhookMissing
from aico.core.settings import Settings
from aico.core.spending_settings import check_secret, check_webhook_url, shown_address
from aico.core.webhook import find_webhook, new_secret, remove_webhook, store_webhook
from aico.proxy.webhook_answer import WebhookAnswer
from aico.services.service import ObserverService

_FILE_MAX = 4_096


def tend(options: argparse.Namespace) -> int:
    """Do what ``options.action`` says; exit with 1 for a test that failed, with 2 for a value that cannot be set."""
    settings = load(options).settings
    if options.action == "set":
        return _set(settings, options.url, options.secret_file)
    if options.action == "test":
        return _test(settings)
    if options.action == "remove":
        if settings.webhook_url is not None:
            raise SettingFixed("webhook_url")
        say("The webhook is removed." if remove_webhook(settings.database_path) else "There was no webhook.")
        return EXIT_OK
    target = find_webhook(settings)
    if options.json:
        shown = None if target is None else shown_address(target.url)
        say(json.dumps({"is_set": target is not None, "address": shown, "fixed_by": target and target.fixed_by}))
    elif target is None:
        say(as_typed("No webhook is set. `aico webhook set URL` sets one."))
    else:
        fixed = f", fixed by {target.fixed_by}" if target.fixed_by else ""
        say(f"Called when a budget is reached: {shown_address(target.url)}{fixed}. It is signed with a secret.")
    return EXIT_OK


def _set(settings: Settings, url: str, secret_file: str | None) -> int:
    if settings.webhook_url is not None:
        raise SettingFixed("webhook_url")
    try:
        check_webhook_url(url)
    except ValueError as error:
        complain(f"aico webhook: the address {error}")
        return EXIT_USAGE
    secret = new_secret()
    if secret_file is not None:
        try:
            with Path(secret_file).open(encoding="utf-8") as file:
                secret = file.read(_FILE_MAX).strip()
            check_secret(SecretStr(secret))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            complain(f"aico webhook: the secret of {secret_file} {reason}")
            return EXIT_USAGE
    store_webhook(settings.database_path, url, secret)
    say(f"Called when a budget is reached: {shown_address(url)}.")
    if secret_file is None:
        say("Its calls are signed with this secret, which is not shown again:", secret)
    return EXIT_OK


async def _call(service: ObserverService) -> str:
    return (await service.budgets.webhook.test()).value


def _test(settings: Settings) -> int:
    if find_webhook(settings) is None:
        raise WebhookMissing
    answer = look(settings, lambda service: service.test_webhook(), _call)
    if answer is None:
        complain(as_typed("aico webhook: there is no database yet; start the service once with `aico serve`"))
        return EXIT_FAILED
    say(f"The webhook was called: {answer.replace('_', ' ')}.")
    return EXIT_OK if answer == WebhookAnswer.TAKEN else EXIT_FAILED
