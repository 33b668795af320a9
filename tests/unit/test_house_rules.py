"""Rules of the house that neither the linter nor the type checker knows."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("agristat_platform", "assets", "resources")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
SCIENCE_ON_TOP = {"cli", "operations", "definitions", "code_location", "bootstrap"}


def _science_of(path: Path) -> str | None:
    parts = path.relative_to(ROOT).parts
    if parts[0] != "agristat_platform" or len(parts) < 3 or parts[1] in SCIENCE_ON_TOP:
        return None
    return parts[1]


def _imported(path: Path) -> list[tuple[int, str]]:
    tree = ast.parse(path.read_text())
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.append((node.lineno, node.module))
        elif isinstance(node, ast.Import):
            found += [(node.lineno, name.name) for name in node.names]
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_science_packages_use_each_others_public_names_only(path: Path) -> None:
    own = _science_of(path)
    deep = [
        f"line {line}: {module}"
        for line, module in _imported(path)
        if module.startswith("agristat_platform.")
        and len(module.split(".")) > 2
        and module.split(".")[1] != own
        and module.split(".")[1] not in SCIENCE_ON_TOP
    ]
    assert not deep, f"import these from the package itself, not from a module inside it: {deep}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_fit_in_the_head(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
    assert path.stem not in {"utils", "helpers", "common", "misc", "manager"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_belongs_in_it(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "a module starts with its docstring"


def test_nothing_reads_pickles() -> None:
    readers = re.compile(r"\b(pickle|joblib|dill|cloudpickle)\.(load|loads)\b|allow_pickle=True")
    offenders = [str(path.relative_to(ROOT)) for path in SOURCES if readers.search(path.read_text())]
    assert not offenders


def test_the_repository_names_no_path_of_one_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout, so there is no list of the repository's files")
    local = re.compile(r"(?<![\w.])/(work|root|home/\w+)/")
    offenders = [
        name
        for name in listed.stdout.split()
        if (ROOT / name).suffix in {".py", ".md", ".yaml", ".toml", ".txt", ""} and (ROOT / name).is_file()
        if local.search((ROOT / name).read_text(errors="ignore"))
        and name not in {"tests/unit/test_house_rules.py", "LICENSE"}
    ]
    assert not offenders
