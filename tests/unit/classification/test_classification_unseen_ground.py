"""Ground that a model has not learned from, with areas worked by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import shapely

from agristat_platform.classification import (
    TAUGHT_GROUND_SCHEMA,
    assemble_training_set,
    label_table,
    shared_ground_ha,
    taught_ground,
    unseen_ground,
)


def wkb(*box: float) -> bytes:
    return shapely.to_wkb(shapely.box(*box))


def taught(*rows: tuple[str, str, str | None, bytes]) -> pa.Table:
    names = TAUGHT_GROUND_SCHEMA.names
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=TAUGHT_GROUND_SCHEMA)


OBSERVED = pa.table(
    {
        "unit_id": ["u1", "u1", "u2"],
        "parcel_id": ["p1", "p2", "p3"],
        "crop_code": ["WHE", "BAR", "WHE"],
        "area_ha": [1.0, 1.0, 1.0],
        "geometry": [wkb(0, 0, 100, 100), wkb(100, 0, 200, 100), wkb(500, 0, 600, 100)],
    }
)


def test_a_taught_parcel_goes_whole_and_a_taught_segment_is_cut_out() -> None:
    # p1 was labelled elsewhere in its field; a segment covers the left half of p2; p3 is touched by nothing
    ground = taught(("label", "l1", "p1", wkb(-50, 0, 0, 100)), ("segment", "7", None, wkb(0, 0, 150, 100)))
    left = unseen_ground(OBSERVED, ground)
    assert left["parcel_id"].to_pylist() == ["p2", "p3"]
    assert left["area_ha"].to_pylist() == [pytest.approx(0.5), pytest.approx(1.0)]
    assert shapely.from_wkb(left["geometry"][0].as_py()).equals(shapely.box(150, 0, 200, 100))
    assert left.schema.equals(OBSERVED.schema)
    assert shared_ground_ha(OBSERVED, ground) == pytest.approx(1.5)
    assert shared_ground_ha(left, ground) == 0.0


def test_points_teach_parcels_but_take_no_ground() -> None:
    ground = taught(("label", "l1", None, shapely.to_wkb(shapely.Point(50, 50))))
    assert unseen_ground(OBSERVED, ground).equals(OBSERVED)
    assert shared_ground_ha(OBSERVED, ground) == 0.0


def test_nothing_left_is_an_empty_table() -> None:
    ground = taught(("segment", "1", None, wkb(-1000, -1000, 1000, 1000)))
    assert unseen_ground(OBSERVED, ground).num_rows == 0


def test_taught_ground_names_labels_and_their_segments() -> None:
    segments = pa.table(
        {"segment_id": pa.array([1, 2], pa.uint32()), "geometry": [wkb(0, 0, 10, 10), wkb(10, 0, 20, 10)]}
    )
    features = pa.table(
        {"segment_id": pa.array([1, 2], pa.uint32()), "ndvi_t01_mean": pa.array([0.1, 0.2], pa.float32())}
    )
    labels = label_table([{"label_id": "a", "crop_code": "WHE", "geometry": wkb(0, 0, 10, 8), "parcel_id": "p"}])
    samples = assemble_training_set(labels, segments, features, block_size_m=10)
    ground = taught_ground(samples, segments)
    assert ground.select(["kind", "name", "parcel_id"]).to_pylist() == [
        {"kind": "label", "name": "a", "parcel_id": "p"},
        {"kind": "segment", "name": "1", "parcel_id": None},
    ]
    assert np.isclose(shapely.area(shapely.from_wkb(ground["geometry"][1].as_py())), 100)
