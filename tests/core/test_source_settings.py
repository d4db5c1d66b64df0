"""Settings of sources: which layer and which name decides, what contradicts, and what is said of a wrong name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aico.core.errors import SettingsError
from aico.core.settings import CONFIG_VARIABLE, LoadedSettings, Settings, load_settings, variable_of
from aico.core.source_choice import Choice, decide

KNOWN = {"cline": ("ledger", "sessions", "hub"), "claude-code": ("projects",), "codex": ("sessions",)}
LEDGER = "/home/ada/.cline/data/state/taskHistory.json"
OTHER = "/home/ada/.config/Code/User/globalStorage/saoudrizwan.claude-dev/state/taskHistory.json"
Environment: TypeAlias = dict[str, str]
Told: TypeAlias = dict[str, tuple[str, str | None]]


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """Return variables that name an empty configuration file, so that no file of this machine is read."""
    path = tmp_path / "config.toml"
    path.touch()
    return {CONFIG_VARIABLE: str(path)}


def load(environment: Environment, text: str = "", flags: Mapping[str, object] | None = None) -> LoadedSettings:
    """Return what is loaded from a configuration file of ``text``, the variables and ``flags``."""
    Path(environment[CONFIG_VARIABLE]).write_text(text, encoding="utf-8")
    return load_settings(flags, environment, KNOWN)


def refuse(environment: Environment, text: str = "") -> SettingsError:
    """Return the error that loading ends in."""
    with pytest.raises(SettingsError) as caught:
        load(environment, text)
    return caught.value


def told(settings: Settings, source: str) -> Told:
    """Return what settings decide of each origin of ``source``, and which setting does."""
    return {name: (one.choice.value, one.fixed_by) for name, one in decide(source, KNOWN[source], settings).items()}


def every(choice: str, fixed_by: str | None, source: str = "cline") -> Told:
    """Return the same decision for every origin of ``source``."""
    return dict.fromkeys(KNOWN[source], (choice, fixed_by))


def test_sources_are_left_to_the_switch_by_default(environment: Environment) -> None:
    """Without any setting nothing is fixed, for Cline's ledger neither."""
    settings = load(environment).settings
    assert settings.enabled_sources == "choose"
    assert {source: told(settings, source) for source in KNOWN} == {
        source: every("choose", None, source) for source in KNOWN
    }


@pytest.mark.parametrize(
    ("text", "cline", "codex"),
    [
        ('enabled_sources = "choose"', "choose", "choose"),
        ('enabled_sources = "all"', "on", "on"),
        ('enabled_sources = ["codex"]', "off", "on"),
        ('enabled_sources = ["codex", "cline", "codex"]', "on", "on"),
        ('enabled_sources = "codex"', "off", "on"),
        ("enabled_sources = []", "off", "off"),
    ],
)
def test_enabled_sources_decides_of_every_source(environment: Environment, text: str, cline: str, codex: str) -> None:
    """All, those of a list and no other, or none; each with all its origins."""
    settings = load(environment, text).settings
    fixed_by = None if cline == "choose" else "enabled_sources"
    assert told(settings, "cline") == every(cline, fixed_by)
    assert told(settings, "codex") == every(codex, fixed_by, "codex")


@pytest.mark.parametrize(
    ("value", "enabled"),
    [("all", "all"), ("choose", "choose"), (" codex, claude-code ,", ("codex", "claude-code"))],
)
def test_enabled_sources_is_read_from_its_variable(
    environment: Environment, value: str, enabled: str | tuple[str, ...]
) -> None:
    """``AICO_SOURCES`` holds a word or names with commas between, and wins over the file."""
    loaded = load(environment | {"AICO_SOURCES": value}, 'enabled_sources = ["cline"]')
    assert (loaded.settings.enabled_sources, loaded.origins["enabled_sources"]) == (enabled, "AICO_SOURCES")


