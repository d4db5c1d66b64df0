"""French and English are complete: no key is missing, none is left over, and every code has its words."""

from __future__ import annotations

import json
import re
from typing import cast

import pytest

from aico.core.errors import ObserverError
from aico.core.usage import RejectionCode, Trigger
from aico.features.sources.registry import SOURCES
from tests.web.page_files import LANGUAGES, SCRIPTS, WEB

_LITERAL = re.compile(r"""\bt(n?)\(\s*"([^"]+)\"""")
_DYNAMIC = re.compile(r"""\bt(?:old)?\(`([^`$]+)\$\{""")
_QUOTED = re.compile(r'"([a-z][\w.]*)"')
_PLACE = re.compile(r"\{(\w+)\}")
_PLURAL = re.compile(r"\.(one|other)$")
_NEVER_ON_A_PAGE = {
    "configuration",
    "instance_running",
    "output_failed",
    "port_taken",
    "service_refused",
    "service_unreachable",
    "storage_absent",
    "storage_foreign",
    "storage_newer",
    "storage_older",
    "supervisor_refused",
    "backup_unusable",
}
"""Errors of the command line: a service that meets one does not serve."""
_NEVER_ASKED_FOR = {
    "body_too_large",
    "method_not_allowed",
    "request_malformed",
    "session_unknown",
}
"""Errors of requests that the page does not make."""
_FAULT = re.compile(r"(ledger|sessions|source)_(.+)")
"""The same faults of several files share a sentence."""


def _words(language: str) -> dict[str, str]:
    return cast("dict[str, str]", json.loads((WEB / "i18n" / f"{language}.json").read_text(encoding="utf-8")))


def _sources() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in SCRIPTS)


def _error_codes(kind: type[ObserverError]) -> set[str]:
    return {kind.code}.union(*(_error_codes(below) for below in kind.__subclasses__()))


def _has_words(code: str, words: dict[str, str]) -> bool:
    """Return whether ``code`` has a sentence of its own or a shared one, as ``tcode`` of the page looks for it."""
    fault = _FAULT.fullmatch(code.replace("busy", "unstable"))
    return f"code.{code}" in words or (fault is not None and {f"file.{fault[1]}", f"fault.{fault[2]}"} <= words.keys())


def test_languages_have_the_same_keys() -> None:
    """Each language can say all that the other can."""
    english, french = (_words(language) for language in LANGUAGES)

    assert english.keys() == french.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_said_twice(language: str) -> None:
    """Of a key that stood there twice, one sentence would never be shown."""
    text = (WEB / "i18n" / f"{language}.json").read_text(encoding="utf-8")
    keys = [key for key, _ in cast("list[tuple[str, str]]", json.loads(text, object_pairs_hook=list))]

    assert sorted({key for key in keys if keys.count(key) > 1}) == []


def test_translations_use_the_same_placeholders() -> None:
    """A number that one language shows is not lost in the other."""
    english, french = (_words(language) for language in LANGUAGES)
    places = {key: (set(_PLACE.findall(english[key])), set(_PLACE.findall(french[key]))) for key in english}

    assert {key: pair for key, pair in places.items() if pair[0] != pair[1]} == {}


def test_every_key_used_in_the_scripts_has_words() -> None:
    """Words that the scripts ask for by name are there, plural forms included."""
    words = _words("en")
    used = {
        f"{key}.{form}" if plural else key for plural, key in _LITERAL.findall(_sources()) for form in ("one", "other")
    }

    assert sorted(used - words.keys()) == []


def test_every_family_of_keys_used_in_the_scripts_has_words() -> None:
    """A key that is put together at run time belongs to a family that exists."""
    words = _words("en")
    families = set(_DYNAMIC.findall(_sources()))

    assert sorted(family for family in families if not any(key.startswith(family) for key in words)) == []


def test_no_key_is_left_over() -> None:
    """Words that nothing shows any more are removed."""
    sources = _sources()
    families = tuple(_DYNAMIC.findall(sources))
    quoted = set(_QUOTED.findall(sources))

    left_over = [key for key in _words("en") if not key.startswith(families) and _PLURAL.sub("", key) not in quoted]

    assert left_over == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_of_the_service_has_words(language: str) -> None:
    """The page never has to show a raw code: rejections, errors and triggers are all translated."""
    words = _words(language)
    errors = _error_codes(ObserverError) - _NEVER_ON_A_PAGE - _NEVER_ASKED_FOR
    triggers = {f"trigger.{trigger}" for trigger in Trigger}

    wordless = [code for code in (*RejectionCode, *errors) if not _has_words(code, words)]

    assert sorted(wordless) == []
    assert sorted(triggers - words.keys()) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_origin_has_a_name_and_its_promise(language: str) -> None:
    """Beside each switch stands, in the page's language, which file it is of and what of it is never read."""
    origins = [(f"{source.id}.{origin.id}", origin.privacy) for source in SOURCES for origin in source.origins]
    needed = {f"origin.{name}" for name, _ in origins} | {f"never.{name}" for name, privacy in origins if privacy}

    assert sorted(needed - _words(language).keys()) == []


@pytest.mark.parametrize(("language", "ledger"), [("en", "ledger"), ("fr", "registre")])
def test_only_codes_of_the_ledger_speak_of_it(language: str, ledger: str) -> None:
    """A sentence that any file of any tool can meet names none of them."""
    words = {key: text for key, text in _words(language).items() if key.startswith(("code.", "fault."))}

    assert [key for key, text in words.items() if ledger in text.replace("max_ledger_bytes", "")] == [
        "code.ledger_format"
    ]


def test_french_never_breaks_a_line_before_its_punctuation() -> None:
    """A colon, a question mark and quotation marks are tied to their word by a no-break space."""
    loose = [text for text in _words("fr").values() if re.search(r" [:;?!»]|« ", text)]

    assert loose == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_gap_has_its_words(language: str) -> None:
    """A tool's billed and unrecorded calls are told in the page's language, for each kind that a source names."""
    kinds = {f"gap.{source.id}.{gap.id}" for source in SOURCES for gap in source.gaps}

    assert sorted(kinds - _words(language).keys()) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_command_and_setting_in_a_sentence_is_marked(language: str) -> None:
    """Between backticks the page makes it something that can be copied; outside, a reader would have to type it."""
    bare = {key: re.sub(r"`[^`]*`|\{\w+\}", "", text) for key, text in _words(language).items()}

    typed = re.compile(r"\b(?:aico|pip) [a-z]|\b[a-z]+_[a-z]+|\bAICO_")
    assert [key for key, text in bare.items() if typed.search(text)] == []
