"""The way out is set by one table; what other programs of the user are told changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from aico.core.errors import SettingsError
from aico.core.otlp_settings import Endpoint, OtlpSettings, foreign_variables
from aico.core.setting_names import FIXED_TABLES
from aico.core.settings import CONFIG_VARIABLE, load_settings

TOKEN = "bearer-0123456789"  # noqa: S105  # opens nothing


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return an empty configuration file."""
    path = tmp_path / "config.toml"
    path.touch()
    return path


def test_names_are_those_of_the_fields() -> None:
    """Code that must not wait for the library knows every name."""
    assert FIXED_TABLES["otlp"] == tuple(OtlpSettings.model_fields)


@pytest.mark.parametrize(
    ("text", "others", "endpoint"),
    [
        ("https://vps.example.org:4317", {}, Endpoint("vps.example.org", 4317, "", is_tls=True)),
        ("vps.example.org", {}, Endpoint("vps.example.org", 4317, "", is_tls=True)),
        (" http://127.0.0.1:9/ ", {"insecure": True}, Endpoint("127.0.0.1", 9, "", is_tls=False)),
        ("[::1]:9", {"insecure": "true"}, Endpoint("::1", 9, "", is_tls=False)),
        ("https://h", {"protocol": "http/protobuf"}, Endpoint("h", 4318, "/v1/metrics", is_tls=True)),
        ("https://h:1/x/", {"protocol": "http/protobuf"}, Endpoint("h", 1, "/x", is_tls=True)),
    ],
)
def test_endpoint_is_understood(text: str, others: dict[str, object], endpoint: Endpoint) -> None:
    """With TLS unless it is said otherwise; of HTTP the path is the standard's if none is named."""
    assert OtlpSettings.model_validate({"endpoint": text, **others}).find_endpoint() == endpoint


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ('endpoint = "ftp://h:1"', "otlp.endpoint"),
        ('endpoint = "https://user:secret@h:1"', "otlp.endpoint"),
        ('endpoint = "https://h:1/path"', "otlp.endpoint"),
        ('endpoint = "https://h:1?x=1"', "otlp.endpoint"),
        ('endpoint = "h:99999"', "otlp.endpoint"),
        ('endpoint = "http://127.0.0.1:1"', "otlp.endpoint"),
        ('endpoint = "https://127.0.0.1:1"\ninsecure = true', "otlp.endpoint"),
        ('endpoint = "192.0.2.1:1"\ninsecure = true', "otlp.insecure"),
        ('token = "with blank"', "otlp.token"),
        ('ca_file = "relative.pem"', "otlp.ca_file"),
        ("interval_s = 0.5", "otlp.interval_s"),
        ("interval_s = 241", "otlp.interval_s"),
        ("interval_s = true", "otlp.interval_s"),
        ("insecure = 1", "otlp.insecure"),
        ('protocol = "http/json"', "otlp.protocol"),
        ('host_name = " "', "otlp.host_name"),
        ('model_names = "none"', "otlp.model_names"),
        ('endpint = "h"', "otlp.endpint"),
    ],
)
def test_mistake_is_named_with_its_file(config: Path, text: str, setting: str) -> None:
    """Each error names the setting and where it is, never a secret."""
    config.write_text(f"[otlp]\n{text}\n", encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings({}, {CONFIG_VARIABLE: str(config)})
    assert caught.value.setting == setting
    assert str(config) in str(caught.value)
    assert not any(word in str(caught.value) for word in ("secret", "with blank"))


def test_predecessors_variables_are_honoured_and_the_standard_ones_are_not(config: Path) -> None:
    """Ours win over the predecessor's; its token is nothing without an endpoint."""
    standard = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://elsewhere", "OTEL_SDK_DISABLED": "true"}
    environment = {CONFIG_VARIABLE: str(config), "OTEL_BEARER_TOKEN": f"{TOKEN}\n", **standard}
    assert load_settings({}, environment).settings.otlp == OtlpSettings()
    loaded = load_settings({}, {**environment, "OTEL_ENDPOINT": "vps:4317"})
    otlp = loaded.settings.otlp
    assert otlp.token is not None
    assert (otlp.endpoint, otlp.token.get_secret_value()) == ("vps:4317", TOKEN)
    assert (loaded.origins["otlp.endpoint"], loaded.origins["otlp.token"]) == ("OTEL_ENDPOINT", "OTEL_BEARER_TOKEN")
    assert loaded.origins["otlp.interval_s"] == "default"
    assert str(loaded.get_value("otlp.token")) == "**********"
    ours = {**environment, "OTEL_ENDPOINT": "vps:4317", "AICO_OTLP_ENDPOINT": "h:1", "AICO_OTLP_TOKEN": "own"}
    found = load_settings({}, ours).settings.otlp
    assert found.token is not None
    assert (found.endpoint, found.token.get_secret_value()) == ("h:1", "own")
    assert foreign_variables(ours) == ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SDK_DISABLED"]