@pytest.mark.parametrize("variable", ["AICO_SOURCES", "AICO_SOURCES_CLINE_ORIGINS"])
@pytest.mark.parametrize("value", ["", " ", ","])
def test_empty_variable_is_an_error_and_no_empty_list(environment: Environment, variable: str, value: str) -> None:
    """Like an empty port: an empty list means that it is not set, and not that nothing is read."""
    with pytest.raises(SettingsError, match=rf"is empty; unset the variable, .*\(from {variable}\)"):
        load(environment | {variable: value}, "")
    assert load(environment, "enabled_sources = []").settings.enabled_sources == ()


@pytest.mark.parametrize(
    ("text", "cline"),
    [
        ("[sources.cline]\nenabled = true", every("on", "sources.cline.enabled")),
        ("[sources.cline]\nenabled = false", every("off", "sources.cline.enabled")),
        (
            '[sources.cline]\norigins = ["hub"]',
            every("off", "sources.cline.origins") | {"hub": ("on", "sources.cline.origins")},
        ),
        (
            '[sources.cline]\nenabled = true\norigins = ["ledger", "hub"]',
            every("on", "sources.cline.origins") | {"sessions": ("off", "sources.cline.origins")},
        ),
        ("[sources.cline]\norigins = []", every("off", "sources.cline.origins")),
        ("[sources.cline]\nenabled = false\norigins = []", every("off", "sources.cline.enabled")),
        (f'[sources.cline]\nledgers = ["{LEDGER}"]', every("choose", None)),
        ("cline_sessions = true", every("choose", None) | {"sessions": ("on", "cline_sessions")}),
        ("cline_sessions = false", every("choose", None) | {"sessions": ("off", "cline_sessions")}),
    ],
)
def test_source_is_decided_by_its_own_settings(environment: Environment, text: str, cline: Told) -> None:
    """``enabled`` means all origins, ``origins`` those and no other, the old name the session store alone."""
    settings = load(environment, text).settings
    assert told(settings, "cline") == cline
    assert told(settings, "codex") == every("choose", None, "codex")


