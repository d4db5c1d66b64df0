"""The parser against libFuzzer, which looks for new ways through it instead of drawing at random."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.e2e.server_process import ROOT
from tests.faults.fault_counts import SEED, count_of, rng_of
from tests.faults.fuzz_parser import write_corpus

HANG_S = 4 * 3600


def test_search_led_by_coverage_finds_no_bytes_that_break_the_parser(tmp_path: Path) -> None:
    """From ledgers on, libFuzzer changes what leads to new branches; nothing it makes breaks a promise."""
    runs = count_of("runs of libFuzzer", quick=6_000, soak=1_000_000)
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    write_corpus(corpus, rng_of("corpus"), 200)
    command = [
        *(sys.executable, "-m", "tests.faults.fuzz_parser", f"-runs={runs}", f"-seed={SEED & 0x7FFFFFFF}"),
        *("-max_len=4096", "-timeout=120", "-rss_limit_mb=0", f"-artifact_prefix={tmp_path}/", str(corpus)),
    ]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG_S, check=False)
    found = [path.read_bytes() for path in tmp_path.glob("crash-*")]
    assert answer.returncode == 0, f"{found} {answer.stderr[-4000:]}"
    done = re.search(r"^Done (\d+) runs", answer.stderr, re.MULTILINE)
    assert done is not None
    # Now and then it does one more than it was asked for.
    assert int(done[1]) >= runs
    assert "CANARY" not in answer.stdout
