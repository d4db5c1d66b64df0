"""Histories of shells: each new whole line once, whatever the shell does with its file, and no word but the first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from aico.core.activity_settings import ActivitySettings
from aico.core.db.activity import ActivityStore, list_sums, list_totals
from aico.core.db.database import Database
from aico.core.errors import SourceNotFound, SourcePathRefused
from aico.features.activity.definitions import load_definitions
from aico.features.activity.history import HistoryPlace, list_places, read_history
from aico.features.activity.shells import FirstWords, Position, Shell
from aico.services.activity_shell import ShellWatch
from tests.core.repository_on_file import copy_of_template

DEFINITIONS = load_definitions(ActivitySettings(), "linux")
WORDS = FirstWords(DEFINITIONS.commands)
CANARY = "KANARIENVOGEL"
BASH = (
    f"ls\nclaude '{CANARY}'\n"
    f"#1700000000\nollama run {CANARY}\nclaude goes on with the one before\n#1700000009\ngh copilot x\n"
)
ZSH = (
    f": 1700000001:0;claude -p {CANARY}\n: 1700000002:5;echo a \\\ncodex is no command here\n"
    "/usr/bin/codex x|llm\n  aider\n"
)
FISH = f"- cmd: claude {CANARY}\n  when: 1700000001\n- cmd: vim claude\n  when: 1700000002\n  paths:\n    - claude\n"


def stored_bytes(folder: Path) -> list[bytes]:
    """Return the bytes of every file of the database."""
    return [path.read_bytes() for path in folder.glob("observer.db*")]


class History:
    """A history in a file, and what was counted of it."""

    def __init__(self, folder: Path, shell: Shell) -> None:
        self.place = HistoryPlace(shell, str(folder.resolve() / "history"))
        self.path = Path(self.place.path)
        self.known: Position | None = None

    def read(self) -> Mapping[str, int]:
        """Read what is new."""
        reading = read_history(self.place, WORDS, self.known)
        if reading is None:
            return {}
        self.known = Position.parse(reading.position.text())
        return dict(reading.counts)

    def append(self, text: str) -> Mapping[str, int]:
        """Append, then read."""
        with self.path.open("a") as file:
            file.write(text)
        return self.read()

    def rewrite(self, text: str) -> Mapping[str, int]:
        """Write it anew in another file, then read."""
        other = self.path.with_name("new")
        other.write_text(text)
        other.replace(self.path)
        return self.read()


@pytest.fixture(params=list(Shell))
def history(request: pytest.FixtureRequest, tmp_path: Path) -> History:
    """Return the history of each shell, with old lines that were there before."""
    history = History(tmp_path, request.param)
    history.path.write_text({Shell.BASH: BASH, Shell.ZSH: ZSH, Shell.FISH: FISH}[request.param])
    assert history.read() == {}
    return history


def line(shell: Shell, command: str, at_s: int) -> str:
    """Return a line as a shell writes it."""
    if shell is Shell.FISH:
        return f"- cmd: {command}\n  when: {at_s}\n"
    return f": {at_s}:0;{command}\n" if shell is Shell.ZSH else f"#{at_s}\n{command}\n"


@pytest.mark.parametrize(
    ("shell", "text", "counts"),
    [
        (Shell.BASH, BASH, {"claude": 1, "ollama": 1, "copilot": 1}),
        (Shell.ZSH, ZSH, {"claude": 1, "codex": 1, "aider": 1}),
        (Shell.FISH, FISH, {"claude": 1}),
        (
            Shell.BASH,
            "ollama list\ngh pr\nclauded\n'claude'\n~/bin/claude\nqwen;ls\npi>x\n\n \nclaude",
            {"claude": 1, "qwen": 1, "pi": 1},
        ),
    ],
)
def test_first_word_is_what_counts(tmp_path: Path, shell: Shell, text: str, counts: Mapping[str, int]) -> None:
    """Each shell's own way of writing; what goes on from a line before, and half a line, is none."""
    history = History(tmp_path, shell)
    history.path.write_text("")
    assert history.read() == {}
    assert history.append(text) == counts
    assert CANARY not in repr(history.known)