@given(st.data())
def test_layers_and_names_decide_in_their_order(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """The source's own setting before ``enabled_sources`` before the old name; of each the variable before the file."""
    path = tmp_path_factory.getbasetemp() / "order.toml"
    booleans = st.none() | st.booleans()
    file, variable = ({name: data.draw(booleans) for name in ("own", "all", "old")} for _ in range(2))
    lines = [] if file["old"] is None else [f"cline_sessions = {str(file['old']).lower()}"]
    lines += [] if file["all"] is None else [f"enabled_sources = '{'cline' if file['all'] else 'codex'}'"]
    lines += [] if file["own"] is None else ["[sources.cline]", f"enabled = {str(file['own']).lower()}"]
    path.write_text("\n".join(lines), encoding="utf-8")
    environment = {CONFIG_VARIABLE: str(path)}
    for name, key in (("own", "AICO_SOURCES_CLINE_ENABLED"), ("old", "AICO_CLINE_SESSIONS")):
        if variable[name] is not None:
            environment[key] = str(variable[name]).lower()
    if variable["all"] is not None:
        environment["AICO_SOURCES"] = "cline" if variable["all"] else "codex"
    said = {name: (variable[name], 1) if variable[name] is not None else (file[name], 0) for name in file}
    value, rank = next((said[name] for name in ("own", "all") if said[name][0] is not None), (None, 0))
    old, old_rank = said["old"]
    if value is not None and old is not None and value != old and rank == old_rank:
        with pytest.raises(SettingsError, match="cline_sessions: contradicts"):
            load_settings(None, environment, KNOWN)
        return
    decided = decide("cline", ("sessions",), load_settings(None, environment, KNOWN).settings)["sessions"].choice
    expected = value if value is not None else old
    assert decided is {True: Choice.ON, False: Choice.OFF, None: Choice.CHOOSE}[expected]


@pytest.mark.parametrize(
    ("variables", "text", "cline"),
    [
        (
            {"AICO_SOURCES_CLINE_ENABLED": "no"},
            '[sources.cline]\norigins = ["hub"]',
            every("off", "sources.cline.enabled"),
        ),
        (
            {"AICO_SOURCES_CLINE_ENABLED": "true"},
            '[sources.cline]\norigins = ["hub"]',
            every("off", "sources.cline.origins") | {"hub": ("on", "sources.cline.origins")},
        ),
        ({"AICO_SOURCES_CLINE_ENABLED": "1"}, "[sources.cline]\norigins = []", every("on", "sources.cline.enabled")),
        (
            {"AICO_SOURCES_CLINE_ORIGINS": "hub"},
            "[sources.cline]\nenabled = false",
            every("off", "sources.cline.origins") | {"hub": ("on", "sources.cline.origins")},
        ),
    ],
)
def test_variable_wins_where_it_contradicts_the_file(
    environment: Environment, variables: Environment, text: str, cline: Told
) -> None:
    """Of two settings of a source that exclude each other, that of the stronger layer holds alone."""
    loaded = load(environment | variables, text)
    assert told(loaded.settings, "cline") == cline


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ('[sources.cline]\nenabled = false\norigins = ["hub"]', "sources.cline.origins"),
        ("[sources.cline]\nenabled = true\norigins = []", "sources.cline.origins"),
        ('cline_sessions = true\n[sources.cline]\norigins = ["ledger"]', "cline_sessions"),
        ("cline_sessions = true\n[sources.cline]\nenabled = false", "cline_sessions"),
        ('cline_sessions = false\nenabled_sources = "all"', "cline_sessions"),
        ('cline_sessions = true\nenabled_sources = ["codex"]', "cline_sessions"),
        (f'ledger_path = "{LEDGER}"\n[sources.cline]\nledgers = ["{OTHER}", "{LEDGER}"]', "ledger_path"),
    ],
)
def test_contradiction_in_one_place_is_refused(environment: Environment, text: str, setting: str) -> None:
    """Two settings of one file that exclude each other are an error that names the file."""
    error = refuse(environment, text)
    assert error.setting == setting
    assert environment[CONFIG_VARIABLE] in str(error)
    assert "contradicts" in str(error)


def test_exception_from_all_is_no_contradiction(environment: Environment) -> None:
    """All but one is a way to say it."""
    settings = load(environment, 'enabled_sources = "all"\n[sources.codex]\nenabled = false').settings
    assert told(settings, "codex") == every("off", "sources.codex.enabled", "codex")
    assert told(settings, "claude-code") == every("on", "enabled_sources", "claude-code")


def test_settings_of_a_source_are_read_from_variables(environment: Environment) -> None:
    """Underscores of a variable are the dashes of a source; each value names its own origin."""
    variables = {
        "AICO_SOURCES_CLAUDE_CODE_ENABLED": "true",
        "AICO_SOURCES_CLAUDE_CODE_ROOTS": "/a/b, /c/",
        "AICO_SOURCES_CODEX_ENABLED": "false",
    }
    loaded = load(environment | variables, '[sources.codex]\nroots = ["/d"]')
    claude, codex = loaded.settings.sources["claude-code"], loaded.settings.sources["codex"]
    assert (claude.enabled, claude.roots, codex.enabled, codex.roots) == (True, ("/a/b", "/c"), False, ("/d",))
    origins = {name: origin for name, origin in loaded.origins.items() if origin != "default"}
    assert origins == {
        "sources.claude-code.enabled": "AICO_SOURCES_CLAUDE_CODE_ENABLED",
        "sources.claude-code.roots": "AICO_SOURCES_CLAUDE_CODE_ROOTS",
        "sources.codex.enabled": "AICO_SOURCES_CODEX_ENABLED",
        "sources.codex.roots": environment[CONFIG_VARIABLE],
    }
    assert all(variable_of(name) == origin for name, origin in origins.items() if origin in variables)


