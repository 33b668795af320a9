"""Preparing a region's local archive, from wherever the command is called."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from agristat_platform import simulation
from agristat_platform.catalogue import load_catalogue, load_settings
from agristat_platform.operations.preparation import prepare
from agristat_platform.operations.progress import Progress

CONFIG = Path(__file__).resolve().parents[3] / "config"


def test_the_simulation_is_given_the_catalogues_own_crops_whatever_the_working_directory(tmp_path, monkeypatch):
    catalogue = load_catalogue(load_settings(CONFIG, {"AGRISTAT_HOME": str(tmp_path / "home")}))
    given = {}
    monkeypatch.setattr(simulation, "prepare_region", lambda region, archive, **options: given.update(options))
    monkeypatch.chdir(tmp_path)  # no config/ here
    prepare(catalogue, catalogue.region("demo-valley"), Progress(Console(quiet=True)))
    assert given["nomenclature"] is catalogue.nomenclature("demo-valley")
