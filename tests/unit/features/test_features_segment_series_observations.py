"""Observations of segments: means over clear pixels by hand, tiles of one pass, and what does not fit."""

from datetime import date

import numpy as np
import pyarrow.parquet as pq
import pytest

from agristat_platform.catalogue import Grid
from agristat_platform.features import SegmentMismatchError, plan_series
from agristat_platform.features.series.overpass_reading import read_overpasses, series_overpasses
from agristat_platform.features.series.segment_observations import ObservationWriter, SegmentLabels, observations_schema

DAY = date(2024, 3, 10)
LABELS = np.array([[7, 7, 7, 9, 9, 0], [7, 7, 7, 9, 9, 0], [4, 4, 4, 4, 4, 0], [4, 4, 4, 4, 4, 0]], np.uint32)
SEGMENTS = SegmentLabels(lambda rows, cols: LABELS[rows, cols], np.array([4, 7, 9], np.uint32), np.array([10, 6, 4]))
RED = np.array([[300, 400, 500, 1000, 1000, 1], [300, 400, 500, 3000, 0, 1], [900] * 6, [900] * 6])
NIR = np.array([[3000, 4000, 5000, 2000, 2000, 1], [3000, 4000, 5000, 2000, 2000, 1], [900] * 6, [900] * 6])
SCL = np.array([[4, 4, 8, 4, 4, 4], [4, 4, 9, 4, 4, 4], [9, 9, 9, 9, 9, 9], [9, 9, 0, 0, 9, 4]])


def observed(target, items, scenes_table, imagery, *, grid, indices=("ndvi",), segments=SEGMENTS, largest=(None, None)):
    plan = plan_series(imagery, indices)
    overpasses = series_overpasses(scenes_table(items), grid, plan, date(2024, 1, 1), date(2024, 12, 31))
    with ObservationWriter(target, plan, segments) as writer:
        read_overpasses(overpasses, grid, imagery, [writer], largest=largest)
    return pq.read_table(target)


def test_means_of_clear_pixels_and_the_index_of_the_mean(tmp_path, scene, scenes_table, undilated, grid):
    item = scene(DAY, B04=RED, B08=NIR, SCL=SCL)
    table = observed(tmp_path / "o.parquet", [item], scenes_table, undilated(sentinel_2_l2a=["B04", "B08"]), grid=grid)
    assert table.schema.equals(observations_schema(["ndvi"]))
    rows = {row["segment_id"]: row for row in table.to_pylist()}
    assert list(rows) == [4, 7, 9]
    # 7: two columns of three are clear; reflectance 0.035 and 0.35
    assert (rows[7]["clear_pixels"], rows[7]["clear_share"]) == (4, pytest.approx(4 / 6))
    assert rows[7]["weight"] == pytest.approx(4 / 6)
    assert rows[7]["ndvi"] == pytest.approx((0.35 - 0.035) / (0.35 + 0.035), abs=1e-6)
    # 9: one pixel has no red; the index of the means 1/6 and 0.2, not the mean of the pixels' indices
    assert rows[9]["clear_pixels"] == 3
    red = (0.1 + 0.1 + 0.3) / 3
    assert rows[9]["ndvi"] == pytest.approx((0.2 - red) / (0.2 + red), abs=1e-6)
    # 4: seen under cloud: recorded, without weight and without a value
    assert (rows[4]["clear_pixels"], rows[4]["weight"], rows[4]["ndvi"]) == (0, 0.0, None)
    assert {row["date"] for row in rows.values()} == {DAY}


def test_less_than_half_clear_is_recorded_without_weight(tmp_path, scene, scenes_table, undilated, grid):
    sky = np.where(LABELS == 7, np.array([[4, 8, 8, 0, 0, 0]] * 4), 4)
    item = scene(DAY, B04=300, B08=3000, SCL=sky)
    table = observed(tmp_path / "o.parquet", [item], scenes_table, undilated(sentinel_2_l2a=["B04", "B08"]), grid=grid)
    row = next(row for row in table.to_pylist() if row["segment_id"] == 7)
    assert row["clear_share"] == pytest.approx(1 / 3)
    assert row["weight"] == 0.0
    assert row["ndvi"] == pytest.approx(0.27 / 0.33, abs=1e-6)


