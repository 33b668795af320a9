"""Windows copied from the disk, from the web and from S3: exact, resumed, and never half a file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pystac
import pytest
import rasterio
from affine import Affine

from agristat_platform.catalogue import Grid
from agristat_platform.imagery import (
    COLLECTIONS,
    FileAccess,
    SceneReader,
    UnreadableSceneError,
    files_of_kept_scenes,
    ingest_kept_scenes,
    ingest_windows,
    mask_bands,
    scene_file,
)

S2 = COLLECTIONS["sentinel-2-l2a"]
WANTED = {"sentinel-2-l2a": ("B04",)}
KEYS = {"CDSE_S3_ACCESS_KEY": "OFFICE", "CDSE_S3_SECRET_KEY": "hush"}
SCENE = Affine(10, 0, 249_000, 0, -10, 4_611_000)  # 60 columns west and 60 rows north of the grid's corner
CLASSES = Affine(20, 0, 249_000, 0, -20, 4_611_000)


@pytest.fixture
def scene(tmp_path, make_item):
    """A scene of 400 × 400 pixels around the grid, red at 10 m and classes at 20 m; returns its item and red numbers."""
    folder = tmp_path / "served" / "eodata"
    folder.mkdir(parents=True)
    random = np.random.default_rng(5)
    red = random.integers(1, 4000, (400, 400)).astype(np.uint16)
    classes = random.choice([4, 5, 9], (200, 200), p=[0.6, 0.38, 0.02]).astype(np.uint8)
    for name, numbers, transform in (("B04", red, SCENE), ("SCL", classes, CLASSES)):
        with rasterio.open(
            folder / f"{name}.tif", "w", driver="COG", width=numbers.shape[1], height=numbers.shape[0], count=1,
            dtype=numbers.dtype, crs="EPSG:32630", transform=transform, nodata=0, compress="DEFLATE", blocksize=128,
        ) as dataset:  # fmt: skip
            dataset.write(numbers, 1)
    item = make_item("S2A/30TTM", S2.name, {}, **{"s2:processing_baseline": "05.10", "grid:code": "MGRS-30TTM"})
    return item, folder, red


def placed(scene, base):
    """The scene's item with files under an address."""
    item = scene[0].clone()
    for name in ("B04", "SCL"):
        fields = (
            {"raster:bands": [{"scale": 1e-4, "offset": -0.1, "nodata": 0}], "file:size": 1} if name == "B04" else {}
        )
        item.add_asset(name, pystac.Asset(f"{base}/{name}.tif", roles=["data"], extra_fields=fields))
    return item


@pytest.mark.parametrize("kind", ["file", "http", "s3"])
def test_windows_hold_the_files_own_numbers_on_their_own_pixels(kind, scene, file_server, grid, tmp_path):
    base = {"file": str(scene[1]), "http": f"{file_server.url}/eodata", "s3": "s3://eodata"}[kind]
    if kind == "s3":
        file_server.keys = tuple(KEYS.values())
    access = FileAccess(environment={**KEYS, "CDSE_S3_ENDPOINT": file_server.url})
    item, seen = placed(scene, base), []
    done = ingest_windows([item], grid, WANTED, tmp_path / "w", access=access, progress=lambda *said: seen.append(said))
    assert (done.fetched, done.reused, done.left) == (2, 0, 0)
    assert seen == [("windows", 1, 2), ("windows", 2, 2)]
    assert item.assets["B04"].href == f"{base}/B04.tif"  # what was given stays as it was
    asset = done.items[0].assets["B04"]
    path = tmp_path / "w" / "sentinel-2-l2a" / "S2A_30TTM" / "B04.tif"
    assert (asset.href, asset.extra_fields["agristat:origin"]) == (str(path), f"{base}/B04.tif")
    with rasterio.open(path) as window:
        # the grid begins at column 60, row 60 and is 60 × 48; two pixels more on each side
        np.testing.assert_array_equal(window.read(1), scene[2][58:110, 58:122])
        assert window.transform == SCENE * Affine.translation(58, 58)
        assert (window.crs.to_epsg(), window.nodata, window.dtypes) == (32630, 0, ("uint16",))
        assert (window.profile["tiled"], window.profile["compress"]) == (True, "zstd")
    fields = asset.extra_fields
    assert (fields["proj:shape"], fields["proj:code"]) == ([52, 64], "EPSG:32630")
    assert fields["proj:transform"] == [10, 0, 249_580, 0, -10, 4_610_420]
    assert fields["proj:bbox"] == [249_580, 4_609_900, 250_220, 4_610_420]
    assert "file:size" not in fields
    assert done.bytes == sum(file.stat().st_size for file in path.parent.glob("*.tif"))
    assert sorted(file.name for file in path.parent.iterdir()) == ["B04.tif", "SCL.tif", "windows.json"]


