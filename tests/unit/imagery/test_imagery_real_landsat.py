"""A real Landsat 8 scene (19 April 2013, path 17 row 36, all cloud): numbers of single pixels to reflectance and kelvin by hand.

The files hold the scene thinned to 512 × 512 pixels of 464.12 × 436 m. The pixel most looked at, row 321, column 436,
shows green land where the cloud is thin or not there at all.
"""

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from affine import Affine

from agristat_platform.catalogue import CollectionRequest, Grid, season_intervals
from agristat_platform.features import evi, ndvi, tasselled_cap
from agristat_platform.imagery import (
    DATA_MISSING,
    ConflictingRequestsError,
    NoScenesLeftError,
    SceneReader,
    assess_season,
    build_composites,
    collection_table,
    read_layer,
    requested_bands,
)
from agristat_platform.imagery.masks import CLOUD
from tests.unit.imagery.flanders import request, write

pytestmark = pytest.mark.real_data
SCENE = "LC08_L2SP_017036_20130419_20200913_02_T2"
LANDSAT = collection_table("landsat-c2-l2")
OPTICAL = {"blue": "SR_B2", "green": "SR_B3", "red": "SR_B4", "nir08": "SR_B5", "swir16": "SR_B6", "swir22": "SR_B7"}
FILES = {**OPTICAL, "lwir11": "ST_B10", "qa_pixel": "QA_PIXEL"}
GREEN = (321, 436)
# numbers of the green pixel, and reflectance = number × 0.0000275 − 0.2
GREEN_NUMBERS = {"blue": 8410, "green": 10984, "red": 9529, "nir08": 25804, "swir16": 15446, "swir22": 11652}
REFLECTANCE = {
    "blue": 0.031275, "green": 0.10206, "red": 0.0620475, "nir08": 0.50961, "swir16": 0.224765, "swir22": 0.12043
}  # fmt: skip
# Harmonized Landsat Sentinel-2 2.0, Sentinel-2A: OLI = slope × MSI + offset
HLS = {
    "blue": (0.9778, -0.0040), "green": (1.0053, -0.0009), "red": (0.9765, 0.0009),
    "nir08": (0.9983, -0.0001), "swir16": (0.9987, -0.0011), "swir22": (1.0030, -0.0012),
}  # fmt: skip
# (OLI − offset) / slope, such as red (0.0620475 − 0.0009) / 0.9765 = 0.0626190
ADJUSTED = {
    "blue": 0.0360759, "green": 0.1024172, "red": 0.0626190, "nir08": 0.5105780, "swir16": 0.2261590, "swir22": 0.1212662
}  # fmt: skip


@dataclass
class Landsat:
    numbers: dict
    grid: Grid
    item: pystac.Item
    mtl: dict
    folder: Path


@pytest.fixture(scope="module")
def landsat(real_data):
    """The scene's real item (both documents joined), pointed at the local files, and the files' numbers."""
    folder = real_data / "landsat8_l2sp"
    if not (folder / f"{SCENE}_MTL.json").is_file():
        pytest.skip(f"no real data: {folder} has no {SCENE}")
    numbers = {}
    for name, file in FILES.items():
        with rasterio.open(folder / f"{SCENE}_{file}.TIF") as dataset:
            numbers[name] = dataset.read(1)
            grid = Grid(dataset.crs.to_string(), dataset.transform, dataset.width, dataset.height)
    item, thermal = (
        pystac.Item.from_dict(json.loads((folder / f"{SCENE}_{kind}_stac.json").read_text())) for kind in ("SR", "ST")
    )
    item.assets = {f"{file}.TIF": {**item.assets, **thermal.assets}[f"{file}.TIF"] for file in FILES.values()}
    for file in FILES.values():
        item.assets[f"{file}.TIF"].href = str(folder / f"{SCENE}_{file}.TIF")
    mtl = json.loads((folder / f"{SCENE}_MTL.json").read_text())["LANDSAT_METADATA_FILE"]
    return Landsat(numbers, grid, item, mtl, folder)


def read(landsat, band, *, harmonise, grid=None):
    with SceneReader(grid or landsat.grid, harmonise=harmonise) as reader:
        rows = slice(0, reader.grid.height)
        return reader.values(landsat.item, LANDSAT, LANDSAT.band(band), rows)


