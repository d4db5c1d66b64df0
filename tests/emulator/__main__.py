"""``python -m tests.emulator --ledger PATH``: writes until its standard input closes or it is told to stop."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from aico.features.demo.growing import DEMO_WEIGHTS
from tests.emulator.command_reader import CommandReader, StepCommand
from tests.emulator.fake_cline_writer import Scribe
from tests.emulator.forbidden_neighbours import lay_out_neighbours
from tests.emulator.harsh_ledger import HARSH_WEIGHTS, HarshLedger
from tests.emulator.update_lines import Update
from tests.emulator.ways_of_writing import ALL_WAYS, Way


class Options(argparse.Namespace):
    """The command line."""

    ledger: Path
    seed: int
    now_ms: int
    tasks: int
    updates: int
    interval_ms: float
    ways: list[Way]
    quiet: bool
    broken: int
    duplicates: int
    surrogates: bool
    neighbours: bool
    absent: bool


def parse_options(arguments: list[str]) -> Options:
    """Return the command line's options, or leave with usage on a wrong one."""
    parser = argparse.ArgumentParser(prog="python -m tests.emulator", description=__doc__)
    add = parser.add_argument
    add("--ledger", type=Path, required=True, help="the file to write, .../data/state/taskHistory.json")
    add("--seed", type=int, default=1)
    add("--now-ms", type=int, default=time.time_ns() // 1_000_000, help="where the made-up time begins")
    add("--tasks", type=int, default=50, help="finished tasks at the start")
    add("--updates", type=int, default=0, help="write so many at once and end; 0 waits for commands")
    add("--interval-ms", type=float, default=0.0, help="pause after each update")
    add("--ways", type=lambda text: [Way(name) for name in text.split(",")], default=list(ALL_WAYS))
    add("--quiet", action="store_true", help="a quiet afternoon: no deletions, no second window")
    add("--broken", type=int, default=0, help="elements that must be refused, or have a field that cannot be used")
    add("--duplicates", type=int, default=0, help="entries that stand there twice")
    add("--surrogates", action="store_true", help="some prompts are cut inside an emoji")
    add("--neighbours", action="store_true", help="lay out the files that nobody may open")
    add("--absent", action="store_true", help="write nothing before the first update")
    return parser.parse_args(arguments, namespace=Options())


def main(arguments: list[str]) -> int:
    """Run until the parent wants an end."""
    options = parse_options(arguments)
    options.ledger.parent.mkdir(parents=True, exist_ok=True)
    if options.neighbours:
        lay_out_neighbours(options.ledger.parent.parent, options.seed)
    scribe = _scribe(options)
    reader = CommandReader()
    if not options.absent:
        _report(scribe.write_start())
    if options.updates:
        _obey(StepCommand(options.updates), scribe, reader, options.interval_ms)
        return 0
    while (command := reader.next_command()) is not None:
        _obey(command, scribe, reader, options.interval_ms)
    return 0


def _scribe(options: Options) -> Scribe:
    ledger = HarshLedger(
        options.seed,
        options.now_ms,
        task_count=options.tasks,
        weights=DEMO_WEIGHTS if options.quiet else HARSH_WEIGHTS,
        duplicate_count=options.duplicates,
        lone_surrogates=options.surrogates,
    )
    return Scribe(options.ledger, ledger, ways=options.ways, seed=options.seed, broken_count=options.broken)


def _obey(command: StepCommand, scribe: Scribe, reader: CommandReader, interval_ms: float) -> None:
    """Write the updates of one command, one report each, unless an end is wanted before."""
    for _ in range(command.count):
        _report(scribe.write_step(command.kind))
        if reader.has_ended_within(interval_ms / 1000):
            return


def _report(update: Update) -> None:
    sys.stdout.write(update.to_line())
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
