"""Settings come from four layers, stay within bounds, and never tell a secret."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import platformdirs
import pytest
from pydantic import SecretStr, ValidationError

from aico.core.errors import SettingsError
from aico.core.settings import (
    APP_NAME,
    CONFIG_VARIABLE,
    LoadedSettings,
    Settings,
    config_path,
    is_loopback,
    load_settings,
    setting_names,
)
from aico.core.terms import Budget, BudgetPeriod, Plan
from aico.features.sources.registry import KNOWN

LEDGER = "/home/ada/.cline/data/state/taskHistory.json"
TOKEN = "open-sesame-0123456789"  # noqa: S105  # opens nothing
Environment: TypeAlias = dict[str, str]


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """Return variables that name an empty configuration file, so that no file of this machine is read."""
    path = tmp_path / "config.toml"
    path.touch()
    return {CONFIG_VARIABLE: str(path)}


def write_config(environment: Environment, text: str) -> str:
    """Fill the configuration file and return its path."""
    path = Path(environment[CONFIG_VARIABLE])
    path.write_text(text, encoding="utf-8")
    return str(path)


def refuse(environment: Environment, flags: Mapping[str, object] | None = None) -> SettingsError:
    """Return the error that loading ends in."""
    with pytest.raises(SettingsError) as caught:
        load_settings(flags, environment)
    return caught.value


def test_settings_have_the_defaults_of_the_contract(environment: Environment) -> None:
    """Without any layer above the defaults, the service runs with the documented values."""
    loaded = load_settings({}, environment)
    values = loaded.settings.model_dump(exclude={"ledger_path", "sessions_path"})
    assert values == {
        "enabled_sources": "choose",
        "sources": {},
        "currency": None,
        "prices": (),
        "project_names": None,
        "cline_sessions": False,
        "database_path": platformdirs.user_data_path(APP_NAME) / "observer.db",
        "host": "127.0.0.1",
        "port": 8611,
        "token": None,
        "budget_daily_usd": None,
        "budget_monthly_usd": None,
        "max_sockets": 256,
        "allowed_origins": (),
        "public_url": None,
        "allowed_hosts": (),
        "debounce_ms": 50,
        "tick_s": 2,
        "rescan_interval_s": 60,
        "backoff_max_s": 600,
        "read_attempts": 6,
        "max_ledger_bytes": 256 * 2**20,
        "max_entries_per_run": 10_000,
        "kimi_proxy_url": None,
        "kimi_proxy_secret": None,
        "webhook_url": None,
        "webhook_secret": None,
        "budgets": {},
        "plans": {},
        "otlp": {
            "endpoint": None,
            "token": None,
            "ca_file": None,
            "insecure": False,
            "interval_s": 15,
            "protocol": "grpc",
            "host_name": None,
            "environment": "personal",
            "model_names": "known",
        },
        "activity": {"kinds": "choose", "apps": (), "commands": (), "domains": ()},
        "log_format": "auto",
        "log_level": "info",
    }
    assert set(loaded.origins.values()) == {"default"}


@pytest.mark.parametrize(
    ("name", "lowest", "below"),
    [
        ("port", 0, -1),
        ("max_sockets", 1, 0),
        ("debounce_ms", 0, -0.001),
        ("tick_s", 1e-9, 0),
        ("rescan_interval_s", 0, -1),
        ("backoff_max_s", 1e-9, 0),
        ("read_attempts", 1, 0),
        ("max_ledger_bytes", 1, 0),
        ("max_entries_per_run", 1, 0),
        ("budget_daily_usd", 1e-9, 0),
        ("budget_monthly_usd", 1e-9, 0),
    ],
)
def test_setting_refuses_what_lies_below_its_bound(
    environment: Environment, name: str, lowest: float, below: float
) -> None:
    """The lowest value passes, the next one below names the setting."""
    assert getattr(load_settings({name: lowest}, environment).settings, name) == lowest
    assert refuse(environment, {name: below}).setting == name


@pytest.mark.parametrize(
    ("name", "highest", "above"),
    [
        ("port", 65_535, 65_536),
        ("max_sockets", 10_000, 10_001),
        ("debounce_ms", 5_000, 5_000.1),
        ("tick_s", 3_600, 3_600.1),
        ("rescan_interval_s", 86_400, 86_401),
        ("backoff_max_s", 86_400, 86_401),
        ("read_attempts", 6, 7),
        ("max_entries_per_run", 1_000_000, 1_000_001),
        ("budget_daily_usd", 1e9, 1.1e9),
        ("budget_monthly_usd", 1e9, 1.1e9),
    ],
)
def test_setting_refuses_what_lies_above_its_bound(
    environment: Environment, name: str, highest: float, above: float
) -> None:
    """The highest value passes, the next one above names the setting."""
    assert getattr(load_settings({name: highest}, environment).settings, name) == highest
    assert refuse(environment, {name: above}).setting == name


@pytest.mark.parametrize("name", ["budget_daily_usd", "debounce_ms", "tick_s", "rescan_interval_s", "backoff_max_s"])
@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "", "many", "1_0 "])
def test_setting_refuses_text_that_is_no_finite_number(environment: Environment, name: str, text: str) -> None:
    """A time or an amount is a finite number, whatever Python could make of the text."""
    assert refuse(environment | {f"AICO_{name.upper()}": text}).setting == name


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in setting_names()
        if name not in {"ledger_path", "project_names", "cline_sessions", "allowed_origins", "allowed_hosts"}
    ],
)
def test_setting_refuses_a_boolean(environment: Environment, name: str) -> None:
    """Only a switch is true or false: ``true`` is not the port 1."""
    write_config(environment, f"{name} = true")
    assert refuse(environment).setting == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("log_format", "xml"),
        ("log_level", "INFO"),
        ("kimi_proxy_url", "ftp://127.0.0.1"),
        ("kimi_proxy_url", "http://127.0.0.1/path"),
        ("kimi_proxy_url", "http://a b"),
        ("port", "86.5"),
        ("allowed_origins", 7),
        ("allowed_hosts", [7]),
        ("database_path", 7),
        ("database_path", "/var\0/observer.db"),
        ("database_path", "~nobody-of-that-name/observer.db"),
        ("ledger_path", 7),
    ],
)
def test_setting_refuses_a_value_of_another_kind(environment: Environment, name: str, value: object) -> None:
    """A value that is no word, address, list or path of the setting's kind is a configuration error."""
    assert refuse(environment, {name: value}).setting.partition(".")[0] == name


