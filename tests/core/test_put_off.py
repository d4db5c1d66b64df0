"""A module that is put off is imported with the first question to it."""

from __future__ import annotations

from pathlib import Path

from tests.house.test_imports import run

MODULE = "print('imported')\nANSWER = 42\n"
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from aico.core.put_off import put_off
put_off("late")
import late
print(type(sys.modules["late"]).__name__)
print(late.ANSWER, sys.modules["late"] is late)
from late.below import DEEP
print(DEEP)
import late
print(late.ANSWER, type(late).__name__)
put_off("late")
print(sys.modules["late"] is late)
"""


def test_module_is_imported_with_the_first_question(tmp_path: Path) -> None:
    """An import of it does nothing yet; whatever it is asked for then, it answers itself, once imported."""
    package = tmp_path / "late"
    package.mkdir()
    (package / "__init__.py").write_text(MODULE, encoding="utf-8")
    (package / "below.py").write_text("DEEP = 7\n", encoding="utf-8")
    said = run(["-c", PROGRAM, str(tmp_path)], tmp_path).splitlines()
    assert said == ["_PutOff", "imported", "42 False", "7", "42 module", "True"]


TAKEN = """
import sys
sys.path.insert(0, sys.argv[1])
from aico.core.put_off import put_off
put_off("library.commands", "run", "Kind", WORD=7)
import library
print(library.commands.WORD, type(sys.modules["library.commands"]).__name__, library.run is library.commands.run)
print(library.run(2))
print(isinstance(sys.modules["library.commands"].Kind(), library.Kind), isinstance(7, library.Kind), library.Kind.SIZE)
put_off("library.deep")
import library.deep
print(library.deep.ANSWER, library.deep is sys.modules["library.deep"])
"""


def test_names_that_a_library_takes_at_once_are_asked_for_when_they_are_used(tmp_path: Path) -> None:
    """Functions and classes do what they do, and what is known of a module is no reason to import it."""
    package = tmp_path / "library"
    package.mkdir()
    (package / "__init__.py").write_text("from library.commands import Kind, run\n", encoding="utf-8")
    commands = "print('imported')\nWORD = 8\nclass Kind: SIZE = 5\ndef run(times): return times * WORD\n"
    (package / "commands.py").write_text(commands, encoding="utf-8")
    (package / "deep.py").write_text(MODULE, encoding="utf-8")
    said = run(["-c", TAKEN, str(tmp_path)], tmp_path).splitlines()
    assert said == ["7 _PutOff True", "imported", "16", "True False 5", "imported", "42 True"]
