"""The last name of a working folder: cut from bytes, told once for a session, and only where somebody asks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec import Raw

from aico.core.usage import AnyRecord, ProjectSeen, Rejection
from aico.features.files.folder import find_folder, last_name, open_parser
from aico.features.files.line_format import LineFile, LineFormat
from aico.features.sources.claude_code.parser import FORMAT as CLAUDE_CODE
from aico.features.sources.codex.parser import FORMAT as CODEX
from aico.features.sources.gemini_cli.chats import FORMAT as GEMINI
from aico.features.sources.pi.parser import FORMAT as PI
from aico.features.sources.qwen_code.calls import SESSIONS as QWEN_CODE
from aico.features.sources.registry import SOURCES

CANARY = "k4nary"
ADMINISTRATOR = "/root"
"""The user whose home may be that of the tester, so that no path below it may stand in a file."""
FILE = LineFile(("00000001-1111-4222-8333-444444444444.jsonl",), 1, 1)
DATA = Path(__file__).parents[1] / "data"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"/home/{CANARY}/shop", "shop"),
        (f"/srv/{CANARY}/shop/", "shop"),
        (f"/Users/{CANARY}/Läden & Co", "Läden & Co"),
        (f"C:\\Users\\{CANARY}\\shop", "shop"),
        (f"D:/{CANARY}/shop", "shop"),
        ("/workspace", "workspace"),
        ('/srv/a "quoted" name', 'a "quoted" name'),
        (f"/home/{CANARY}", None),
        (f"/Users/{CANARY}/", None),
        (ADMINISTRATOR, None),
        ("/var/root", None),
        (f"{ADMINISTRATOR}/shop", "shop"),
        (f"C:\\Users\\{CANARY}", None),
        ("/", None),
        ("C:\\", None),
        ("", None),
        (CANARY, None),
        (f"../{CANARY}", None),
        ("/srv/..", None),
        ("/srv/a\nb", None),
        ("/srv/\u202egpj", None),
        ("/srv/" + "x" * 201, None),
        (17, None),
        (None, None),
    ],
)
def test_last_name_is_that_of_the_folder_and_never_that_of_a_user(path: object, name: str | None) -> None:
    """A home is no project; neither is what no name can be."""
    assert last_name(Raw(json.dumps(path).encode())) == name
    assert last_name(Raw(json.dumps(path, ensure_ascii=False).encode())) == name


def test_broken_text_has_no_name() -> None:
    """Bytes that are no text are passed by."""
    assert last_name(Raw(b'"/srv/\xff\xfe"')) is None
    assert last_name(Raw(b'"/srv/\\ud800"')) is None
    assert not find_folder(memoryview(b"{"))
    assert not find_folder(memoryview(b'{"payload": 3}'))


def _told(format_: LineFormat, *lines: dict[str, object], wants: bool = True) -> list[AnyRecord | Rejection]:
    parser = open_parser(format_, FILE, None, wants_project=wants)
    told = [each for i, line in enumerate(lines) for each in parser.parse(memoryview(json.dumps(line).encode()), i)]
    assert CANARY not in json.dumps(parser.state)
    return told


def _answer(number: int, cwd: str, session: str = "00000001-1111-4222-8333-444444444444") -> dict[str, object]:
    usage = {"input_tokens": 10, "output_tokens": 5}
    message = {"id": f"m{number}", "model": "opus", "stop_reason": "end_turn", "usage": usage}
    moment = f"2026-01-05T10:00:{number:02}.000Z"
    return {"type": "assistant", "sessionId": session, "cwd": cwd, "timestamp": moment, "message": message}


def test_project_is_told_once_for_a_session_and_by_its_first_folder() -> None:
    """A session that goes on in a folder below stays where it began; without the wish nothing is told."""
    lines = [_answer(1, f"/srv/{CANARY}/shop"), _answer(2, f"/srv/{CANARY}/shop/web"), _answer(3, "/srv/docs", "other")]
    told = _told(CLAUDE_CODE, *lines)
    assert [each for each in told if isinstance(each, ProjectSeen)] == [
        ProjectSeen("00000001-1111-4222-8333-444444444444", "shop"),
        ProjectSeen("other", "docs"),
    ]
    assert CANARY not in repr(told)
    quiet = _told(CLAUDE_CODE, *lines, wants=False)
    assert quiet == [each for each in told if not isinstance(each, ProjectSeen)]


def test_folder_that_a_head_states_is_that_of_the_answers_behind_it() -> None:
    """Codex and pi state it before the first answer."""
    moment = "2026-01-05T10:00:00.000Z"
    head: dict[str, object] = {"type": "session", "id": "s", "timestamp": moment, "cwd": f"/srv/{CANARY}/shop"}
    usage = {"input": 1, "output": 2, "cacheRead": 0, "cacheWrite": 0, "cost": {"total": 0.1}}
    message = {"role": "assistant", "model": "m", "usage": usage, "timestamp": 1_767_607_201_000}
    answer: dict[str, object] = {"type": "message", "id": "a", "timestamp": moment, "message": message}
    told = [each for each in _told(PI, head, answer) if isinstance(each, ProjectSeen)]
    assert [each.name for each in told] == ["shop"]
    seen = []
    for path in sorted(DATA.glob("codex/v0_61_resume/**/rollout-*.jsonl")):
        parser = open_parser(CODEX, FILE._replace(parts=path.parts[-1:]), None, wants_project=True)
        for index, line in enumerate(path.read_bytes().splitlines()):
            seen += [each for each in parser.parse(memoryview(line), index) if isinstance(each, ProjectSeen)]
    assert seen
    assert all("/" not in each.name for each in seen)


def test_sources_that_state_folders_are_those_whose_formats_do() -> None:
    """A switch says of a tool that its logs state folders if these are looked for there."""
    formats = {"claude-code": CLAUDE_CODE, "codex": CODEX, "qwen-code": QWEN_CODE, "pi": PI, "gemini-cli": GEMINI}
    known = {source.id for source in SOURCES if source.states_folder}
    assert known == {name for name, each in formats.items() if each.states_folder}