@pytest.mark.parametrize(
    ("layers", "port", "origin"),
    [
        (0, 8611, "default"),
        (1, 1001, "file"),
        (2, 1002, "AICO_PORT"),
        (3, 1003, "flag"),
    ],
)
def test_settings_prefer_the_later_layer(environment: Environment, layers: int, port: int, origin: str) -> None:
    """Defaults, file, environment, flags: the last one that speaks wins, and is named."""
    path = write_config(environment, "port = 1001" if layers >= 1 else "")
    variables = environment | ({"AICO_PORT": "1002"} if layers >= 2 else {})
    loaded = load_settings({"port": 1003} if layers >= 3 else None, variables)
    assert loaded.settings.port == port
    assert loaded.origins["port"] == (path if origin == "file" else origin)


def test_settings_name_the_origin_of_each(environment: Environment) -> None:
    """Every setting has an origin, also when three layers speak of different ones."""
    path = write_config(environment, "tick_s = 0.5")
    loaded = load_settings({"host": "::1"}, environment | {"AICO_LEDGER_PATH": LEDGER})
    assert tuple(loaded.origins) == setting_names()
    told = {name: origin for name, origin in loaded.origins.items() if origin != "default"}
    assert told == {"tick_s": path, "ledger_path": "AICO_LEDGER_PATH", "host": "flag"}
    assert loaded.settings.ledger_chosen_by == "AICO_LEDGER_PATH"


