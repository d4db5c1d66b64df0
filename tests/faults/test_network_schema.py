"""The interface attacked from its own description: whatever it declares is so, and nothing else is ever answered."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from aico.api.problems import PROBLEM_TYPE
from aico.core.settings import Settings
from aico.main import create_app
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.e2e.server_process import ServerProcess, environment, ledger_path

RULES = Path(__file__).with_name("schemathesis.toml")
HANG_S = 600
CASES = 300


def test_no_request_made_from_the_description_meets_what_it_does_not_say(tmp_path: Path) -> None:
    """Valid, borderline and broken values for every parameter: no server error, no undeclared status, type or shape."""
    LedgerFile(ledger_path(tmp_path)).write(*(entry(str(day), ts=1_700_000_000_000 + day * 10**8) for day in range(50)))
    with ServerProcess(tmp_path) as server:
        arguments = ["--config-file", str(RULES), "run", f"{server.url}/openapi.json", "--checks", "all", "--no-color"]
        attack = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", *arguments],
            cwd=tmp_path,  # it leaves folders behind
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=HANG_S,
            check=False,
        )
        assert attack.returncode == 0, f"{attack.stdout}{attack.stderr}{server.log()}"
        assert "Traceback" not in server.log()
    counted = re.search(r"(\d+) generated, (\d+) passed", attack.stdout)
    assert counted is not None, attack.stdout
    assert int(counted[1]) == int(counted[2]) >= CASES


def test_every_refusal_is_declared_as_a_problem(tmp_path: Path) -> None:
    """Every answer from 400 on is a problem document with its codes; readiness alone answers 503 in its own shape."""
    settings = Settings(ledger_path=str(tmp_path / "taskHistory.json"), database_path=tmp_path / "observer.db")
    document = create_app(settings).openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            answers = operation["responses"]
            assert {"400", "401", "408", "413", "421", "431", "500", "503"} <= set(answers), path
            assert ("403" in answers) == (method != "get")
            for status, answer in answers.items():
                types = set(answer.get("content", {})) - ({"application/json"} if path == "/readyz" else set())
                assert (types == {PROBLEM_TYPE}) == (int(status) >= 400), (path, status)
    assert "HTTPValidationError" not in document["components"]["schemas"]
