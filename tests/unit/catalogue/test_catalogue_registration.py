"""Adding, checking and describing regions for the command line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agristat_platform.catalogue import (
    CatalogueError,
    ConfigurationError,
    RegionExistsError,
    add_region,
    check_region_file,
    describe_region,
    load_catalogue,
    load_settings,
)

Edit = Callable[..., Path]


@pytest.fixture
def new_region(edited: Edit) -> Path:
    return edited(("code: demo-valley", "code: new-valley"))


def test_a_new_region_is_copied_with_its_comments_and_loads(config_dir: Path, new_region: Path) -> None:
    region = add_region(new_region, config_dir, env={})
    target = config_dir / "regions" / "new-valley.yaml"
    assert region.code == "new-valley"
    assert target.read_bytes() == new_region.read_bytes()
    assert "new-valley" in load_catalogue(load_settings(config_dir, {})).regions
    assert sorted(path.suffix for path in (config_dir / "regions").iterdir()) == [".yaml"] * 7


def test_a_registered_code_is_replaced_only_when_asked(config_dir: Path, edited: Edit) -> None:
    changed = edited(("sample_size: 120", "sample_size: 90"))
    target = config_dir / "regions" / "demo-valley.yaml"
    before = target.read_bytes()
    with pytest.raises(RegionExistsError, match='"demo-valley" is registered already'):
        add_region(changed, config_dir, env={})
    assert target.read_bytes() == before
    assert add_region(changed, config_dir, replace=True, env={}).survey.sample_size == 90
    assert target.read_bytes() == changed.read_bytes()
    assert len(list((config_dir / "regions").iterdir())) == 6


def test_a_file_with_problems_is_not_copied(config_dir: Path, edited: Edit) -> None:
    bad = edited(("code: demo-valley", "code: new-valley"), ("interval: month", "interval: mont"))
    with pytest.raises(ConfigurationError, match=r"imagery\.interval"):
        add_region(bad, config_dir, env={})
    assert len(list((config_dir / "regions").iterdir())) == 6


def test_a_region_whose_nomenclature_has_problems_is_not_copied(config_dir: Path, new_region: Path) -> None:
    (config_dir / "crops" / "demo.yaml").write_text("code: demo\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"crops/demo\.yaml: crops: is missing"):
        add_region(new_region, config_dir, env={})
    assert not (config_dir / "regions" / "new-valley.yaml").exists()


def test_a_folder_that_cannot_be_written_is_named(
    config_dir: Path, new_region: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CatalogueError, match="No space left on device"):
        add_region(new_region, config_dir, env={})
    assert len(list((config_dir / "regions").iterdir())) == 6


def test_a_registered_file_must_bear_the_name_of_its_code(config_dir: Path, new_region: Path) -> None:
    assert check_region_file(new_region, config_dir, env={}) == []
    misnamed = config_dir / "regions" / "other.yaml"
    misnamed.write_bytes(new_region.read_bytes())
    assert check_region_file(misnamed, config_dir, env={}) == [
        f'{misnamed}: code: got "new-valley"; allowed: "other", as the file'
    ]


def test_every_shipped_file_passes_the_check(config_dir: Path) -> None:
    for path in sorted((config_dir / "regions").glob("*.yaml")):
        assert check_region_file(path, config_dir, env={}) == []


def test_files_that_are_not_there_are_a_problem_and_no_crash(config_dir: Path, tmp_path: Path) -> None:
    (problem,) = check_region_file(tmp_path / "absent.yaml", config_dir, env={})
    assert problem.endswith("absent.yaml: cannot be read: No such file or directory")


def test_a_region_is_described_in_the_language_asked_for(config_dir: Path) -> None:
    catalogue = load_catalogue(load_settings(config_dir, {}))
    row = describe_region(catalogue.region("es-castilla-leon"), "es")
    assert (row.code, row.country, row.simulated) == ("es-castilla-leon", "ES", False)
    assert row.name == "Castilla y León (cuadrado de 100 km)"
    assert row.seasons == ("2017-10 campaña 2017-18",)
    assert row.imagery == "earth-search: sentinel-2-l2a, sentinel-1-rtc"
    assert (row.survey, row.area_ha, row.grid) == ("area frame", 1_000_000, "10000 × 10000 at 10 m")
    iowa = describe_region(catalogue.region("us-iowa-1978"), "fr")
    assert (iowa.name, iowa.imagery, iowa.survey) == ("North-central Iowa 1978", "none", "recorded")