@pytest.mark.parametrize("text", ["prot = 1", "[server]\nport = 1", "ledger_chosen_by = 'x'"])
def test_settings_refuse_an_unknown_key_in_the_file(environment: Environment, text: str) -> None:
    """A misspelt key is said, not skipped."""
    path = write_config(environment, text)
    error = refuse(environment)
    assert error.setting == text.lstrip("[").partition("]")[0].partition(" ")[0]
    assert path in str(error)


@pytest.mark.parametrize("name", ["AICO_PROT", "AICO_LEDGER_CHOSEN_BY", "AICO_"])
def test_settings_refuse_an_unknown_variable(environment: Environment, name: str) -> None:
    """A misspelt variable is said, and its value is not."""
    error = refuse(environment | {name: "hush"})
    assert error.setting == name.removeprefix("AICO_").lower()
    assert "hush" not in str(error)


def test_settings_refuse_an_unknown_flag(environment: Environment) -> None:
    """The command line is held to the same names."""
    assert refuse(environment, {"prot": 1}).setting == "prot"


def test_settings_take_lists_from_the_environment(environment: Environment) -> None:
    """Names are parted by commas; blanks and empty parts do not count."""
    variables = environment | {
        "AICO_ALLOWED_ORIGINS": " http://localhost:3000 ,, https://page.example,",
        "AICO_ALLOWED_HOSTS": "",
    }
    settings = load_settings(None, variables).settings
    assert settings.allowed_origins == ("http://localhost:3000", "https://page.example")
    assert settings.allowed_hosts == ()


def test_settings_take_lists_from_the_file(environment: Environment) -> None:
    """In the file a list is a list."""
    write_config(environment, 'allowed_hosts = ["a", "b:1"]')
    assert load_settings(None, environment).settings.allowed_hosts == ("a", "b:1")


def test_settings_without_a_file_are_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default configuration file need not exist."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_settings(None, {}).settings.port == 8611
    assert config_path({}).is_relative_to(tmp_path)


def test_settings_refuse_a_named_file_that_is_missing(tmp_path: Path) -> None:
    """A user that names a file means it."""
    assert refuse({CONFIG_VARIABLE: str(tmp_path / "none.toml")}).setting == CONFIG_VARIABLE


@pytest.mark.parametrize("content", [b'token = "' + TOKEN.encode(), b'token = "\xff' + TOKEN.encode() + b'"'])
def test_settings_refuse_a_file_that_is_no_toml(environment: Environment, content: bytes) -> None:
    """A broken file is named, and nothing of what it holds is told."""
    path = Path(environment[CONFIG_VARIABLE])
    path.write_bytes(content)
    error = refuse(environment)
    assert error.setting == str(path)
    assert TOKEN not in str(error)


def test_file_of_another_encoding_is_named(tmp_path: Path) -> None:
    """An editor or a shell of Windows may write it: with a mark of UTF-8 it is read, as UTF-16 it says so."""
    file = tmp_path / "config.toml"
    environment = {CONFIG_VARIABLE: str(file)}
    file.write_bytes(b"\xef\xbb\xbfport = 9")
    assert load_settings({"ledger_path": LEDGER}, environment).settings.port == 9
    for name in ("utf-16", "utf-16-le", "utf-16-be"):
        file.write_bytes("port = 9".encode(name))
        assert "it is UTF-16: save it as UTF-8" in str(refuse(environment))
    for name in ("utf-32", "utf-32-le", "utf-32-be"):
        file.write_bytes("port = 9".encode(name))
        assert "it is UTF-32: save it as UTF-8" in str(refuse(environment))


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://example.org", "https://example.org"),
        ("https://example.org/", "https://example.org"),
        ("http://[::1]:9000/a/b-c/", "http://[::1]:9000/a/b-c"),
        *(
            (text, None)
            for text in ("example.org", "https://", "https://a/b//c", "https://a?b", "https://a/#b", "https://*")
        ),
    ],
)
def test_public_url_is_an_address_without_a_query(environment: Environment, text: str, url: str | None) -> None:
    """Its last slash does not count."""
    if url is None:
        assert refuse(environment, {"public_url": text}).setting == "public_url"
    else:
        assert load_settings({"public_url": text}, environment).settings.public_url == url


