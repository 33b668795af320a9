"""Sentinel-1 GRD from digital numbers to gamma0 on the grid: a small product with known backscatter at known places."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pystac
import pytest
from affine import Affine

from agristat_platform.catalogue import Grid, season_intervals
from agristat_platform.imagery import (
    COLLECTIONS,
    InvalidAnnotationError,
    NoScenesLeftError,
    TerrainWarning,
    UncalibratedRadarError,
    UnreadableSceneError,
    assess_scenes,
    build_composites,
    read_layer,
)
from agristat_platform.imagery.access import FileAccess
from agristat_platform.imagery.encoding import annotation_hrefs, needs_calibration
from agristat_platform.imagery.errors import MissingKeysError
from agristat_platform.imagery.sentinel1_grd import LEAST_POWER, GrdScene, read_annotation, store_settings

LINES, PIXELS = 220, 260
GEOD = pyproj.Geod(ellps="WGS84")
TO_UTM = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32630", always_xy=True)
TO_LONLAT = pyproj.Transformer.from_crs("EPSG:32630", "EPSG:4326", always_xy=True)


def on_the_ground(line: Any, pixel: Any) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude of a descending pass that looks west, its first pixel 1.3 km east of the grid's middle."""
    shape = np.broadcast_shapes(np.shape(line), np.shape(pixel))
    line, pixel = (np.broadcast_to(value, shape).ravel().astype(float) for value in (line, pixel))
    lon, lat = TO_LONLAT.transform(np.full(line.size, 251_350.0), np.full(line.size, 4_611_000.0))
    lon, lat, back = GEOD.fwd(lon, lat, np.full(line.size, 192.0), 10.0 * line)
    lon, lat, _ = GEOD.fwd(lon, lat, np.asarray(back) + 270.0, 10.0 * pixel)
    return np.reshape(lon, shape), np.reshape(lat, shape)


def gamma_table(line: Any, pixel: Any) -> Any:
    return 4000.0 + 2.0 * np.asarray(pixel) + np.asarray(line)


def noise_power(line: Any, pixel: Any) -> Any:
    return (20_000.0 + 100.0 * np.asarray(pixel)) * (1.0 + np.asarray(line) / 440.0)


def backscatter(x: Any, y: Any) -> Any:
    """A smooth gamma0 over the ground, a few percent per kilometre and more."""
    return 0.08 + 0.03 * np.sin(np.asarray(x) / 90.0) * np.cos(np.asarray(y) / 110.0)


def numbers_of(power: np.ndarray) -> np.ndarray:
    line, pixel = np.mgrid[:LINES, :PIXELS]
    return np.rint(np.sqrt(power * gamma_table(line, pixel) ** 2 + noise_power(line, pixel))).astype(np.uint16)


def annotation(heights: float = 0.0, noise_removed: bool = False) -> dict[str, str]:
    def vector(name: str, value: str, line: int, values: Any) -> str:
        pixels = np.arange(0, PIXELS, 37)
        return (
            f"<{name}><line>{line}</line><pixel>{' '.join(map(str, pixels))}</pixel>"
            f"<{value}>{' '.join(f'{number:.6e}' for number in values(pixels))}</{value}></{name}>"
        )

    nodes = [(line, pixel) for line in (0, 80, 160, LINES - 1) for pixel in (0, 100, 200, PIXELS - 1)]
    places = (on_the_ground(*node) for node in nodes)
    points = "".join(
        f"<geolocationGridPoint><line>{line}</line><pixel>{pixel}</pixel><latitude>{float(lat)!r}</latitude>"
        f"<longitude>{float(lon)!r}</longitude><height>{heights * pixel}</height></geolocationGridPoint>"
        for (line, pixel), (lon, lat) in zip(nodes, places, strict=True)
    )
    header = "<adsHeader><productType>GRD</productType><polarisation>VV</polarisation></adsHeader>"
    gammas = "".join(
        vector("calibrationVector", "gamma", line, lambda pixels, line=line: gamma_table(line, pixels))
        for line in (0, 110, LINES)
    )
    ranges = vector("noiseRangeVector", "noiseRangeLut", 0, lambda pixels: noise_power(0, pixels))
    return {
        "product": f"<product>{header}<imageAnnotation><imageInformation><rangePixelSpacing>10</rangePixelSpacing>"
        f"<azimuthPixelSpacing>10</azimuthPixelSpacing><numberOfSamples>{PIXELS}</numberOfSamples><numberOfLines>{LINES}"
        "</numberOfLines></imageInformation><processingInformation><thermalNoiseCorrectionPerformed>"
        f"{str(noise_removed).lower()}</thermalNoiseCorrectionPerformed></processingInformation></imageAnnotation>"
        f"<geolocationGrid><geolocationGridPointList>{points}</geolocationGridPointList></geolocationGrid></product>",
        "calibration": f"<calibration>{header}<calibrationVectorList>{gammas}</calibrationVectorList></calibration>",
        "noise": f"<noise>{header}<noiseRangeVectorList>{ranges}</noiseRangeVectorList><noiseAzimuthVectorList>"
        "<noiseAzimuthVector><swath>IW1</swath><firstAzimuthLine>0</firstAzimuthLine><firstRangeSample>0</firstRangeSample>"
        f"<lastAzimuthLine>{LINES - 1}</lastAzimuthLine><lastRangeSample>{PIXELS - 1}</lastRangeSample><line>0 {LINES}</line>"
        "<noiseAzimuthLut>1.0 1.5</noiseAzimuthLut></noiseAzimuthVector></noiseAzimuthVectorList></noise>",
    }


