"""Scale, offset and asset names: the table's, the item's, and the −1000 of Sentinel-2 exactly once."""

import json
from pathlib import Path

import pystac
import pytest
import rasterio

from agristat_platform.imagery import (
    COLLECTIONS,
    MissingAssetError,
    UncalibratedRadarError,
    UnknownBandError,
    UnknownBaselineError,
    UnknownCollectionError,
    band_encoding,
    collection_table,
    processing_baseline,
    requested_bands,
)
from agristat_platform.imagery.encoding import asset_of, epsg_of, tile_of

S2 = COLLECTIONS["sentinel-2-l2a"]
RED = S2.band("B04")
FILE = Path("/nowhere/red.tif")


@pytest.fixture
def sentinel2_item(make_item):
    def make(asset="red", raster=None, **properties):
        item = make_item("S2", "sentinel-2-l2a", {asset: FILE}, **properties)
        if raster is not None:
            item.assets[asset].extra_fields["raster:bands"] = [raster]
        return item

    return make


@pytest.mark.parametrize("spelling", ["B04", "red", "B04_10m"])
def test_every_catalogue_spelling_of_red_is_found(spelling, sentinel2_item):
    assert asset_of(sentinel2_item(spelling), RED).href == str(FILE)


@pytest.mark.parametrize(
    ("properties", "raster", "reflectance"),
    [
        # DN 3000 by hand: (3000 − 1000) / 10000 = 0.2 with the offset due, 0.3 where it is not
        ({"s2:processing_baseline": "04.00"}, None, 0.2),
        ({"s2:processing_baseline": "03.01"}, None, 0.3),
        ({"s2:processing_baseline": "05.09"}, {"scale": 0.0001, "offset": -0.1}, 0.2),
        ({"s2:processing_baseline": "05.09"}, {"scale": 0.0001, "offset": 0}, 0.3),
        # Earth Search: pixels shifted already while raster:bands still says −0.1
        (
            {"s2:processing_baseline": "05.09", "earthsearch:boa_offset_applied": True},
            {"scale": 0.0001, "offset": -0.1},
            0.3,
        ),
        ({"s2:processing_baseline": "05.09", "earthsearch:boa_offset_applied": False}, None, 0.2),
        ({"processing:version": "05.10"}, None, 0.2),
        ({"s2:product_uri": "S2A_MSIL2A_20190212T192651_N0212_R013_T07HFE_20201007T160857.SAFE"}, None, 0.3),
    ],
)
def test_offset_is_applied_exactly_once(properties, raster, reflectance, sentinel2_item):
    encoding = band_encoding(sentinel2_item(raster=raster, **properties), S2, RED)
    assert 3000 * encoding.scale + encoding.offset == pytest.approx(reflectance, abs=1e-9)


def test_stac_1_1_spelling_of_scale_and_offset(sentinel2_item):
    item = sentinel2_item(**{"s2:processing_baseline": "05.09"})
    item.assets["red"].extra_fields.update({"raster:scale": 0.0001, "raster:offset": -0.1, "nodata": 0})
    assert band_encoding(item, S2, RED).offset == -0.1
    item.assets["red"].extra_fields = {"bands": [{"raster:scale": 0.0001, "raster:offset": 0, "nodata": 7}]}
    assert (band_encoding(item, S2, RED).offset, band_encoding(item, S2, RED).nodata) == (0, 7)


def test_without_offset_and_baseline_nothing_is_guessed(sentinel2_item):
    with pytest.raises(UnknownBaselineError, match=r"S2.*s2:processing_baseline"):
        band_encoding(sentinel2_item(), S2, RED)


def test_missing_band_asset_names_scene_band_and_what_there_is(sentinel2_item):
    with pytest.raises(MissingAssetError, match=r"band B11 \(S2\).*swir16.*the item has red"):
        asset_of(sentinel2_item(), S2.band("B11"))


def test_unknown_band_and_collection_name_the_known_ones():
    with pytest.raises(UnknownBandError, match=r"B4.*B04"):
        S2.band("B4")
    with pytest.raises(UnknownCollectionError, match=r"sentinel-3.*sentinel-2-l2a"):
        collection_table("sentinel-3")
    with pytest.raises(UnknownCollectionError, match=r"Level-1C.*agristat scenes add.*sentinel-2-l2a"):
        collection_table("sentinel-2-l1c")


