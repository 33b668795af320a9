"""Preparing is done once, redone after an interruption, and gives the same bytes whenever it is done."""

import hashlib
import json
import shutil

import pytest

from agristat_platform.catalogue import UnknownSeasonError
from agristat_platform.simulation import (
    LandscapeNotPreparedError,
    NotSimulatedError,
    prepare_region,
    smaller_region,
    true_totals,
)


def _hashes(directory):
    """Content of every file; items without the absolute place that they name."""
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.name not in ("complete.json", "landscape.json"):
            content = path.read_bytes()
            if path.suffix == ".json":
                content = content.replace(directory.absolute().as_posix().encode(), b"")
            found[path.relative_to(directory).as_posix()] = hashlib.sha256(content).hexdigest()
    return found


@pytest.fixture
def quick_region(demo_region):
    """Few dates on little land: prepared in about a second."""
    region = smaller_region(demo_region, scale=0.15)
    few = {"sentinel2_step_days": 60, "sentinel1_step_days": 60, "landsat_step_days": 60}
    return region.model_copy(update={"simulation": region.simulation.model_copy(update=few)})


def test_a_finished_region_is_left_alone(prepared):
    before = {path: path.stat().st_mtime_ns for path in prepared.directory.rglob("*")}
    again = prepare_region(prepared.region, prepared.archive_dir, nomenclature=prepared.nomenclature)
    assert again.written == ()
    assert again.unchanged == ("2023-10", "2024-10")
    assert {path: path.stat().st_mtime_ns for path in prepared.directory.rglob("*")} == before


def test_a_home_that_reaches_the_archive_by_a_link_does_not_simulate_again(prepared, tmp_path):
    linked = tmp_path / "archive"
    linked.symlink_to(prepared.archive_dir, target_is_directory=True)
    assert prepare_region(prepared.region, linked, nomenclature=prepared.nomenclature).written == ()


def test_how_a_model_is_taught_changes_nothing_of_the_archive(prepared):
    taught_otherwise = prepared.region.training.model_copy(update={"folds": 7, "use_history": True})
    region = prepared.region.model_copy(update={"training": taught_otherwise})
    assert prepare_region(region, prepared.archive_dir, nomenclature=prepared.nomenclature).written == ()


def test_nothing_temporary_is_left_behind(prepared):
    assert list(prepared.directory.rglob(".*")) == []


def test_the_same_bytes_in_any_order_and_place(quick_region, nomenclature, tmp_path):
    prepare_region(quick_region, tmp_path / "a", nomenclature=nomenclature)
    prepare_region(quick_region, tmp_path / "b", seasons=["2024-10"], nomenclature=nomenclature)
    prepare_region(quick_region, tmp_path / "b", seasons=["2023-10"], nomenclature=nomenclature)
    first, second = (_hashes(tmp_path / name / quick_region.code) for name in "ab")
    assert first == second
    assert len(first) > 30


def test_an_interrupted_season_is_done_again_and_the_other_kept(quick_region, nomenclature, tmp_path):
    prepare_region(quick_region, tmp_path, nomenclature=nomenclature)
    directory = tmp_path / quick_region.code
    whole = _hashes(directory)
    (directory / "truth" / "2024-10" / "complete.json").unlink()
    item = next(path for path in (directory / "items").glob("S2*") if "20241103" in path.name)
    broken = json.loads(item.read_text(encoding="utf-8"))
    shutil.rmtree(directory / "scenes" / broken["collection"] / broken["id"])
    told = []
    again = prepare_region(quick_region, tmp_path, nomenclature=nomenclature, progress=told.append)
    assert again.written == ("2024-10",)
    assert again.unchanged == ("2023-10",)
    assert _hashes(directory) == whole
    assert told[-1] == "2024-10 is ready"


def test_an_interruption_while_writing_leaves_no_marker(quick_region, nomenclature, tmp_path):
    def interrupt(line):
        if "sentinel-1" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_region(quick_region, tmp_path, seasons=["2023-10"], nomenclature=nomenclature, progress=interrupt)
    assert not list(tmp_path.rglob("complete.json"))
    assert prepare_region(quick_region, tmp_path, seasons=["2023-10"], nomenclature=nomenclature).written == (
        "2023-10",
    )


def test_other_settings_make_it_be_prepared_anew(quick_region, nomenclature, tmp_path):
    prepare_region(quick_region, tmp_path, seasons=["2023-10"], nomenclature=nomenclature)
    before = _hashes(tmp_path / quick_region.code)
    settings = quick_region.simulation.model_copy(update={"seed": 99})
    changed = quick_region.model_copy(update={"simulation": settings})
    assert prepare_region(changed, tmp_path, seasons=["2023-10"], nomenclature=nomenclature).written == ("2023-10",)
    after = _hashes(tmp_path / quick_region.code)
    assert after["truth/2023-10/crop_totals.parquet"] != before["truth/2023-10/crop_totals.parquet"]
    assert after["land_use.tif"] != before["land_use.tif"]


def test_other_settings_leave_no_season_of_the_old_landscape(quick_region, nomenclature, tmp_path):
    prepare_region(quick_region, tmp_path, nomenclature=nomenclature)
    changed = quick_region.model_copy(
        update={"simulation": quick_region.simulation.model_copy(update={"mean_parcel_ha": 1.5})}
    )
    prepare_region(changed, tmp_path, seasons=["2024-10"], nomenclature=nomenclature)
    with pytest.raises(LandscapeNotPreparedError):
        true_totals(tmp_path, changed, "2023-10")


def test_an_unknown_season_and_a_real_region_are_refused(quick_region, nomenclature, tmp_path):
    with pytest.raises(UnknownSeasonError, match="2031-10"):
        prepare_region(quick_region, tmp_path, seasons=["2031-10"], nomenclature=nomenclature)
    real = quick_region.model_copy(update={"simulation": None, "simulated": False})
    with pytest.raises(NotSimulatedError, match=f"region {real.code} is not simulated"):
        prepare_region(real, tmp_path, nomenclature=nomenclature)
    assert not list(tmp_path.iterdir())
