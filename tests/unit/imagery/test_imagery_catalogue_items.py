"""The same facts read from items as Earth Search, Planetary Computer and the Copernicus Data Space write them.

The items are trimmed by hand to the fields that are read; field names and shapes are those of the services.
"""

from datetime import UTC, datetime

import pystac
import pytest

from agristat_platform.imagery import COLLECTIONS, band_encoding, processing_baseline
from agristat_platform.imagery.encoding import (
    acquisition_of,
    epsg_of,
    href_of,
    moment_of,
    orbit_direction,
    orbit_of,
    platform_of,
    stated_cloud_share,
    tile_of,
)

PRODUCT = "S2B_MSIL2A_20250302T095029_N0511_R079_T33UXP_20250302T104753"
S2 = COLLECTIONS["sentinel-2-l2a"]
LANDSAT = COLLECTIONS["landsat-c2-l2"]
RTC = COLLECTIONS["sentinel-1-rtc"]


def item(item_id, collection, properties, assets, when="2025-03-02T09:56:52Z"):
    moment = datetime.fromisoformat(when.replace("Z", "+00:00"))
    made = pystac.Item(item_id, None, None, moment, properties)
    made.collection_id = collection
    for key, fields in assets.items():
        made.add_asset(key, pystac.Asset.from_dict(fields))
    return made


def earth_search(applied, item_id="S2B_33UXP_20250302_0_L2A"):
    raster = {"nodata": 0, "data_type": "uint16", "spatial_resolution": 10, "scale": 0.0001, "offset": -0.1}
    folder = "https://sentinel-cogs.s3.us-west-2.amazonaws.com/sentinel-s2-l2a-cogs/33/U/XP/2025/3/" + item_id
    return item(
        item_id,
        "sentinel-2-l2a",
        {
            "platform": "sentinel-2b", "proj:code": "EPSG:32633", "grid:code": "MGRS-33UXP", "mgrs:utm_zone": 33,
            "mgrs:latitude_band": "U", "mgrs:grid_square": "XP", "eo:cloud_cover": 4.5, "s2:sequence": "0",
            "s2:processing_baseline": "05.11", "s2:product_uri": f"{PRODUCT}.SAFE",
            "earthsearch:boa_offset_applied": applied,
        },
        {
            "red": {"href": f"{folder}/B04.tif", "eo:bands": [{"name": "red", "common_name": "red"}],
                    "raster:bands": [raster], "proj:shape": [10980, 10980]},
            "nir08": {"href": f"{folder}/B8A.tif", "raster:bands": [raster]},
            "scl": {"href": f"{folder}/SCL.tif", "raster:bands": [{"nodata": 0, "data_type": "uint8"}]},
            "red-jp2": {"href": "s3://sentinel-s2-l2a/tiles/33/U/XP/2025/3/2/0/R10m/B04.jp2"},
        },
    )  # fmt: skip


def earth_search_collection_1():
    raster = {"nodata": 0, "data_type": "uint16", "scale": 0.0001, "offset": -0.1}
    folder = "https://e84-earth-search-sentinel-data.s3.us-west-2.amazonaws.com/sentinel-2-c1-l2a/33/U/XP/2025/3"
    return item(
        "S2B_T33UXP_20250302T095652_L2A",
        "sentinel-2-c1-l2a",
        {
            "platform": "sentinel-2b", "proj:epsg": 32633, "grid:code": "MGRS-33UXP", "eo:cloud_cover": 4.5,
            "s2:processing_baseline": "05.11", "s2:datatake_id": "GS2B_20250302T095029_041703_N05.11",
            "sat:orbit_state": "descending", "sat:relative_orbit": 79,
        },
        {
            "red": {"href": f"{folder}/B04.tif", "raster:bands": [raster]},
            "nir08": {"href": f"{folder}/B8A.tif", "raster:bands": [raster]},
            "scl": {"href": f"{folder}/SCL.tif"},
        },
    )  # fmt: skip


def planetary_computer():
    folder = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/33/U/XP/2025/03/02"
    return item(
        "S2B_MSIL2A_20250302T095029_R079_T33UXP_20250302T104753",
        "sentinel-2-l2a",
        {
            "platform": "Sentinel-2B", "proj:code": "EPSG:32633", "s2:mgrs_tile": "33UXP", "eo:cloud_cover": 4.5,
            "s2:processing_baseline": "05.11", "s2:datatake_id": "GS2B_20250302T095029_041703_N05.11",
            "s2:product_uri": f"{PRODUCT}.SAFE", "sat:orbit_state": "descending", "sat:relative_orbit": 79,
        },
        {
            "B04": {"href": f"{folder}/B04.tif", "proj:shape": [10980, 10980], "gsd": 10.0},
            "B8A": {"href": f"{folder}/B8A.tif"},
            "SCL": {"href": f"{folder}/SCL.tif"},
        },
    )  # fmt: skip


