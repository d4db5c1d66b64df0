"""The emulator as a process: what it reports is what stands on the disk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from aico.features.demo.texts import CANARY_PREFIX
from aico.features.demo.work import StepKind
from tests.emulator.broken_entries import BROKEN_ENTRIES
from tests.emulator.fake_cline_process import ClineProcess, EmulatorError
from tests.emulator.forbidden_neighbours import NEIGHBOURS
from tests.emulator.ledger_truth import true_usage
from tests.emulator.ways_of_writing import ALL_WAYS, Way
from tests.quick_variants import first_is_quick

NOW_MS = 1_772_000_000_000
ROOT = Path(__file__).parents[2]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Return a path like the one in a person's home."""
    return tmp_path / ".cline" / "data" / "state" / "taskHistory.json"


@pytest.mark.parametrize("way", first_is_quick(*ALL_WAYS))
def test_client_follows_fifty_updates_in_each_way(ledger: Path, way: Way) -> None:
    """After each of 50 updates the file holds exactly the truth that the client was told."""
    with ClineProcess(ledger, ways=[way], seed=7) as cline:
        for number in range(1, 51):
            (update,) = cline.step()
            entries = json.loads(ledger.read_bytes())
            assert update.number == number
            assert update.entry_count == len(entries)
            assert cline.truth == true_usage(entries)


@pytest.mark.slow
def test_emulator_settles_everything_that_was_ever_seen(ledger: Path) -> None:
    """After settling, the file holds what an observer of every update expects, vanished and deleted tasks included."""
    with ClineProcess(ledger, seed=3, duplicate_count=2) as cline:
        updates = cline.step(150)
        cline.settle()
        assert any(update.gone for update in updates)
        assert true_usage(json.loads(ledger.read_bytes())) == cline.truth == cline.expected


def test_emulator_runs_freely_and_ends_when_told(ledger: Path) -> None:
    """A long free run reports update after update and ends in the middle when told to stop."""
    with ClineProcess(ledger, interval_ms=1) as cline:
        cline.start(1_000_000)
        numbers = [cline.next_update().number for _ in range(20)]
        cline.stop()
        assert numbers == list(range(1, 21))
        assert json.loads(ledger.read_bytes())


def test_emulator_hides_broken_entries_among_good_ones(ledger: Path) -> None:
    """Broken elements and duplicates stand in the file, and the truth knows nothing of them."""
    with ClineProcess(ledger, task_count=20, broken_count=len(BROKEN_ENTRIES), duplicate_count=3) as cline:
        elements = json.loads(ledger.read_bytes())
        assert len(elements) == 20 + 3 + len(BROKEN_ENTRIES) == cline.updates[0].entry_count
        assert len(cline.truth) == 20
        assert all(broken in elements for broken in BROKEN_ENTRIES)


def test_emulator_lays_out_forbidden_neighbours(ledger: Path) -> None:
    """Every file that nobody may open exists and carries a canary."""
    with ClineProcess(ledger, neighbours=True):
        texts = [(ledger.parent.parent / name).read_text() for name in NEIGHBOURS]
        assert all(CANARY_PREFIX in text for text in texts)


def test_emulator_writes_nothing_before_the_first_step_when_absent(ledger: Path) -> None:
    """A Cline that has never run leaves no ledger; its first update creates it."""
    with ClineProcess(ledger, absent=True, task_count=0) as cline:
        assert not ledger.exists()
        cline.step(kind=StepKind.START)
        assert len(json.loads(ledger.read_bytes())) == 1


def test_emulator_crash_and_backup_leave_files_beside_the_ledger(ledger: Path) -> None:
    """A crash leaves half a temporary file, a backup a whole copy; the ledger is complete all the same."""
    with ClineProcess(ledger, ways=[Way.CRASH, Way.BACKUP]) as cline:
        cline.step(20)
        names = [path.name for path in ledger.parent.iterdir()]
        assert any(name.startswith("taskHistory.json.tmp.") for name in names)
        assert any(name.startswith("taskHistory.backup.") for name in names)
        assert true_usage(json.loads(ledger.read_bytes())) == cline.truth


def test_emulator_repeats_itself_for_the_same_seed(tmp_path: Path) -> None:
    """The same arguments give the same bytes after the same steps, in another process."""
    contents = []
    for name in ("first", "second"):
        ledger = tmp_path / name / "state" / "taskHistory.json"
        with ClineProcess(ledger, now_ms=NOW_MS, seed=11, broken_count=3, surrogates=True) as cline:
            cline.step(30)
            contents.append(ledger.read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize(("options", "commands"), [([], "step 3\n"), (["--updates", "3"], "")])
def test_emulator_ends_by_itself(ledger: Path, options: list[str], commands: str) -> None:
    """When standard input closes it finishes the update that it is writing and ends without an error."""
    command = [sys.executable, "-m", "tests.emulator", "--ledger", str(ledger), *options]
    ended = subprocess.run(command, cwd=ROOT, input=commands, capture_output=True, text=True, timeout=60, check=True)
    numbers = [json.loads(line)["update"] for line in ended.stdout.splitlines()]
    assert ended.stderr == ""
    assert numbers == list(range(len(numbers)))
    assert 2 <= len(numbers) <= 4


def test_client_raises_when_the_emulator_has_died(tmp_path: Path) -> None:
    """A process that cannot write ends, and the client says why instead of waiting for ever."""
    (tmp_path / "file").write_text("")
    with pytest.raises(EmulatorError, match="Error"):
        ClineProcess(tmp_path / "file" / "state" / "taskHistory.json").__enter__()
