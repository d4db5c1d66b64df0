"""``aico currency``: the currency that amounts are shown in, at the user's own rate."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from aico.cli import EXIT_OK, EXIT_USAGE
from aico.cli.price import change, look
from aico.cli.settings import load
from aico.cli.streams import complain, say
from aico.core.currency import Currency, currency_of
from aico.services.currency import CurrencyOut, ShownCurrency


def tend(options: argparse.Namespace) -> int:
    """Do what ``options.action`` says, or show it. Raises SettingsError, StorageError, PriceFixed, ServiceRefusal."""
    settings = load(options).settings
    if options.action == "set":
        day = options.on or datetime.now(UTC).astimezone().date()
        try:
            currency = currency_of(options.code.upper(), options.rate, day)
        except ValueError as error:
            field, _, reason = str(error).partition(": ")
            names = {"code": "CODE", "per_usd": "--rate", "as_of": "--on"}
            complain(f"aico currency set: {names[field]} {reason}")
            return EXIT_USAGE
        body: dict[str, object] = {
            "code": currency.code,
            "per_usd": f"{currency.per_usd:f}",
            "as_of": currency.as_of.isoformat(),
        }
        change(settings, lambda service: service.currencies.set(currency), lambda running: running.set_currency(body))
    elif options.action == "remove":
        change(settings, lambda service: service.currencies.set(None), lambda running: running.remove_currency())
    shown = look(settings, lambda service: service.currencies.find(), None)
    if options.action == "show" and options.json:
        told = CurrencyOut.of(shown or (settings.currency and ShownCurrency(settings.currency, is_fixed=True)))
        say("null" if told is None else told.model_dump_json())
        return EXIT_OK
    found = settings.currency if shown is None else shown.currency
    say("Amounts are shown in US dollars." if found is None else describe_currency(found))
    return EXIT_OK


def describe_currency(currency: Currency) -> str:
    """Return the currency that is shown, its rate, and the rate's date."""
    rate = f"{currency.per_usd:f}"
    return f"Amounts in {currency.code}, at your rate of {rate} to the US dollar, {currency.as_of:%b %d %Y}."
