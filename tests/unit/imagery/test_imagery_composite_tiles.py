"""Composites tile by tile: the same for any tiles, resumed where they were, each method's layers and values."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from affine import Affine

from agristat_platform.catalogue import (
    CollectionRequest,
    ImagerySource,
    MaskSettings,
    SpeckleSettings,
    season_intervals,
)
from agristat_platform.imagery import (
    LAYERS_SCHEMA,
    NoScenesLeftError,
    UnfinishedUnitError,
    UnreadableSceneError,
    assemble_file,
    assess_scenes,
    build_composites,
    compose_unit,
    plan_composites,
    read_layer,
)
from tests.unit.imagery.conftest import make_item, write_raster

MONTHS = season_intervals(date(2023, 11, 1), date(2024, 1, 1), "month")
FINE, COARSE = Affine(10, 0, 249_600, 0, -10, 4_610_400), Affine(20, 0, 249_600, 0, -20, 4_610_400)
DATES = [("2023-11", 2), ("2023-11", 12), ("2023-11", 22), ("2023-12", 7)]
UNDILATED = MaskSettings(cloud_dilation_m=0, shadow_dilation_m=0)


def season_in(folder):
    """Four dates of three bands on two pixel sizes under random cloud; the second of two tiles in the next zone."""

    def write(name, transform, shape, rng, crs="EPSG:32630", **properties):
        files = {}
        for band, factor in (("B04", 1), ("B08", 1), ("B11", 2)):
            pixels = rng.integers(1200, 6000, (shape[0] // factor, shape[1] // factor)).astype(np.uint16)
            pixels[rng.random(pixels.shape) < 0.05] = 0
            place = transform * Affine.scale(factor)
            files[band] = write_raster(folder / name / f"{band}.tif", pixels, place, crs)
        classes = rng.choice([4, 5, 9, 3], (shape[0] // 2, shape[1] // 2), p=[0.48, 0.48, 0.02, 0.02]).astype(np.uint8)
        files["SCL"] = write_raster(folder / name / "SCL.tif", classes, transform * Affine.scale(2), crs)
        return make_item(name, "sentinel-2-l2a", files, crs=crs, **{"s2:processing_baseline": "05.09", **properties})

    items = []
    for number, (month, day) in enumerate(DATES):
        rng, when = np.random.default_rng(number), f"{month}-{day:02d}T11:00:00Z"
        items.append(write(f"T30_{number}", FINE, (48, 40), rng, when=when, **{"grid:code": "MGRS-30TTM"}))
        west = Affine(10, 0, 749_400, 0, -10, 4_611_100)
        items.append(
            write(f"T29_{number}", west, (120, 120), rng, "EPSG:32629", when=when, **{"grid:code": "MGRS-29TQG"})
        )
    return items


@pytest.fixture(scope="module")
def season(tmp_path_factory):
    """Scenes of the whole module; a test that changes them takes `season_in`."""
    return season_in(tmp_path_factory.mktemp("season"))


@pytest.fixture(scope="module")
def radar(tmp_path_factory):
    """Six dates of two directions with speckle: 0.1 seen ascending, 0.02 descending."""
    items, rng, folder = [], np.random.default_rng(4), tmp_path_factory.mktemp("radar")
    for number, day in enumerate((1, 7, 13, 19, 25, 30)):
        state = "ascending" if number % 2 else "descending"
        files = {}
        for band in ("vv", "vh"):
            power = (0.1 if number % 2 else 0.02) * rng.gamma(4, 0.25, (24, 30))
            power[rng.random(power.shape) < 0.02] = np.nan
            path = folder / f"{number}_{band}.tif"
            files[band] = write_raster(path, power.astype(np.float32), COARSE, nodata=float("nan"))
        when, orbit = f"2023-11-{day:02d}T06:00:00Z", {"sat:orbit_state": state, "sat:relative_orbit": 50 + number % 2}
        items.append(make_item(f"S1_{number}", "sentinel-1-rtc", files, when=when, **orbit))
    return items


def source(collection="sentinel-2-l2a", bands=("B04", "B08", "B11"), **options):
    request = {key: options.pop(key) for key in ("orbits",) if key in options}
    options.setdefault("masks", MaskSettings(cloud_dilation_m=25, shadow_dilation_m=15))
    requests = {collection: CollectionRequest(bands=bands, **request)}
    return ImagerySource(catalogue="embedded", collections=requests, max_cloud_share=1.0, **options)


RADAR = {"collection": "sentinel-1-rtc", "bands": ("VV", "VH")}
WAYS = [
    {"method": "median"},
    {"method": "mean"},
    {"method": "medoid"},
    {"method": "geometric_median"},
    {"method": "best_pixel"},
    {"percentiles": (10.0, 50.0, 90.0)},
    RADAR,
    {**RADAR, "speckle_filter": SpeckleSettings(window=5)},
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(map(str, way)) + str(way.get("method", "")))
def test_same_bytes_for_any_tiles(way, season, radar, grid, aoi, tmp_path):
    imagery = source(**way)
    items = radar if "collection" in way else season
    scenes = assess_scenes(items, grid, aoi, imagery)
    sizes = [(None, None), (19, 33)]  # six tiles of odd sizes, with a narrow row and column at the end
    made = [
        build_composites(
            scenes, grid, MONTHS, imagery, tmp_path / f"made{k}", aoi_projected=aoi, tile_rows=rows, tile_cols=cols
        )
        for k, (rows, cols) in enumerate(sizes)
    ]
    assert made[0].layers.schema.equals(LAYERS_SCHEMA)
    assert min(made[0].layers["valid_share"].to_pylist()[:2]) > 0.5
    for other in made[1:]:
        assert str(other.layers.to_pylist()) == str(made[0].layers.to_pylist())  # NaN is no equal of itself
        assert [path.read_bytes() for path in other.files] == [path.read_bytes() for path in made[0].files]
    assert sorted(path.name for path in made[0].files[0].parent.iterdir()) == sorted(p.name for p in made[0].files)


def spectra(folder, days):
    """Scenes of one colour a date: (day, B04, B08), reflectance numbers of an old baseline, all clear."""
    items = []
    for day, red, nir in days:
        files = {
            name: write_raster(folder / f"{day}_{name}.tif", np.full((48, 60), number, np.uint16), FINE)
            for name, number in (("B04", red), ("B08", nir))
        }
        files["SCL"] = write_raster(folder / f"{day}_SCL.tif", np.full((24, 30), 4, np.uint8), COARSE)
        when = f"2023-11-{day:02d}T11:00:00Z"
        items.append(make_item(f"s{day}", "sentinel-2-l2a", files, when=when, **{"s2:processing_baseline": "03.01"}))
    return items


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("median", (500, 3000)),  # each band by itself: a colour that no date had
        ("mean", (800, 3000)),  # (400 + 500 + 1500) / 3, (4000 + 3000 + 2000) / 3
        ("medoid", (500, 3000)),  # nearest to the other two
        ("best_pixel", (500, 3000)),  # the 14th is nearest to the middle of November, the 15th and a half
    ],
)
def test_methods_on_three_dates(method, expected, tmp_path, grid, aoi):
    days = [(2, 400, 4000), (14, 500, 3000), (28, 1500, 2000)]
    imagery = source(bands=("B04", "B08"), method=method, masks=UNDILATED)
    scenes = assess_scenes(spectra(tmp_path, days), grid, aoi, imagery)
    made = build_composites(scenes, grid, MONTHS[:1], imagery, tmp_path / "made", aoi_projected=aoi)
    with rasterio.open(made.files[0]) as dataset:
        assert dataset.read()[:, 20, 20].tolist() == list(expected)
        assert dataset.tags(1)["statistic"] == method
    rows = made.layers.to_pylist()
    assert [(row["layer"], row["statistic"], row["observations_mean"]) for row in rows] == [
        ("B04", method, 3.0),
        ("B08", method, 3.0),
    ]


def test_percentiles_of_the_season_are_layers_of_their_own(tmp_path, grid, aoi):
    days = [(2, 400, 4000), (14, 500, 3000), (28, 1500, 2000)]
    imagery = source(bands=("B04",), percentiles=(25.0, 90.0, 33.3), masks=UNDILATED)
    scenes = assess_scenes(spectra(tmp_path, days), grid, aoi, imagery)
    made = build_composites(scenes, grid, MONTHS[:1], imagery, tmp_path / "made", aoi_projected=aoi)
    assert [path.name for path in made.files] == ["sentinel-2-l2a_t01.tif", "sentinel-2-l2a_season.tif"]
    low, high, third = made.layers.to_pylist()[1:]
    assert third["layer"] == "B04_p33_3"
    assert (low["layer"], low["interval"], low["statistic"]) == ("B04_p25", 0, "p25")
    assert (low["interval_start"], low["interval_end"]) == (date(2023, 11, 1), date(2023, 12, 1))
    assert read_layer(made.files[1], low)[0, 0] == pytest.approx(0.045)  # halfway from 400 to 500
    assert read_layer(made.files[1], high)[0, 0] == pytest.approx(0.13)  # 500 + 0.8 × 1000


def test_directions_are_kept_apart(radar, grid, aoi, tmp_path):
    imagery = source(**RADAR)
    scenes = assess_scenes(radar, grid, aoi, imagery)
    made = build_composites(scenes, grid, MONTHS[:1], imagery, tmp_path / "apart", aoi_projected=aoi)
    rows = {row["layer"]: row for row in made.layers.to_pylist()}
    assert list(rows) == ["VV_asc", "VH_asc", "VV_des", "VH_des"]
    assert (rows["VV_asc"]["orbit"], rows["VV_des"]["orbit"]) == ("ascending", "descending")
    means = {name: np.nanmean(read_layer(made.files[0], row)) for name, row in rows.items()}
    assert means["VV_asc"] == pytest.approx(0.1, rel=0.05)
    assert means["VV_des"] == pytest.approx(0.02, rel=0.05)
    alone = source(**RADAR, orbits="descending")
    made = build_composites(scenes, grid, MONTHS[:1], alone, tmp_path / "alone", aoi_projected=aoi)
    assert made.layers["layer"].to_pylist() == ["VV_des", "VH_des"]
    only = assess_scenes(radar[::2], grid, aoi, imagery)
    with pytest.raises(NoScenesLeftError, match="no ascending pass among 3 scenes"):
        plan_composites(only, grid, MONTHS[:1], source(**RADAR, orbits="ascending"))


def test_the_speckle_filter_keeps_the_mean_and_calms(radar, grid, aoi, tmp_path):
    """Three dates of a direction, one a dekad: with windows of 49 pixels about three times the looks."""
    plain, filtered = source(**RADAR), source(**RADAR, speckle_filter=SpeckleSettings(window=7))
    dekads = season_intervals(date(2023, 11, 1), date(2023, 12, 1), "dekad")
    scenes = assess_scenes(radar, grid, aoi, plain)
    values = []
    for imagery in (plain, filtered):
        made = build_composites(scenes, grid, dekads, imagery, tmp_path / f"m{len(values)}", aoi_projected=aoi)
        values.append(read_layer(made.files[0], made.layers.to_pylist()[0]))
    assert np.nanmean(values[1]) == pytest.approx(np.nanmean(values[0]), rel=0.02)
    assert np.nanstd(values[1]) < 0.75 * np.nanstd(values[0])


def made_plan(season, grid, aoi, **options):
    imagery = source()
    scenes = assess_scenes(season, grid, aoi, imagery)
    return plan_composites(scenes, grid, MONTHS, imagery, aoi_projected=aoi, tile_rows=16, **options)


def test_finished_units_are_taken_as_they_are(season, grid, aoi, tmp_path):
    plan = made_plan(season, grid, aoi)
    assert len(plan.units) == 6  # three tiles of 16 rows, two months
    first = compose_unit(plan, plan.units[0], tmp_path)
    assert not first.reused
    before = first.path.stat().st_mtime_ns
    again = compose_unit(made_plan(season, grid, aoi), plan.units[0], tmp_path)
    assert again.reused
    assert again.path.stat().st_mtime_ns == before
    assert (again.valid, again.observations, again.aoi_pixels) == (first.valid, first.observations, first.aoi_pixels)
    with first.path.open("r+b") as file:
        file.truncate(1000)  # as a crash of the machine leaves it
    assert not compose_unit(plan, plan.units[0], tmp_path).reused
    with pytest.raises(UnfinishedUnitError, match="a tile of the composites is missing"):
        assemble_file(plan, tmp_path, tmp_path, plan.files[0])


def test_a_unit_that_fails_leaves_nothing(grid, aoi, tmp_path):
    season = season_in(tmp_path / "scenes")
    plan = made_plan(season, grid, aoi)
    Path(season[0].assets["B08"].href).unlink()
    with pytest.raises(UnreadableSceneError, match="band B08 of scene T30_0 is missing"):
        compose_unit(plan, plan.units[0], tmp_path / "work")
    assert list((tmp_path / "work").iterdir()) == []


def test_the_key_follows_everything_that_decides_a_unit(grid, aoi, tmp_path):
    season = season_in(tmp_path)
    plan = made_plan(season, grid, aoi)
    assert plan.key == made_plan(season[::-1], grid, aoi).key
    assert plan.key != made_plan(season[2:], grid, aoi).key
    assert plan.key != made_plan(season, grid, aoi, tile_cols=20).key
    imagery = source(method="mean")
    scenes = assess_scenes(season, grid, aoi, imagery)
    assert plan.key != plan_composites(scenes, grid, MONTHS, imagery, aoi_projected=aoi, tile_rows=16).key
    path = Path(season[0].assets["B04"].href)
    path.write_bytes(path.read_bytes() + b" ")  # the same name with another content
    assert plan.key != made_plan(season, grid, aoi).key
    relabelled = season_in(tmp_path)
    relabelled[0].properties["s2:processing_baseline"] = "05.11"  # what an item says decides as its files do
    assert plan.key != made_plan(relabelled, grid, aoi).key


WORKER = """
import json, sys
from datetime import date
from pathlib import Path
import pyarrow.parquet as pq
from agristat_platform.catalogue import ImagerySource, season_intervals
from agristat_platform.imagery import compose_unit, plan_composites
from tests.unit.imagery.conftest import GRID

