"""Makes ``.venv`` hold exactly what the locks say, and does nothing at all when it already does.

    python scripts/environment.py run    what the service needs, and the project itself
    python scripts/environment.py dev    that, and what the checks and tests need

Standard library only: it runs before anything is installed. A stamp inside ``.venv`` names what was installed where;
it is written last. ``.make/unfinished`` exists while something is being installed, so that a killed set-up is seen and
started anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STATE = ROOT / ".make"
UNFINISHED = STATE / "unfinished"
LOG = STATE / "pip.log"
CACHE = STATE / "pip-cache"
LOCKS = {"run": ("runtime", "build"), "dev": ("runtime", "build", "dev")}

# Settings of the user's pip that would send the packages elsewhere or bar the project itself, which has no hash.
FOREIGN = {"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_REQUIRE_HASHES", "PYTHONHOME", "PYTHONPATH"}
UNREACHABLE = (
    "NewConnectionError",
    "ConnectTimeout",
    "NameResolutionError",
    "Max retries exceeded",
    "Network is unreachable",
    "ProxyError",
)
NOT_OFFERED = "No matching distribution found"
"""How pip says that a locked library has no build that this Python could use."""


class SetupError(Exception):
    """The environment could not be made; the text is the one line to show."""


def main(profile: str) -> int:
    """Bring ``.venv`` to ``profile``, one process at a time; return the exit code."""
    try:
        STATE.mkdir(exist_ok=True)
        with (STATE / "lock").open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            bring_to(profile)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Could not set up .venv: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def bring_to(profile: str) -> None:
    """Install everything that differs from the stamps. Raises SetupError when that fails."""
    runs_inside = VENV.exists() and Path(sys.prefix).resolve() == VENV.resolve()
    if runs_inside and is_stamped("packages", profile) and is_stamped("project", "run"):
        return
    began = time.monotonic()
    anew = not runs_inside and (UNFINISHED.exists() or version_of_venv() != sysconfig.get_python_version())
    announce(profile, anew=anew)
    if anew:
        make_venv()
    if not is_stamped("packages", profile):
        locks = [f"--requirement={lock_path(name)}" for name in LOCKS[profile]]
        # The locks are whole. Resolving anew would let an older pip take a newer release for a name with extras
        # (coverage[toml]), which then has no hash.
        pip_install("--no-deps", "--require-hashes", "--only-binary=:all:", *locks)
        stamp("packages", *(["run", "dev"] if profile == "dev" else ["run"]))
    correct_shebangs()
    pip_install("--no-index", "--no-deps", "--no-build-isolation", "--force-reinstall", f"--editable={ROOT}")
    stamp("project", "run")
    shutil.rmtree(CACHE, ignore_errors=True)
    print(f"Done in {time.monotonic() - began:.0f} s, with Python {sysconfig.get_python_version()}.")


def announce(profile: str, *, anew: bool) -> None:
    """Say what is about to be done, for the user who waits for it."""
    if anew or not is_stamped("packages", profile):
        purpose = " for the tests" if profile == "dev" else ""
        print(f"Setting up .venv{purpose} (once, about half a minute) ...", flush=True)
    else:
        print("Putting the project into .venv again ...", flush=True)


def make_venv() -> None:
    """Make an empty ``.venv``; the old one is of no use any more."""
    UNFINISHED.touch()
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        LOG.write_text(made.stdout + made.stderr, encoding="utf-8")
        raise SetupError(f"{sys.executable} could not make .venv; what it said is in {LOG.relative_to(ROOT)}.")


def version_of_venv() -> str | None:
    """Return the ``3.x`` of a ``.venv`` that works, else None."""
    probe = "import pip, sysconfig; print(sysconfig.get_python_version())"
    try:
        answer = subprocess.run([str(PYTHON), "-c", probe], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return answer.stdout.strip() or None


def pip_install(*arguments: str) -> None:
    """Run ``pip install``, its output going to the log. Raises SetupError, after pip's own errors, when it fails."""
    UNFINISHED.touch()
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    environment |= {"PIP_CACHE_DIR": str(CACHE), "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    command = [str(PYTHON), "-m", "pip", "install", "--progress-bar=off", "--root-user-action=ignore", *arguments]
    with LOG.open("w", encoding="utf-8") as log:
        code = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, check=False
        ).returncode
    if code < 0:
        raise SetupError(f"pip was killed by signal {-code}; the next run starts anew.")
    # It stopped by itself: nothing is half-installed, and an environment that works is kept.
    UNFINISHED.unlink()
    if code > 0:
        raise SetupError(explanation(LOG.read_text(encoding="utf-8", errors="replace")))


def explanation(log: str) -> str:
    """Return pip's own errors and one line on what they mean."""
    errors = [line for line in log.splitlines() if line.strip().lower().startswith("error: ")]
    place = LOG.relative_to(ROOT)
    if any(sign in log for sign in UNREACHABLE):
        meaning = f"No package registry could be reached. Only the first set-up needs the network. ({place})"
    elif NOT_OFFERED in log:
        version = sysconfig.get_python_version()
        meaning = (
            f"A library has no build for Python {version} on this computer, or the package registry lacks it. "
            f"All have one for Python 3.11 to 3.14; to take another: make serve PYTHON=python3.13 ({place})"
        )
    else:
        meaning = f"pip could not set up .venv; all that it said is in {place}."
    return "\n".join([*errors, meaning])


def correct_shebangs() -> None:
    """Let the commands in a ``.venv`` that was moved with its checkout find their Python again."""
    if " " in str(PYTHON):
        return  # no first line can name it; the Makefile does without
    ours = f"#!{PYTHON}".encode()
    for path in sorted((VENV / "bin").iterdir()):
        if path.is_symlink() or not path.is_file():
            continue
        first, newline, rest = path.read_bytes().partition(b"\n")
        if first.startswith(b"#!/") and b"/.venv/bin/python" in first and first != ours:
            path.write_bytes(ours + newline + rest)


def is_stamped(what: str, profile: str) -> bool:
    """Return whether ``what`` was installed from the present files, by this Python, at this place."""
    try:
        return stamp_path(what, profile).read_text(encoding="ascii") == key(what, profile)
    except FileNotFoundError:
        return False


def stamp(what: str, *profiles: str) -> None:
    """Note that ``what`` is installed."""
    for profile in profiles:
        fresh = stamp_path(what, profile).with_suffix(".new")
        fresh.write_text(key(what, profile), encoding="ascii")
        fresh.replace(stamp_path(what, profile))


def stamp_path(what: str, profile: str) -> Path:
    """Return the stamp's place, which goes when ``.venv`` goes."""
    return VENV / f".installed-{what}-{profile}"


def key(what: str, profile: str) -> str:
    """Return a digest of everything that an installation depends on: contents, never times."""
    files = [ROOT / "pyproject.toml"] if what == "project" else [lock_path(name) for name in LOCKS[profile]]
    place = (str(ROOT), sysconfig.get_python_version(), sysconfig.get_platform())
    return digest([*(text.encode() for text in place), *(path.read_bytes() for path in files)])


def digest(parts: Iterable[bytes]) -> str:
    """Return the SHA-256 of ``parts``, each with its length."""
    total = hashlib.sha256()
    for part in parts:
        total.update(f"{len(part)}:".encode() + part)
    return total.hexdigest()


def lock_path(name: str) -> Path:
    """Return the place of the lock ``name``."""
    return ROOT / "requirements" / f"{name}.txt"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