def test_views_of_vscode_are_named_by_their_scheme(environment: Environment) -> None:
    """Each has an origin of its own, which nobody knows before."""
    assert load_settings({"allowed_origins": "vscode-webview:"}, environment).settings.allowed_origins == (
        "vscode-webview:",
    )
    for wrong in ("vscode-webview://*", "vscode-webview://0af3"):
        assert "by vscode-webview: alone" in str(refuse(environment, {"allowed_origins": wrong}))


def test_tilde_in_a_path_is_explained(environment: Environment) -> None:
    """No shell has replaced it: the sentence says what to write."""
    said = str(refuse(environment, {"ledger_path": "~/taskHistory.json"}))
    assert f"write {Path.home()}/taskHistory.json" in said


def test_settings_refuse_a_folder_as_file(tmp_path: Path) -> None:
    """A path that cannot be read is a configuration error, no crash."""
    assert refuse({CONFIG_VARIABLE: str(tmp_path)}).setting == str(tmp_path)


@pytest.mark.parametrize(
    "path",
    [
        "/taskHistory.json",
        LEDGER,
        "/Users/Zoë/émoji 🙂/taskHistory.json",
        "/a b/..c/.d/taskHistory.json",
        "/%2e%2e/taskHistory.json",
        "/~/taskHistory.json",
    ],
)
def test_ledger_path_takes_the_only_spelling_of_an_absolute_path(environment: Environment, path: str) -> None:
    """Any absolute path to a file of the one name, taken literally."""
    assert load_settings({"ledger_path": path}, environment).settings.ledger_path == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "taskHistory.json",
        "./taskHistory.json",
        "~/taskHistory.json",
        "C:\\taskHistory.json",
        " /a/taskHistory.json",
        "//a/taskHistory.json",
        "/a//taskHistory.json",
        "/a/./taskHistory.json",
        "/a/../taskHistory.json",
        "/../taskHistory.json",
        "/a/taskHistory.json/",
        "/a/taskHistory.json/.",
        "/a/taskHistory.json/..",
        "/",
        "/a/taskhistory.json",
        "/a/taskHistory.json ",
        "/a/taskHistory.json.bak",
        "/a/xtaskHistory.json",
        "/a/taskHistory.jso\u006e\u0301",
        "/a/t\u0430skHistory.json",
        "/a/taskHistory.json\0",
        "/a\0/taskHistory.json",
        "/a\n/taskHistory.json",
        "/a\x1b[0m/taskHistory.json",
        "/a\x7f/taskHistory.json",
        "/a\x85/taskHistory.json",
        "/a\u2028/taskHistory.json",
        "/a\u202e/taskHistory.json",
        "/a\udcff/taskHistory.json",
    ],
)
def test_ledger_path_refuses_every_other_spelling(environment: Environment, path: str) -> None:
    """One file has one name; anything else is refused before any open."""
    assert refuse(environment, {"ledger_path": path}).setting == "ledger_path"