def test_ledgers_are_read_in_their_order(environment: Environment) -> None:
    """The first one is the ledger of the old answers, and what chose it is told."""
    loaded = load(environment, f'[sources.cline]\nledgers = ["{OTHER}", "{LEDGER}", "{OTHER}"]')
    assert loaded.settings.ledgers == (OTHER, LEDGER)
    assert (loaded.settings.ledger_path, loaded.settings.ledger_chosen_by) == (OTHER, environment[CONFIG_VARIABLE])
    assert loaded.origins["ledger_path"] == loaded.origins["sources.cline.ledgers"] == environment[CONFIG_VARIABLE]


def test_ledger_path_is_the_only_ledger_without_a_list(environment: Environment) -> None:
    """The old name alone means one ledger."""
    assert load(environment, f'ledger_path = "{LEDGER}"').settings.ledgers == (LEDGER,)
    assert load(environment | {"CLINE_DATA_DIR": "/d"}).settings.ledgers == ("/d/state/taskHistory.json",)


@pytest.mark.parametrize(
    ("variables", "text", "ledgers"),
    [
        ({"AICO_LEDGER_PATH": LEDGER}, f'[sources.cline]\nledgers = ["{OTHER}"]', (LEDGER,)),
        ({"AICO_SOURCES_CLINE_LEDGERS": OTHER}, f'ledger_path = "{LEDGER}"', (OTHER,)),
        ({}, f'ledger_path = "{LEDGER}"\n[sources.cline]\nledgers = ["{LEDGER}", "{OTHER}"]', (LEDGER, OTHER)),
    ],
)
def test_stronger_layer_names_the_ledgers(
    environment: Environment, variables: Environment, text: str, ledgers: tuple[str, ...]
) -> None:
    """A variable wins over the file whichever of the two names it uses; one file may use both, if they agree."""
    loaded = load(environment | variables, text)
    assert (loaded.settings.ledgers, loaded.settings.ledger_path) == (ledgers, ledgers[0])


@pytest.mark.parametrize("path", ["taskHistory.json", "~/taskHistory.json", "/a/../taskHistory.json", "/a/other.json"])
def test_ledgers_are_judged_as_the_ledger_path(environment: Environment, path: str) -> None:
    """Each is an exact path of a file of the one name, or nothing starts."""
    error = refuse(environment, f'[sources.cline]\nledgers = ["{LEDGER}", "{path}"]')
    assert error.setting == "sources.cline.ledgers.1"
    assert environment[CONFIG_VARIABLE] in str(error)


@pytest.mark.parametrize("root", ["relative", "", "~/x", "/", "//a", "/a/../b", "/a\x00b", "/a\nb"])
def test_roots_are_absolute_folders_in_their_only_spelling(environment: Environment, root: str) -> None:
    """A folder that could be spelt in two ways is refused before anything is opened."""
    with pytest.raises(SettingsError) as caught:
        load(environment, flags={"sources": {"codex": {"roots": [root]}}})
    assert caught.value.setting == "sources.codex.roots.0"


