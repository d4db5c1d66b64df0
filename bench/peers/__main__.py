"""``python -m bench.peers``: the same invented homes for every viewer; prints what each showed, and writes it down.

Nobody is judged: the exit code is 0, also where a viewer could not be fetched.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.peers.homes import HomeMaker, Kind
from bench.peers.installed import install
from bench.peers.report import Measured, table_of, write_results
from bench.peers.stores import WrittenHome
from bench.peers.viewers import Viewer, our_viewer, peer_viewers
from bench.peers.watching import Shown, time_changes, time_start

HOMES = (
    (Kind.CLASSIC, True),
    (Kind.CLASSIC, False),
    (Kind.CURRENT, True),
    (Kind.CURRENT, False),
    (Kind.MIXED, False),
)
_CHANGES = 3


class Options(argparse.Namespace):
    """The command line."""

    tasks: int
    seed: int
    repeats: int
    only: str
    output: Path


def parse_options(arguments: list[str]) -> Options:
    """Return the command line's options, or leave with usage on a wrong one."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--tasks", type=int, default=300, help="tasks per home")
    parser.add_argument("--seed", type=int, default=7, help="another seed, other homes")
    parser.add_argument("--repeats", type=int, default=3, help="cold and warm starts per viewer and home")
    parser.add_argument("--only", default="", help="only viewers whose name contains this; nothing is written")
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "peers.json")
    return parser.parse_args(arguments, namespace=Options())


@contextmanager
def fresh_home(kind: Kind, options: Options, *, plain: bool) -> Iterator[tuple[HomeMaker, WrittenHome]]:
    """Yield one home, the same for every call but for today's date, and let it go."""
    with tempfile.TemporaryDirectory(prefix="bench-peers-", ignore_cleanup_errors=True) as folder:
        maker = HomeMaker(options.seed, time.time_ns() // 1_000_000)
        written = WrittenHome(maker.home(kind, options.tasks, plain=plain), Path(folder).resolve())
        written.write()
        try:
            yield maker, written
        finally:
            written.close()


def measure(viewer: Viewer, kind: Kind, options: Options, *, plain: bool) -> Measured:
    """Let ``viewer`` show one home: timed where it reads that store and the home is a real one, else for its cost."""
    shown = Shown()
    timed = not plain and kind in viewer.timed
    for _ in range(options.repeats if timed else 1):
        with fresh_home(kind, options, plain=plain) as (maker, written):
            told, truth = written.home.told(), written.home.truth.cost_usd
            cold_s, shown.cost_usd = time_start(viewer, written.folder)
            shown.cold_s.append(cold_s)
            if timed:
                shown.warm_s.append(time_start(viewer, written.folder)[0])
                if not shown.live_s:
                    changes = time_changes(viewer, written, maker, _CHANGES)
                    shown.live_s, shown.frame_s = changes.live_s, changes.frame_s
    return Measured(viewer.name, viewer.version, viewer.how, told, truth, shown, timed=timed)


def main(arguments: list[str]) -> int:
    """Fetch, measure, print, write."""
    options = parse_options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that viewers are ended on the way out
    installed = install()
    for line in installed.lacking:
        print(line, flush=True)
    results = []
    for kind, plain in HOMES:
        for viewer in (our_viewer(), *peer_viewers(installed)):
            if options.only in viewer.name and (viewer.everywhere or (not plain and kind in viewer.timed)):
                measured = measure(viewer, kind, options, plain=plain)
                print(measured.line(), flush=True)
                results.append(measured)
    print(table_of(results))
    if not options.only:
        write_results(results, installed.lacking, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
