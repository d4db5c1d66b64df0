"""The benchmark's arithmetic: what it measures is for ``make bench`` to say, how it judges is said here."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from aico.core.usage import MeterReading
from aico.features.sources.cline.ledger import LedgerParser
from bench.beside import BESIDE_FIGURES
from bench.builds import drive, find_build, this_build
from bench.charts import goals_chart
from bench.document import write_document
from bench.figure import Figure, Measurement, Setup, Unmeasurable, Verdict, judge
from bench.intervals import Interval, median_interval, percentile_interval, ratio_interval
from bench.ledgers import LedgerFile, ledger_bytes
from bench.pairs import Pair, Sample, Side, Timed, measure_pairs
from bench.report import Result, machine, table_of, write_results


async def measure_nothing(_setup: Setup) -> Measurement:
    """Return a measurement of four equal samples."""
    return Measurement(median_interval([1.0] * 4), 4, {"import_ms": 2.0})


FIGURE = Figure("nothing", "nothing beside nothing", "x", 1.25, measure_nothing)


def test_median_interval_of_equal_samples_is_a_point() -> None:
    """Without spread there is nothing to doubt."""
    assert median_interval([1.5] * 20) == Interval(1.5, 1.5, 1.5)


def test_median_interval_holds_the_median_and_ignores_an_outlier() -> None:
    """One slow run moves neither median nor interval; the same samples give the same interval."""
    samples = [1.0 + 0.01 * index for index in range(20)]
    interval = median_interval([*samples, 50.0])
    assert 1.0 < interval.low < interval.median < interval.high < 1.2
    assert interval == median_interval([*samples, 50.0])


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        (Interval(1.20, 1.15, 1.30), Verdict.MET),
        (Interval(1.26, 1.24, 1.30), Verdict.CLOSE),
        (Interval(1.30, 1.26, 1.35), Verdict.MISSED),
        (Interval(1.00, 0.80, 1.20), Verdict.INCONCLUSIVE),
        (Interval(2.00, 1.50, 3.00), Verdict.MISSED),
    ],
)
def test_judge_calls_a_goal_missed_only_when_the_whole_interval_lies_beyond(
    interval: Interval, verdict: Verdict
) -> None:
    """The lower end decides about a miss, the width about whether anything is said at all."""
    assert judge(interval, 1.25) is verdict


def test_pair_states_the_ratio_of_its_times() -> None:
    """Ratios are subject by yardstick, for the clock and for the processor."""
    pair = Pair(Sample(3.0, 2.0), Sample(2.0, 4.0))
    assert (pair.ratio, pair.cpu_ratio) == (1.5, 0.5)


@pytest.mark.slow
async def test_measure_pairs_alternates_who_goes_first() -> None:
    """After one pair of warming up, each side is prepared, timed and cleared, and goes first every other time."""
    calls: list[str] = []

    def side(name: str) -> Side:
        async def note(what: str) -> None:
            calls.append(f"{name} {what}")

        async def prepare() -> Timed:
            await note("prepare")
            return lambda: note("run")

        return Side(name, prepare, lambda: note("clear"))

    pairs = await measure_pairs(side("a"), side("b"), 2)
    runs = [call[0] for call in calls if call.endswith("run")]
    assert len(pairs) == 2
    assert runs == ["b", "a", "a", "b", "b", "a"]
    assert calls[:3] == ["b prepare", "b run", "b clear"]


async def test_results_are_shown_as_a_table_and_kept_as_json(tmp_path: Path) -> None:
    """Both name the figure, its goal and its verdict; the file also says on what it was measured."""
    measurement = await FIGURE.measure(Setup(tmp_path, 4))
    results = [Result(FIGURE, measurement, judge(measurement.interval, FIGURE.goal))]
    write_results(results, tmp_path / "results.json")
    document = json.loads((tmp_path / "results.json").read_text())
    assert "1.000 x" in table_of(results)
    assert document["figures"][0]["verdict"] == "met"
    assert document["figures"][0]["interval"] == {"median": 1.0, "low": 1.0, "high": 1.0}
    assert {"python", "sqlite", "processors"} <= set(document["machine"])


def test_percentile_interval_names_a_sample() -> None:
    """The smallest sample that so many of all do not exceed, and an interval around it."""
    interval = percentile_interval([float(number) for number in range(1, 101)], 99)
    assert interval.median == 99.0
    assert interval.low <= 99.0 <= interval.high


def test_ratio_interval_keeps_pairs_together() -> None:
    """However slow a moment was, it was slow for both; the tail of each side is its own."""
    pairs = [(2.0 * pace, 1.0 * pace) for pace in range(1, 101)]
    assert ratio_interval(pairs, 50) == Interval(2.0, 2.0, 2.0)
    assert ratio_interval(pairs, 99) == Interval(2.0, 2.0, 2.0)


def test_builds_are_compared_only_where_an_earlier_one_is_named(tmp_path: Path) -> None:
    """Without one the figure says what it lacks, and a folder that is no virtual environment is none."""
    [figure, *_others] = BESIDE_FIGURES
    with pytest.raises(Unmeasurable, match="BASE="):
        asyncio.run(figure.measure(Setup(tmp_path, 1)))
    with pytest.raises(Unmeasurable, match="no virtual environment"):
        find_build(tmp_path)


@pytest.mark.slow
def test_driven_build_imports_everything_first_and_then_what_changed(tmp_path: Path) -> None:
    """The build that the tests run with is found and driven like any other."""
    ledger = LedgerFile(tmp_path, 30)
    build = this_build()
    assert build.package == "aico"
    with drive(build, ledger.path, tmp_path / "driven") as driven:
        assert [driven.first().imported_count, driven.later().imported_count] == [30, 0]
        ledger.change_one()
        ledger.write()
        assert driven.later().imported_count == 1
        assert driven.first().imported_count == 30


async def test_document_is_written_between_its_marks(tmp_path: Path) -> None:
    """Table and pictures are made anew, and what stands around them is left alone."""
    measurement = await FIGURE.measure(Setup(tmp_path, 4))
    growth = Measurement(
        measurement.interval, 4, {"n10_ms": 1.0, "n10_read_ms": 0.5, "n100_ms": 2.0, "n100_read_ms": 1.5}
    )
    results = [
        Result(FIGURE, measurement, Verdict.MET),
        Result(replace(FIGURE, name="growth_300000"), growth, Verdict.MISSED),
    ]
    document = tmp_path / "performance.md"
    (tmp_path / "pictures").mkdir()
    document.write_text("before\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nafter\n", encoding="utf-8")
    write_document(results, machine(), document)
    text = document.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| `nothing` |" in text
    for picture in ("performance-goals.svg", "performance-growth.svg"):
        drawn = fromstring((tmp_path / "pictures" / picture).read_text(encoding="utf-8"))  # noqa: S314 - our own
        assert drawn.tag.endswith("svg")


@pytest.mark.slow
def test_chart_shows_figures_that_must_be_nothing() -> None:
    """One of 0 has no bar, one of more than its goal of 0 the longest, and one below 0 none to the left."""
    figure = replace(FIGURE, goal=0.0)
    widths = []
    for number in (0.0, 1.0, -1.0):
        result = Result(figure, Measurement(Interval(number, number, number), 1), judge(median_interval([number]), 0.0))
        drawn = fromstring(goals_chart([result]))  # noqa: S314 - our own
        _background, bar = drawn.iter("{http://www.w3.org/2000/svg}rect")
        widths.append(float(bar.attrib["width"]))
    assert widths[0] == widths[2] == 1.0 < widths[1]


def test_larger_ledger_repeats_entries_under_other_ids() -> None:
    """However long, no id comes twice, and the same call gives the same bytes."""
    data = ledger_bytes(10_050)
    parsed = LedgerParser().parse(bytearray(data))
    assert parsed.rejections == ()
    readings = [record for record in parsed.records if isinstance(record, MeterReading)]
    assert len(readings) == len({reading.session for reading in readings}) == 10_050
    assert ledger_bytes(10_050) == data
