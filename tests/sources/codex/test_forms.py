"""Every form in which usage stands twice, late or not at all: the difference to what was billed is 0."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.core.usage import UsageEvent
from tests.sources.codex.codex_home import CODEX, MIDDLE, NEW, OLD, TURNS, VERSIONS, Rollout, Work, counts_of
from tests.sources.line_homes import FileReader, Home, Sum, home_of


def plain(work: Work, name: str) -> None:
    """Write answers of each version."""
    for number, version in enumerate(VERSIONS):
        thread = Rollout(work, version, name)
        thread.ask()
        thread.answer(10 * number)
        thread.answer(10 * number + 1)


def restarts(work: Work, name: str) -> None:
    """Write a thread whose totals begin anew with each process, mostly without falling."""
    thread = Rollout(work, OLD, name)
    for number in (1, 2, 3, 1, 2):
        thread.resume()
        thread.ask()
        thread.answer(number)


def updates(work: Work, name: str) -> None:
    """Write a thread that lives on through updates in both directions."""
    thread = Rollout(work, MIDDLE, name)
    for number, version in enumerate((TURNS, NEW, MIDDLE, NEW, TURNS, OLD, NEW)):
        thread.ask()
        thread.answer(number)
        thread.resume(version)
        thread.ask()
        thread.answer(20 + number)


def said_again(work: Work, name: str) -> None:
    """Write totals again, after an answer and without one."""
    for version in VERSIONS:
        thread = Rollout(work, version, name)
        thread.ask()
        for number in range(3):
            thread.answer(number)
            thread.count()
            thread.count()


def nulls(work: Work, name: str) -> None:
    """Write nulls inside one process: the totals go on."""
    thread = Rollout(work, MIDDLE, name)
    thread.ask()
    for number in range(3):
        thread.answer(number)
        thread.has_info = False
        thread.count()
        thread.has_info = True


def compactions(work: Work, name: str) -> None:
    """Write compactions, whose totals are said again with an estimate."""
    for version in (TURNS, NEW):
        thread = Rollout(work, version, name)
        thread.ask()
        thread.answer(1)
        thread.compact(2)
        thread.answer(3)


def copied_forks(work: Work, name: str) -> None:
    """Write forks that repeat their original, and forks of these; the originals go on."""
    for place, version in enumerate((MIDDLE, TURNS, NEW)):
        number = 100 * place
        thread = Rollout(work, version, name)
        thread.ask()
        thread.answer(number)
        threads = [thread]
        for _ in range(3):
            threads.append(threads[-1].fork())
            for each in threads:
                number += 1
                each.ask()
                each.answer(number)


def based_forks(work: Work, name: str) -> None:
    """Write forks that copy nothing, whose totals begin with those of their original."""
    thread = Rollout(work, NEW, name)
    thread.ask()
    thread.answer(1)
    fork = thread.fork(is_copied=False)
    for number, each in enumerate((fork, thread, fork)):
        each.ask()
        each.answer(2 + number)
    further = fork.fork(is_copied=False)
    further.ask()
    further.answer(9)


def short_forks(work: Work, name: str) -> None:
    """Write forks from an earlier point: they repeat the beginning."""
    thread = Rollout(work, TURNS, name)
    thread.ask()
    thread.answer(1)
    keep, total, last = len(thread.lines), thread.total, thread.last
    thread.ask()
    thread.answer(2)
    fork = thread.fork(keep=keep)
    fork.total, fork.last = total, last
    fork.ask()
    fork.answer(2)


def updated_forks(work: Work, name: str) -> None:
    """Write forks by a newer version, of a thread without records and of one with them."""
    for version in (MIDDLE, TURNS, NEW):
        thread = Rollout(work, version, name)
        thread.ask()
        thread.answer(1)
        thread.resume(NEW)
        thread.ask()
        thread.answer(2)
        fork = thread.fork(version=NEW)
        fork.ask()
        fork.answer(3)


def outdated_forks(work: Work, name: str) -> None:
    """Write a fork by an older version, which copies the totals and no record; both go on."""
    thread = Rollout(work, NEW, name)
    for number in range(2):
        thread.ask()
        thread.answer(2 * number)
        thread.answer(2 * number + 1)
    fork = thread.fork(version=TURNS)
    for number, each in enumerate((fork, thread, fork)):
        each.ask()
        each.answer(10 + number)


def early_forks(work: Work, name: str) -> None:
    """Write forks by older versions, of a thread of a newer one that had said nothing yet; all go on."""
    for place, version in enumerate((TURNS, MIDDLE)):
        thread = Rollout(work, NEW, name)
        fork = thread.fork(version=version)
        for number, each in enumerate((fork, thread, fork)):
            each.ask()
            each.answer(10 * place + 2 * number)
            each.answer(10 * place + 2 * number + 1)


def mixed_forks(work: Work, name: str) -> None:
    """Write forks by older versions, of threads that older ones began and a newer one went on with; all go on."""
    number = 0
    for version in (OLD, MIDDLE, TURNS, NEW):
        thread = Rollout(work, TURNS if version == NEW else version, name)
        thread.ask()
        thread.answer(number)
        thread.resume(NEW)
        thread.ask()
        thread.answer(number + 1)
        threads = [thread]
        for forker in (TURNS, MIDDLE):
            threads.append(thread.fork(version=forker))
            for each in threads:
                number += 3
                each.ask()
                each.answer(number)
                each.answer(number + 1)


def silent_downgrades(work: Work, name: str) -> None:
    """Write a thread of a newer version that had no answer yet; older ones go on, and begin with a null."""
    for number, version in enumerate((TURNS, MIDDLE)):
        thread = Rollout(work, NEW, name)
        thread.ask()
        thread.resume(version)
        thread.ask()
        thread.count()
        thread.answer(number)


def downgraded_forks(work: Work, name: str) -> None:
    """Write a fork of a thread that a version with records began, and in which only older ones have answered."""
    thread = Rollout(work, NEW, name)
    thread.resume(MIDDLE)
    thread.ask()
    thread.answer(1)
    thread.answer(2)
    thread.fork(version=NEW)


def orphans(work: Work, name: str) -> None:
    """Write a fork whose original is gone."""
    thread = Rollout(work, TURNS, name)
    thread.ask()
    thread.answer(1)
    fork = thread.fork()
    fork.ask()
    fork.answer(2)
    thread.path.unlink()


def agents(work: Work, name: str) -> None:
    """Write agents beside the thread that started them."""
    for version in (TURNS, NEW):
        thread = Rollout(work, version, name)
        thread.ask()
        thread.answer(1)
        for number in range(2):
            agent = thread.start_agent()
            agent.ask()
            agent.answer(1)
            agent.answer(2 + number)


def knowing_agents(work: Work, name: str) -> None:
    """Write agents that begin with the history of their thread, and an agent of an agent."""
    for place, version in enumerate((TURNS, NEW)):
        thread = Rollout(work, version, name)
        for number in range(2):
            thread.ask()
            thread.answer(100 * place + number)
        agent = thread.start_agent(is_copied=True)
        agent.ask()
        agent.answer(10)
        further = agent.start_agent(is_copied=True)
        for number, each in enumerate((further, agent, thread)):
            each.ask()
            each.answer(20 + number)


def lost_totals(work: Work, name: str) -> None:
    """Write records of a process that was killed before it wrote its totals; the next one counts on from before."""
    thread = Rollout(work, NEW, name)
    thread.ask()
    thread.answer(1)
    for number in (2, 3):
        work.tick()
        work.bill(name, counts_of(number))
        thread.record(number, counts_of(number))
        thread.resume(MIDDLE if number == 3 else NEW)
        thread.ask()
        thread.answer(10 + number)


def unmeasured(work: Work, name: str) -> None:
    """Write answers without a usage, in all places of a turn."""
    for version in (MIDDLE, TURNS, NEW):
        thread = Rollout(work, version, name)
        for is_measured in (False, True, False, False, True):
            thread.ask()
            thread.answer(thread.answers, is_measured=is_measured)


def midnight(work: Work, name: str) -> None:
    """Write answers on both sides of midnight, and a fork on the next day."""
    work.now_ms += 86_400_000 - work.now_ms % 86_400_000 - 2_500
    thread = Rollout(work, TURNS, name)
    thread.ask()
    for number in range(4):
        thread.answer(number)
    work.tick(86_400_000)
    thread.fork()


def twins(work: Work, name: str) -> None:
    """Write a thread that lies in the archive, too, and one that lies there only in part."""
    archived = work.root / "archived_sessions"
    archived.mkdir(parents=True, exist_ok=True)
    for version in VERSIONS:
        thread = Rollout(work, version, name)
        thread.ask()
        thread.answer(1)
        shutil.copy(thread.path, archived / thread.path.name)
        thread.ask()
        thread.answer(2)


NOTHING = Sum(0, 0, 0, 0, 0, 0)
FORMS: tuple[Callable[[Work, str], None], ...] = (
    *(plain, restarts, updates, said_again, nulls, compactions, copied_forks, based_forks, short_forks),
    *(
        updated_forks,
        outdated_forks,
        early_forks,
        downgraded_forks,
        mixed_forks,
        silent_downgrades,
        orphans,
        agents,
        knowing_agents,
        lost_totals,
        unmeasured,
        midnight,
        twins,
    ),
)


def write_all(root: Path) -> Work:
    """Write every form, each with a model of its own."""
    work = Work(root)
    for form in FORMS:
        form(work, form.__name__)
    return work


def billed_by(work: Work) -> Sum:
    """Return everything that was billed."""
    return Sum(*map(sum, zip(NOTHING, *work.billed.values(), strict=True)))


def differences(home: Home, work: Work) -> dict[str, object]:
    """Return what is booked otherwise than it was billed, by model and day."""
    booked = {key: each for key, each in home.by_model_and_day().items() if any(each[1:])}
    billed = {f"{model} {day}": each for (model, day), each in work.billed.items()}
    # An answer without numbers is a request, too.
    begin = {key: key.startswith(unmeasured.__name__) for key in booked.keys() | billed.keys()}
    return {
        key: (booked.get(key), billed.get(key))
        for key, first in begin.items()
        if booked.get(key, NOTHING)[first:] != billed.get(key, NOTHING)[first:]
    }


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
async def test_form_is_booked_as_it_was_billed(tmp_path: Path, form: Callable[[Work, str], None]) -> None:
    """By model and day, with each kind of token; what has no numbers is unmeasured by number; nothing is refused."""
    work = Work(tmp_path)
    form(work, form.__name__)
    async with home_of(CODEX, tmp_path) as home:
        await home.read()
        assert (differences(home, work), home.refused()) == ({}, [])
        assert home.states().get(4, 0) == work.lost_count
        await home.read(reversed(CODEX.logs_of(tmp_path)))
        assert (differences(home, work), home.states().get(4, 0)) == ({}, work.lost_count)


@pytest.mark.slow
def test_forms_are_booked_as_they_were_billed_in_any_order_and_after_kills(tmp_path: Path) -> None:
    """All of them in one home: files in any order and up to any byte, again and again, with readers that begin anew."""
    work = write_all(tmp_path)
    paths = CODEX.logs_of(tmp_path)

    async def read(seed: int, rounds: int, size: int) -> None:
        chance = random.Random(seed)  # noqa: S311  # no secret
        async with home_of(CODEX, tmp_path) as home:
            for _ in range(rounds):
                chance.shuffle(paths)
                await home.read(paths, size=size, end=lambda path: chance.randint(0, path.stat().st_size))
                for path in chance.sample(paths, len(paths) // 4):
                    # Its checkpoint is lost.
                    home.readers[path] = FileReader(CODEX, tmp_path, path)
            await home.read(paths, size=size)
            assert (differences(home, work), home.refused()) == ({}, [])
            assert home.states().get(4, 0) == work.lost_count

    @settings(max_examples=30)
    @given(st.integers(0, 1 << 30), st.integers(0, 3), st.sampled_from([1, 7, 1_000]))
    def hold(seed: int, rounds: int, size: int) -> None:
        asyncio.run(read(seed, rounds, size))

    hold()


async def test_copy_of_a_fork_that_has_asked_nothing_counts_nothing(tmp_path: Path) -> None:
    """A fork without copied lines says the totals of its base again; an older version copies what it says."""
    work = Work(tmp_path)
    thread = Rollout(work, OLD)
    thread.ask()
    thread.answer(0)
    thread.answer(1)
    fork = thread.fork(version=NEW, is_copied=False)
    fork.count()
    fork.fork(version=TURNS)
    requests, *tokens = billed_by(work)
    for paths in permutations(CODEX.logs_of(tmp_path)):
        async with home_of(CODEX, tmp_path) as home:
            await home.read(list(paths))
            assert home.total() == Sum(requests, *tokens)


STEP = st.tuples(
    st.sampled_from(("answer", "answer", "lost", "agent", "fork", "based", "resume", "again", "compact")),
    st.integers(0, 9),
    st.sampled_from(VERSIONS),
)


@pytest.mark.slow
@settings(max_examples=150)
@given(st.lists(STEP, min_size=1, max_size=14), st.data())
def test_any_life_is_booked_as_it_was_billed(steps: list[tuple[str, int, str]], data: st.DataObject) -> None:
    """Threads of any versions that go on in any way, read in any order."""
    with TemporaryDirectory() as folder:
        work = Work(Path(folder))
        threads = [Rollout(work, steps[0][2])]
        for number, (step, place, version) in enumerate(steps):
            thread = threads[place % len(threads)]
            if step == "fork":
                # Lines that a version without ids of turns copies of a fork bear the name of the fork's original.
                is_told = version in (TURNS, NEW) or (version == MIDDLE and thread.base is None)
                threads.append(thread.fork(version=version if is_told else NEW))
            elif step == "based":
                threads.append(thread.fork(version=NEW, is_copied=False))
            elif step == "resume":
                thread.resume(version if version != OLD and thread.base is None else NEW)
            elif step == "again":
                thread.count()
            elif step == "compact":
                thread.ask()
                thread.compact(2 * number)
            elif step == "agent":
                threads.append(thread.start_agent())
            else:
                thread.ask()
                # The first versions write an answer behind its totals: that one has none is not told there. Nor is it
                # in a fork whose turns have no ids: an answer without numbers may be one of its original.
                is_told = thread.version != OLD and (thread.version != MIDDLE or thread.base is None)
                # And the first one of a fork that has no totals yet says those of another file, like its own.
                is_told = is_told and (thread.version != TURNS or thread.base is None or thread.has_counted)
                thread.answer(2 * number, is_measured=step == "answer" or not is_told)
                thread.answer(2 * number + 1)
        paths = data.draw(st.permutations(CODEX.logs_of(work.root)))

        async def read() -> tuple[Sum, int]:
            async with home_of(CODEX, work.root) as home:
                await home.read(paths)
                assert home.refused() == []
                return home.total(), home.states().get(4, 0)

        requests, *tokens = billed_by(work)
        assert asyncio.run(read()) == (Sum(requests + work.lost_count, *tokens), work.lost_count)


INSERTED = (b'"', b"{", b"null", b"-1", b"1e999", b"\xff", b"9" * 40, b"\\ud800")


def mutate(chance: random.Random, line: bytes) -> bytes:
    """Return a line with something broken in it."""
    data = bytearray(line)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(data)) if data else 0
        match chance.randrange(4):
            case 0:
                data[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[place : place + chance.randint(1, 40)]
            case 2:
                data[place:place] = chance.choice(INSERTED)
            case _:
                data[place:place] = data[: chance.randint(0, 80)]
    return bytes(data).replace(b"\n", b" ")


@pytest.mark.slow
def test_broken_lines_cost_no_good_record(tmp_path: Path) -> None:
    """Lines that were broken in any way are refused or taken in part, with a reason; every other record counts."""
    work = Work(tmp_path / "good")
    thread = Rollout(work, NEW)
    thread.ask()
    for number in range(30):
        thread.answer(number)
    lines = thread.path.read_bytes().splitlines()
    records = [place for place, line in enumerate(lines) if b"token_usage_record" in line]
    folder = tmp_path / "bad"
    folder.mkdir()

    @settings(max_examples=200)
    @given(st.integers(0, 1 << 30), st.lists(st.integers(0, len(lines) - 1), max_size=20))
    def hold(seed: int, places: list[int]) -> None:
        chance = random.Random(seed)  # noqa: S311  # no secret
        broken = dict.fromkeys(place for place in places if place)
        path = folder / thread.path.name
        written = (mutate(chance, line) if place in broken else line for place, line in enumerate(lines))
        path.write_bytes(b"".join(line + b"\n" for line in written))
        reader = FileReader(CODEX, folder, path)
        said = reader.read()
        inputs = {event.tokens.output for event in said if isinstance(event, UsageEvent)}
        for number, place in enumerate(records):
            if place not in broken:
                assert counts_of(number)[3] in inputs
        assert {each.index for each in reader.refused} <= set(broken)
        assert all(each.code for each in reader.refused)

    hold()


def test_what_a_record_lacks_is_taken_from_the_totals(tmp_path: Path) -> None:
    """A field that cannot be used, an id that is missing: the answer counts once, and whole."""
    work = Work(tmp_path)
    thread = Rollout(work, NEW)
    thread.ask()
    for number in range(4):
        thread.answer(number)
    lines = thread.path.read_text().splitlines()
    records = [place for place, line in enumerate(lines) if "token_usage_record" in line]
    for place, (old, new) in zip(
        records,
        (
            ('"output_tokens":400', '"output_tokens":null'),
            ('"response_id"', '"other"'),
            ('"output_tokens":406', '"output_tokens":-1'),
        ),
        strict=False,
    ):
        assert old in lines[place]
        lines[place] = lines[place].replace(old, new, 1)
    thread.path.write_text("".join(line + "\n" for line in lines))

    async def read() -> tuple[Sum, list[str]]:
        async with home_of(CODEX, tmp_path) as home:
            await home.read()
            return home.total(), [str(each.code) for each in home.refused()]

    total, reasons = asyncio.run(read())
    assert total == billed_by(work)
    assert reasons == ["wrong_type", "missing", "negative"]
    assert json.loads(lines[0])


def test_tier_of_a_thread_holds_until_it_is_set_anew(tmp_path: Path) -> None:
    """A thread's setting decides on its answers; a version that does not state it asks for the ordinary tier."""
    thread = Rollout(Work(tmp_path), NEW)
    wanted = []
    for number, (version, tier) in enumerate(((NEW, "flex"), (TURNS, "flex"), (NEW, "priority"), (NEW, ""))):
        thread.resume(version)
        thread.tier = tier
        thread.ask()
        thread.answer(2 * number)
        thread.answer(2 * number + 1)
        wanted += 2 * ["" if version == TURNS else tier]
    records = FileReader(CODEX, tmp_path, thread.path).read()
    assert [each.context for each in records if isinstance(each, UsageEvent)] == wanted
