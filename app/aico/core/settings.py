"""Every setting: its default, its bounds, and where its value came from (defaults < file < environment < flags)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from aico.core.activity_settings import ActivitySettings
from aico.core.currency import Currency, read_currency
from aico.core.errors import SettingsError
from aico.core.loopback import is_loopback
from aico.core.otlp_settings import VARIABLES as PREDECESSORS
from aico.core.otlp_settings import OtlpSettings, read_predecessors
from aico.core.plain_path import absolute_path
from aico.core.price_settings import OwnPricesSettings
from aico.core.setting_names import FIXED_SETTINGS, FIXED_TABLES, TABLES, suggest
from aico.core.settings_layers import (
    CONFIG_VARIABLE,
    ENV_PREFIX,
    config_path,
    default_database_path,
    read_layers,
    variable_of,
)
from aico.core.source_choice import Choice, decide_by_new_names
from aico.core.source_settings import (
    LEDGER_NAME,
    EnabledSources,
    KnownSources,
    SourceSettings,
    check_ledger_path,
    check_named_path,
    split_list,
)
from aico.core.spending_settings import (
    Amount,
    BudgetName,
    BudgetSettings,
    PlanSettings,
    check_secret,
    check_webhook_url,
)
from aico.core.terms import Budget, BudgetPeriod, Plan
from aico.core.user_folders import APP_NAME

__all__ = [
    "APP_NAME",
    "CONFIG_VARIABLE",
    "ENV_PREFIX",
    "LEDGER_NAME",
    "SESSIONS_NAME",
    "ActivitySettings",
    "KnownSources",
    "LoadedSettings",
    "OtlpSettings",
    "Settings",
    "SourceSettings",
    "check_ledger_path",
    "check_sessions_path",
    "config_path",
    "default_sessions",
    "find_cline_folder",
    "is_loopback",
    "load_settings",
    "setting_names",
    "variable_of",
]

SESSIONS_NAME = "sessions.db"
CLINE = "cline"
_KIMI_SECRET = "KIMI_PROXY_SECRET"  # noqa: S105  # the variable in which the proxy itself looks for it
_LEDGERS = f"sources.{CLINE}.ledgers"
_HTTP_ADDRESS = r"^https?://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?/?$"
_PUBLIC_URL = r"^https?://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*$"
_VSCODE = "vscode-webview:"
"""The scheme of the views that extensions of VS Code show: pages of it may frame, as far as they are listed."""
_SWITCHES = {"cline_sessions", "project_names"}
"""The settings that are true or false; in every other one that is a mistake: ``true`` is not the port 1."""
_FALSE = {"false", "f", "no", "n", "off", "0"}
"""Words that pydantic takes for false."""
_INTERNAL = {"ledger_chosen_by", "sources", *TABLES, *FIXED_TABLES}
"""Fields that are no setting by their own name."""


def _refuse_star(host: str) -> str:
    if "*" in host:
        raise ValueError("must name each host: with '*' any web page could pass for this service under its own name")
    return host


Hosts = Annotated[tuple[Annotated[str, AfterValidator(_refuse_star)], ...], BeforeValidator(split_list)]


def _check_origin(text: str) -> str:
    if text == _VSCODE:
        return text
    if text.startswith(_VSCODE):
        raise ValueError(f"must name views of VS Code by {_VSCODE} alone: each has an origin that nobody knows before")
    if re.search(_HTTP_ADDRESS, text) is None:
        raise ValueError("must name each page as scheme://host:port, such as http://127.0.0.1:8000; '*' is refused")
    return text


def _check_public_url(text: str) -> str:
    url = text.rstrip("/")
    if re.search(_PUBLIC_URL, url) is None:
        raise ValueError("must be an address such as https://example.org or https://example.org/observer")
    return url


PublicUrl = Annotated[str, AfterValidator(_check_public_url)]
_Origin = Annotated[str, AfterValidator(_check_origin)]
Origins = Annotated[tuple[_Origin, ...], BeforeValidator(split_list)]
"""Never ``null`` or ``*``: a sandboxed page of anybody has the origin ``null``."""


def check_sessions_path(text: str) -> str:
    """Return ``text`` when it can be the path of the session store, by the ledger's rules; its name is its own."""
    return check_named_path(text, SESSIONS_NAME)