def test_blocks_change_no_byte(tmp_path, scene, scenes_table, undilated, grid):
    items = [scene(date(2024, 3, d), B04=RED + d, B08=NIR, SCL=SCL) for d in (3, 13, 23)]
    imagery = undilated(sentinel_2_l2a=["B04", "B08"])
    found = []
    for number, largest in enumerate(((1, None), (3, 2), (None, None))):
        observed(tmp_path / f"{number}.parquet", items, scenes_table, imagery, grid=grid, largest=largest)
        found.append((tmp_path / f"{number}.parquet").read_bytes())
    assert found[0] == found[1] == found[2]


def test_overlapping_tiles_of_one_pass_are_one_observation(tmp_path, scene, scenes_table, undilated, grid):
    half = np.where(np.arange(6) < 3, 4, 0)  # the eastern half has no data
    west = scene(DAY, tile="30TTM", B04=300, B08=3000, SCL=np.broadcast_to(half, (4, 6)))
    east = scene(DAY, tile="30TUM", B04=600, B08=3000, SCL=4)
    table = observed(
        tmp_path / "o.parquet", [east, west], scenes_table, undilated(sentinel_2_l2a=["B04", "B08"]), grid=grid
    )
    rows = {row["segment_id"]: row for row in table.to_pylist()}
    assert len(rows) == table.num_rows == 3
    assert rows[7]["ndvi"] == pytest.approx(0.27 / 0.33, abs=1e-6)  # from the western tile alone
    assert rows[9]["ndvi"] == pytest.approx(0.24 / 0.36, abs=1e-6)  # from the eastern
    red = (0.03 * 6 + 0.06 * 4) / 10
    assert rows[4]["ndvi"] == pytest.approx((0.3 - red) / (0.3 + red), abs=1e-6)


def test_what_is_not_seen_has_no_row(tmp_path, scene, scenes_table, undilated, grid):
    sky = np.where(LABELS == 9, 0, 4)
    item = scene(DAY, B04=300, B08=3000, SCL=sky)
    table = observed(tmp_path / "o.parquet", [item], scenes_table, undilated(sentinel_2_l2a=["B04", "B08"]), grid=grid)
    assert table["segment_id"].to_pylist() == [4, 7]


def test_landsat_joins_with_its_own_bands(tmp_path, scene, scenes_table, undilated, grid):
    imagery = undilated(sentinel_2_l2a=["B02", "B04", "B08"], landsat_c2_l2=["red", "nir08"])
    clear = 1 << 6
    items = [
        scene(DAY, B02=200, B04=300, B08=3000, SCL=4),
        scene(date(2024, 3, 12), collection="landsat-c2-l2", red=10_000, nir08=20_000, qa_pixel=clear, tile="201031"),
    ]
    plain = imagery.model_copy(update={"harmonise": False})
    table = observed(tmp_path / "o.parquet", items, scenes_table, plain, grid=grid, indices=("ndvi", "evi"))
    rows = [row for row in table.to_pylist() if row["segment_id"] == 7]
    assert [row["collection"] for row in rows] == ["sentinel-2-l2a", "landsat-c2-l2"]
    assert rows[0]["evi"] == pytest.approx(2.5 * 0.27 / (0.3 + 0.18 - 0.15 + 1), abs=1e-6)
    red, nir = 10_000 * 2.75e-5 - 0.2, 20_000 * 2.75e-5 - 0.2
    assert rows[1]["ndvi"] == pytest.approx((nir - red) / (nir + red), abs=1e-3)
    assert rows[1]["evi"] is None  # Landsat was asked for without blue
    adjusted = observed(tmp_path / "a.parquet", items, scenes_table, imagery, grid=grid, indices=("ndvi", "evi"))
    other = next(row for row in adjusted.to_pylist() if row["collection"] == "landsat-c2-l2")
    assert 0 < abs(other["ndvi"] - rows[1]["ndvi"]) < 0.1


