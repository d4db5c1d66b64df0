"""Homes that hold every form in which usage stands twice, late or not at all, each form under a model of its own.

A form says what its tool does, and yields where a reader may look. From that follow the changes of files that the
reader may see between: in any order that keeps each file's own, and with each line written up to any byte.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeAlias

import zstandard

from aico.core.usage import TOKENS
from aico.features.sources import claude_code, codex, gemini_cli, kimi_cli, kimi_code, pi
from tests.sources import fake_wires as wires
from tests.sources.claude_code.claude_home import (
    BEGIN_S,
    FIRST,
    NEW,
    PLACEHOLDERS,
    TOTALS_ONLY,
    WITHOUT_ORIGIN,
    Clock,
    Json,
    Transcript,
    answer,
    usage_of,
    uuid_of,
)
from tests.sources.codex.codex_home import Rollout, Work
from tests.sources.codex.test_forms import FORMS as CODEX_FORMS
from tests.sources.gemini_cli.gemini_home import BEGIN_MS as GEMINI_MS
from tests.sources.gemini_cli.gemini_home import Session, Telemetry, spent
from tests.sources.line_homes import Sum

SOURCES = (claude_code.SOURCE, codex.SOURCE, gemini_cli.SOURCE, kimi_cli.SOURCE, kimi_code.SOURCE, pi.SOURCE)
ROOTS = (".claude/projects", ".codex", ".gemini/tmp", ".kimi/sessions", ".kimi-code/sessions", ".pi/agent/sessions")
TELEMETRY = Path(".gemini/telemetry.log")
DAY_MS = 86_400_000
Billed: TypeAlias = "dict[tuple[str, int], Sum]"
"""By model and day of UTC."""


@dataclass
class Desk:
    """The home in which one form is written, and the bills of all forms."""

    home: Path
    name: str
    billed: Billed
    codex: Work
    clock: Clock
    numbers: Iterator[int]

    def bill(self, at_ms: float, *sums: Sum, model: str | None = None) -> None:
        """Note answers of a moment."""
        key = self.name if model is None else model, int(at_ms // DAY_MS)
        self.billed[key] = Sum(*map(sum, zip(self.billed.get(key, Sum(0, 0, 0, 0, 0, 0)), *sums, strict=True)))

    @property
    def now_ms(self) -> int:
        """The next moment."""
        self.clock.tick()
        return self.clock.now_s * 1000

    # Claude Code

    @property
    def projects(self) -> Path:
        """The folder of transcripts."""
        return self.home / ROOTS[0]

    def session(self, number: int = 0) -> str:
        """Return the id of a session of this form."""
        return uuid_of("session", self.name, number)

    def transcript(self, version: str = NEW, session: int = 0, agent: str | None = None) -> Transcript:
        """Return a new transcript."""
        return Transcript(self.projects, self.session(session), self.clock, version, agent=agent, model=self.name)

    def turn(self, *transcripts: Transcript, blocks: int = 2) -> int:
        """Let each go on by a whole turn; return the number of the last answer."""
        number = 0
        for each in transcripts:
            number = next(self.numbers)
            self.bill(self.now_ms, answer(number))
            each.turn(number, blocks)
        return number


Form: TypeAlias = "Callable[[Desk], Iterator[None]]"


def blocks(desk: Desk) -> Iterator[None]:
    """Write a line for each block, in all ages of the tool."""
    for place, version in enumerate((FIRST, PLACEHOLDERS, "2.1.120", TOTALS_ONLY, WITHOUT_ORIGIN, NEW)):
        desk.turn(desk.transcript(version, place), blocks=4)
        yield


def snapshots(desk: Desk) -> Iterator[None]:
    """Write an answer while it grows, and a placeholder after its end."""
    written = desk.transcript(PLACEHOLDERS)
    for number in (next(desk.numbers), next(desk.numbers)):
        desk.bill(desk.now_ms, answer(number))
        for output in (1, 8, 60, 400, None, 1):
            written.block(number, stop=None if output else "end_turn", usage=usage_of(number, output=output))
            yield


def emitted_again(desk: Desk) -> Iterator[None]:
    """Write everything again behind itself, as a resumed session did."""
    written = desk.transcript("2.1.120")
    for _ in range(2):
        desk.turn(written)
        for line in list(written.lines):
            written.write(line)
        yield


def without_request_ids(desk: Desk) -> Iterator[None]:
    """Write what a gateway leaves that sends no id of a request, or another one with each line."""
    written = desk.transcript("2.1.120")
    for request in (None, "req_a"):
        number = next(desk.numbers)
        desk.bill(desk.now_ms, answer(number))
        written.block(number, requestId=request)
        written.block(number, requestId=None)
        yield


def constant_ids(desk: Desk) -> Iterator[None]:
    """Write what a relay leaves that gives every answer the same id, in two sessions."""
    sessions = [desk.transcript(PLACEHOLDERS, each) for each in range(2)]
    for written in sessions * 3:
        number = next(desk.numbers)
        desk.bill(desk.now_ms, answer(number))
        written.block(number, id="chatcmpl-0")
        written.block(number, id="chatcmpl-0", stop=None, usage=usage_of(number, output=1))
        yield


def _forks(desk: Desk, version: str) -> Iterator[None]:
    sessions = [desk.transcript(version)]
    desk.turn(*sessions * 2)
    for place in (1, 2):
        yield
        sessions.append(sessions[-1].fork(desk.projects, desk.session(place)))
        desk.turn(*sessions)


def marked_forks(desk: Desk) -> Iterator[None]:
    """Fork, and fork the fork, with the origin on each copy."""
    yield from _forks(desk, NEW)


def unmarked_forks(desk: Desk) -> Iterator[None]:
    """Fork, and fork the fork, with nothing that says so."""
    yield from _forks(desk, WITHOUT_ORIGIN)


def first_forks(desk: Desk) -> Iterator[None]:
    """Fork as the first versions did: with other times and names on each copy."""
    yield from _forks(desk, FIRST)


def branches(desk: Desk) -> Iterator[None]:
    """Branch: each copy names the message that it is from, and totals begin at 0."""
    written = desk.transcript()
    done = [desk.turn(written), desk.turn(written)]
    written.total(done, 70)
    yield
    branch = desk.transcript(session=1)
    for line in written.lines[:-1]:
        if line["type"] != "api-request":
            branch.write({**line, "sessionId": branch.session, "forkedFrom": {"sessionId": written.session}})
    branch.total([desk.turn(branch)])
    desk.turn(written)


def orphaned_forks(desk: Desk) -> Iterator[None]:
    """Fork, and delete the original, before anybody saw it and after."""
    for place, version in enumerate((NEW, WITHOUT_ORIGIN, "2.1.120", FIRST)):
        written = desk.transcript(version, 2 * place)
        desk.turn(written, written)
        desk.turn(written.fork(desk.projects, desk.session(2 * place + 1)))
        if place % 2:
            yield
        written.path.unlink()
        yield


def emptied_copies(desk: Desk) -> Iterator[None]:
    """Fork after a compaction: copies whose numbers are all 0."""
    written = desk.transcript("2.1.120")
    done = [desk.turn(written), desk.turn(written)]
    fork = desk.transcript("2.1.120", 1)
    for number in done:
        fork.block(number, usage=dict.fromkeys(usage_of(number), 0))
    yield
    desk.turn(fork)


def totals(desk: Desk) -> Iterator[None]:
    """Write what was billed at each exit, hidden calls included: never a second time."""
    written = desk.transcript(TOTALS_ONLY)
    done: list[int] = []
    for hidden in (0, 500, 900):
        done.append(desk.turn(written))
        written.total(done, hidden, model=desk.name)
        yield


def sidechains(desk: Desk) -> Iterator[None]:
    """Let agents answer in the main file, with a copy of a main answer beside theirs, and in files of their own."""
    written = desk.transcript(PLACEHOLDERS)
    copied, own = desk.turn(written), next(desk.numbers)
    written.block(copied, id=f"msg_{copied:06}", isSidechain=True, agentId="a1")
    desk.bill(desk.now_ms, answer(own))
    written.block(own, isSidechain=True, agentId="a1")
    yield
    desk.turn(desk.transcript(NEW, 1), desk.transcript(NEW, 1, "a2"), desk.transcript(PLACEHOLDERS, 1, "a3"))


def two_days(desk: Desk) -> Iterator[None]:
    """Answer at midnight: the day of an answer is that of its first line, also in copies of the next day."""
    written = desk.transcript("2.1.120")
    for seconds in (1, 2, 4):
        desk.clock.now_s += 86_400 - desk.clock.now_s % 86_400 - seconds
        number = next(desk.numbers)
        desk.bill((desk.clock.now_s + 1) * 1000, answer(number))
        for _ in range(4):
            written.block(number)
        yield
    desk.clock.now_s += 86_400
    written.fork(desk.projects, desk.session(1), FIRST)


def rewritten(desk: Desk) -> Iterator[None]:
    """Write files anew in place: with other names of lines, and with less, which then stands elsewhere."""
    for place, version in enumerate((PLACEHOLDERS, NEW)):
        written = desk.transcript(version, 2 * place)
        desk.turn(written, written)
        yield
        lines, written.lines = written.lines, []
        written.path.write_bytes(b"")
        for number, line in enumerate(lines):
            written.write({**line, "uuid": uuid_of(desk.name, place, number), "slug": "another"})
        desk.turn(written)
        yield
        kept = written.fork(desk.projects, desk.session(2 * place + 1))
        lines, written.lines = written.lines, []
        written.path.write_bytes(b"")
        for line in lines[: len(lines) // 2]:
            written.write(line)
        desk.turn(written, kept)
        yield


def moved(desk: Desk) -> Iterator[None]:
    """Move a file, copy it to another folder, as another machine or a backup does; both go on."""
    written = desk.transcript()
    desk.turn(written)
    for number in range(2):
        yield
        new = desk.projects / f"-moved-{number}" / written.path.name
        new.parent.mkdir()
        written.path = written.path.rename(new)
        yield
        desk.turn(written)
    yield
    twin = desk.projects / "-restored" / written.path.name
    twin.parent.mkdir()
    shutil.copy(written.path, twin)
    desk.turn(written)


# Codex, beside the forms of its own


def packed(desk: Desk) -> Iterator[None]:
    """Compress a rollout, which goes, and archive another one."""
    for version in ("0.98.0", "0.171.0"):
        threads = [Rollout(desk.codex, version, desk.name) for _ in range(2)]
        for number, thread in enumerate(threads * 2):
            thread.ask()
            thread.answer(number)
        yield
        (thread, archived) = threads
        path = thread.path.with_name(thread.path.name + ".zst")
        path.write_bytes(zstandard.compress(thread.path.read_bytes()))
        thread.path.unlink()
        folder = desk.codex.root / "archived_sessions"
        folder.mkdir(exist_ok=True)
        archived.path.rename(folder / archived.path.name)
        yield


# Gemini CLI


def _history(desk: Desk, session: Session, telemetry: Telemetry | None = None) -> None:
    number = next(desk.numbers)
    session.prompt(number)
    counts = spent(number)
    desk.bill(GEMINI_MS + 60_000 * number, Sum(1, counts.input, counts.cache_read, 0, 0, counts.output))
    session.answer(number, model=desk.name)
    session.tool(number)
    if telemetry is not None:
        telemetry.answer(session, number, model=desk.name)


def replays(desk: Desk) -> Iterator[None]:
    """Resume within the file: the history again, bare, shortened and rewound."""
    session = Session(desk.home / ROOTS[2], desk.name)
    for is_bare in (False, True):
        _history(desk, session)
        _history(desk, session)
        yield
        session.begin()
        session.repeat(is_bare=is_bare)
        session.rewind()
        session.repeat(rewound=2)


def whole_sessions(desk: Desk) -> Iterator[None]:
    """Write a session as one document, anew with each message, and then as lines."""
    session = Session(desk.home / ROOTS[2], desk.name)
    for _ in range(3):
        _history(desk, session)
        session.write_whole()
        yield


def metered(desk: Desk) -> Iterator[None]:
    """Tell of answers in the telemetry, too."""
    session = Session(desk.home / ROOTS[2], desk.name)
    for _ in range(3):
        _history(desk, session, Telemetry(desk.home / TELEMETRY))
        yield


# Kimi CLI, Kimi Code, pi


def _write(path: Path, lines: Iterable[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.writelines(lines)


def nameless(desk: Desk) -> Iterator[None]:
    """Answer with Kimi CLI, which names no model: an agent that its session repeats, and a fork."""
    root = desk.home / ROOTS[3] / "6c29bb5a3ee7ba21db1ef234e48630f8"
    session, fork = root / uuid_of(desk.name, 0), root / uuid_of(desk.name, 1)
    lines: list[bytes] = []
    for _ in range(2):
        own: list[bytes] = []
        for into in (lines, own):
            number, now = next(desk.numbers), desk.now_ms
            into.extend(wires.cli_turn(now, number))
            desk.bill(now, Sum(1, 100 + number, 1_000 + number, number, 0, 10 + number), model="")
        lines += [wires.cli_repeated("a0000001", line) for line in own]
        _write(session / "subagents" / "a0000001" / "wire.jsonl", own)
        yield
    _write(session / "wire.jsonl", lines)
    _write(fork / "wire.jsonl", lines)


def kimi_code_forks(desk: Desk) -> Iterator[None]:
    """Fork with Kimi Code, and fork the fork, with agents and a compaction."""
    root = desk.home / ROOTS[4] / "wd_proj_72a920a60cfb"
    paths = [root / f"session_{uuid_of(desk.name, each)}" / "agents" / "main" / "wire.jsonl" for each in range(3)]

    def turn(path: Path, agent: str = "main", kind: str = "loop") -> None:
        number, now = next(desk.numbers), desk.now_ms
        request = wires.code_request(now, desk.name, desk.name, agent, kind=kind)
        record = wires.code_record(now + 1, number, alias=desk.name, agent=agent)
        event: Json = {"type": "step.end", "usage": wires.code_usage(number)}
        said = wires.line_of({"type": "context.append_loop_event", "agentId": agent, "event": event, "time": now + 2})
        desk.bill(now, Sum(1, 100 + number, 1_000 + number, number, 0, 10 + number))
        _write(path, [request, record, said])

    for place, path in enumerate(paths):
        if place:
            forked = wires.line_of({"type": "forked", "agentId": "main", "time": desk.now_ms})
            _write(path, [paths[place - 1].read_bytes(), forked])
        for each in paths[: place + 1]:
            turn(each)
        turn(path, kind="compaction")
        turn(path.parents[1] / f"a{place:08x}" / "wire.jsonl", f"a{place:08x}")
        yield


def pi_forks(desk: Desk) -> Iterator[None]:
    """Fork with pi, and fork the fork; the first original goes; every answer has the same id, at its own time."""
    root = desk.home / ROOTS[5] / "--home--"
    paths: list[Path] = []
    lines: list[bytes] = []
    for place in range(3):
        now, name = desk.now_ms, uuid_of(desk.name, place)
        paths.append(root / f"{wires.iso_of(now)}_{name}.jsonl")
        _write(paths[-1], [wires.pi_header(now, name, uuid_of(desk.name, place - 1) if place else None), *lines])
        for _ in range(2):
            number, now = next(desk.numbers), desk.now_ms
            lines.append(wires.pi_answer(now, number, model=desk.name, responseId="chatcmpl-0"))
            desk.bill(now, Sum(1, 100 + number, 1_000, number, 0, 10))
            _write(paths[-1], lines[-1:])
        yield
    paths[0].unlink()


FORMS: tuple[Form, ...] = (
    *(blocks, snapshots, emitted_again, without_request_ids, constant_ids, marked_forks, unmarked_forks, first_forks),
    *(branches, orphaned_forks, emptied_copies, totals, sidechains, two_days, rewritten, moved, packed),
    *(replays, whole_sessions, metered, nameless, kimi_code_forks, pi_forks),
)


# The changes of files that follow


class Change(NamedTuple):
    """A change of a file."""

    path: Path
    data: bytes | None = None
    """The bytes that are written; None if the file goes, or gets another name."""
    is_more: bool = False
    """True if it is written behind the file's bytes."""
    new: Path | None = None

    def do(self, home: Path) -> None:
        """Do it."""
        path = home / self.path
        if self.new is not None:
            (home / self.new).parent.mkdir(parents=True, exist_ok=True)
            path.rename(home / self.new)
        elif self.data is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab" if self.is_more else "wb") as file:
                file.write(self.data)


