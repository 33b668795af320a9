"""Links between two seasons' segments: relations worked by hand, pixels that add up on any rasters, and files."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agristat_platform.catalogue import Grid
from agristat_platform.segmentation import (
    LINKS_SCHEMA,
    ImageShapeError,
    ImageSourceError,
    LabelGridError,
    SegmentationOptionError,
    SegmentLinksError,
    carry_over,
    file_neighbours,
    link_segment_files,
    link_segments,
    segment_identities,
    write_labels,
)
from agristat_platform.segmentation.label_overlaps import FIRST_SLOTS, count_file_overlaps, count_overlaps


def strip(*runs):
    """A raster of one row: (label, pixels), …"""
    return np.concatenate([np.full(pixels, label, np.uint32) for label, pixels in runs])[None, :]


# Ten pixels each: 1 stays, 2 splits into 12 and 13, 3 and 4 merge into 14, 5 moves by half, 6 goes, 17 is new
BEFORE = strip((1, 10), (2, 10), (3, 10), (4, 10), (5, 10), (0, 5), (6, 10), (0, 10))
AFTER = strip((11, 9), (12, 5), (13, 6), (14, 20), (0, 5), (15, 10), (0, 10), (17, 10))


def rows_of(links):
    return {
        (row["previous_segment_id"], row["segment_id"]): (row["pixels"], row["relation"]) for row in links.to_pylist()
    }


def test_every_relation_by_hand():
    links = link_segments(BEFORE, AFTER)
    assert links.schema.equals(LINKS_SCHEMA, check_metadata=True)
    assert rows_of(links) == {
        (None, 15): (5, "reshaped"),
        (None, 17): (10, "new"),
        (1, 11): (9, "same"),
        (1, 12): (1, "reshaped"),
        (2, 12): (4, "split"),
        (2, 13): (6, "split"),
        (3, 14): (10, "merged"),
        (4, 14): (10, "merged"),
        (5, None): (5, "reshaped"),
        (5, 15): (5, "reshaped"),
        (6, None): (10, "gone"),
    }
    first = links.filter(pc.equal(links["segment_id"], 12)).to_pylist()
    assert [(row["share_of_previous"], row["share_of_current"]) for row in first] == [(0.1, 0.2), (0.4, 0.8)]
    assert links["previous_segment_id"].to_pylist()[:2] == [None, None]


def test_identity_of_each_segment():
    found = {row["segment_id"]: row for row in segment_identities(link_segments(BEFORE, AFTER)).to_pylist()}
    assert {key: row["identity"] for key, row in found.items()} == {
        11: "same", 12: "split", 13: "split", 14: "merged", 15: "reshaped", 17: "new",
    }  # fmt: skip
    assert found[11]["previous_segment_id"] == 1
    assert all(row["previous_segment_id"] is None for key, row in found.items() if key != 11)


def test_a_segment_that_takes_in_a_small_one_stays_the_same():
    links = link_segments(strip((1, 9), (2, 1)), strip((5, 10)))
    assert rows_of(links) == {(1, 5): (9, "same"), (2, 5): (1, "merged")}
    assert segment_identities(links)["identity"].to_pylist() == ["same"]


def test_the_threshold_is_reached_at_exactly_four_fifths():
    before, after = strip((1, 10), (2, 10)), strip((5, 8), (6, 12))
    assert rows_of(link_segments(before, after))[(1, 5)] == (8, "same")
    assert rows_of(link_segments(before, after, same_share=0.81))[(1, 5)] == (8, "reshaped")


def test_half_of_a_parcel_is_no_split_where_the_rest_went_elsewhere():
    # 1 loses its right half to a larger neighbour: one part is no split
    links = link_segments(strip((1, 10), (2, 20)), strip((5, 5), (6, 25)))
    assert rows_of(links)[(1, 5)] == (5, "reshaped")
    assert segment_identities(links)["identity"].to_pylist() == ["reshaped", "same"]


def test_values_follow_only_what_stayed_the_same():
    features = pa.table({"segment_id": pa.array([2, 1], pa.uint32()), "ndvi": pa.array([0.2, 0.7], pa.float32())})
    carried = carry_over(link_segments(BEFORE, AFTER), features)
    assert carried.column_names == ["segment_id", "identity", "previous_segment_id", "previous_ndvi"]
    assert carried["previous_ndvi"].to_pylist() == [pytest.approx(0.7), None, None, None, None, None]
    assert carried["identity"].to_pylist() == ["same", "split", "split", "merged", "reshaped", "new"]
    crops = pa.table({"segment_id": pa.array([1, 2], pa.uint32()), "crop_code": ["WHE", "BAR"]})
    carried = carry_over(link_segments(BEFORE, AFTER), crops)
    assert carried["previous_crop_code"].to_pylist() == ["WHE", None, None, None, None, None]


labels_of_any_kind = arrays(np.uint32, (6, 7), elements=st.integers(0, 5))


@given(labels_of_any_kind, labels_of_any_kind, st.sampled_from([0.51, 0.8, 1.0]))
@settings(max_examples=150, deadline=None)
def test_every_pixel_and_segment_is_accounted_for(before, after, same_share):
    links = link_segments(before, after, same_share=same_share)
    assert pc.sum(links["pixels"]).as_py() in (int(((before > 0) | (after > 0)).sum()), None)
    for column, share, raster in (
        ("previous_segment_id", "share_of_previous", before),
        ("segment_id", "share_of_current", after),
    ):
        rows = [row for row in links.to_pylist() if row[column] is not None]
        assert {row[column] for row in rows} == set(np.unique(raster[raster > 0]))
        for segment in np.unique(raster[raster > 0]):
            own = [row for row in rows if row[column] == segment]
            assert sum(row["pixels"] for row in own) == int((raster == segment).sum())
            assert sum(row[share] for row in own) == pytest.approx(1.0)
    same = links.filter(pc.equal(links["relation"], "same"))
    for column in ("previous_segment_id", "segment_id"):
        assert len(set(same[column].to_pylist())) == same.num_rows  # one to one
    assert all(row["share_of_previous"] >= same_share <= row["share_of_current"] for row in same.to_pylist())
    assert segment_identities(links)["segment_id"].to_pylist() == sorted(np.unique(after[after > 0]).tolist())


@given(labels_of_any_kind, labels_of_any_kind)
@settings(max_examples=50, deadline=None)
def test_going_back_in_time_mirrors_the_relations(before, after):
    mirror = {"split": "merged", "merged": "split", "new": "gone", "gone": "new"}
    there, back = rows_of(link_segments(before, after)), rows_of(link_segments(after, before))
    assert {(c, p): (n, mirror.get(relation, relation)) for (p, c), (n, relation) in there.items()} == back


def test_counting_outgrows_the_first_table_and_takes_the_largest_numbers():
    rng = np.random.default_rng(5)
    before = rng.integers(0, 200, (300, 200), dtype=np.uint32) * np.uint32(21_000_000)
    after = rng.integers(0, 150, (300, 200), dtype=np.uint32) + np.uint32(2**32 - 150)
    previous, current, pixels = count_overlaps(before, after)
    keys, counts = np.unique((before.astype(np.uint64) << np.uint64(32)) | after, return_counts=True)
    assert len(keys) > 4 * FIRST_SLOTS
    np.testing.assert_array_equal((previous.astype(np.uint64) << np.uint64(32)) | current, keys)
    np.testing.assert_array_equal(pixels, counts)


@pytest.fixture
def two_files(tmp_path):
    rng = np.random.default_rng(3)
    grid = Grid("EPSG:32630", Affine(10, 0, 700_000, 0, -10, 4_600_000), 300, 700)
    rasters = [np.kron(rng.integers(0, 60, (70, 30)), np.ones((10, 10))).astype(np.uint32) for _ in range(2)]
    paths = [tmp_path / "before.tif", tmp_path / "after.tif"]
    for path, raster in zip(paths, rasters, strict=True):
        write_labels(path, raster, grid)
    return paths, rasters, grid


def test_files_give_what_arrays_give_whatever_the_strips(two_files):
    paths, rasters, _ = two_files
    assert link_segment_files(*paths).equals(link_segments(*rasters))
    for found, wanted in zip(count_file_overlaps(*paths, strip_pixels=1), count_overlaps(*rasters), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_files_on_two_grids_are_refused_with_both(two_files, tmp_path):
    paths, rasters, grid = two_files
    shifted = Grid(grid.crs, grid.transform @ Affine.translation(1, 0), grid.width, grid.height)
    write_labels(tmp_path / "shifted.tif", rasters[1], shifted)
    with pytest.raises(LabelGridError, match=r"from \(700000, 4\.6e\+06\).*from \(700010") as caught:
        link_segment_files(paths[0], tmp_path / "shifted.tif")
    assert "before.tif" in str(caught.value)
    assert "shifted.tif" in str(caught.value)


def test_bad_input_is_named():
    with pytest.raises(LabelGridError, match=r"2 × 3 pixels, the labels 3 × 2"):
        link_segments(np.ones((2, 3), np.uint32), np.ones((3, 2), np.uint32))
    with pytest.raises(ImageShapeError, match="negative label -4"):
        link_segments(np.full((2, 2), -4), np.ones((2, 2), np.uint32))
    with pytest.raises(SegmentationOptionError, match=r"same_share is 0\.5"):
        link_segments(BEFORE, AFTER, same_share=0.5)
    links = link_segments(BEFORE, AFTER)
    with pytest.raises(SegmentLinksError, match="lacks pixels"):
        segment_identities(links.drop_columns(["pixels"]))
    with pytest.raises(SegmentLinksError, match="no column segment_id"):
        carry_over(links, pa.table({"ndvi": [1.0]}))
    with pytest.raises(SegmentLinksError, match="segment 7 occurs 2 times"):
        carry_over(links, pa.table({"segment_id": pa.array([7, 7, 8], pa.uint32())}))
    with pytest.raises(SegmentLinksError, match="segment 11 is the same as two"):
        segment_identities(pa.concat_tables([links, links]))


def test_nothing_labelled_gives_an_empty_table():
    links = link_segments(np.zeros((3, 3), np.uint32), np.zeros((3, 3), np.uint32))
    assert links.num_rows == 0
    assert carry_over(links, pa.table({"segment_id": pa.array([1], pa.uint32()), "crop_code": ["WHE"]})).num_rows == 0


def test_label_files_that_cannot_be_read_are_named(tmp_path):
    whole, cut, none = tmp_path / "whole.tif", tmp_path / "cut.tif", tmp_path / "none.tif"
    labels = (
        np.random.default_rng(1).integers(1, 2**31, (64, 64)).astype(np.uint32)
    )  # random, so that no block is short
    write_labels(whole, labels, Grid("EPSG:32630", Affine(10, 0, 0, 0, -10, 640), 64, 64))
    cut.write_bytes(whole.read_bytes()[:4000])
    for paths in ((whole, none), (none, whole)):
        with pytest.raises(ImageSourceError, match=r"cannot be opened.*none\.tif"):
            link_segment_files(*paths)
    with pytest.raises(ImageSourceError, match=r"rows 0 to 63 cannot be read.*cut\.tif"):
        link_segment_files(whole, cut)
    with pytest.raises(ImageSourceError, match=r"rows 0 to 63 cannot be read.*cut\.tif"):
        file_neighbours(cut)