@pytest.mark.parametrize(
    ("variables", "path", "origin"),
    [
        (
            {"AICO_LEDGER_PATH": "/1/taskHistory.json", "KIMI_PROXY_CLINE_LEDGER_PATH": "/2/taskHistory.json"},
            "/1/taskHistory.json",
            "AICO_LEDGER_PATH",
        ),
        (
            {"KIMI_PROXY_CLINE_LEDGER_PATH": "/2/taskHistory.json", "CLINE_DATA_DIR": "/3", "CLINE_DIR": "/4"},
            "/2/taskHistory.json",
            "KIMI_PROXY_CLINE_LEDGER_PATH",
        ),
        ({"CLINE_DATA_DIR": "/3", "CLINE_DIR": "/4"}, "/3/state/taskHistory.json", "CLINE_DATA_DIR"),
        ({"CLINE_DATA_DIR": "/3/"}, "/3/state/taskHistory.json", "CLINE_DATA_DIR"),
        ({"CLINE_DIR": "/4//"}, "/4/data/state/taskHistory.json", "CLINE_DIR"),
        (
            {"KIMI_PROXY_CLINE_LEDGER_PATH": "", "CLINE_DATA_DIR": "", "CLINE_DIR": "/4"},
            "/4/data/state/taskHistory.json",
            "CLINE_DIR",
        ),
    ],
)
def test_ledger_path_follows_the_variables_in_order(
    environment: Environment, variables: Environment, path: str, origin: str
) -> None:
    """The first variable that says something chooses the ledger, and is named."""
    loaded = load_settings(None, environment | variables)
    assert (loaded.settings.ledger_path, loaded.settings.ledger_chosen_by) == (path, origin)
    assert loaded.origins["ledger_path"] == origin


def test_ledger_path_refuses_a_relative_path_in_the_variable_of_the_proxy(environment: Environment) -> None:
    """The ledger that another program's variable names is held to the same rules, and the variable is told."""
    error = refuse(environment | {"KIMI_PROXY_CLINE_LEDGER_PATH": "cline"})
    assert error.setting == "ledger_path"
    assert "KIMI_PROXY_CLINE_LEDGER_PATH" in str(error)


@pytest.mark.parametrize(
    ("variables", "data", "sessions"),
    [
        ({"CLINE_DIR": ".cline"}, "{here}/.cline/data", "{here}/.cline/data/db"),
        ({"CLINE_DIR": "../cline/"}, "{above}/cline/data", "{above}/cline/data/db"),
        ({"CLINE_DIR": " /a//b/./c/../d "}, "/a/b/d/data", "/a/b/d/data/db"),
        ({"CLINE_DIR": "~/.cline"}, "{home}/.cline/data", "{home}/.cline/data/db"),
        ({"CLINE_DIR": "~"}, "{home}/data", "{home}/data/db"),
        ({"CLINE_DIR": "~ada"}, "{here}/~ada/data", "{here}/~ada/data/db"),
        ({"CLINE_DATA_DIR": "x"}, "{here}/x", "{here}/x/db"),
        ({"CLINE_DATA_DIR": "~/x", "CLINE_DB_DATA_DIR": "y"}, "{home}/x", "{here}/y"),
        ({"CLINE_DIR": "  ", "CLINE_DB_DATA_DIR": " "}, "{home}/.cline/data", "{home}/.cline/data/db"),
    ],
)
def test_folders_of_cline_are_found_as_cline_finds_them(
    environment: Environment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: Environment,
    data: str,
    sessions: str,
) -> None:
    """A relative folder begins where the program was started, a tilde is the home directory, and spelling is mended."""
    here = tmp_path.resolve() / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = load_settings(None, environment | variables).settings
    places = {"here": here, "above": here.parent, "home": tmp_path.resolve()}
    assert settings.ledger_path == f"{data.format(**places)}/state/taskHistory.json"
    assert settings.sessions_path == f"{sessions.format(**places)}/sessions.db"