@dataclass
class Forms:
    """All forms: what they do to files, step by step, and what was billed."""

    steps: list[list[list[Change]]] = field(default_factory=list)
    """By form and step."""
    billed: Billed = field(default_factory=dict)

    def shuffled(self, chance: random.Random) -> Iterator[Change]:
        """Yield all changes: each form at its own pace, the files of a step in any order, what is written in parts."""
        queues = [[each for step in steps for each in _mixed(step, chance)][::-1] for steps in self.steps]
        while queues:
            queue = chance.choice(queues)
            yield queue.pop()
            if not queue:
                queues.remove(queue)


def _mixed(step: list[Change], chance: random.Random) -> list[Change]:
    parts = [list(_cut(change, chance))[::-1] for change in step if change.data is not None]
    mixed: list[Change] = []
    while parts:
        part = chance.choice(parts)
        mixed.append(part.pop())
        if not part:
            parts.remove(part)
    return mixed + [change for change in step if change.data is None]


def _cut(change: Change, chance: random.Random) -> Iterator[Change]:
    data = change.data or b""
    # A compressed file arrives whole.
    count = 0 if change.path.suffix == ".zst" else chance.randint(0, 3)
    cuts = sorted(chance.choices(range(len(data) + 1), k=count))
    for place, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(data)], strict=True)):
        yield change._replace(data=data[start:end], is_more=change.is_more or place > 0)