def test_numbers_become_reflectance_by_the_factors_of_the_mtl(landsat):
    factors = landsat.mtl["LEVEL2_SURFACE_REFLECTANCE_PARAMETERS"]
    for band, file in OPTICAL.items():
        number = int(landsat.numbers[band][GREEN])
        scale, offset = (float(factors[f"REFLECTANCE_{what}_BAND_{file[-1]}"]) for what in ("MULT", "ADD"))
        assert (number, scale, offset) == (GREEN_NUMBERS[band], 2.75e-5, -0.2)
        assert REFLECTANCE[band] == pytest.approx(number * scale + offset, abs=1e-12)
        values = read(landsat, band, harmonise=False)
        assert values[GREEN] == pytest.approx(REFLECTANCE[band], abs=1e-7)
        fill = landsat.numbers[band] == 0
        assert fill[0, 0]
        assert np.array_equal(np.isnan(values), fill)  # 0 is fill, not a reflectance of −0.2
        assert np.abs(values - (landsat.numbers[band] * scale + offset))[~fill].max() < 1e-6
        greatest, least = (float(factors[f"REFLECTANCE_{end}_BAND_{file[-1]}"]) for end in ("MAXIMUM", "MINIMUM"))
        assert least <= np.nanmin(values) <= np.nanmax(values) <= greatest


def test_thermal_numbers_become_kelvin_and_are_not_adjusted(landsat):
    """37 785 × 0.00341802 + 149 = 278.1499 K, 5 °C; the cloud's top at row 256, column 256 has 293: 150.0 K."""
    factors = landsat.mtl["LEVEL2_SURFACE_TEMPERATURE_PARAMETERS"]
    scale, offset = (float(factors[f"TEMPERATURE_{what}_BAND_ST_B10"]) for what in ("MULT", "ADD"))
    numbers = landsat.numbers["lwir11"]
    assert (int(numbers[GREEN]), int(numbers[256, 256]), scale, offset) == (37_785, 293, 0.00341802, 149.0)
    values = read(landsat, "lwir11", harmonise=True)
    assert values[GREEN] == pytest.approx(278.1499, abs=1e-4)
    assert values[256, 256] == pytest.approx(293 * scale + offset, abs=1e-4)
    assert np.array_equal(values, read(landsat, "lwir11", harmonise=False), equal_nan=True)
    # temperature is missing where it was not retrieved, though reflectance was: row 283, column 124
    assert (numbers[283, 124], landsat.numbers["red"][283, 124]) == (0, 47_412)
    assert np.isnan(values[283, 124])


def test_bits_of_the_three_kinds_of_pixels(landsat):
    """1: bit 0, fill. 22280 = 0101 0111 0000 1000: bit 3, cloud (bits 8 and 9: confidence high).

    55052 = 1101 0111 0000 1100: bits 2 and 3, cirrus and cloud (8-9 and 14-15: both high). No other number occurs.
    """
    assert [f"{number:016b}" for number in (1, 22280, 55052)] == [
        "0000000000000001", "0101011100001000", "1101011100001100"
    ]  # fmt: skip
    qa = landsat.numbers["qa_pixel"]
    kinds, counts = np.unique(qa, return_counts=True)
    assert dict(zip(kinds.tolist(), counts.tolist(), strict=True)) == {1: 86_129, 22_280: 1_377, 55_052: 174_638}
    with SceneReader(landsat.grid) as reader:
        sky = reader.sky(landsat.item, LANDSAT, slice(0, 512))
    for (row, col), number, expected in (
        ((0, 0), 1, DATA_MISSING), (GREEN, 22_280, CLOUD), ((98, 333), 22_280, CLOUD), ((256, 256), 55_052, CLOUD)
    ):  # fmt: skip
        assert (qa[row, col], sky[row, col]) == (number, expected)
    assert np.array_equal(sky == DATA_MISSING, qa == 1)
    # along the scene's edge some bands have numbers where the mask says fill: no observation, whatever they hold
    assert (qa[0, 93], landsat.numbers["red"][0, 93], sky[0, 93]) == (1, 42_703, DATA_MISSING)


