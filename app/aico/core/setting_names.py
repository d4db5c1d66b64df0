"""The names of all settings, for code that must not wait for the library that checks their values. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

SETTING_NAMES = (
    "ledger_path",
    "enabled_sources",
    "project_names",
    "cline_sessions",
    "sessions_path",
    "database_path",
    "host",
    "port",
    "token",
    "budget_daily_usd",
    "budget_monthly_usd",
    "max_sockets",
    "allowed_origins",
    "public_url",
    "allowed_hosts",
    "debounce_ms",
    "tick_s",
    "rescan_interval_s",
    "backoff_max_s",
    "read_attempts",
    "max_ledger_bytes",
    "max_entries_per_run",
    "kimi_proxy_url",
    "kimi_proxy_secret",
    "webhook_url",
    "webhook_secret",
    "log_format",
    "log_level",
)
"""All that are no table: the fields of :class:`aico.core.settings.Settings`, in the order of the documentation."""
TABLES = ("budgets", "plans", "prices", "currency")
"""Tables of the configuration file whose parts the user names."""
WEBHOOK = "webhook"
"""A table of the file whose fields are settings: ``[webhook] url`` is ``webhook_url``."""
SOURCE_FIELDS = ("enabled", "origins", "roots", "ledgers")
"""The settings of one source: the fields of :class:`aico.core.source_settings.SourceSettings`."""
FIXED_TABLES = {
    "otlp": (
        "endpoint",
        "token",
        "ca_file",
        "insecure",
        "interval_s",
        "protocol",
        "host_name",
        "environment",
        "model_names",
    ),
    "activity": ("kinds", "apps", "commands", "domains"),
}
"""Tables of settings that belong together, each with its fields: those of the class of the same name."""
FIXED_SETTINGS = tuple(f"{table}.{field}" for table, fields in FIXED_TABLES.items() for field in fields)
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def is_id(name: str) -> bool:
    """Return whether ``name`` can be the id of a source or an origin."""
    return _ID.fullmatch(name) is not None


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean NAME?`` for the known name that is nearest, empty where none is near."""
    from difflib import get_close_matches  # noqa: PLC0415  # for a mistyped name only

    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near and near[0] != name else ""