def test_appended_lines_count_once(history: History) -> None:
    """A line that is half there waits; nothing counts twice; old lines never do."""
    shell = history.place.shell
    whole = line(shell, "claude", 1700000100)
    assert history.append(whole[:-3]) == {}
    assert history.append(whole[-3:]) == {"claude": 1}
    assert history.read() == {}
    assert history.append(whole + line(shell, "codex", 1700000101)) == {"claude": 1, "codex": 1}


def test_history_that_is_written_anew_counts_what_follows(history: History) -> None:
    """Shortened from its beginning, in another file: what follows the known lines is new, and only that."""
    shell = history.place.shell
    lines = [line(shell, f"claude {number}", 1700000100 + number) for number in range(200)]
    assert history.append("".join(lines)) == {"claude": 200}
    assert history.rewrite("".join([*lines[50:], line(shell, "aider", 1700000400)])) == {"aider": 1}
    assert history.rewrite("".join(lines[100:])) == {}


def test_history_without_the_known_lines_counts_what_is_later(history: History) -> None:
    """Repetitions were taken out, or all of it: dates tell what is new; where there are none, nothing is."""
    shell = history.place.shell
    assert history.append(line(shell, "vim", 1700000100)) == {}
    anew = line(shell, "claude", 1700000050) + line(shell, "codex", 1700000200)
    assert history.rewrite(anew) == {"codex": 1}
    assert history.rewrite("claude\n" if shell is not Shell.FISH else "") == {}
    assert history.read() == {}


def test_history_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """No link is followed, and one that is not there is no failure."""
    history = History(tmp_path, Shell.BASH)
    with pytest.raises(SourceNotFound):
        history.read()
    (tmp_path / "other").write_text("claude\n")
    history.path.symlink_to(tmp_path / "other")
    with pytest.raises(SourcePathRefused):
        history.read()


def test_places_are_the_known_ones() -> None:
    """Each shell's default file, and where its own variables lead."""
    found = list_places(Path("/h"), {"ZDOTDIR": "/z", "XDG_DATA_HOME": "relative"})
    assert [place.path for place in found if place.shell is not Shell.ZSH] == [
        "/h/.bash_history",
        "/h/.local/share/fish/fish_history",
    ]
    assert {"/h/.zsh_history", "/h/.histfile", "/z/.zsh_history"} <= {place.path for place in found}


async def test_watch_stores_counts_and_never_a_word(tmp_path: Path) -> None:
    """Calls are counted by shell; a restart counts nothing twice; what is typed while it is off never counts."""
    history = History(tmp_path, Shell.ZSH)
    history.path.write_text(ZSH)
    database = Database(copy_of_template(tmp_path))
    await database.open()
    store, told = ActivityStore(database), [0]

    def watch() -> ShellWatch:
        return ShellWatch(DEFINITIONS, store, lambda: told.append(1), lambda: 1_779_012_000_000, [history.place])

    try:
        first = watch()
        await first.look()
        with history.path.open("a") as file:
            file.write(f": 1700000300:0;claude {CANARY}\nclaude\nvim {CANARY}\n")
        await first.look()
        await first.look()
        await watch().look()
        async with database.asking() as ask:
            [total] = await list_totals(ask)
            [summed] = await list_sums(ask, 0, 10**7)
        assert (total.kind, total.name, total.place, total.count) == ("shell", "claude", "zsh", 2)
        assert (summed.count, summed.duration_ms, len(told)) == (2, 0, 2)
        await store.forget_positions(["apps", "shell"])
        with history.path.open("a") as file:
            file.write("claude\n")
        await watch().look()
        async with database.asking() as ask:
            assert [each.count for each in await list_totals(ask)] == [2]
    finally:
        await database.close()
    assert all(CANARY.encode() not in content for content in stored_bytes(tmp_path))
