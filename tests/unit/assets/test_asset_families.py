"""The table of asset families, and checks on results that are right or wrong by construction."""

from __future__ import annotations

import ast
from pathlib import Path

import pyarrow as pa
import pytest

from assets import checks
from assets.families import FAMILIES

ASSETS = Path(__file__).resolve().parents[3] / "assets"
GROUND_FLOOR = {"catalogue", "provenance", "errors", "geometry"}


def packages_used(module: Path) -> set[str]:
    """Science packages that an asset's module names, `imagery` where it reads layers."""
    used = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "agristat_platform":
            used |= {name.name for name in node.names}
        if isinstance(node, ast.ImportFrom) and node.module == "assets.layers":
            used |= {"imagery"} & {"imagery" for name in node.names if name.name == "layer_rows_reader"}
    return used - GROUND_FLOOR


@pytest.mark.parametrize("name", FAMILIES)
def test_the_code_version_covers_every_package_the_asset_calls(name):
    missing = packages_used(ASSETS / f"{name}.py") - set(FAMILIES[name].science)
    assert not missing, f"changes of {sorted(missing)} would not show {name} as stale"


def estimates(*cvs: float | None) -> pa.Table:
    rows = [{"variable": f"area:C{i}", "domain": "all", "cv": cv} for i, cv in enumerate(cvs)]
    return pa.Table.from_pylist(
        rows, schema=pa.schema([("variable", pa.string()), ("domain", pa.string()), ("cv", pa.float64())])
    )


def test_the_cv_check_has_the_publication_rules_own_bound():
    assert checks.cv_threshold("cv", estimates(0.1, 0.2), threshold=0.2).passed  # at the threshold is published
    over = checks.cv_threshold("cv", estimates(0.1, 0.21), threshold=0.2)
    assert not over.passed
    assert over.description == "area:C1 in all: 21.0%"
    assert not checks.cv_threshold("cv", estimates(0.1, None), threshold=0.2).passed
    assert not checks.cv_threshold("cv", estimates(), threshold=0.2).passed