def test_ledger_path_lies_under_the_real_home_where_home_is_a_link(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard follows no link, so the home directory's own link is resolved before."""
    (tmp_path / "real").mkdir()
    (tmp_path / "home").symlink_to("real")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    loaded = load_settings(None, environment)
    real = os.path.realpath(tmp_path)
    assert loaded.settings.ledger_path == f"{real}/real/.cline/data/state/taskHistory.json"
    assert loaded.settings.ledger_chosen_by == "default"


def test_database_path_becomes_absolute(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path and ``~`` are taken as a shell would."""
    monkeypatch.setenv("HOME", "/home/ada")
    here = load_settings({"database_path": "x/observer.db"}, environment).settings
    home = load_settings({"database_path": Path("~/observer.db")}, environment).settings
    assert here.database_path == Path.cwd() / "x" / "observer.db"
    assert home.database_path == Path("/home/ada/observer.db")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_host_that_is_loopback_needs_no_token(environment: Environment, host: str) -> None:
    """An address that only this machine reaches may stay open."""
    assert is_loopback(host)
    assert load_settings({"host": host}, environment).settings.token is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", "localhost.example.org", "", "[::1]"])  # noqa: S104  # refused here
def test_host_that_is_not_loopback_is_refused_without_token(environment: Environment, host: str) -> None:
    """An address that others reach is not opened by accident; with a token it is."""
    assert refuse(environment, {"host": host}).setting == "token"
    assert load_settings({"host": host, "token": TOKEN}, environment).settings.host == host


def test_token_needs_sixteen_characters(environment: Environment) -> None:
    """A token that can be guessed is none."""
    assert refuse(environment | {"AICO_TOKEN": "x" * 15}).setting == "token"
    assert refuse(environment | {"AICO_TOKEN": ""}).setting == "token"
    token = load_settings(None, environment | {"AICO_TOKEN": "x" * 16}).settings.token
    assert token == SecretStr("x" * 16)


def test_token_is_never_shown_in_an_error(environment: Environment) -> None:
    """Beside any other mistake, the secret is not part of the sentence, nor of an error chained behind it."""
    short = "hush-hush"
    for error in (
        refuse(environment, {"token": short}),
        refuse(environment, {"token": TOKEN, "port": -1}),
        refuse(environment, {"token": [TOKEN]}),
        refuse(environment, {"token": TOKEN, "typo": TOKEN}),
    ):
        said = f"{error!r} {error} {error.__cause__!r} {error.__context__!r}"
        assert short not in said
        assert TOKEN not in said


def test_token_is_never_shown_by_the_settings(environment: Environment) -> None:
    """Neither text nor dump of the settings tells the token."""
    loaded: LoadedSettings = load_settings({"token": TOKEN}, environment)
    settings = loaded.settings
    assert TOKEN not in f"{loaded} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"


def test_settings_cannot_be_changed(environment: Environment) -> None:
    """The service runs with the settings that it was started with."""
    settings = load_settings(None, environment).settings
    with pytest.raises(ValidationError):
        Settings.__setattr__(settings, "port", 1)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "*",
        "http://*",
        "localhost:3000",
        "http://a/page",
        "http://user@a",
        "ftp://a",
        "http://a;b",
        "http://'a'",
    ],
)
def test_origin_that_is_none_is_refused(origin: str) -> None:
    """A sandboxed page of anybody has the origin null, and a star would be everybody."""
    with pytest.raises(SettingsError, match=r"allowed_origins.*scheme://host:port"):
        load_settings({}, {"AICO_LEDGER_PATH": "/a/taskHistory.json", "AICO_ALLOWED_ORIGINS": origin})


@pytest.mark.parametrize("hosts", ["*", "a.example, *", "*.example", "*:8611"])
def test_hosts_are_named_one_by_one(environment: Environment, hosts: str) -> None:
    """A star is refused with its reason: it would let any page in under its own name."""
    error = refuse(environment | {"AICO_ALLOWED_HOSTS": hosts})
    assert error.setting.startswith("allowed_hosts")
    assert "any web page" in str(error)
    assert "AICO_ALLOWED_HOSTS" in str(error)


SECRET = "secret-of-the-proxy"  # noqa: S105  # of a test


@pytest.mark.parametrize(
    ("own", "theirs", "secret", "origin"),
    [
        (None, SECRET, SECRET, "KIMI_PROXY_SECRET"),
        ("ours", SECRET, "ours", "AICO_KIMI_PROXY_SECRET"),
        (None, "", None, "default"),
        (None, None, None, "default"),
    ],
)
def test_secret_of_the_proxy_is_taken_from_its_own_variable(
    environment: Environment, own: str | None, theirs: str | None, secret: str | None, origin: str
) -> None:
    """Kimi Proxy's own variable is the default, our own setting wins, and an empty variable is none."""
    given = {"AICO_KIMI_PROXY_URL": "http://a", "AICO_KIMI_PROXY_SECRET": own, "KIMI_PROXY_SECRET": theirs}
    loaded = load_settings(None, environment | {name: value for name, value in given.items() if value is not None})
    found = loaded.settings.kimi_proxy_secret
    assert (found and found.get_secret_value(), loaded.origins["kimi_proxy_secret"]) == (secret, origin)


def test_variable_of_the_proxy_is_left_alone_without_its_address(environment: Environment) -> None:
    """A user that does not ask for the proxy cannot be stopped by its variable."""
    assert load_settings(None, environment | {"KIMI_PROXY_SECRET": "a b"}).settings.kimi_proxy_secret is None


@pytest.mark.parametrize("text", ["", "two words", "line\nX-Evil: 1", "sécret", "nul\0", "\u2028"])
def test_secret_that_fits_no_header_is_refused_unsaid(environment: Environment, text: str) -> None:
    """It could not be sent, or would be sent as another header; the error does not repeat it."""
    error = refuse(environment, {"kimi_proxy_secret": text})
    assert error.setting == "kimi_proxy_secret"
    assert not text or text not in str(error)


def test_budgets_plans_and_webhook_are_tables(tmp_path: Path) -> None:
    """A file names them; a mistake is told with its place, and never with an address that may be a secret."""
    path = tmp_path / "config.toml"
    environment = {"AICO_CONFIG": str(path)}
    path.write_text(
        '[webhook]\nurl = "https://a.example/x"\nsecret = "0123456789abcdef"\n'
        '[budgets."my day"]\namount = 5\nperiod = "day"\nmodel = "m"\n'
        "[plans.codex]\nprice = 20\nrenews_on = 31\nweek_usd = 7.5\n"
    )
    settings = load_settings(None, environment, KNOWN).settings
    assert settings.list_fixed_budgets() == [
        Budget("my day", BudgetPeriod.DAY, 5 * 10**9, model="m", fixed_by="budgets.my day")
    ]
    assert settings.list_fixed_plans() == [
        Plan("codex", 20 * 10**9, "USD", 31, week_nano=7_500_000_000, fixed_by="plans.codex")
    ]
    assert settings.webhook_url is not None
    for text, setting in (
        ('[webhook]\nurl = "http://a.example/x"\nsecret = "0123456789abcdef"', "webhook_url"),
        ('[webhook]\nurl = "https://a.example/x"\nsecret = "short"', "webhook_secret"),
        ('[webhook]\nurl = "https://a.example/x"', "webhook_secret"),
        ("[webhook]\nport = 1", "webhook_port"),
        ('[budgets.a]\namount = 0\nperiod = "day"', "budgets.a.amount"),
        ('[budgets.a]\namount = 4e-10\nperiod = "day"', "budgets.a.amount"),
        ("budget_daily_usd = 4e-10", "budget_daily_usd"),
        ('[[prices]]\nmodel = "m"\ninput = 1\noutput = 1\n[[prices]]\nmodel = "M"\ninput = 2\noutput = 1', "prices"),
        ('[budgets."a/b"]\namount = 1\nperiod = "day"', "budgets"),
        ('[budgets.a]\namount = 1\nperiod = "year"', "budgets.a.period"),
        ("[plans.codex]\nprice = 1\nrenews_on = 0", "plans.codex.renews_on"),
        ("[plans.codx]\nprice = 1\nrenews_on = 1", "plans"),
    ):
        path.write_text(text)
        with pytest.raises(SettingsError) as caught:
            load_settings(None, environment, KNOWN)
        assert caught.value.setting.startswith(setting)
        assert "a.example" not in str(caught.value)
    with pytest.raises(SettingsError):
        load_settings(None, {"AICO_BUDGETS": "a"}, KNOWN)