def test_landsat_is_adjusted_to_sentinel_2_by_the_inverse_of_hls(landsat):
    for band, (slope, offset) in HLS.items():
        assert ADJUSTED[band] == pytest.approx((REFLECTANCE[band] - offset) / slope, abs=1e-7)
        assert read(landsat, band, harmonise=True)[GREEN] == pytest.approx(ADJUSTED[band], abs=1e-6)
    # in the cloud, row 256, column 256: red 41 811 → 0.9498025 → (0.9498025 − 0.0009) / 0.9765 = 0.9717383
    assert read(landsat, "red", harmonise=True)[256, 256] == pytest.approx(0.9717383, abs=1e-6)


def test_indices_of_the_green_pixel_by_hand(landsat):
    """On the adjusted reflectance, as series take it.

    NDVI = (0.5105780 − 0.0626190) / (0.5105780 + 0.0626190) = 0.447959 / 0.573197 = 0.781510.
    EVI = 2.5 × 0.447959 / (0.5105780 + 6 × 0.0626190 − 7.5 × 0.0360759 + 1) = 1.1198975 / 1.6157228 = 0.693125.
    Greenness (Shi and Xu) = −0.3599 × 0.0360759 − 0.3533 × 0.1024172 − 0.4734 × 0.0626190 + 0.6633 × 0.5105780
    + 0.0087 × 0.2261590 − 0.2856 × 0.1212662 = 0.227189.
    """
    at = {band: read(landsat, band, harmonise=True)[GREEN[0] : GREEN[0] + 1, GREEN[1]] for band in OPTICAL}
    assert ndvi(nir=at["nir08"], red=at["red"])[0] == pytest.approx(0.781510, abs=2e-6)
    assert evi(nir=at["nir08"], red=at["red"], blue=at["blue"])[0] == pytest.approx(0.693125, abs=2e-6)
    stack = np.stack([at[band] for band in OPTICAL])
    assert tasselled_cap(stack, collection="sentinel-2-l2a")[1, 0] == pytest.approx(0.227189, abs=2e-6)
    # as it came, with the coefficients made for Landsat (Zhai et al.): brightness, greenness, wetness
    raw = np.stack([read(landsat, band, harmonise=False)[GREEN[0], GREEN[1]] for band in OPTICAL])[:, None]
    by_hand = (
        0.3690 * 0.031275 + 0.4271 * 0.10206 + 0.4689 * 0.0620475 + 0.5073 * 0.50961 + 0.3824 * 0.224765
        + 0.2406 * 0.12043,
        -0.2870 * 0.031275 - 0.2685 * 0.10206 - 0.4087 * 0.0620475 + 0.8145 * 0.50961 + 0.0637 * 0.224765
        - 0.1052 * 0.12043,
        0.0382 * 0.031275 + 0.2137 * 0.10206 + 0.3536 * 0.0620475 + 0.2270 * 0.50961 - 0.6108 * 0.224765
        - 0.6351 * 0.12043,
    )  # fmt: skip
    assert tasselled_cap(raw, collection="landsat-c2-l2")[:, 0] == pytest.approx(by_hand, abs=2e-6)
    # EVI of the stored integers (× 10 000) would be 1.8
    wrong = 2.5 * (5106 - 626) / (5106 + 6 * 626 - 7.5 * 361 + 1)
    assert wrong == pytest.approx(1.8195, abs=1e-4)


def test_a_scene_under_cloud_is_dropped_with_the_count(landsat):
    """All 176 015 pixels with data are cloud: nothing is left, and the error says why."""
    imagery = request("landsat-c2-l2", ["red", "lwir11"])
    with pytest.raises(NoScenesLeftError, match="no scene is left of 1: 1 too cloudy") as refused:
        assess_season([landsat.item], landsat.grid, landsat.grid.outline(), imagery)
    assert "landsat-c2-l2" in str(refused.value)
    relaxed = imagery.model_copy(update={"max_cloud_share": 1.0})
    with pytest.raises(NoScenesLeftError, match="1 without a clear pixel"):
        assess_season([landsat.item], landsat.grid, landsat.grid.outline(), relaxed)