@pytest.mark.parametrize(
    "where",
    [
        Grid("EPSG:32630", Affine(10, 0, 249_600, 0, -10, 4_610_400), 60, 48),
        Grid("EPSG:32630", Affine(30, 0, 249_615, 0, -30, 4_610_385), 20, 16),  # three scene pixels averaged into one
        Grid("EPSG:32629", Affine(10, 0, 749_900, 0, -10, 4_610_400), 30, 30),
    ],
    ids=["same pixels", "coarser", "other zone"],
)
def test_reading_windows_is_reading_the_whole_files(where, scene, tmp_path):
    item = placed(scene, scene[1])
    window = ingest_windows([item], where, WANTED, tmp_path / "w", mask_margin_m=60.0).items[0]
    rows = slice(0, where.height)
    with SceneReader(where) as reader:
        whole, part = (reader.values(found, S2, S2.band("B04"), rows) for found in (item, window))
        np.testing.assert_array_equal(part, whole)
        assert np.isfinite(whole).any()
        np.testing.assert_array_equal(reader.sky(window, S2, rows), reader.sky(item, S2, rows))


def test_what_is_there_and_whole_is_not_fetched_again(scene, file_server, grid, tmp_path):
    item, folder = placed(scene, f"{file_server.url}/eodata"), tmp_path / "w"
    ingest_windows([item], grid, WANTED, folder)
    first = {path: path.read_bytes() for path in folder.rglob("*.tif")}
    file_server.requests.clear()
    again = ingest_windows([item], grid, WANTED, folder, workers=1)
    assert (again.fetched, again.reused, again.bytes, file_server.requests) == (0, 2, 0, [])
    assert again.items[0].assets["B04"].extra_fields["proj:shape"] == [52, 64]
    red = folder / "sentinel-2-l2a" / "S2A_30TTM" / "B04.tif"
    red.write_bytes(red.read_bytes()[:-10])
    repaired = ingest_windows([item], grid, WANTED, folder)
    assert (repaired.fetched, repaired.reused) == (1, 1)
    damaged = bytearray(first[red])
    damaged[len(damaged) // 2] ^= 0xFF
    red.write_bytes(damaged)
    (red.parent / ".B04.tif.77-1.partial").write_bytes(b"left by a run that was killed")
    assert ingest_windows([item], grid, WANTED, folder).fetched == 1
    assert {path: path.read_bytes() for path in first} == first


def test_a_damaged_record_and_a_changed_region_fetch_again(scene, grid, tmp_path):
    item, folder = placed(scene, scene[1]), tmp_path / "w"
    ingest_windows([item], grid, WANTED, folder)
    record = folder / "sentinel-2-l2a" / "S2A_30TTM" / "windows.json"
    assert json.loads(record.read_text())["B04.tif"]["origin"] == str(scene[1] / "B04.tif")
    whole = json.loads(record.read_text())
    for text in ('{"B04.tif": {"key"', "[]", json.dumps({name: {**of, "copy": {}} for name, of in whole.items()})):
        record.write_text(text)
        assert ingest_windows([item], grid, WANTED, folder).fetched == 2
    larger = Grid(grid.crs, grid.transform, grid.width + 5, grid.height)
    assert ingest_windows([item], larger, WANTED, folder).fetched == 2


def test_ingesting_windows_again_keeps_the_first_origin(scene, grid, tmp_path):
    item = placed(scene, scene[1])
    once = ingest_windows([item], grid, WANTED, tmp_path / "w").items
    twice = ingest_windows(once, grid, WANTED, tmp_path / "w")
    assert (twice.fetched, twice.reused) == (0, 2)
    assert twice.items[0].assets["B04"].extra_fields["agristat:origin"] == str(scene[1] / "B04.tif")


def test_a_server_that_dies_half_way_is_tried_again(scene, file_server, grid, tmp_path):
    file_server.dies_after = {"/eodata/B04.tif": [40_000, 12_000]}
    file_server.statuses = {"/eodata/SCL.tif": [503]}
    done = ingest_windows([placed(scene, f"{file_server.url}/eodata")], grid, WANTED, tmp_path / "w")
    assert done.fetched == 2
    assert file_server.dies_after == {"/eodata/B04.tif": []}
    with rasterio.open(done.items[0].assets["B04"].href) as window:
        np.testing.assert_array_equal(window.read(1), scene[2][58:110, 58:122])


def test_tries_are_bounded_and_what_was_finished_is_kept(scene, grid, tmp_path):
    (scene[1] / "SCL.tif").write_bytes((scene[1] / "SCL.tif").read_bytes()[:400])
    with pytest.raises(UnreadableSceneError, match=r"band SCL of scene S2A/30TTM.*attempts: 2.*SCL.tif"):
        ingest_windows([placed(scene, scene[1])], grid, WANTED, tmp_path / "w", retries=1)
    assert [path.name for path in (tmp_path / "w").rglob("*.tif")] == ["B04.tif"]
    assert not list((tmp_path / "w").rglob("*.partial"))


def test_a_full_disk_is_named_and_leaves_no_half_file(scene, grid, tmp_path):
    """A limit on the size of files stands for the disk; in a process of its own, which the limit is for."""
    item = tmp_path / "item.json"
    item.write_text(json.dumps(placed(scene, scene[1]).to_dict(include_self_link=False)))
    program = (
        "import json, resource, sys, pystac\n"
        "from affine import Affine\n"
        "from pathlib import Path\n"
        "from agristat_platform.catalogue import Grid\n"
        "from agristat_platform.imagery import ArchiveFullError, ingest_windows\n"
        f"item = pystac.Item.from_dict(json.loads(Path({str(item)!r}).read_text()))\n"
        f"grid = Grid({grid.crs!r}, Affine(*{tuple(grid.transform)[:6]!r}), {grid.width}, {grid.height})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "try:\n"
        f"    ingest_windows([item], grid, {WANTED!r}, Path({str(tmp_path / 'w')!r}))\n"
        "except ArchiveFullError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert "cannot be written" in done.stdout, done.stderr
    assert "Free space on that disk" in done.stdout
    assert not [
        path for path in (tmp_path / "w").rglob("*") if path.is_file() and path.name not in ("SCL.tif", "windows.json")
    ]


def test_files_without_a_place_on_the_map_or_outside_the_region_stay_where_they_are(scene, grid, tmp_path):
    item = placed(scene, scene[1])
    elsewhere = Grid(grid.crs, Affine(10, 0, 300_000, 0, -10, 4_610_400), 10, 10)
    outside = ingest_windows([item], elsewhere, WANTED, tmp_path / "w")
    assert (outside.fetched, outside.left) == (0, 2)
    assert outside.items[0].assets["B04"].href == str(scene[1] / "B04.tif")


def test_manifests_can_name_the_window_and_where_it_came_from(scene, grid, tmp_path, request_bands):
    window = ingest_windows([placed(scene, scene[1])], grid, WANTED, tmp_path / "w").items[0]
    table = pa.table(
        {"kept": [True], "in_season": [True], "item": [json.dumps(window.to_dict(include_self_link=False))]}
    )
    red, mask = files_of_kept_scenes(table, request_bands(sentinel_2_l2a=["B04"]))
    assert (red.band, Path(red.href).name, red.origin) == ("B04", "B04.tif", str(scene[1] / "B04.tif"))
    assert (mask.band, mask.origin) == ("SCL", str(scene[1] / "SCL.tif"))


def test_the_sky_of_landsat_is_read_from_two_files_where_it_has_them(make_item, write_raster, grid, tmp_path):
    files = {
        name: write_raster(tmp_path / f"{name}.tif", np.full(grid.shape, 1, np.uint16), grid.transform)
        for name in ("red", "qa_pixel", "qa_radsat")
    }
    whole = make_item("L9", "landsat-c2-l2", files)
    assert [band.name for band in mask_bands(whole)] == ["qa_pixel", "qa_radsat"]
    del whole.assets["qa_radsat"]
    (mask,) = mask_bands(whole)
    assert scene_file(whole, mask) == ("L9", "qa_pixel", str(files["qa_pixel"]), None)


def test_kept_scenes_of_a_table_are_replaced_and_no_other(scene, grid, tmp_path, request_bands):
    whole = json.dumps(placed(scene, scene[1]).to_dict(include_self_link=False))
    table = pa.table({"kept": [False, True], "in_season": [True, False], "item": [whole, whole]})
    seen = []
    moved, done = ingest_kept_scenes(
        table, grid, request_bands(sentinel_2_l2a=["B04"]), tmp_path / "w", progress=lambda *said: seen.append(said)
    )
    assert moved.schema == table.schema
    assert moved["item"][0].as_py() == whole
    assets = json.loads(moved["item"][1].as_py())["assets"]
    assert assets["B04"]["href"] == str(tmp_path / "w" / "sentinel-2-l2a" / "S2A_30TTM" / "B04.tif")
    assert assets["B04"]["agristat:origin"] == str(scene[1] / "B04.tif")
    # masks reach 60 m further, three of their pixels, and two more as every file does
    assert assets["SCL"]["proj:shape"] == [24 + 2 * 5, 30 + 2 * 5]
    assert (done.fetched, seen[-1]) == (2, ("windows", 2, 2))
