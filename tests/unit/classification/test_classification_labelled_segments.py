"""Training sets from the rows near labels are those from whole tables."""

import numpy as np
import pyarrow as pa
import pytest
import shapely

from agristat_platform.classification import (
    FeatureMismatchError,
    assemble_training_set,
    rows_of_segments,
    segments_near_labels,
)
from agristat_platform.classification.labels import LABELS_SCHEMA

ACROSS = 30


@pytest.fixture(scope="module")
def tables():
    """900 square segments of 10 m; labels inside some, across borders, on a border's end, and beyond all of them."""
    row, column = np.divmod(np.arange(ACROSS**2), ACROSS)
    squares = shapely.box(column * 10, row * 10, column * 10 + 10, row * 10 + 10)
    segments = pa.table(
        {"segment_id": pa.array(np.arange(1, ACROSS**2 + 1), pa.uint32()), "geometry": shapely.to_wkb(squares)}
    )
    random = np.random.default_rng(0)
    values = random.normal(size=(ACROSS**2, 2)).astype(np.float32)
    features = pa.table(
        {
            "segment_id": pa.array(random.permutation(ACROSS**2) + 1, pa.uint32()),
            "a": values[:, 0],
            "b": values[:, 1],
        }
    )
    shapes = [
        *shapely.box(*(random.uniform(0, 290, (2, 40)).repeat(2, axis=0)[[0, 2, 1, 3]] + [[0], [0], [9], [9]])),
        shapely.Point(5, 5),
        shapely.Point(300, 300),
        shapely.box(400, 400, 410, 410),
    ]
    codes = random.choice(["WHE", "MAI"], len(shapes))
    rows = [
        {"label_id": f"l{i}", "crop_code": str(code), "geometry": shapely.to_wkb(shape), "role": "train", "source": "t"}
        for i, (shape, code) in enumerate(zip(shapes, codes, strict=True))
    ]
    return pa.Table.from_pylist(rows, schema=LABELS_SCHEMA), segments, features


def portions(table, rows):
    return [table.slice(start, rows) for start in range(0, table.num_rows, rows)]


@pytest.mark.parametrize("rows", [7, 10_000])
def test_samples_are_those_of_the_whole_tables(tables, rows):
    labels, segments, features = tables
    near = segments_near_labels(labels, portions(segments, rows))
    assert 40 < near.num_rows < 400
    few = rows_of_segments(near["segment_id"], portions(features, rows))
    assert few.num_rows == near.num_rows
    whole = assemble_training_set(labels, segments, features, block_size_m=50)
    found = assemble_training_set(labels, near, few, block_size_m=50)
    assert len(whole.y) > 10
    assert {"no_segment", "low_cover"} <= set(whole.dropped["reason"].to_pylist())
    for name in ("X", "y", "groups", "label_ids", "segment_ids", "weights"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
    assert found.dropped.equals(whole.dropped)
    assert found.places.equals(whole.places)


def test_segments_without_a_row_have_none_and_another_table_is_named(tables):
    _, _, features = tables
    found = rows_of_segments(pa.array([3, 5000], pa.int64()), portions(features, 100))
    assert found["segment_id"].to_pylist() == [3]
    with pytest.raises(FeatureMismatchError, match="segment_id"):
        rows_of_segments(pa.array([3]), [pa.table({"a": [1.0]})])


def test_labels_without_geometry_meet_nothing(tables):
    labels, segments, _ = tables
    nowhere = labels.slice(0, 1).set_column(
        labels.schema.get_field_index("geometry"), labels.schema.field("geometry"), pa.array([None], pa.binary())
    )
    assert segments_near_labels(nowhere, [segments]).num_rows == 0
