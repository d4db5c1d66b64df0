"""The settings of the way out to a collector: the table ``[otlp]``. No I/O, no clock, no logging."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator
from pydantic import model_validator as check_model

from aico.core.loopback import is_loopback

_PORTS = {"grpc": 4317, "http/protobuf": 4318}
_HTTP_PATH = "/v1/metrics"
_HOST_NAME_MAX = 253
VARIABLES = {"otlp.endpoint": "OTEL_ENDPOINT", "otlp.token": "OTEL_BEARER_TOKEN"}
"""Variables of this program's predecessor that are honoured where ours are not set.

The standard ``OTEL_EXPORTER_OTLP_*`` are not read: people set them for other tools, with other tokens.
"""


class Endpoint(NamedTuple):
    """The address that metrics go to."""

    host: str
    port: int
    path: str
    """Of HTTP only."""
    is_tls: bool

    @property
    def authority(self) -> str:
        """Host and port as they are written."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole address."""
        return f"{'https' if self.is_tls else 'http'}://{self.authority}{self.path}"


def _fit_for_a_header(secret: SecretStr) -> SecretStr:
    # A file that a shell reads into a variable ends with a newline, which no header holds.
    text = secret.get_secret_value().strip()
    if not text or not all("!" <= character <= "~" for character in text):
        raise ValueError("must be printable ASCII without spaces")  # never with the secret
    return SecretStr(text)


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    return path


def _plain_name(text: str) -> str:
    if not text.strip() or len(text) > _HOST_NAME_MAX or not text.isprintable():
        raise ValueError(f"must be printable text of at most {_HOST_NAME_MAX} characters")
    return text.strip()


_Name = Annotated[str, AfterValidator(_plain_name)]


class OtlpSettings(BaseModel):
    """The way out. Without an endpoint nothing leaves, and nothing is imported for it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    endpoint: str | None = None
    """``https://host:port``, or ``host:port``, which means TLS unless ``insecure`` is set."""
    token: Annotated[SecretStr, AfterValidator(_fit_for_a_header)] | None = None
    """Sent as bearer token with each export."""
    ca_file: Annotated[Path, BeforeValidator(lambda value: Path(str(value))), AfterValidator(_absolute)] | None = None
    """Certificates of a private authority, PEM: the only one that is believed then."""
    insecure: bool = False
    """No TLS: to this machine only."""
    interval_s: float = Field(default=15, ge=1, le=240, allow_inf_nan=False)
    """Between two exports; a collector forgets what it has not heard of for five minutes."""
    protocol: Literal["grpc", "http/protobuf"] = "grpc"
    """How it is sent."""
    host_name: _Name | None = None
    """The name that this machine has there; without it, its own."""
    environment: _Name = "personal"
    """``deployment.environment``."""
    model_names: Literal["known", "all"] = "known"
    """``known``: a model that no price list knows goes out as ``other``."""

    @field_validator("insecure", mode="before")
    @classmethod
    def _refuse_numbers(cls, value: object) -> object:
        if isinstance(value, bool | str):
            return value
        raise ValueError("must be true or false")  # what pydantic turns into its own error

    @field_validator("interval_s", mode="before")
    @classmethod
    def _refuse_booleans(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("must not be true or false")  # noqa: TRY004  # what pydantic turns into its own error
        return value

    @field_validator("endpoint")
    @classmethod
    def _drop_blanks(cls, value: str | None) -> str | None:
        return (value or "").strip() or None

    @check_model(mode="after")
    def _check_endpoint(self) -> Self:
        if self.endpoint is None:
            return self
        try:
            found = self.find_endpoint()
        except ValueError as error:
            raise ValueError(f"endpoint: {error}") from None
        if found is not None and not found.is_tls and not is_loopback(found.host):
            raise ValueError("insecure: only a collector on this machine may be spoken to without TLS")
        return self

    def find_endpoint(self) -> Endpoint | None:
        """Return where metrics go, None where they go nowhere. Raises ValueError for what is no address."""
        if self.endpoint is None:
            return None
        has_scheme = "://" in self.endpoint
        parts = urlsplit(self.endpoint if has_scheme else f"//{self.endpoint}")
        if has_scheme and parts.scheme not in {"http", "https"}:
            raise ValueError("must be https://host:port, or http://host:port with insecure = true")
        if parts.username is not None or parts.query or parts.fragment or not parts.hostname:
            raise ValueError("must be host and port only; the token is a setting of its own")
        if has_scheme and (parts.scheme == "http") != self.insecure:
            wanted = "insecure = true" if parts.scheme == "http" else "insecure = false"
            raise ValueError(f"{parts.scheme}:// needs {wanted}")
        path = parts.path.rstrip("/")
        if path and self.protocol == "grpc":
            raise ValueError("has a path, which gRPC does not know; http/protobuf does")
        port = parts.port  # raises ValueError for one that is none
        http_path = (path or _HTTP_PATH) if self.protocol != "grpc" else ""
        return Endpoint(parts.hostname, _PORTS[self.protocol] if port is None else port, http_path, not self.insecure)


def read_predecessors(environment: Mapping[str, str], values: Mapping[str, object]) -> dict[str, str]:
    """Return what the predecessor's variables say of settings that are not in ``values``, by name.

    Its token belongs to an endpoint: without one, it is left alone.
    """
    found = {
        name: environment[variable]
        for name, variable in VARIABLES.items()
        if name not in values and environment.get(variable)
    }
    return found if "otlp.endpoint" in {*values, *found} else {}


def foreign_variables(environment: Mapping[str, str] | None = None) -> list[str]:
    """Return the names of OpenTelemetry's own variables that are set, which change nothing here."""
    variables = os.environ if environment is None else environment
    return sorted(name for name in variables if name.startswith("OTEL_") and name not in VARIABLES.values())