def _contents(home: Path) -> dict[Path, bytes]:
    return {path.relative_to(home): path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()}


def _changes(before: dict[Path, bytes], after: dict[Path, bytes]) -> Iterator[Change]:
    arrived = {data: path for path, data in after.items() if path not in before}
    renamed = {path: arrived[data] for path, data in before.items() if path not in after and data in arrived}
    for path in before.keys() - after.keys():
        yield Change(path, new=renamed.get(path))
    for path, data in after.items():
        known = before.get(path, b"")
        if path not in renamed.values() and data != known:
            is_more = data.startswith(known)
            yield Change(path, data[len(known) :] if is_more else data, is_more)


def _steps(home: Path, form: Iterator[None]) -> Iterator[list[Change]]:
    """Yield what a form does to files, for each of its steps."""
    known: dict[Path, bytes] = {}
    is_over = False
    while not is_over:
        is_over = next(form, True) is True
        now = _contents(home)
        yield list(_changes(known, now))
        known = now


def make_forms() -> Forms:
    """Return all forms."""
    made = Forms()
    numbers = iter(range(1, 10_000))
    work = Work(Path(), billed=made.billed)
    with TemporaryDirectory() as folder:
        for place, form in enumerate(FORMS):
            clock = Clock()
            clock.now_s += 86_400 * (place % 7)
            home = Path(folder) / form.__name__
            work.root = home / ROOTS[1]
            made.steps.append(list(_steps(home, form(Desk(home, form.__name__, made.billed, work, clock, numbers)))))
        for write in CODEX_FORMS:
            home = Path(folder) / write.__name__
            work.root = home / ROOTS[1]
            lost_before = work.lost_count
            write(work, write.__name__)
            made.steps.append(list(_steps(home, iter(()))))
            if lost := work.lost_count - lost_before:
                # An answer without numbers is a request, too.
                ((key, known),) = (each for each in made.billed.items() if each[0][0] == write.__name__)
                made.billed[key] = known._replace(requests=known.requests + lost)
    return made


