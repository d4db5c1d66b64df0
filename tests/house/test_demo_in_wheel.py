"""The wheel carries the demonstration and none of the tools with which the tests make ledgers harsher."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "app" / "aico"
DEMO = sorted((ROOT / "features" / "demo").glob("*.py"))
USERS = [*DEMO, ROOT / "services" / "demo.py"]


def defined_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names of a module's functions, classes, constants, methods and optional arguments."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (argument.arg for argument in node.args.kwonlyargs)
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            yield from (target.id for target in statement.targets if isinstance(target, ast.Name))


def used_names(tree: ast.Module) -> Iterator[str]:
    """Yield every name that a module reads, by itself or from an object, and every argument that it gives by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg


def test_demonstration_uses_all_of_its_code() -> None:
    """Code that only a test or a benchmark would use is not shipped."""
    used = {name for user in USERS for name in used_names(ast.parse(user.read_text(encoding="utf-8")))}
    defined = {name for path in DEMO for name in defined_names(ast.parse(path.read_text(encoding="utf-8")))}
    assert {name for name in defined - used if not name.startswith("__")} == set()