def test_composite_of_a_block_whose_mask_is_opened(landsat, tmp_path):
    """The mask of 10 × 10 pixels around the green one is overwritten with 21824 (clear), so that a composite has a day.

    Red 0.0626190 → 626, thermal 278.1499 K → 27815 hundredths. Row 492, column 386 has red 7168, −0.00288: below
    zero, stored as the least number 1, for 0 means missing.
    """
    item = landsat.item.clone()
    qa = landsat.numbers["qa_pixel"].copy()
    qa[316:326, 431:441] = 21_824
    qa[492, 386] = 21_824
    item.assets["QA_PIXEL.TIF"].href = write(tmp_path / "qa.tif", qa, landsat.grid, 0)
    imagery = request("landsat-c2-l2", ["red", "nir08", "lwir11"], max_cloud_share=1.0)
    found = assess_season([item], landsat.grid, landsat.grid.outline(), imagery)
    row = found.scenes.to_pylist()[0]
    assert row["aoi_cover"] == pytest.approx(176_015 / 512**2)
    assert row["clear_share"] == pytest.approx(101 / 176_015)
    assert row["tile"] == "017036"
    april = season_intervals(date(2013, 4, 1), date(2013, 5, 1), "month")
    built = build_composites(found.scenes, landsat.grid, april, imagery, tmp_path / "c", tile_rows=200, tile_cols=300)
    layers = {row["layer"]: row for row in built.layers.to_pylist()}
    at = {name: read_layer(tmp_path / "c" / row["file"], row) for name, row in layers.items()}
    assert at["red"][GREEN] == pytest.approx(0.0626, abs=1e-7)
    assert at["nir08"][GREEN] == pytest.approx(0.5106, abs=1e-7)
    assert at["lwir11"][GREEN] == pytest.approx(278.15, abs=1e-4)
    assert landsat.numbers["red"][492, 386] * 2.75e-5 - 0.2 == pytest.approx(-0.00288)
    assert at["red"][492, 386] == pytest.approx(0.0001, abs=1e-9)
    for name in layers:
        assert layers[name]["valid_share"] == pytest.approx(101 / 512**2)
        assert np.array_equal(np.isfinite(at[name]), qa == 21_824)  # cloud and fill are missing, not 0
    raw = request("landsat-c2-l2", ["red"], max_cloud_share=1.0, harmonise=False)
    plain = build_composites(found.scenes, landsat.grid, april, raw, tmp_path / "p")
    row = plain.layers.to_pylist()[0]
    assert read_layer(plain.files[0], row)[GREEN] == pytest.approx(0.0620, abs=1e-7)  # 0.0620475 → 620


def test_between_pixels_values_are_bilinear(landsat):
    """A pixel of 30 m whose centre lies a quarter of the way right and half of the way down between four centres."""
    row, col = GREEN
    x, y = landsat.grid.transform * (col + 0.5 + 0.25, row + 0.5 + 0.5)
    grid = Grid(landsat.grid.crs, Affine(30, 0, x - 15, 0, -30, y + 15), 1, 1)
    four = landsat.numbers["nir08"][row : row + 2, col : col + 2].astype(float) * 2.75e-5 - 0.2
    assert four[0, 0] == pytest.approx(REFLECTANCE["nir08"])
    expected = 0.5 * (0.75 * four[0, 0] + 0.25 * four[0, 1]) + 0.5 * (0.75 * four[1, 0] + 0.25 * four[1, 1])
    assert read(landsat, "nir08", harmonise=False, grid=grid)[0, 0] == pytest.approx(expected, abs=1e-6)


def test_both_names_of_the_real_documents_cannot_be_asked_for_in_two_ways(landsat):
    """The scene's documents call its collection landsat-c2l2-sr and -st: one product here, so the first is not lost."""
    kinds = [json.loads((landsat.folder / f"{SCENE}_{kind}_stac.json").read_text()) for kind in ("SR", "ST")]
    names = [document["collection"] for document in kinds]
    assert [document["id"] for document in kinds] == [SCENE, SCENE]
    assert [collection_table(name) for name in names] == [LANDSAT, LANDSAT]
    asked = dict(zip(names, (CollectionRequest(bands=("red",)), CollectionRequest(bands=("lwir11",))), strict=True))
    with pytest.raises(ConflictingRequestsError, match=r"landsat-c2l2-sr and landsat-c2l2-st .* red, lwir11"):
        requested_bands(asked)
    same = dict.fromkeys(names, CollectionRequest(bands=("red",)))
    assert requested_bands(same) == {"landsat-c2-l2": ("red",)}