@pytest.mark.parametrize(
    ("text", "setting", "hint"),
    [
        ('enabled_sources = "claud-code"', "enabled_sources", "cline, claude-code, codex; did you mean claude-code?"),
        ('enabled_sources = ["copilot"]', "enabled_sources", "known are cline, claude-code, codex"),
        ("[sources.codecs]\nenabled = true", "sources.codecs", "did you mean codex?"),
        ("[sources.claude_code]\nenabled = true", "sources.claude_code", "did you mean claude-code?"),
        ('[sources.cline]\norigins = ["session"]', "sources.cline.origins", "hub; did you mean sessions?"),
        ("[sources.cline]\nenable = true", "sources.cline.enable", "did you mean enabled?"),
        ("prot = 1", "prot", "did you mean port?"),
    ],
)
def test_unknown_name_is_refused_with_the_known_ones(
    environment: Environment, text: str, setting: str, hint: str
) -> None:
    """A misspelt source, origin or key is named with its file, what is known, and what is near."""
    error = refuse(environment, text)
    assert error.setting == setting
    assert hint in str(error)
    assert environment[CONFIG_VARIABLE] in str(error)


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("AICO_ENABLED_SOURCES", "did you mean AICO_SOURCES?"),
        ("AICO_SOURCE", "did you mean AICO_SOURCES?"),
        ("AICO_SOURCES_ENABLED", ""),
        ("AICO_SOURCES_CLINE_ENABLE", ""),
        ("AICO_SOURCES_CODECS_ORIGINS", "did you mean codex?"),
    ],
)
def test_unknown_variable_is_refused_by_its_name(environment: Environment, variable: str, hint: str) -> None:
    """The value of a misspelt variable is not repeated."""
    error = refuse(environment | {variable: "hush"})
    assert variable in str(error)
    assert hint in str(error)
    assert "hush" not in str(error)


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("sources = 1", "sources"),
        ("[sources]\ncline = true", "sources.cline"),
        ('[sources."a.b"]\nenabled = true', "sources.a.b"),
        ("enabled_sources = true", "enabled_sources"),
        ("enabled_sources = [1]", "enabled_sources"),
        ('enabled_sources = ["all", "cline"]', "enabled_sources"),
        ('enabled_sources = ["Claude Code"]', "enabled_sources"),
        ("[sources.cline]\nenabled = 1", "sources.cline.enabled"),
        ('[sources.cline]\nenabled = "perhaps"', "sources.cline.enabled"),
        ("[sources.cline]\norigins = 1", "sources.cline.origins"),
        ("[sources.cline]\norigins = [true]", "sources.cline.origins.0"),
        (f'[sources.codex]\nledgers = ["{LEDGER}"]', "sources.codex.ledgers"),
        ('[sources.cline]\nroots = ["/a"]', "sources.cline.roots"),
    ],
)
def test_value_of_another_kind_is_refused(environment: Environment, text: str, setting: str) -> None:
    """The error names the setting and the file."""
    error = refuse(environment, text)
    assert error.setting == setting
    assert environment[CONFIG_VARIABLE] in str(error)


def test_names_are_unchecked_where_no_list_is_handed_in(environment: Environment) -> None:
    """An application that registers sources of its own hands in its own list."""
    loaded = load_settings({"sources": {"mine": {"enabled": True}}}, environment)
    assert loaded.settings.sources["mine"].enabled


@pytest.mark.parametrize(("origins", "refused"), [("sessions", True), ("ledger", False)])
def test_sessions_path_is_judged_where_a_setting_reads_it(
    environment: Environment, origins: str, refused: bool
) -> None:
    """The new name of the switch asks for a right path as the old one does."""
    text = f'sessions_path = "relative"\n[sources.cline]\norigins = ["{origins}"]'
    if refused:
        assert refuse(environment, text).setting == "sessions_path"
    else:
        assert load(environment, text).settings.sessions_path == "relative"


def test_settings_made_by_hand_hold_to_the_same_rules() -> None:
    """A ledger that is not the first of the list is refused there, too."""
    with pytest.raises(ValidationError, match="ledger_path contradicts"):
        Settings.model_validate({"ledger_path": LEDGER, "sources": {"cline": {"ledgers": [OTHER]}}})


def test_ledger_that_is_none_is_told_by_the_setting_that_named_it() -> None:
    """The first of several ledgers is also the old setting, of which nobody has spoken."""
    with pytest.raises(SettingsError, match=r"^Setting sources\.cline\.ledgers.*AICO_SOURCES_CLINE_LEDGERS"):
        load_settings({}, {"AICO_SOURCES_CLINE_LEDGERS": "/a/other.json"})