@pytest.fixture
def product(tmp_path: Path, write_raster: Any, make_item: Any) -> Callable[..., pystac.Item]:
    """Writes a VV product of some digital numbers (None: those of `backscatter`), returns its item."""

    def make(numbers: np.ndarray | None = None, **options: Any) -> pystac.Item:
        if numbers is None:
            line, pixel = np.mgrid[:LINES, :PIXELS]
            numbers = numbers_of(backscatter(*TO_UTM.transform(*on_the_ground(line, pixel))))
        files = {"vv": write_raster(tmp_path / "vv.tiff", numbers, Affine.identity(), crs=None)}
        for content, text in annotation(**options).items():
            files[f"schema-{content}-vv"] = tmp_path / f"{content}.xml"
            files[f"schema-{content}-vv"].write_text(text)
        return make_item("S1A_GRD", "sentinel-1-grd", files)

    return make


def truth_on(grid: Grid) -> np.ndarray:
    x = grid.transform.c + grid.transform.a * (np.arange(grid.width) + 0.5)
    y = grid.transform.f + grid.transform.e * (np.arange(grid.height) + 0.5)
    return backscatter(x, y[:, None])


def whole(grid: Grid) -> tuple[Grid, slice, slice]:
    return grid, slice(0, grid.height), slice(0, grid.width)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