def data_space():
    folder = f"s3://eodata/Sentinel-2/MSI/L2A/2025/03/02/{PRODUCT}.SAFE/GRANULE/L2A_T33UXP_A041703/IMG_DATA"

    def reflectance(name, metres, side):
        return {
            "href": f"{folder}/R{metres}m/T33UXP_20250302T095029_{name}_{metres}m.jp2", "type": "image/jp2",
            "bands": [{"name": name}], "proj:code": "EPSG:32633", "proj:shape": [side, side], "data_type": "uint16",
            "nodata": 0, "raster:scale": 0.0001, "raster:offset": -0.1, "auth:refs": ["s3"],
        }  # fmt: skip

    return item(
        PRODUCT,
        "sentinel-2-l2a",
        {
            "platform": "sentinel-2b", "grid:code": "MGRS-33UXP", "eo:cloud_cover": 4.5, "processing:version": "05.11",
            "processing:datetime": "2025-03-02T10:47:53.000000Z", "processing:level": "L2",
            "eopf:datatake_id": "GS2B_20250302T095029_041703_N05.11", "sat:orbit_state": "descending",
            "sat:relative_orbit": 79, "sat:absolute_orbit": 41703,
        },
        {
            "B04_20m": reflectance("B04", 20, 5490),
            "B04_10m": reflectance("B04", 10, 10980),
            "B8A_20m": reflectance("B8A", 20, 5490),
            "SCL_20m": {"href": f"{folder}/R20m/T33UXP_20250302T095029_SCL_20m.jp2", "proj:code": "EPSG:32633",
                        "classification:classes": [{"value": 0, "name": "no_data"}], "data_type": "uint8"},
        },
    )  # fmt: skip


SENTINEL_2 = {
    "earth search": lambda: earth_search(False),
    "earth search c1": earth_search_collection_1,
    "planetary computer": planetary_computer,
    "data space": data_space,
}


@pytest.mark.parametrize("catalogue", SENTINEL_2)
def test_one_scene_reads_the_same_whatever_catalogue_it_comes_from(catalogue):
    scene = SENTINEL_2[catalogue]()
    assert (epsg_of(scene), tile_of(scene), platform_of(scene)) == (32633, "33UXP", "sentinel-2b")
    assert (processing_baseline(scene), orbit_of(scene), stated_cloud_share(scene)) == ("05.11", "79", 0.045)
    assert orbit_direction(scene) == (None if catalogue == "earth search" else "descending")
    assert acquisition_of(scene)[1:4] == ("sentinel-2b", "2025-03-02", "79")
    assert moment_of(scene) == datetime(2025, 3, 2, 9, 56, 52, tzinfo=UTC)
    for band, ending in (("B04", "B04"), ("B8A", "B8A"), ("SCL", "SCL")):
        assert ending in href_of(scene, S2.band(band)).rsplit("/", 1)[1]


@pytest.mark.parametrize("catalogue", SENTINEL_2)
def test_the_offset_is_still_due_where_pixels_are_as_esa_delivered_them(catalogue):
    encoding = band_encoding(SENTINEL_2[catalogue](), S2, S2.band("B04"))
    assert 3000 * encoding.scale + encoding.offset == pytest.approx(0.2, abs=1e-9)  # (3000 − 1000) / 10000
    assert encoding.nodata == 0


def test_earth_search_shifted_the_pixels_and_left_the_offset_in_the_item():
    encoding = band_encoding(earth_search(True), S2, S2.band("B04"))
    assert 3000 * encoding.scale + encoding.offset == pytest.approx(0.3, abs=1e-9)


@pytest.mark.parametrize("field", ["s2:processing_baseline", "processing:version"])
def test_products_before_baseline_4_never_hold_the_offset_whatever_a_template_declares(field):
    scene = data_space()
    scene.id = "S2B_MSIL2A_20190302T095029_N0211_R079_T33UXP_20190302T104753"
    scene.properties[field] = scene.properties["processing:version"] = "02.11"
    assert band_encoding(scene, S2, S2.band("B04")).offset == 0.0
    scene.assets["B04_10m"].extra_fields["raster:offset"] = -0.05  # some other archive's own packing is its own word
    assert band_encoding(scene, S2, S2.band("B04")).offset == -0.05


