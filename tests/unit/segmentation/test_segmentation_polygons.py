"""Polygons of segments: areas and lengths by hand, validity and cover on random rasters."""

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agristat_platform.geometry import read_geometry, with_geometry
from agristat_platform.segmentation import (
    SEGMENTS_SCHEMA,
    ImageShapeError,
    SegmentCrsError,
    TooManySegmentsError,
    segment_polygon_portions,
    segment_polygons,
)

TEN_METRES = Affine(10, 0, 700_000, 0, -10, 4_600_000)
UTM = "EPSG:32630"


def test_measures_by_hand():
    # Segment 1: a 3 × 3 ring round segment 2; 8 pixels of 100 m², 12 outer and 4 inner edges of 10 m.
    labels = np.array([[1, 1, 1, 0], [1, 2, 1, 3], [1, 1, 1, 3]], dtype=np.uint32)
    table = segment_polygons(labels, TEN_METRES, UTM)
    assert table.schema.equals(SEGMENTS_SCHEMA)
    assert table["segment_id"].to_pylist() == [1, 2, 3]
    assert table["pixels"].to_pylist() == [8, 1, 2]
    assert table["area_ha"].to_pylist() == pytest.approx([0.08, 0.01, 0.02])
    assert table["perimeter_m"].to_pylist() == pytest.approx([160.0, 40.0, 60.0])
    assert table["compactness"].to_pylist()[1] == pytest.approx(np.pi / 4)
    ring, _, bar = read_geometry(table)
    assert len(ring.interiors) == 1
    assert bar.equals(shapely.box(700_030, 4_599_970, 700_040, 4_599_990))
    assert len(bar.exterior.coords) == 5  # only where the direction or the neighbour changes
    assert ring.exterior.is_ccw


def test_half_a_hectare_is_no_small_parcel():
    labels = np.ones((5, 10), dtype=np.uint32)
    labels[:, 9] = 2
    table = segment_polygons(labels, Affine(10, 0, 0, 0, -10, 0), UTM)
    assert table["small_parcel"].to_pylist() == [True, True]
    assert segment_polygons(np.ones((5, 10), np.uint32), TEN_METRES, UTM)["small_parcel"].to_pylist() == [False]


def test_a_hole_that_touches_the_outside_is_valid():
    labels = np.array([[1, 1, 1], [1, 2, 1], [1, 1, 2]], dtype=np.uint32)
    ring, corners = read_geometry(segment_polygons(labels, TEN_METRES, UTM))
    assert shapely.is_valid_reason(ring) == "Valid Geometry"
    assert len(ring.interiors) == 1
    assert corners.geom_type == "MultiPolygon"
    assert corners.is_valid


def test_feet_become_hectares():
    table = segment_polygons(np.ones((1, 1), np.uint32), Affine(1000, 0, 0, 0, -1000, 0), "EPSG:2264")  # US survey feet
    foot = 1200 / 3937
    assert table["area_ha"][0].as_py() == pytest.approx((1000 * foot) ** 2 / 1e4)
    assert table["perimeter_m"][0].as_py() == pytest.approx(4000 * foot)


@settings(max_examples=60, deadline=None)
@given(arrays(np.uint32, st.tuples(st.integers(1, 8), st.integers(1, 8)), elements=st.integers(0, 3)))
def test_polygons_are_valid_and_tile_the_valid_pixels(labels):
    table = segment_polygons(labels, TEN_METRES, UTM)
    geometries = read_geometry(table)
    assert shapely.is_valid(geometries).all()
    ids, counts = np.unique(labels[labels > 0], return_counts=True)
    assert table["segment_id"].to_pylist() == ids.tolist()
    assert shapely.area(geometries) == pytest.approx(counts * 100.0)
    # No gap and no overlap: every pixel's centre lies in the polygon of its own label and in no other.
    rows, cols = np.nonzero(labels)
    x, y = 700_000 + 10 * (cols + 0.5), 4_600_000 - 10 * (rows + 0.5)
    for geometry, segment in zip(geometries, ids, strict=True):
        assert (shapely.contains_xy(geometry, x, y) == (labels[rows, cols] == segment)).all()
    assert shapely.union_all(geometries).area == pytest.approx(np.count_nonzero(labels) * 100.0)
    assert shapely.coverage_is_valid(geometries)  # neighbours share all corners of their common edges