class TestRead:
    def test_known_backscatter_comes_back_at_known_places(self, product, grid):
        found = GrdScene(product(), "VV").read(*whole(grid))
        assert found.dtype == np.float32
        # what is left is the rounding of DN and the bilinear kernel on a field that bends
        np.testing.assert_allclose(found, truth_on(grid), rtol=0.01)
        assert np.abs(found / truth_on(grid) - 1).mean() < 0.002
        shifted = np.abs(found[:, :-1] / truth_on(grid)[:, 1:] - 1).mean()
        assert shifted > 10 * np.abs(found / truth_on(grid) - 1).mean()  # one pixel off would be seen

    def test_blocks_give_the_same_bits(self, product, grid, monkeypatch):
        scene = GrdScene(product(), "VV")
        together = scene.read(*whole(grid))
        monkeypatch.setattr("agristat_platform.imagery.sentinel1_grd.PIECE", 17)
        np.testing.assert_array_equal(scene.read(*whole(grid)), together)
        np.testing.assert_array_equal(scene.read(grid, slice(5, 31), slice(20, 47)), together[5:31, 20:47])

    def test_wider_pixels_average_power(self, product, grid):
        coarse = Grid(grid.crs, grid.transform * Affine.scale(3), grid.width // 3, grid.height // 3)
        scene = GrdScene(product(), "VV")
        found = scene.read(*whole(coarse))
        np.testing.assert_allclose(found, truth_on(coarse), rtol=0.03)
        np.testing.assert_array_equal(scene.read(coarse, slice(4, 9), slice(3, 11)), found[4:9, 3:11])

    def test_noise_the_processor_has_taken_is_not_taken_again(self, product, grid):
        once = GrdScene(product(), "VV").read(*whole(grid))
        kept = GrdScene(product(noise_removed=True), "VV").read(*whole(grid))
        assert (kept > once).all()

    def test_below_the_noise_is_least_power_and_zero_is_missing(self, product, grid):
        numbers = np.full((LINES, PIXELS), 50, np.uint16)  # 50² is below the noise everywhere
        found = GrdScene(product(numbers), "VV").read(*whole(grid))
        assert (found == LEAST_POWER).all()
        numbers[:, : PIXELS // 2] = 0
        found = GrdScene(product(numbers), "VV").read(*whole(grid))
        assert set(np.unique(found[np.isfinite(found)])) == {LEAST_POWER}
        assert 0.1 < np.isnan(found).mean() < 0.9
        assert np.isnan(found[:, -1]).all()  # near range is in the east

    def test_a_grid_elsewhere_is_missing_throughout(self, product, grid):
        away = Grid(grid.crs, grid.transform * Affine.translation(3000, 0), 20, 20)
        assert np.isnan(GrdScene(product(), "VV").read(*whole(away))).all()

    def test_relief_is_warned_of(self, product, grid):
        with pytest.warns(TerrainWarning, match=r"S1A_GRD VV is not terrain-corrected, .* differ by 400 m"):
            GrdScene(product(heights=2.0), "VV").read(*whole(grid))
        with warnings.catch_warnings():
            warnings.simplefilter("error", TerrainWarning)
            GrdScene(product(heights=0.2), "VV").read(*whole(grid))

    def test_an_image_of_another_product_is_refused(self, product, grid):
        scene = GrdScene(product(np.ones((LINES, PIXELS - 1), np.uint16)), "VV")
        with pytest.raises(InvalidAnnotationError, match=r"shape \(220, 259\), its annotation says \(220, 260\)"):
            scene.read(*whole(grid))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_scenes_and_composites_take_raw_grd(product, grid, aoi, request_bands, tmp_path):
    imagery = request_bands(sentinel_1_grd=["VV"])
    scenes = assess_scenes([product()], grid, aoi, imagery)
    assert scenes["kept"].to_pylist() == [True]
    assert scenes["aoi_cover"].to_pylist() == [1.0]
    months = season_intervals(date(2023, 11, 1), date(2023, 12, 1), "month")
    composite = build_composites(scenes, grid, months, imagery, tmp_path / "composites", aoi_projected=aoi)
    row = composite.layers.to_pylist()[0]
    assert row["unit"] == "linear power, not terrain-corrected"
    values = read_layer(composite.files[0].parent / row["file"], row)
    item = pystac.Item.from_dict(json.loads(scenes["item"][0].as_py()))
    np.testing.assert_array_equal(values, GrdScene(item, "VV").read(*whole(grid)))
    np.testing.assert_allclose(values, truth_on(grid), rtol=0.01)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_scene_without_its_calibration_can_be_dropped(product, grid, aoi, request_bands, tmp_path):
    item = product()
    (tmp_path / "calibration.xml").write_text("<html>busy</html>")
    with pytest.raises(UnreadableSceneError, match="root is html"):
        assess_scenes([item], grid, aoi, request_bands(sentinel_1_grd=["VV"]))
    with pytest.raises(NoScenesLeftError, match="1 unreadable"):
        assess_scenes([item], grid, aoi, request_bands(sentinel_1_grd=["VV"]), on_unreadable="drop")
    del item.assets["schema-calibration-vv"]
    with pytest.raises(UncalibratedRadarError, match="lacks schema-calibration-vv"):
        assess_scenes([item], grid, aoi, request_bands(sentinel_1_grd=["VV"]))


def test_files_that_are_not_there_are_named(product, tmp_path, monkeypatch):
    monkeypatch.setattr("agristat_platform.imagery.sentinel1_grd.Retry", lambda **_: 0)
    item = product()
    (tmp_path / "noise.xml").unlink()
    with pytest.raises(InvalidAnnotationError, match="FileNotFoundError") as caught:
        GrdScene(item, "VV")
    assert caught.value.where.endswith("noise.xml")
    del item.assets["schema-noise-vv"]
    with pytest.raises(UncalibratedRadarError, match="lacks schema-noise-vv"):
        GrdScene(item, "VV")
    with pytest.raises(InvalidAnnotationError, match="ConnectionError") as caught:
        read_annotation("http://127.0.0.1:9/calibration.xml?sig=secret")
    assert "secret" not in str(caught.value)


def test_annotation_in_s3_takes_the_keys_of_its_store():
    keys = {"CDSE_S3_ACCESS_KEY": "k", "CDSE_S3_SECRET_KEY": "s"}
    assert store_settings("s3://eodata/Sentinel-1/a.xml", FileAccess(environment=keys)) == {
        "anon": False, "key": "k", "secret": "s", "endpoint_url": "https://eodata.dataspace.copernicus.eu",
    }  # fmt: skip
    payer = store_settings("s3://sentinel-s1-l1c/a.xml", FileAccess(environment={"AWS_PROFILE": "me"}))
    assert payer == {"anon": False, "requester_pays": True}
    assert store_settings("gs://bucket/a.xml", FileAccess(environment={})) == {}
    with pytest.raises(MissingKeysError, match="Copernicus Data Space"):
        read_annotation("s3://eodata/Sentinel-1/a.xml", FileAccess(environment={}))


@pytest.mark.real_data
def test_the_real_item_names_all_files(real_data):
    item = pystac.Item.from_dict(json.loads((real_data / "stac_items" / "sentinel1_grd_iw.json").read_text()))
    table = COLLECTIONS["sentinel-1-grd"]
    for name, band in table.bands.items():
        assert needs_calibration(item, table, band)
        files = annotation_hrefs(item, table, band)
        assert all(f"-grd-{name.lower()}-" in Path(address).name for address in files.values())
        assert set(files) == {"product", "calibration", "noise"}
