"""Overpasses one by one: the same observations as in one reading, what is finished is kept, what is damaged is made again."""

import json
import os
from datetime import date, timedelta

import numpy as np
import pytest
import rasterio

from agristat_platform.catalogue import TimeSeriesSettings
from agristat_platform.features import (
    ObservationWriter,
    SegmentLabels,
    merge_observations,
    observe_overpass,
    plan_observations,
    read_overpasses,
)
from agristat_platform.features.series import overpass_units
from agristat_platform.features.series.overpass_units import finished_overpass
from agristat_platform.imagery import UnreadableSceneError
from agristat_platform.timeseries import season_grid

LABELS = np.array([[7, 7, 7, 9, 9, 0], [7, 7, 7, 9, 9, 0], [4, 4, 4, 4, 4, 0], [4, 4, 4, 4, 4, 0]], np.uint32)
SEGMENTS = SegmentLabels(lambda rows, cols: LABELS[rows, cols], np.array([4, 7, 9], np.uint32), np.array([10, 6, 4]))
START = date(2024, 1, 1)
SEASON = season_grid(START, date(2024, 4, 1), n_samples=7, padding_days=20)
SETTINGS = TimeSeriesSettings(indices=("ndvi",), samples=7, padding_days=20, pixels=("ndvi",))


@pytest.fixture
def items(scene):
    """Three overpasses of Sentinel-2, the second in two tiles."""
    days = [START + timedelta(days=k) for k in (10, 20, 30)]
    sky = np.where(LABELS == 9, 8, 4)
    made = [scene(day, B04=500 + 10 * k, B08=3000, SCL=sky if k else 4) for k, day in enumerate(days)]
    return [*made, scene(days[1], tile="30TUM", B04=600, B08=3000, SCL=4)]


@pytest.fixture
def plan_of(scenes_table, undilated, grid):
    """Makes the plan of some scenes."""

    def make(items, settings=SETTINGS, *, segments="one", **changes):
        imagery = undilated(sentinel_2_l2a=["B04", "B08"]).model_copy(update=changes)
        return plan_observations(scenes_table(items), grid, imagery, settings, SEASON, segments=segments)

    return make


def test_put_together_they_are_the_observations_of_one_reading(tmp_path, items, plan_of):
    plan = plan_of(items)
    assert [plan.name(k) for k in range(len(plan.overpasses))] == [
        f"{k:05d}_sentinel-2-l2a_2024-01-{day}" for k, day in enumerate((11, 21, 31))
    ]
    backwards = [observe_overpass(plan, number, SEGMENTS, tmp_path) for number in (2, 1, 0)]
    merge_observations(plan, backwards[::-1], tmp_path / "merged.parquet")
    with ObservationWriter(tmp_path / "whole.parquet", plan.series, SEGMENTS) as writer:
        read_overpasses(plan.overpasses, plan.grid, plan.imagery, [writer])
    assert (tmp_path / "merged.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    with rasterio.open(backwards[0].pixels) as raster:
        ndvi = raster.read(1)
    assert ndvi[0, 0] == round(1e4 * (3000 - 520) / (3000 + 520))
    assert (ndvi[LABELS == 9] == raster.nodata).all()


def test_what_is_finished_is_not_read_again(tmp_path, items, plan_of, monkeypatch):
    plan = plan_of(items)
    first = observe_overpass(plan, 0, SEGMENTS, tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("0*")}
    assert set(before) == {plan.name(0) + ending for ending in (".parquet", ".tif", ".json")}
    monkeypatch.setattr(overpass_units, "read_overpasses", None)
    again = observe_overpass(plan, 0, SEGMENTS, tmp_path)
    assert (first.reused, again.reused) == (False, True)
    assert (first.observations, first.pixels) == (again.observations, again.pixels)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("0*")} == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.with_suffix(".json").unlink(),
        lambda path: path.with_suffix(".json").write_bytes(b""),  # as a power cut leaves it
        lambda path: path.with_suffix(".json").write_text(json.dumps({"plan": "another", "bytes": {}})),
        lambda path: path.with_suffix(".parquet").unlink(),
        lambda path: os.truncate(path.with_suffix(".parquet"), 100),
        lambda path: os.truncate(path.with_suffix(".tif"), 100),
        lambda path: path.with_suffix(".tif").unlink(),
    ],
)
def test_what_is_damaged_or_of_another_plan_is_made_again(tmp_path, items, plan_of, damage):
    plan = plan_of(items)
    whole = observe_overpass(plan, 1, SEGMENTS, tmp_path)
    expected = whole.observations.read_bytes(), whole.pixels.read_bytes()
    damage(tmp_path / f"{plan.name(1)}.any")
    assert finished_overpass(plan, 1, tmp_path) is None
    again = observe_overpass(plan, 1, SEGMENTS, tmp_path)
    assert not again.reused
    assert (again.observations.read_bytes(), again.pixels.read_bytes()) == expected
    assert finished_overpass(plan, 1, tmp_path) is not None


def test_an_overpass_that_cannot_be_read_leaves_nothing(tmp_path, items, plan_of):
    plan, folder = plan_of(items), tmp_path / "work"
    os.truncate(items[2].assets["B08"].href, 60)
    observe_overpass(plan, 0, SEGMENTS, folder)
    with pytest.raises(UnreadableSceneError, match="B08"):
        observe_overpass(plan, 2, SEGMENTS, folder)
    assert {path.name[:5] for path in folder.iterdir()} == {"00000"}


def test_without_pixels_there_is_no_raster(tmp_path, items, plan_of):
    plan = plan_of(items, SETTINGS.model_copy(update={"pixels": ()}))
    assert observe_overpass(plan, 0, SEGMENTS, tmp_path).pixels is None
    assert {path.suffix for path in tmp_path.glob("0*")} == {".parquet", ".json"}


def test_the_key_follows_what_decides_the_observations_and_nothing_else(items, plan_of):
    key = plan_of(items).key
    assert plan_of(items).key == key
    assert plan_of(items, SETTINGS.model_copy(update={"smoothing": 3.0, "min_clear_dates": 9})).key == key
    others = [
        plan_of(items, segments="others"),
        plan_of(items[1:]),
        plan_of(items, SETTINGS.model_copy(update={"pixels": ()})),
        plan_of(items, SETTINGS.model_copy(update={"indices": ("ndvi", "msavi2")})),
        plan_of(items, harmonise=False),
    ]
    os.utime(items[0].assets["B04"].href, (0, 0))  # another file under the same name
    others.append(plan_of(items))
    assert len({key, *(other.key for other in others)}) == 7