def test_polygons_still_tile_in_another_crs():
    # 3 lies along two neighbours: a corner of theirs lies on its straight edge, which is a curve in longitude and latitude.
    labels = np.repeat(np.repeat([[1, 2], [3, 3]], 500, axis=0), 500, axis=1).astype(np.uint32)
    geometries = read_geometry(segment_polygons(labels, TEN_METRES, UTM))
    to_lonlat = pyproj.Transformer.from_crs(UTM, "EPSG:4326", always_xy=True)
    moved = shapely.transform(geometries, to_lonlat.transform, interleaved=False)
    assert shapely.coverage_is_valid(moved)
    shared = shapely.area(shapely.intersection(moved[[0, 0, 1]], moved[[1, 2, 2]]))
    assert (shared == 0).all()
    assert len(shapely.union_all(moved).interiors) == 0


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.uint32, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 9)),
    st.integers(1, 4),
    st.sampled_from([TEN_METRES, Affine(10, 3, 700_000, 2, -10, 4_600_000)]),
)
def test_portions_are_the_table(labels, segments_per_portion, transform):
    whole = segment_polygons(labels, transform, UTM)
    portions = segment_polygon_portions(labels, transform, UTM, segments_per_portion=segments_per_portion)
    made = list(portions)
    assert len(made) == len(portions)
    assert all(portion.num_rows == segments_per_portion for portion in made[:-1])
    assert pa.concat_tables([portions.schema.empty_table(), *made]).equals(whole)
    # bounds and types are known before any polygon is made, and are those of the polygons
    described = with_geometry(whole.replace_schema_metadata(None), UTM)
    assert portions.schema.equals(described.schema, check_metadata=True)
    assert portions.ids.tolist() == whole["segment_id"].to_pylist()


def test_written_table_is_geoparquet(tmp_path):
    labels = np.arange(1, 7, dtype=np.uint32).reshape(2, 3)
    pq.write_table(segment_polygons(labels, TEN_METRES, UTM), tmp_path / "segments.parquet")
    frame = geopandas.read_parquet(tmp_path / "segments.parquet")
    assert frame.crs.to_epsg() == 32630
    assert frame.area.tolist() == [100.0] * 6


def test_nodata_only_gives_no_rows():
    assert segment_polygons(np.zeros((3, 3), np.uint32), TEN_METRES, UTM).num_rows == 0


def test_sparse_label_numbers_need_no_table_of_all_numbers():
    labels = np.array([[2**32 - 1, 7]], dtype=np.int64)
    assert segment_polygons(labels, TEN_METRES, UTM)["segment_id"].to_pylist() == [7, 2**32 - 1]


def test_bad_input_is_named():
    with pytest.raises(SegmentCrsError, match="WGS 84"):
        segment_polygons(np.ones((2, 2), np.uint32), TEN_METRES, "EPSG:4326")
    with pytest.raises(SegmentCrsError, match="EPSG:0"):
        segment_polygons(np.ones((2, 2), np.uint32), TEN_METRES, "EPSG:0")
    for transform in (Affine(0, 0, 0, 0, -10, 0), Affine(10, 0, np.nan, 0, -10, 0)):
        with pytest.raises(ImageShapeError, match="no transform of a grid"):
            segment_polygons(np.ones((2, 2), np.uint32), transform, UTM)
    with pytest.raises(TooManySegmentsError, match="4294967296"):
        segment_polygons(np.array([[2**32]], dtype=np.int64), TEN_METRES, UTM)
    with pytest.raises(ImageShapeError, match="-1"):
        segment_polygons(np.array([[-1]]), TEN_METRES, UTM)
    with pytest.raises(ImageShapeError, match="float64"):
        segment_polygons(np.ones((2, 2)), TEN_METRES, UTM)
    with pytest.raises(ImageShapeError, match=r"\(4,\)"):
        segment_polygons(np.ones(4, np.uint32), TEN_METRES, UTM)