def test_scenes_outside_the_padded_season_and_not_kept_are_left_out(scene, scenes_table, undilated, grid):
    items = [scene(date(2024, month, 10), B04=300, B08=3000, SCL=4) for month in (1, 2, 3, 4)]
    table = scenes_table(items)
    dropped = table.set_column(
        table.schema.get_field_index("kept"), table.schema.field("kept"), [[True, True, False, True]]
    )
    plan = plan_series(undilated(sentinel_2_l2a=["B04", "B08"]), ["ndvi"])
    found = series_overpasses(dropped, grid, plan, date(2024, 2, 10), date(2024, 4, 9))
    assert [overpass.day for overpass in found] == [date(2024, 2, 10)]


def test_plan_says_which_indices_are_left_out_and_why(undilated):
    imagery = undilated(sentinel_2_l2a=["B04", "B08", "SCL"], sentinel_1_rtc=["VV", "VH"])
    plan = plan_series(imagery, ["evi", "ndvi", "tc_wetness"])
    assert plan.indices == ("ndvi",)
    assert plan.left_out["evi"] == "lacks blue"
    assert "swir16" in plan.left_out["tc_wetness"]
    assert [band.name for band in plan.sources[0].bands] == ["B04", "B08"]


def test_tasselled_cap_of_two_sensors_is_mixed_only_when_one_is_adjusted_to_the_other(undilated):
    six = ["blue", "green", "red", "nir08", "swir16", "swir22"]
    imagery = undilated(sentinel_2_l2a=["B02", "B03", "B04", "B08", "B11", "B12"], landsat_c2_l2=six)
    adjusted = plan_series(imagery, ["ndvi", "tc_greenness"])
    assert [source.coefficients for source in adjusted.sources] == ["sentinel-2-l2a"] * 2
    assert all("tc_greenness" in source.indices for source in adjusted.sources)
    apart = plan_series(imagery.model_copy(update={"harmonise": False}), ["ndvi", "tc_greenness"])
    assert [list(source.indices) for source in apart.sources] == [["ndvi", "tc_greenness"], ["ndvi"]]


def test_ready_composites_give_their_own_index(undilated):
    plan = plan_series(undilated(cbers_4_awfi_16d=["ndvi", "evi"]), ["ndvi", "evi", "gcvi"])
    assert plan.indices == ("ndvi", "evi")
    assert plan.sources[0].indices == {"ndvi": {}, "evi": {}}


def test_labels_that_do_not_fit_are_named(tmp_path, scene, scenes_table, undilated, grid):
    item, imagery = scene(DAY, B04=300, B08=3000, SCL=4), undilated(sentinel_2_l2a=["B04", "B08"])
    for segments, message in (
        (SegmentLabels(SEGMENTS.read, SEGMENTS.ids[:2], SEGMENTS.pixels[:2]), "label 9"),
        (SegmentLabels(SEGMENTS.read, SEGMENTS.ids, np.array([10, 5, 4])), "segment 7 has 5 pixels"),
        (SegmentLabels(lambda *_: LABELS[:2], SEGMENTS.ids, SEGMENTS.pixels), "12 labels for 24 pixels"),
    ):
        with pytest.raises(SegmentMismatchError, match=message):
            observed(tmp_path / "o.parquet", [item], scenes_table, imagery, grid=grid, segments=segments)
        assert not (tmp_path / "o.parquet").exists()


def test_a_grid_of_another_zone_is_read_too(tmp_path, scene, scenes_table, undilated, grid):
    item = scene(DAY, B04=300, B08=3000, SCL=4)
    shifted = Grid(grid.crs, grid.transform * grid.transform.translation(2, 0), 6, 4)
    table = observed(
        tmp_path / "o.parquet", [item], scenes_table, undilated(sentinel_2_l2a=["B04", "B08"]), grid=shifted
    )
    rows = {row["segment_id"]: row for row in table.to_pylist()}
    assert rows[7]["clear_share"] == 1.0
    assert rows[9]["clear_share"] == 0.5  # its second column lies beyond the scene