def test_ten_metres_are_preferred_to_the_resampled_copy():
    assert href_of(data_space(), S2.band("B04")).endswith("_B04_10m.jp2")


def test_null_metadata_says_nothing():
    scene = planetary_computer()
    scene.assets["B04"].extra_fields["raster:bands"] = [{"scale": None, "offset": None, "nodata": None}]
    encoding = band_encoding(scene, S2, S2.band("B04"))
    assert (encoding.scale, encoding.offset, encoding.nodata) == (0.0001, -0.1, 0)


@pytest.mark.parametrize(("code", "tile"), [("MGRS-1CDK", "01CDK"), ("MGRS-33UXP", "33UXP"), ("WRS2-017036", "017036")])
def test_zones_have_two_digits(code, tile):
    assert tile_of(item("x", "sentinel-2-l2a", {"grid:code": code}, {})) == tile


def test_assets_in_several_zones_have_no_common_one():
    scene = data_space()
    scene.assets["SCL_20m"].extra_fields["proj:code"] = "EPSG:32634"
    assert epsg_of(scene) is None


def landsat_item(assets, **properties):
    fields = {
        "landsat:wrs_path": "017", "landsat:wrs_row": "036", "landsat:collection_category": "T1", "proj:code":
        "EPSG:32617", "eo:cloud_cover": -1, **properties,
    }  # fmt: skip
    return item("LC09_L2SP_017036_20240419_20240420_02_T1", "landsat-c2-l2", fields, assets, "2024-04-19T16:01:00Z")


@pytest.mark.parametrize(
    ("red", "thermal", "mask"),
    [("red", "lwir11", "qa_pixel"), ("SR_B4", "ST_B10", "QA_PIXEL"), ("SR_B4.TIF", "ST_B10.TIF", "QA_PIXEL.TIF")],
    ids=["planetary computer, earth search", "plain names", "usgs"],
)
@pytest.mark.parametrize("declared", [True, False])
def test_landsat_reflectance_and_temperature_by_hand(red, thermal, mask, declared):
    reflectance = {"raster:bands": [{"scale": 2.75e-05, "offset": -0.2, "nodata": 0, "unit": None}]} if declared else {}
    kelvin = {"raster:bands": [{"scale": 0.00341802, "offset": 149.0, "nodata": 0}]} if declared else {}
    scene = landsat_item(
        {red: {"href": "/red", **reflectance}, thermal: {"href": "/st", **kelvin}, mask: {"href": "/qa"}},
        platform="LANDSAT_9",
    )
    encoding = band_encoding(scene, LANDSAT, LANDSAT.band("red"))
    assert 41811 * encoding.scale + encoding.offset == pytest.approx(0.9498025, abs=1e-9)
    encoding = band_encoding(scene, LANDSAT, LANDSAT.band("lwir11"))
    assert 44000 * encoding.scale + encoding.offset == pytest.approx(299.39288, abs=1e-5)  # 150.39288 + 149
    assert href_of(scene, LANDSAT.band("qa_pixel")) == "/qa"
    assert (tile_of(scene), platform_of(scene), orbit_of(scene)) == ("017036", "landsat-9", "17")
    assert stated_cloud_share(scene) is None


def test_radar_of_planetary_computer():
    folder = "https://sentinel1euwestrtc.blob.core.windows.net/sentinel1-grd-rtc/GRD/2024/5/3/IW/DV/S1A"
    raster = {"nodata": -32768, "data_type": "float32", "spatial_resolution": 10.0}
    scene = item(
        "S1A_IW_GRDH_1SDV_20240503T054211_20240503T054236_053703_06859F_rtc",
        "sentinel-1-rtc",
        {
            "platform": "SENTINEL-1A",
            "sat:orbit_state": "descending",
            "sat:relative_orbit": 30,
            "proj:code": "EPSG:32632",
        },
        {name: {"href": f"{folder}/iw-{name}.rtc.tiff", "raster:bands": [raster]} for name in ("vv", "vh")},
    )
    for name in ("VV", "VH"):
        encoding = band_encoding(scene, RTC, RTC.band(name))
        assert (encoding.scale, encoding.offset, encoding.nodata) == (1.0, 0.0, -32768)
    assert (orbit_direction(scene), orbit_of(scene), platform_of(scene)) == ("descending", "30", "sentinel-1a")
