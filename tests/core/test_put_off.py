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
