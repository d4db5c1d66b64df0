"""``python -m bench``: measures every figure, prints the table, exits 1 when a goal is missed."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.activity import ACTIVITY_FIGURES
from bench.beside import BESIDE_FIGURES
from bench.claude_code import CLAUDE_CODE_FIGURES
from bench.document import write_document
from bench.export import EXPORT_FIGURES
from bench.fanout import FANOUT_FIGURES
from bench.figure import Figure, Measurement, Setup, Unmeasurable, Verdict, judge
from bench.footprint import FOOTPRINT_FIGURES
from bench.imports import IMPORT_FIGURES
from bench.large_home import LARGE_HOME_FIGURES
from bench.lines import LINE_FIGURES
from bench.live import LIVE_FIGURES
from bench.loop import LOOP_FIGURES
from bench.million import MILLION_FIGURES
from bench.page import PAGE_FIGURES
from bench.prices import PRICE_FIGURES
from bench.prompt import PROMPT_FIGURES
from bench.queries import QUERY_FIGURES
from bench.report import Result, machine, table_of, write_results

FIGURES: Sequence[Figure] = (
    *IMPORT_FIGURES,
    *LOOP_FIGURES,
    *LIVE_FIGURES,
    *FANOUT_FIGURES,
    *LINE_FIGURES,
    *LARGE_HOME_FIGURES,
    *CLAUDE_CODE_FIGURES,
    *QUERY_FIGURES,
    *MILLION_FIGURES,
    *PROMPT_FIGURES,
    *PRICE_FIGURES,
    *FOOTPRINT_FIGURES,
    *EXPORT_FIGURES,
    *ACTIVITY_FIGURES,
    *PAGE_FIGURES,
    *BESIDE_FIGURES,
)
_LEAST_PAIRS = 15


class Options(argparse.Namespace):
    """The command line."""

    only: str
    pairs: int
    output: Path
    document: Path
    base: Path | None
    home_mb: int


def parse_options(arguments: list[str]) -> Options:
    """Return the command line's options, or leave with usage on a wrong one."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", default="", help="measure only figures whose name contains this")
    parser.add_argument("--pairs", type=int, default=15, help="pairs per figure; fewer than 15 decide nothing")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("results.json"))
    parser.add_argument("--document", type=Path, default=Path(__file__).parents[1] / "docs" / "performance.md")
    parser.add_argument("--base", type=Path, help="the virtual environment of an earlier build, to compare with")
    parser.add_argument("--home-mb", type=int, default=1_000, help="the size of a large home, in millions of bytes")
    return parser.parse_args(arguments, namespace=Options())


def measure(figure: Figure, setup: Setup) -> Result:
    """Measure one figure in an empty folder of its own; once more when the first interval says too little."""
    measurement = _measure_once(figure, setup)
    if measurement.interval.is_wide:
        measurement = _measure_once(figure, setup)
    return Result(figure, measurement, judge(measurement.interval, figure.goal))


def _measure_once(figure: Figure, setup: Setup) -> Measurement:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        return asyncio.run(figure.measure(replace(setup, folder=Path(folder).resolve())))


def main(arguments: list[str]) -> int:
    """Measure, print, write, judge."""
    options = parse_options(arguments)
    setup = Setup(Path(), options.pairs, options.base, options.home_mb * 1_000_000)
    results = []
    for figure in FIGURES:
        if options.only in figure.name:
            began = time.monotonic()
            try:
                results.append(measure(figure, setup))
            except Unmeasurable as lack:
                print(f"{figure.name}: not measured. {lack}")
            print(f"{figure.name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(table_of(results))
    if options.pairs < _LEAST_PAIRS:
        print(f"fewer than {_LEAST_PAIRS} pairs: nothing is decided and nothing written")
        return 0
    if not options.only:
        write_results(results, options.output)
        write_document(results, machine(), options.document)
    return 1 if any(result.verdict is Verdict.MISSED for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