def prepare(home: Path) -> None:
    """Make the folders that the tools have made, and the file of the telemetry."""
    for root in ROOTS:
        (home / root).mkdir(parents=True)
    (home / TELEMETRY).touch()


def give_ages(home: Path, chance: random.Random) -> None:
    """Let files be written last in any order."""
    for path in (each for each in home.rglob("*") if each.is_file()):
        written_s = BEGIN_S + chance.randrange(86_400)
        os.utime(path, (written_s, written_s))


def booked_in(database: Path) -> Billed:
    """Return what is booked, by model and day."""
    columns = ", ".join(f"SUM(d.{each})" for each in ("requests", *TOKENS[:5]))
    statement = (
        f"SELECT m.name, d.day, {columns} FROM usage_session_day AS d JOIN model AS m ON m.id = d.model "  # noqa: S608
        "GROUP BY 1, 2 HAVING SUM(d.requests) > 0"
    )
    with closing(sqlite3.connect(database)) as connection:
        return {(str(model), int(day)): Sum(*numbers) for model, day, *numbers in connection.execute(statement)}


def differences(booked: Billed, billed: Billed) -> dict[tuple[str, int], tuple[Sum | None, Sum | None]]:
    """Return what is booked otherwise than it was billed, by form and day."""
    keys = sorted(booked.keys() | billed.keys())
    return {key: (booked.get(key), billed.get(key)) for key in keys if booked.get(key) != billed.get(key)}


def excess(booked: Billed, billed: Billed) -> set[str]:
    """Return the forms of which more tokens are booked than were billed in all.

    Without the one that has no name: a line of an answer may be read before the one that names its model.
    """
    more: dict[str, list[int]] = {}
    for sign, sums in ((1, booked), (-1, billed)):
        for (model, _day), each in sums.items():
            rest = more.setdefault(model, [0] * 5)
            more[model] = [a + sign * b for a, b in zip(rest, each[1:], strict=True)]
    return {model for model, rest in more.items() if model and max(rest) > 0}
