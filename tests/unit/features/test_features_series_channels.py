"""Series of bands: reflectance of several sensors under one name, temperature in kelvin, and names that are none."""

from datetime import date

import numpy as np
import pyarrow.parquet as pq
import pytest

from agristat_platform.catalogue import TimeSeriesSettings
from agristat_platform.features import UnknownIndexError, files_of_overpasses, plan_series, series_channel, series_names
from agristat_platform.features.series.overpass_reading import read_overpasses, series_overpasses
from agristat_platform.features.series.segment_observations import ObservationWriter, SegmentLabels
from agristat_platform.features.series.segment_series import plausible_range

LABELS = np.repeat([[7, 7, 7, 9, 9, 9]], 4, axis=0).astype(np.uint32)
SEGMENTS = SegmentLabels(lambda rows, cols: LABELS[rows, cols], np.array([7, 9], np.uint32), np.array([12, 12]))
WANTED = ["ndvi", "swir16", "lwir11"]


def test_swir_of_both_sensors_and_kelvin_of_one(tmp_path, scene, scenes_table, undilated, grid):
    imagery = undilated(
        sentinel_2_l2a=["B04", "B08", "B11"], landsat_c2_l2=["red", "nir08", "swir16", "lwir11"]
    ).model_copy(update={"harmonise": False})
    dn = round((300 - 149) / 0.00341802)  # 300 K
    surface = round((0.21 + 0.2) / 2.75e-5)
    items = [
        scene(date(2024, 3, 1), B04=300, B08=3000, B11=1800, SCL=4),
        scene(
            date(2024, 3, 9), collection="landsat-c2-l2", red=surface, nir08=surface, swir16=surface,
            lwir11=np.where(LABELS == 7, dn, 0), qa_pixel=21824,
        ),
    ]  # fmt: skip
    plan = plan_series(imagery, WANTED)
    assert plan.indices == tuple(WANTED)
    assert [source.indices for source in plan.sources] == [
        {"ndvi": {"nir": "B08", "red": "B04"}, "swir16": {"swir16": "B11"}},
        {"ndvi": {"nir": "nir08", "red": "red"}, "swir16": {"swir16": "swir16"}},
        {"lwir11": {"lwir11": "lwir11"}},
    ]
    overpasses = series_overpasses(scenes_table(items), grid, plan, date(2024, 1, 1), date(2024, 12, 31))
    with ObservationWriter(tmp_path / "o.parquet", plan, SEGMENTS) as writer:
        read_overpasses(overpasses, grid, imagery, [writer])
    table = pq.read_table(tmp_path / "o.parquet")
    rows = [(row["segment_id"], row["date"].day, row) for row in table.to_pylist()]
    (west,) = (row for segment, day, row in rows if (segment, day) == (7, 1))
    assert west["swir16"] == pytest.approx(0.18, abs=1e-6)
    assert west["lwir11"] is None
    surface_west, kelvin_west = (row for segment, day, row in rows if (segment, day) == (7, 9))
    assert surface_west["swir16"] == pytest.approx(0.21, abs=1e-4)
    assert (surface_west["lwir11"], kelvin_west["swir16"]) == (None, None)
    assert kelvin_west["lwir11"] == pytest.approx(300, abs=0.01)
    # where there is no temperature there is a surface all the same
    (surface_east,) = (row for segment, day, row in rows if (segment, day) == (9, 9) and row["clear_pixels"])
    assert surface_east["swir16"] == pytest.approx(0.21, abs=1e-4)
    assert table.schema.field("lwir11").metadata == {b"unit": b"kelvin", b"formula": b"mean of lwir11"}
    assert table.schema.field("swir16").metadata[b"unit"] == b"1"


def test_temperature_changes_nothing_of_the_other_series(tmp_path, scene, scenes_table, undilated, grid):
    imagery = undilated(landsat_c2_l2=["red", "nir08", "lwir11"])
    item = scene(
        date(2024, 3, 9), collection="landsat-c2-l2", red=9_000, nir08=20_000, lwir11=np.where(LABELS == 7, 44_000, 0),
        qa_pixel=21824,
    )  # fmt: skip
    found = []
    for wanted in (["ndvi"], ["ndvi", "lwir11"]):
        plan = plan_series(imagery, wanted)
        overpasses = series_overpasses(scenes_table([item]), grid, plan, date(2024, 1, 1), date(2024, 12, 31))
        with ObservationWriter(tmp_path / "o.parquet", plan, SEGMENTS) as writer:
            read_overpasses(overpasses, grid, imagery, [writer])
        table = pq.read_table(tmp_path / "o.parquet")
        found.append(table.filter(table["ndvi"].is_valid()).select(["segment_id", "clear_pixels", "weight", "ndvi"]))
        files = [(file.scene_id, file.band) for file in files_of_overpasses(overpasses)]
        assert len(files) == len(set(files)) == len(wanted) + 2  # red and nir08, or with lwir11, and the mask
    assert found[0].equals(found[1])


def test_channels_that_no_requested_band_gives_are_left_out_with_the_reason(undilated):
    plan = plan_series(undilated(sentinel_2_l2a=["B04", "B08"]), ["ndvi", "lwir11", "swir16"])
    assert plan.indices == ("ndvi",)
    assert plan.left_out == {"lwir11": "lacks lwir11", "swir16": "lacks swir16"}


def test_near_infrared_of_landsat_stands_in(undilated):
    plan = plan_series(undilated(landsat_c2_l2=["nir08"]), ["nir"])
    assert plan.sources[0].indices == {"nir": {"nir": "nir08"}}


def test_a_collections_own_name_of_a_band_is_answered_with_the_common_one():
    with pytest.raises(UnknownIndexError, match="'B11'") as raised:
        series_channel("B11")
    assert raised.value.remedy == "Ask for the band as swir16"
    with pytest.raises(UnknownIndexError, match="did you mean"):
        series_channel("swir61")
    with pytest.raises(UnknownIndexError, match="'vv'"):
        series_channel("vv")


def test_what_gets_series_are_the_indices_and_the_channels_that_are_none():
    settings = TimeSeriesSettings(indices=("ndvi", "evi"), channels=("lwir11", "evi", "swir16"))
    assert series_names(settings) == ("ndvi", "evi", "lwir11", "swir16")
    assert series_names(TimeSeriesSettings()) == TimeSeriesSettings().indices


def test_ranges_of_bands():
    assert plausible_range("lwir11") == (220, 350)
    assert plausible_range("swir16") == (0, 1)
    assert plausible_range("ndvi") == (-1, 1)
