"""Every setting: its default, its bounds, and where its value came from (defaults < file < environment < flags)."""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import platformdirs
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from aico.core.errors import SettingsError
from aico.core.plain_path import check_plain_path

APP_NAME = "ai-cost-observer"
ENV_PREFIX = "AICO_"
LEDGER_NAME = "taskHistory.json"
SESSIONS_NAME = "sessions.db"
_KIMI_SECRET = "KIMI_PROXY_SECRET"  # noqa: S105  # the variable in which the proxy itself looks for it
CONFIG_VARIABLE = "AICO_CONFIG"
"""Names another configuration file; the only ``AICO_`` variable that is no setting."""


_HTTP_ADDRESS = r"^https?://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?/?$"


_SWITCHES = {"cline_sessions"}
"""The settings that are true or false; in every other one that is a mistake: ``true`` is not the port 1."""


def _split_list(value: object) -> object:
    """Take ``a, b`` from the environment for ``["a", "b"]``."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(_split_list)]
_Origin = Annotated[str, StringConstraints(pattern=_HTTP_ADDRESS)]
Origins = Annotated[tuple[_Origin, ...], BeforeValidator(_split_list)]
"""Never ``null`` or ``*``: a sandboxed page of anybody has the origin ``null``."""


def check_ledger_path(text: str) -> str:
    """Return ``text`` when it can be the allowlisted path; raise ValueError with the reason otherwise.

    Absolute, already in its only spelling (no ``.``, ``..``, ``//`` or trailing slash), named ``taskHistory.json``.
    Nothing is opened or looked up.
    """
    return check_plain_path(text, {LEDGER_NAME})


def check_sessions_path(text: str) -> str:
    """Return ``text`` when it can be the path of the session store, by the same rules; its name is ``sessions.db``."""
    return check_plain_path(text, {SESSIONS_NAME})


def _absolute_path(value: object) -> Path:
    """Take a text or path, absolute or not, for the absolute path that it names."""
    if not isinstance(value, str | Path) or "\0" in str(value):
        raise ValueError("must be a path")  # what pydantic turns into its own error
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError:
        raise ValueError("begins with the home directory of nobody") from None


def _fit_for_a_header(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not text or not all("!" <= character <= "~" for character in text):
        raise ValueError("must be printable ASCII without spaces")  # never with the secret
    return secret


class Settings(BaseModel):
    """The values that the service runs with. Made by :func:`load_settings`, or by a test."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    ledger_path: Annotated[str, BeforeValidator(lambda value: check_ledger_path(str(value)))]
    """The single allowlisted file. Set by the operator at start, never by a request."""
    ledger_chosen_by: str = Field(default="flag", exclude=True)
    """What chose ``ledger_path``; not a setting of its own."""
    cline_sessions: bool = False
    """Whether the session store of newer Cline is read too."""
    sessions_path: str = Field(default_factory=lambda: default_sessions(os.environ)[0])
    """The session store: neither looked at nor judged unless ``cline_sessions`` is set."""
    database_path: Annotated[Path, BeforeValidator(_absolute_path)] = Field(
        default_factory=lambda: platformdirs.user_data_path(APP_NAME) / "observer.db"
    )
    """The SQLite database; its folder is made 0700, the file 0600."""
    host: str = "127.0.0.1"
    """Address to listen on; one that is not loopback needs ``token``."""
    port: int = Field(default=8611, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    token: SecretStr | None = None
    """When set, every caller must show it."""
    budget_daily_usd: float | None = Field(default=None, gt=0, le=1e9, allow_inf_nan=False)
    """Shown on the page against today's cost."""
    budget_monthly_usd: float | None = Field(default=None, gt=0, le=1e9, allow_inf_nan=False)
    """Shown on the page against this month's cost."""
    max_sockets: int = Field(default=256, ge=1, le=10_000)
    """WebSocket connections at once; never above the descriptor limit less 100."""
    allowed_origins: Origins = ()
    """Web pages that may call besides our own, as ``scheme://host:port``."""
    allowed_hosts: Names = ()
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
    """What that Kimi Proxy demands of its callers."""
    log_format: Literal["auto", "text", "json"] = "auto"
    """How the log is written; ``auto`` is text on a terminal and JSON otherwise."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What the log leaves out."""

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_booleans(cls, value: object, info: ValidationInfo[None]) -> object:
        if isinstance(value, bool) and info.field_name not in _SWITCHES:
            raise ValueError("must not be true or false")  # what pydantic turns into its own error
        return value

    @field_validator("sessions_path")
    @classmethod
    def _check_sessions(cls, value: str, info: ValidationInfo[None]) -> str:
        return check_sessions_path(value) if info.data.get("cline_sessions") else value

    @model_validator(mode="after")
    def _check_exposure(self) -> Self:
        if self.token is not None and len(self.token.get_secret_value()) < 16:
            raise ValueError("token must have at least 16 characters")
        if self.token is None and not is_loopback(self.host):
            raise ValueError("a host that is not loopback needs a token")
        return self


def is_loopback(host: str) -> bool:
    """Return whether ``host`` is ``localhost`` or a loopback address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings and, for each, what chose it: ``default``, a file, a variable or ``flag``."""

    settings: Settings
    origins: Mapping[str, str]


def load_settings(
    flags: Mapping[str, object] | None = None, environment: Mapping[str, str] | None = None
) -> LoadedSettings:
    """Merge defaults, configuration file, environment and ``flags`` (setting name to value) into the settings.

    Raises SettingsError for an unknown key, a value out of bounds or an unreadable file; nothing was opened but the
    configuration file. Any other exception is a bug.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, object] = {}
    origins = dict.fromkeys(setting_names(), "default")
    for layer, origin in _layers(environment, flags or {}):
        for name, value in layer.items():
            values[name] = value
            origins[name] = origin if origin != "environment" else ENV_PREFIX + name.upper()
    if "ledger_path" not in values:
        values["ledger_path"], origins["ledger_path"] = _default_ledger(environment)
    if "sessions_path" not in values:
        values["sessions_path"], origins["sessions_path"] = default_sessions(environment)
    values["ledger_chosen_by"] = origins["ledger_path"]
    if "kimi_proxy_url" in values and "kimi_proxy_secret" not in values and environment.get(_KIMI_SECRET):
        values["kimi_proxy_secret"], origins["kimi_proxy_secret"] = environment[_KIMI_SECRET], _KIMI_SECRET
    try:
        return LoadedSettings(Settings.model_validate(values), origins)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name, message = ".".join(str(part) for part in first["loc"]), first["msg"].removeprefix("Value error, ")
    origin = origins.get(name.partition(".")[0], "default")
    raise SettingsError(name or "token", message if origin == "default" else f"{message} (from {origin})")


def setting_names() -> tuple[str, ...]:
    """Return the names of all settings, in the order of the documentation."""
    return tuple(name for name in Settings.model_fields if name != "ledger_chosen_by")


def config_path(environment: Mapping[str, str]) -> Path:
    """Return where the configuration file is looked for."""
    named = environment.get(CONFIG_VARIABLE)
    return Path(named) if named else platformdirs.user_config_path(APP_NAME) / "config.toml"


def _layers(environment: Mapping[str, str], flags: Mapping[str, object]) -> list[tuple[Mapping[str, object], str]]:
    path = config_path(environment)
    layers = [
        (_read_file(path, required=CONFIG_VARIABLE in environment), str(path)),
        (_read_variables(environment), "environment"),
        (flags, "flag"),
    ]
    for layer, origin in layers:
        for name in layer:
            if name not in setting_names():
                source = ENV_PREFIX + name.upper() if origin == "environment" else origin
                raise SettingsError(name, f"is no setting of this program (from {source})")
    return layers


def _read_file(path: Path, *, required: bool) -> Mapping[str, object]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        if required:
            raise SettingsError(CONFIG_VARIABLE, f"there is no file {path}") from None
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(str(path), f"cannot be read: {error}") from error


def _read_variables(environment: Mapping[str, str]) -> Mapping[str, object]:
    return {
        name.removeprefix(ENV_PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(ENV_PREFIX) and name != CONFIG_VARIABLE
    }


def _default_ledger(environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the ledger's path and what chose it. Source: Kimi Proxy's variable, then Cline's own."""
    if path := environment.get("KIMI_PROXY_CLINE_LEDGER_PATH"):
        return path, "KIMI_PROXY_CLINE_LEDGER_PATH"
    folder, origin = _data_folder(environment)
    return f"{folder}/state/{LEDGER_NAME}", origin


def default_sessions(environment: Mapping[str, str]) -> tuple[str, str]:
    """Return where Cline keeps its session store, and what says so. Source: ``resolveDbDataDir`` in Cline."""
    if folder := environment.get("CLINE_DB_DATA_DIR", "").strip().rstrip("/"):
        return f"{folder}/{SESSIONS_NAME}", "CLINE_DB_DATA_DIR"
    folder, origin = _data_folder(environment)
    return f"{folder}/db/{SESSIONS_NAME}", origin


def _data_folder(environment: Mapping[str, str]) -> tuple[str, str]:
    if folder := environment.get("CLINE_DATA_DIR", "").strip().rstrip("/"):
        return folder, "CLINE_DATA_DIR"
    if folder := environment.get("CLINE_DIR", "").strip().rstrip("/"):
        return f"{folder}/data", "CLINE_DIR"
    # The home directory may itself lie behind a link (macOS, network homes); below it, none is followed.
    home = os.path.realpath(Path("~").expanduser())
    return f"{home}/.cline/data", "default"
