"""The table of estimates as a person reads it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from agristat_platform.catalogue import Partition, load_catalogue, load_settings
from agristat_platform.cli.estimate_table import _table, _truth

ROW = {"variable": "area:WHE", "domain": "all", "estimate": 120.0, "standard_error": 6.0, "cv": 0.05, "ci_low": 110.0}
ROW |= {"ci_high": 130.0, "estimator": "regression (GREG)", "relative_efficiency": 2.0}


def test_the_interval_is_headed_by_its_own_level():
    table = _table([ROW], [ROW], {"WHE": "wheat"}, {}, 90.0)
    assert [str(column.header) for column in table.columns] == ["crop", "estimate", "SE", "CV %", "90 % from", "to"]
    assert [next(iter(column.cells)) for column in table.columns] == ["wheat", "120.0", "6.0", "5.0", "110.0", "130.0"]


def test_the_ground_sample_alone_stands_beside_the_assisted_estimate():
    ground = ROW | {"estimator": "expansion total", "standard_error": 9.0}
    table = _table([ground, ROW], [ROW], {}, {"WHE": 118.0}, 95.0)
    cells = {str(column.header): list(column.cells) for column in table.columns}
    assert (cells["SE"], cells["SE ground"], cells["RE"], cells["truth"]) == (["6.0"], ["9.0"], ["2.0"], ["118.0"])


def test_a_store_read_without_the_simulated_landscape_still_shows_its_estimates(tmp_path):
    settings = load_settings(Path(__file__).resolve().parents[3] / "config", {"AGRISTAT_HOME": str(tmp_path)})
    platform = SimpleNamespace(settings=settings, catalogue=load_catalogue(settings))
    stored = SimpleNamespace(simulated=True, partition=Partition("demo-valley", "2023-10"))
    assert _truth(platform, stored) == {}
