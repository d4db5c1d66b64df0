"""The Dockerfile, read line by line: images cannot be built where there is no network to take a base from."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
from pathlib import Path

import pytest

from aico.core.settings import ENV_PREFIX, setting_names

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"


@pytest.fixture
def instructions() -> list[tuple[str, str]]:
    """Return word and rest of every instruction, continued lines joined."""
    lines = [line for line in DOCKERFILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in joined.splitlines() if line.strip()]


def test_image_is_not_roots(instructions: list[tuple[str, str]]) -> None:
    """The last stage ends up as a user without a name, home or rights."""
    last_stage = max(index for index, (word, _) in enumerate(instructions) if word == "FROM")
    users = [rest for word, rest in instructions[last_stage:] if word == "USER"]
    assert users == ["65534:65534"]


def test_everything_is_installed_from_locks(instructions: list[tuple[str, str]]) -> None:
    """Each installation shows hashes, or takes nothing from anywhere but the wheel just built."""
    commands = [command for word, rest in instructions if word == "RUN" for command in rest.split("&&")]
    installing = [command for command in commands if " pip install" in command]
    assert len(installing) == 3
    assert all("--require-hashes" in command or "--no-index --no-deps /wheel/" in command for command in installing)


def test_everything_that_is_copied_is_there(instructions: list[tuple[str, str]]) -> None:
    """The files that the image is built from are in the checkout, and its list of ignored files lets them in."""
    ignored = (DOCKERFILE.with_name("Dockerfile.dockerignore")).read_text(encoding="utf-8").splitlines()
    allowed = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert ignored[0] == "*"
    for word, rest in instructions:
        if word == "COPY" and "--from" not in rest:
            for source in shlex.split(rest)[:-1]:
                assert (ROOT / source).exists()
                assert any(fnmatch.fnmatch(source.split("/")[0], name) for name in allowed), source


def test_image_sets_real_settings(instructions: list[tuple[str, str]]) -> None:
    """Every variable of ours in the image is a setting, and no secret is among them."""
    text = " ".join(rest for word, rest in instructions if word == "ENV")
    names = {name.removeprefix(ENV_PREFIX).lower() for name in re.findall(r"\b(AICO_[A-Z_]+)=", text)}
    assert names == {"ledger_path", "database_path", "host"}
    assert names <= set(setting_names())


def test_image_starts_the_command_itself(instructions: list[tuple[str, str]]) -> None:
    """No shell stands between: a signal to stop reaches the service."""
    given = dict(instructions)
    assert json.loads(given["ENTRYPOINT"]) == ["aico"]
    assert json.loads(given["CMD"]) == ["serve"]


@pytest.mark.parametrize("document", ["deploy/Dockerfile", "docs/running.md"])
def test_example_mounts_clines_folders_read_only(document: str) -> None:
    """The command that users copy gives away a read-only view of two folders and keeps the port on this machine."""
    text = (ROOT / document).read_text(encoding="utf-8")
    assert 'source="$HOME/.cline/data/state",target=/ledger,readonly' in text
    assert 'source="$HOME/.cline/data/db",target=/sessions,readonly' in text
    assert "--env AICO_CLINE_SESSIONS=true --env AICO_SESSIONS_PATH=/sessions/sessions.db" in text
    assert "--publish 127.0.0.1:8611:8611" in text
    assert "--read-only --cap-drop ALL" in text