folder, parity = Path(sys.argv[1]), int(sys.argv[2])
imagery = ImagerySource.model_validate_json((folder / "imagery.json").read_text())
months = season_intervals(date(2023, 11, 1), date(2024, 1, 1), "month")
scenes = pq.read_table(folder / "scenes.parquet")
plan = plan_composites(scenes, GRID, months, imagery, aoi_projected=GRID.outline(), tile_rows=19, tile_cols=33)
for unit in plan.units[::-1][parity::2]:
    compose_unit(plan, unit, folder / "work")
print(plan.key)
"""


def test_same_bytes_from_processes_with_other_threads_in_any_order(season, grid, tmp_path):
    """Two processes share the units, last ones first, one with all of GDAL's and numba's threads: one key, one result."""
    imagery = source(method="median", percentiles=(50.0,))
    scenes = assess_scenes(season, grid, grid.outline(), imagery)
    pq.write_table(scenes, tmp_path / "scenes.parquet")
    (tmp_path / "imagery.json").write_text(imagery.model_dump_json())
    (tmp_path / "worker.py").write_text(WORKER)
    plan = plan_composites(scenes, grid, MONTHS, imagery, aoi_projected=grid.outline(), tile_rows=19, tile_cols=33)
    threads = ({"GDAL_NUM_THREADS": "ALL_CPUS", "NUMBA_NUM_THREADS": "2"}, {"NUMBA_NUM_THREADS": "1"})
    workers = [
        subprocess.Popen([sys.executable, str(tmp_path / "worker.py"), str(tmp_path), str(parity)],
                         env={**os.environ, "PYTHONPATH": os.getcwd(), **setting}, stdout=subprocess.PIPE, text=True)
        for parity, setting in enumerate(threads)
    ]  # fmt: skip
    assert [worker.communicate()[0].strip() for worker in workers] == [plan.key] * 2
    assert sorted(path.stem for path in (tmp_path / "work").glob("*.tif")) == sorted(unit.name for unit in plan.units)
    (tmp_path / "put").mkdir()
    rows = [row for file in plan.files for row in assemble_file(plan, tmp_path / "work", tmp_path / "put", file)]
    whole = build_composites(scenes, grid, MONTHS, imagery, tmp_path / "whole")
    assert rows == whole.layers.to_pylist()
    for path in whole.files:
        assert (tmp_path / "put" / path.name).read_bytes() == path.read_bytes()
