"""Labels joined to segments and series: every match and every drop worked out by hand."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import shapely

from agristat_platform.classification import (
    FeatureMismatchError,
    InvalidLabelsError,
    NoTrainingSamplesError,
    assemble_training_set,
    label_table,
    spatial_blocks,
    training_set_from_series,
)

# Three segments of 10 × 10 in a row.
SEGMENTS = pa.table(
    {
        "segment_id": pa.array([1, 2, 3], pa.uint32()),
        "geometry": [shapely.to_wkb(shapely.box(10 * k, 0, 10 * k + 10, 10)) for k in range(3)],
    }
)
FEATURES = pa.table(
    {
        "segment_id": pa.array([3, 1, 2], pa.uint32()),
        "ndvi_t01_mean": pa.array([0.3, 0.1, None], pa.float32()),
        "vv_t01_mean": pa.array([30.0, 10.0, np.inf], pa.float32()),
        "pixels": pa.array([1, 1, 1], pa.int64()),
    }
)


def labels(*rows, **more) -> pa.Table:
    return label_table({"label_id": n, "crop_code": c, "geometry": shapely.to_wkb(g), **more} for n, c, g in rows)


def assemble(table, features=FEATURES, **options):
    return assemble_training_set(table, SEGMENTS, features, block_size_m=10, **options)


def test_polygon_goes_to_the_segment_it_overlaps_most_and_brings_its_features():
    result = assemble(labels(("a", "WHE", shapely.box(4, 0, 12, 10)), ("p", "MAI", shapely.Point(25, 5))))
    assert result.segment_ids.tolist() == [1, 3]
    assert result.weights.tolist() == [pytest.approx(0.6), 1.0]
    assert result.feature_names == ("ndvi_t01_mean", "vv_t01_mean")
    np.testing.assert_array_equal(result.X, np.array([[0.1, 10], [0.3, 30]], dtype=np.float32))
    assert result.groups.tolist() == ["x0y0", "x2y0"]
    assert result.dropped.num_rows == 0


def test_two_crops_on_a_segment_drop_it_unless_one_dominates():
    mixed = labels(
        ("a", "WHE", shapely.box(0, 0, 6, 10)),
        ("b", "MAI", shapely.box(6, 0, 10, 10)),
        ("c", "BAR", shapely.Point(25, 5)),
    )
    result = assemble(mixed)
    assert result.label_ids.tolist() == ["c"]
    assert result.dropped_counts == {"conflicting_crops": 2}
    assert "purity 0.60" in result.dropped["detail"][0].as_py()
    tolerant = assemble(mixed, min_purity=0.55)
    assert tolerant.label_ids.tolist() == ["a", "c"]
    assert tolerant.dropped_counts == {"conflicting_crops": 1}


def test_each_other_reason_is_counted():
    table = labels(
        ("far", "WHE", shapely.Point(99, 99)),
        ("thin", "WHE", shapely.box(-6, 0, 4, 10)),
        ("bare", "WHE", shapely.Point(15, 5)),
        ("one", "MAI", shapely.Point(24, 5)),
        ("two", "MAI", shapely.Point(26, 5)),
    )
    result = assemble(table)
    assert result.label_ids.tolist() == ["one"]
    reasons = dict(zip(result.dropped["label_id"].to_pylist(), result.dropped["reason"].to_pylist(), strict=True))
    assert reasons == {"far": "no_segment", "thin": "low_cover", "bare": "no_features", "two": "same_segment"}


def test_a_label_wholly_inside_a_large_segment_teaches_it_unless_others_disagree():
    inside = shapely.box(1, 1, 4, 4)
    assert assemble(labels(("a", "WOO", inside), ("p", "MAI", shapely.Point(25, 5)))).label_ids.tolist() == ["a", "p"]
    strict = assemble(labels(("a", "WOO", inside), ("p", "MAI", shapely.Point(25, 5))), min_inside=1.1)
    assert strict.dropped_counts == {"low_cover": 1}
    torn = labels(("a", "WOO", inside), ("b", "WHE", shapely.box(5, 5, 8, 8)), ("p", "MAI", shapely.Point(25, 5)))
    assert assemble(torn).dropped_counts == {"conflicting_crops": 2}


def test_samples_of_one_parcel_share_a_block_and_a_given_block_wins():
    parts = [("a", "WHE", shapely.Point(5, 5)), ("b", "WHE", shapely.Point(25, 5))]
    assert assemble(labels(*parts, parcel_id="P")).groups.tolist() == ["x0y0", "x0y0"]
    assert assemble(labels(*parts, block="north")).groups.tolist() == ["north", "north"]
    assert assemble(labels(*parts)).groups.tolist() == ["x0y0", "x2y0"]


def test_nothing_left_is_an_error_that_says_why():
    with pytest.raises(NoTrainingSamplesError, match=r"none of 1 labels.*no_segment: 1"):
        assemble(labels(("far", "WHE", shapely.Point(99, 99))))


def test_a_segment_twice_in_the_features_is_named():
    with pytest.raises(FeatureMismatchError, match="segment_id 3"):
        assemble(labels(("p", "MAI", shapely.Point(25, 5))), pa.concat_tables([FEATURES, FEATURES.slice(0, 1)]))


def test_series_join_by_label_and_need_a_place():
    table = labels(
        ("a", "WHE", shapely.Point(5, 5)), ("b", "MAI", shapely.Point(5, 25)), ("c", "MAI", shapely.Point(9, 9))
    )
    series = pa.table({"label_id": ["c", "b"], "ndvi_t01_mean": [0.5, 0.4]})
    result = training_set_from_series(table, series, block_size_m=10)
    assert result.label_ids.tolist() == ["b", "c"]
    assert result.segment_ids is None
    assert result.groups.tolist() == ["x0y2", "x0y0"]
    np.testing.assert_allclose(result.X[:, 0], [0.4, 0.5])
    assert result.dropped_counts == {"no_features": 1}
    nowhere = label_table([{"label_id": "b", "crop_code": "MAI"}])
    with pytest.raises(InvalidLabelsError, match=r"neither a geometry nor a block.*label_id b"):
        training_set_from_series(nowhere, series, block_size_m=10)


def test_block_lattice_follows_the_origin_and_negative_coordinates():
    blocks = spatial_blocks(np.array([-0.1, 0.0, 9.9, 10.0]), np.zeros(4), block_size_m=10)
    assert blocks.tolist() == ["x-1y0", "x0y0", "x0y0", "x1y0"]
    assert spatial_blocks(np.array([4.0]), np.array([4.0]), block_size_m=10, origin=(5, 5)).tolist() == ["x-1y-1"]
    with pytest.raises(InvalidLabelsError, match="block size is 0"):
        spatial_blocks(np.zeros(1), np.zeros(1), block_size_m=0)


def test_subset_keeps_rows_together(training_set):
    part = training_set.subset(training_set.y == "MAI")
    assert set(part.y) == {"MAI"}
    assert part.places["label_id"].to_pylist() == part.label_ids.tolist()
    assert len(part.X) == len(part.groups) == len(part.weights) == len(part.segment_ids)


def test_small_classes_can_be_left_out_with_a_record(training_set):
    y = training_set.y.copy()
    y[3] = "GRA"
    smaller = replace(training_set, y=y).without_small_classes()
    assert len(smaller.y) == 239
    assert smaller.dropped.to_pylist() == [
        {"label_id": "L003", "crop_code": "GRA", "reason": "small_class", "detail": "fewer than 2 samples of GRA"}
    ]
    assert training_set.without_small_classes() is training_set