def _fit_for_a_header(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not text or not all("!" <= character <= "~" for character in text):
        raise ValueError("must be printable ASCII without spaces")  # never with the secret
    return secret


def _fit_for_a_webhook(address: SecretStr) -> SecretStr:
    check_webhook_url(address.get_secret_value())
    return address


class Settings(BaseModel):
    """The values that the service runs with. Made by :func:`load_settings`, or by a test."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    ledger_path: Annotated[str, BeforeValidator(lambda value: check_ledger_path(str(value)))]
    """The single allowlisted file. Set by the operator at start, never by a request."""
    ledger_chosen_by: str = Field(default="flag", exclude=True)
    """The part of the settings that chose ``ledger_path``; not a setting of its own."""
    enabled_sources: EnabledSources = "choose"
    """Which tools are read: all, those in the list, or, with ``choose``, Cline's ledger and what is switched on."""
    project_names: bool | None = None
    """True: the last names of working folders are kept. None: as the switch says, which is off at first."""
    sources: Mapping[str, SourceSettings] = Field(default_factory=dict)
    """The settings of single sources, by their id."""
    budgets: Mapping[BudgetName, BudgetSettings] = Field(default_factory=dict)
    """The budgets, by name."""
    plans: Mapping[str, PlanSettings] = Field(default_factory=dict)
    """Sources that are paid by subscription, by their id."""
    currency: Annotated[Currency | None, BeforeValidator(read_currency)] = None
    """The currency that amounts are shown in; None: US dollars, or what is set while the service runs."""
    prices: OwnPricesSettings = ()
    """The user's own prices; others may be set while the service runs."""
    cline_sessions: bool = False
    """True: the session store of newer Cline is read too."""
    sessions_path: str = Field(default_factory=lambda: default_sessions(os.environ)[0])
    """The session store: neither looked at nor judged unless a setting says that it is read."""
    database_path: Annotated[Path, BeforeValidator(absolute_path)] = Field(default_factory=default_database_path)
    """The SQLite database; its folder is made 0700, the file 0600."""
    host: str = "127.0.0.1"
    """Address to listen on; one that is not loopback needs ``token``."""
    port: int = Field(default=8611, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    token: SecretStr | None = None
    """When set, every caller must show it."""
    budget_daily_usd: Amount | None = None
    """Shown on the page against today's cost."""
    budget_monthly_usd: Amount | None = None
    """Shown on the page against this month's cost."""
    max_sockets: int = Field(default=256, ge=1, le=10_000)
    """WebSocket connections at once; never above the descriptor limit less 100."""
    allowed_origins: Origins = ()
    """Web pages that may call besides our own, as ``scheme://host:port``."""
    public_url: PublicUrl | None = None
    """The address at which a proxy shows the page: printed links begin with it, and it is one of our own names."""
    allowed_hosts: Hosts = ()
    """Host names that are answered besides the loopback ones, with or without a port."""
    debounce_ms: float = Field(default=50, ge=0, le=5_000, allow_inf_nan=False)
    """Quiet time after the last write before reading."""
    tick_s: float = Field(default=2, gt=0, le=3_600, allow_inf_nan=False)
    """Between two looks at the metadata of file and directory without any notification."""
    rescan_interval_s: float = Field(default=60, ge=0, le=86_400, allow_inf_nan=False)
    """Between two full readings without any notification; 0 turns them off."""
    backoff_max_s: float = Field(default=600, gt=0, le=86_400, allow_inf_nan=False)
    """Longest distance between rescans while they fail."""
    read_attempts: int = Field(default=6, ge=1, le=6)
    """Readings of an unfinished file, 50 ms apart and doubling; more than 6 could not be answered within 2 s."""
    max_ledger_bytes: int = Field(default=256 * 1024 * 1024, ge=1)
    """A larger ledger is refused."""
    max_entries_per_run: int = Field(default=10_000, ge=1, le=1_000_000)
    """Changed entries written per transaction; the rest follows at once."""
    kimi_proxy_url: str | None = Field(default=None, pattern=_HTTP_ADDRESS)
    """When set, the health of the Kimi Proxy there is shown."""
    kimi_proxy_secret: Annotated[SecretStr, AfterValidator(_fit_for_a_header)] | None = None
    """The secret that this Kimi Proxy demands of its callers."""
    webhook_url: Annotated[SecretStr, AfterValidator(_fit_for_a_webhook)] | None = None
    """The address that is called when a budget is reached: HTTPS, or HTTP on this machine."""
    webhook_secret: Annotated[SecretStr, AfterValidator(check_secret)] | None = None
    """The secret that such a call is signed with."""
    otlp: OtlpSettings = Field(default_factory=OtlpSettings)
    """The way out to a collector."""
    activity: ActivitySettings = Field(default_factory=ActivitySettings)
    """The use of apps, commands and sites that may be seen."""
    log_format: Literal["auto", "text", "json"] = "auto"
    """How the log is written; ``auto`` is text on a terminal and JSON otherwise."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The log leaves out lines that are less severe."""

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_booleans(cls, value: object, info: ValidationInfo[None]) -> object:
        if isinstance(value, bool) and info.field_name not in _SWITCHES:
            raise ValueError("must not be true or false")  # what pydantic turns into its own error
        return value

    @field_validator("sessions_path")
    @classmethod
    def _check_sessions(cls, value: str, info: ValidationInfo[None]) -> str:
        enabled, sources = info.data.get("enabled_sources"), info.data.get("sources")
        if enabled is None or sources is None:
            return value  # one of the two is refused, and is told first
        newer = decide_by_new_names(CLINE, "sessions", enabled, sources)
        is_read = newer.choice is Choice.ON if newer.fixed_by else bool(info.data.get("cline_sessions"))
        return check_sessions_path(value) if is_read else value

    @field_validator("sources")
    @classmethod
    def _check_sources(cls, value: Mapping[str, SourceSettings]) -> Mapping[str, SourceSettings]:
        for name, source in value.items():
            if source.ledgers and name != CLINE:
                raise ValueError(f"{name}.ledgers: only {CLINE} has ledgers")
            if source.roots and name == CLINE:
                raise ValueError(f"{name}.roots: its files are named by ledgers, ledger_path and sessions_path")
            if source.enabled is False and source.origins:
                raise ValueError(f"{name}.origins: contradicts enabled = false")
            if source.enabled and source.origins == ():
                raise ValueError(f"{name}.origins: is empty, which contradicts enabled = true")
        return value

    @model_validator(mode="after")
    def _check_ledgers(self) -> Self:
        if self.ledgers[0] != self.ledger_path:
            raise ValueError(f"ledger_path contradicts {_LEDGERS}, whose first it has to be")
        return self

    @model_validator(mode="after")
    def _check_exposure(self) -> Self:
        if self.token is not None and len(self.token.get_secret_value()) < 16:
            raise ValueError("token must have at least 16 characters")
        if self.token is None and not is_loopback(self.host):
            raise ValueError("a host that is not loopback needs a token")
        return self

    @model_validator(mode="after")
    def _check_webhook(self) -> Self:
        if self.webhook_url is not None and self.webhook_secret is None:
            raise ValueError("webhook_url needs a webhook_secret, with which its calls are signed")
        return self

    def list_fixed_budgets(self) -> list[Budget]:
        """Return the budgets that the configuration decides, by their names; the older settings are one each."""
        older = {"daily": (BudgetPeriod.DAY, "budget_daily_usd"), "monthly": (BudgetPeriod.MONTH, "budget_monthly_usd")}
        found = {
            name: BudgetSettings(amount=amount, period=period).as_budget(name, setting)
            for name, (period, setting) in older.items()
            if (amount := getattr(self, setting)) is not None
        }
        found |= {name: each.as_budget(name, f"budgets.{name}") for name, each in self.budgets.items()}
        return [found[name] for name in sorted(found)]

    def list_fixed_plans(self) -> list[Plan]:
        """Return the plans that the configuration decides, by their sources."""
        return [self.plans[source].as_plan(source, f"plans.{source}") for source in sorted(self.plans)]

    @property
    def ledgers(self) -> tuple[str, ...]:
        """Cline's ledgers, at least one; the first is ``ledger_path``."""
        named = self.sources.get(CLINE)
        return (named.ledgers if named else ()) or (self.ledger_path,)


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings and the origin of each: ``default``, a file, a variable or ``flag``.

    A setting of a source is named as in ``sources.cline.origins``, and only if it is set; of a table such as ``otlp``
    every setting is named if one is set.
    """

    settings: Settings
    origins: Mapping[str, str]

    def get_value(self, name: str) -> object:
        """Return the value of a setting that ``origins`` names. Raises KeyError, AttributeError for another name."""
        if name.startswith("sources."):
            _, source, field = name.split(".")
            return getattr(self.settings.sources[source], field)
        if name in FIXED_SETTINGS:
            table, field = name.split(".")
            return getattr(getattr(self.settings, table), field)
        return getattr(self.settings, name)


def load_settings(
    flags: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    known: KnownSources | None = None,
) -> LoadedSettings:
    """Merge defaults, configuration file, environment and ``flags`` (setting name to value) into the settings.

    ``known`` are the sources and origins that may be named; None leaves their names unchecked. Raises SettingsError
    for an unknown key or name, a value out of bounds, a contradiction or an unreadable file; nothing was opened but
    the configuration file. Any other exception is a bug.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, object] = {}
    origins = dict.fromkeys(setting_names(), "default")
    ranks: dict[str, int] = {}
    for rank, layer in enumerate(read_layers(setting_names(), flags or {}, environment)):
        values |= layer.values
        origins |= layer.origins
        ranks |= dict.fromkeys(layer.values, rank)
    _let_the_stronger_decide(values, origins, ranks)
    if "ledger_path" not in values:
        values["ledger_path"], origins["ledger_path"] = _default_ledger(environment)
    if "sessions_path" not in values:
        values["sessions_path"], origins["sessions_path"] = default_sessions(environment)
    values["ledger_chosen_by"] = origins["ledger_path"]
    predecessors = read_predecessors(environment, values)
    values |= predecessors
    origins |= {name: PREDECESSORS[name] for name in predecessors}
    for table, fields in FIXED_TABLES.items():
        names = [f"{table}.{field}" for field in fields]
        if any(name in origins for name in names):
            origins = dict.fromkeys(names, "default") | origins
    if "kimi_proxy_url" in values and "kimi_proxy_secret" not in values and environment.get(_KIMI_SECRET):
        values["kimi_proxy_secret"], origins["kimi_proxy_secret"] = environment[_KIMI_SECRET], _KIMI_SECRET
    loaded = LoadedSettings(_validate(values, origins), origins)
    _check_old_name(loaded, ranks)
    if known is not None:
        _check_names(loaded, known)
    return loaded


def setting_names() -> tuple[str, ...]:
    """Return the names of all settings that are no table, in the order of the documentation."""
    return tuple(name for name in Settings.model_fields if name not in _INTERNAL)


def _let_the_stronger_decide(values: dict[str, object], origins: dict[str, str], ranks: Mapping[str, int]) -> None:
    """Drop the weaker of two settings that speak of the same thing in two layers; one layer has to agree."""
    for enabled in [name for name in values if name.startswith("sources.") and name.endswith(".enabled")]:
        listed = enabled.removesuffix("enabled") + "origins"
        is_off, names_some = str(values[enabled]).lower() in _FALSE, bool(split_list(values.get(listed)))
        if is_off is names_some:  # off with some origins, or on with none; read with some, both hold
            _drop_weaker(enabled, listed, values, origins, ranks)
    _drop_weaker("ledger_path", _LEDGERS, values, origins, ranks)
    ledgers = split_list(values.get(_LEDGERS))
    if isinstance(ledgers, list | tuple) and ledgers:
        if values.setdefault("ledger_path", ledgers[0]) != ledgers[0]:
            reason = f"contradicts {_LEDGERS}, whose first it has to be; leave it out"
            raise SettingsError("ledger_path", f"{reason} (from {origins['ledger_path']})")
        origins["ledger_path"] = origins[_LEDGERS]


def _drop_weaker(
    one: str, other: str, values: dict[str, object], origins: dict[str, str], ranks: Mapping[str, int]
) -> None:
    if one in values and other in values and ranks[one] != ranks[other]:
        weaker = min(one, other, key=lambda name: ranks[name])
        del values[weaker]
        if weaker in setting_names():
            origins[weaker] = "default"
        else:
            del origins[weaker]


def _validate(values: Mapping[str, object], origins: Mapping[str, str]) -> Settings:
    tree: dict[str, object] = {name: value for name, value in values.items() if "." not in name}
    sources: dict[str, dict[str, object]] = {}
    tables: dict[str, dict[str, object]] = {}
    for name in values.keys() - tree.keys():
        *path, field = name.split(".")
        if path[0] == "sources":
            sources.setdefault(path[1], {})[field] = values[name]
        else:
            tables.setdefault(path[0], {})[field] = values[name]
    try:
        return Settings.model_validate(tree | tables | {"sources": sources})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place, message = [str(part) for part in first["loc"]], first["msg"].removeprefix("Value error, ")
    if place == ["sources"] or place in [[table] for table in FIXED_TABLES]:
        field, _, message = message.partition(": ")
        place += field.split(".")
    if place == ["ledger_path"] and _LEDGERS in origins and origins[_LEDGERS] == origins["ledger_path"]:
        place = _LEDGERS.split(".")  # it is the first of them
    name = ".".join(place)
    origin = origins.get(".".join(place[:3])) or origins.get(name.partition(".")[0], "default")
    if place and place[0] in FIXED_TABLES:
        origin = origins.get(".".join(place[:2]), "default")
    of_the_whole = "webhook_secret" if "webhook" in message else "token"
    raise SettingsError(name or of_the_whole, message if origin == "default" else f"{message} (from {origin})")


def _check_old_name(loaded: LoadedSettings, ranks: Mapping[str, int]) -> None:
    """Raise SettingsError where one layer says both that the session store is read and that it is not."""
    settings = loaded.settings
    newer = decide_by_new_names(CLINE, "sessions", settings.enabled_sources, settings.sources)
    differs = newer.fixed_by is not None and (newer.choice is Choice.ON) != settings.cline_sessions
    if differs and ranks.get("cline_sessions") == ranks.get(newer.fixed_by or ""):
        reason = f"contradicts {newer.fixed_by}; leave one of the two out (from {loaded.origins['cline_sessions']})"
        raise SettingsError("cline_sessions", reason)


def _check_names(loaded: LoadedSettings, known: KnownSources) -> None:
    """Raise SettingsError for a source or an origin that is not ``known``."""
    settings, origins = loaded.settings, loaded.origins
    if settings.plans:
        _check_each("plans", tuple(settings.plans), "source", known, origins["plans"])
    if isinstance(settings.enabled_sources, tuple):
        _check_each("enabled_sources", settings.enabled_sources, "source", known, origins["enabled_sources"])
    for source, values in settings.sources.items():
        name = f"sources.{source}"
        origin = next(origin for key, origin in origins.items() if key.startswith(f"{name}."))
        _check_each(name, (source,), "source", known, origin)
        if values.origins:
            key = f"{name}.origins"
            _check_each(key, values.origins, f"origin of {source}", known[source], origins[key])


def _check_each(setting: str, names: tuple[str, ...], kind: str, known: Iterable[str], origin: str) -> None:
    for name in names:
        if name not in known:
            listed = ", ".join(known)
            reason = f"{name} is no {kind}; known are {listed}{suggest(name, known)} (from {origin})"
            raise SettingsError(setting, reason)


def _default_ledger(environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the ledger's path and what chose it. Source: Kimi Proxy's variable, then Cline's own."""
    if path := environment.get("KIMI_PROXY_CLINE_LEDGER_PATH"):
        return path, "KIMI_PROXY_CLINE_LEDGER_PATH"
    folder, origin = _data_folder(environment)
    return f"{folder}/state/{LEDGER_NAME}", origin


def default_sessions(environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the path of Cline's session store, and the variable behind it. Source: ``resolveDbDataDir`` in Cline."""
    if folder := find_cline_folder(environment, "CLINE_DB_DATA_DIR"):
        return f"{folder}/{SESSIONS_NAME}", "CLINE_DB_DATA_DIR"
    folder, origin = _data_folder(environment)
    return f"{folder}/db/{SESSIONS_NAME}", origin


def _data_folder(environment: Mapping[str, str]) -> tuple[str, str]:
    if folder := find_cline_folder(environment, "CLINE_DATA_DIR"):
        return folder, "CLINE_DATA_DIR"
    if folder := find_cline_folder(environment, "CLINE_DIR", "data"):
        return folder, "CLINE_DIR"
    return f"{_home()}/.cline/data", "default"


def find_cline_folder(environment: Mapping[str, str], variable: str, below: str = "") -> str | None:
    """Return the folder that one of Cline's variables names, None where it names none.

    Blanks around it do not count, ``.``, ``..`` and ``//`` are taken out, and a relative one begins at the working
    directory, all of it as Cline does. Only ``~`` Cline leaves as it is, because its shell has replaced it already; in
    a unit or an .env file nobody has. Source: ``resolveClineDataDir`` in Cline (``join`` of Node's path module).
    """
    text = environment.get(variable, "").strip()
    if not text:
        return None
    if text == "~" or text.startswith("~/"):
        text = _home() + text[1:]
    return os.path.normpath(os.path.join(os.getcwd(), text, below))  # noqa: PTH109, PTH118  # as text: NUL and all


def _home() -> str:
    # The home directory may itself lie behind a link (macOS, network homes); below it, none is followed.
    return os.path.realpath(Path("~").expanduser())
