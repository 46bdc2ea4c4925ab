"""The house holds: every room is a package with a purpose, the root links lead in, and nothing imports upward."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "filigrane"
ROOMS = ("detector", "generator", "watermark", "eval")
FILES = sorted(path for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_root_links_lead_into_the_package(room: str) -> None:
    link = ROOT / room
    assert link.resolve() == PACKAGE / room or link.read_text().strip() == f"src/filigrane/{room}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_says_what_it_is_for_and_stays_readable(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    assert ast.get_docstring(tree), "a module docstring is missing"
    assert source.count("\n") <= 400, "a file of at most 400 lines is wanted"
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 60, f"{node.name} has {length} lines, at most 60 are wanted"
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            assert not any(name.split(".")[0] in ROOMS for name in names), "import through filigrane, not the links"
            assert not (isinstance(node, ast.ImportFrom) and node.level), "imports are absolute"


def test_layers_hold() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