def test_masks_are_never_composited(request_bands):
    asked = request_bands(sentinel_2_l2a=["B04", "SCL", "B04"], landsat_c2_l2=["red", "qa_pixel"]).collections
    assert requested_bands(asked) == {"sentinel-2-l2a": ("B04",), "landsat-c2-l2": ("red",)}
    with pytest.raises(UnknownBandError, match="only a mask"):
        requested_bands(request_bands(sentinel_2_l2a=["SCL"]).collections)


def test_ground_range_radar_is_refused_unless_calibrated(make_item):
    grd = COLLECTIONS["sentinel-1-grd"]
    item = make_item("S1", "sentinel-1-grd", {"vv": FILE})
    with pytest.raises(UncalibratedRadarError, match=r"S1.*sentinel-1-rtc"):
        band_encoding(item, grd, grd.band("VV"))
    item.assets["vv"].roles = ["data", "sigma0"]
    assert band_encoding(item, grd, grd.band("VV")).scale == 1.0


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "baseline", "offset", "tile", "epsg"),
    [
        ("sentinel2_l2a_20190212_N0212", "02.12", 0.0, "07HFE", 32707),
        ("sentinel2_l2a_20220401_oper", "04.00", -0.1, "34LBP", 32734),
        ("sentinel2_l2a_20230821_N0509", "05.09", -0.1, "01KAB", 32701),
    ],
)
def test_real_sentinel2_items_of_three_baselines(real_data, name, baseline, offset, tile, epsg):
    item = real_item(real_data, name)
    assert (processing_baseline(item), tile_of(item), epsg_of(item)) == (baseline, tile, epsg)
    for band in ("B02", "B04", "B08", "B8A", "B11", "B12"):
        encoding = band_encoding(item, S2, S2.band(band))
        assert (encoding.scale, encoding.offset, encoding.nodata) == (0.0001, offset, 0)
        # the same without the asset's own word: the baseline alone must lead to the same offset
        item.assets[next(k for k in S2.band(band).assets if k in item.assets)].extra_fields.pop("raster:bands")
        assert band_encoding(item, S2, S2.band(band)).offset == offset
    assert asset_of(item, S2.band("SCL")).href.rsplit("/", 1)[1].startswith(("SCL", "T"))


@pytest.mark.real_data
def test_real_radar_items(real_data):
    rtc = COLLECTIONS["sentinel-1-rtc"]
    item = real_item(real_data, "sentinel1_rtc")
    for name in ("VV", "VH"):
        encoding = band_encoding(item, rtc, rtc.band(name))
        assert asset_of(item, rtc.band(name)).href.endswith(f"Gamma0_{name}.tif")
        assert (encoding.scale, encoding.offset, encoding.nodata) == (1.0, 0.0, 0)
    grd = COLLECTIONS["sentinel-1-grd"]
    assert collection_table("sentinel1-grd") is grd
    with pytest.raises(UncalibratedRadarError):
        band_encoding(real_item(real_data, "sentinel1_grd_iw"), grd, grd.band("VH"))


@pytest.mark.real_data
def test_real_landsat_numbers_by_hand(real_data):
    """SR_B4 at row 256, column 256 is 41811: 41811 × 0.0000275 − 0.2 = 0.9498025 (cloud); the MTL has the same factors."""
    table = COLLECTIONS["landsat-c2-l2"]
    folder = real_data / "landsat8_l2sp"
    scene = "LC08_L2SP_017036_20130419_20200913_02_T2"
    with rasterio.open(folder / f"{scene}_SR_B4.TIF") as dataset:
        dn = int(dataset.read(1)[256, 256])
    item = pystac.Item.from_dict(json.loads((folder / f"{scene}_SR_stac.json").read_text()))
    encoding = band_encoding(item, table, table.band("red"))
    assert dn == 41811
    assert dn * encoding.scale + encoding.offset == pytest.approx(0.9498025, abs=1e-9)
    mtl = json.loads((folder / f"{scene}_MTL.json").read_text())["LANDSAT_METADATA_FILE"]
    thermal = table.band("lwir11")
    assert float(mtl["LEVEL2_SURFACE_TEMPERATURE_PARAMETERS"]["TEMPERATURE_MULT_BAND_ST_B10"]) == thermal.scale
    assert float(mtl["LEVEL2_SURFACE_TEMPERATURE_PARAMETERS"]["TEMPERATURE_ADD_BAND_ST_B10"]) == thermal.offset
    assert asset_of(item, table.band("qa_pixel")).href.endswith("QA_PIXEL.TIF")


def real_item(real_data: Path, name: str) -> pystac.Item:
    return pystac.Item.from_dict(json.loads((real_data / "stac_items" / f"{name}.json").read_text()))
