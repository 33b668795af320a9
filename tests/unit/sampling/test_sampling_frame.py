"""Area frames, their hash, strata and cultivated shares."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import from_origin

from agristat_platform.sampling import (
    FRAME_SCHEMA,
    FrameError,
    StrataError,
    area_frame,
    cultivated_share,
    frame_hash,
    spread_by_stratum,
    strata_table,
    stratify,
)

CRS = "EPSG:32630"
SQUARE = shapely.box(200_000, 4_600_000, 200_250, 4_600_100)


def test_squares_lie_on_the_grid_of_the_crs_and_are_cut_at_the_boundary():
    frame = area_frame(SQUARE, 100, crs=CRS)
    assert frame.schema.equals(FRAME_SCHEMA)
    assert frame["unit_id"].to_pylist() == ["E2000N46000", "E2001N46000", "E2002N46000"]
    assert frame["area_ha"].to_pylist() == pytest.approx([1.0, 1.0, 0.5])
    assert frame["row"].to_pylist() == [46000] * 3
    assert frame.schema.metadata[b"crs"] == b"EPSG:32630"


def test_an_origin_moves_the_grid():
    frame = area_frame(SQUARE, 100, crs=CRS, origin=(200_050, 4_600_000))
    assert frame["unit_id"].to_pylist() == ["W0001N0000", "E0000N0000", "E0001N0000"]
    assert frame["area_ha"].to_pylist() == pytest.approx([0.5, 1.0, 1.0])


@given(
    corners=st.lists(
        st.tuples(st.integers(200_000, 203_000), st.integers(4_600_000, 4_603_000)), min_size=3, max_size=9, unique=True
    ),
    side=st.integers(150, 900),
)
@settings(max_examples=40, deadline=None)
def test_areas_add_up_to_the_area_of_interest(corners, side):
    aoi = shapely.MultiPoint(corners).convex_hull
    if aoi.geom_type != "Polygon":
        return
    frame = area_frame(aoi, side, crs=CRS)
    assert sum(frame["area_ha"].to_pylist()) * 1e4 == pytest.approx(aoi.area, rel=1e-9)
    assert len(set(frame["unit_id"].to_pylist())) == frame.num_rows
    assert min(frame["area_ha"].to_pylist()) > 0


def test_a_frame_with_a_hole_has_no_unit_in_it():
    ring = shapely.box(200_000, 4_600_000, 200_900, 4_600_900) - shapely.box(200_300, 4_600_300, 200_600, 4_600_600)
    frame = area_frame(ring, 300, crs=CRS, origin=(200_000, 4_600_000))
    assert frame.num_rows == 8


def test_the_hash_follows_content_not_row_order_or_chunks():
    frame = area_frame(SQUARE, 100, crs=CRS)
    shuffled = frame.take(pa.array([2, 0, 1]))
    chunked = pa.concat_tables([frame.slice(0, 1), frame.slice(1)])
    assert frame_hash(frame) == frame_hash(shuffled) == frame_hash(chunked)
    other = stratify(frame, [0.1, 0.1, 0.9], [0.5])
    assert frame_hash(other) != frame_hash(frame)
    assert frame_hash(area_frame(SQUARE, 100, crs="EPSG:32629")) != frame_hash(frame)


@pytest.mark.parametrize(
    ("aoi", "side", "crs", "words"),
    [
        (SQUARE, 100, "EPSG:4326", "EPSG:4326"),
        (SQUARE, 0, CRS, "side"),
        (shapely.Polygon(), 100, CRS, "empty"),
        (shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)]), 1, CRS, "Self-intersection"),
        (shapely.LineString([(0, 0), (1, 1)]), 1, CRS, "LineString"),
    ],
)
def test_a_frame_that_cannot_be_built_says_why(aoi, side, crs, words):
    with pytest.raises(FrameError, match=words):
        area_frame(aoi, side, crs=crs)


def test_strata_hold_their_lower_bound_and_the_table_counts_them():
    frame = area_frame(SQUARE, 100, crs=CRS)
    strata = strata_table(stratify(frame, [0.1, 0.4, 1.0], [0.1, 0.4]))
    assert strata["stratum"].to_pylist() == ["010-040", "040-100"]
    assert strata["population_size"].to_pylist() == [1, 2]
    assert strata["area_ha"].to_pylist() == pytest.approx([1.0, 1.5])


def test_a_unit_without_a_share_is_named():
    frame = area_frame(SQUARE, 100, crs=CRS)
    with pytest.raises(StrataError, match="E2001N46000"):
        stratify(frame, [0.1, np.nan, 0.2], [0.5])
    with pytest.raises(StrataError, match="rising"):
        stratify(frame, [0.1, 0.1, 0.2], [0.5, 0.3])


def write_land_use(path, values, crs=CRS):
    profile = {"driver": "GTiff", "width": values.shape[1], "height": values.shape[0], "count": 1, "dtype": "uint8"}
    transform = from_origin(200_000, 4_600_100, 25, 25)
    with rasterio.open(path, "w", **profile, crs=crs, transform=transform, nodata=0) as target:
        target.write(values, 1)
    return path


def test_cultivated_share_counts_pixel_centres_and_leaves_nodata_out(tmp_path):
    values = np.full((4, 10), 2, np.uint8)
    values[:, :4] = 1  # first unit wholly cultivated
    values[0, 4:8] = 1  # a quarter of the second
    values[1, 4:8] = 0  # a quarter of it unmapped
    share = cultivated_share(area_frame(SQUARE, 100, crs=CRS), write_land_use(tmp_path / "lu.tif", values), {1})
    assert share.tolist() == pytest.approx([1.0, 4 / 12, 0.0])


def test_a_sliver_without_a_pixel_centre_takes_the_pixel_under_it(tmp_path):
    values = np.full((4, 10), 1, np.uint8)
    sliver = shapely.box(200_100, 4_600_000, 200_104, 4_600_090)
    frame = area_frame(sliver, 100, crs=CRS)
    path = write_land_use(tmp_path / "lu.tif", values)
    assert cultivated_share(frame, path, {1}).tolist() == [1.0]
    values[:] = 0
    assert np.isnan(cultivated_share(frame, write_land_use(tmp_path / "none.tif", values), {1})).all()


def test_cultivated_share_reads_a_map_in_another_crs(tmp_path):
    values = np.full((4, 10), 1, np.uint8)
    in_degrees = tmp_path / "degrees.tif"
    frame = area_frame(SQUARE, 100, crs=CRS)
    with rasterio.open(write_land_use(tmp_path / "lu.tif", values)) as source:
        bounds = rasterio.warp.transform_bounds(source.crs, "EPSG:4326", *source.bounds)
    wide = rasterio.transform.from_bounds(*bounds, 10, 4)
    profile = {"driver": "GTiff", "width": 10, "height": 4, "count": 1, "dtype": "uint8"}
    with rasterio.open(in_degrees, "w", **profile, crs="EPSG:4326", transform=wide, nodata=0) as target:
        target.write(values, 1)
    assert cultivated_share(frame, in_degrees, {1}).tolist() == [1.0, 1.0, 1.0]


def test_spread_by_stratum_feeds_neyman_allocation():
    frame = stratify(area_frame(SQUARE, 100, crs=CRS), [0.1, 0.2, 0.9], [0.5])
    assert spread_by_stratum(frame, [1.0, 3.0, 7.0]) == pytest.approx({"000-050": np.sqrt(2), "050-100": 0.0})
    with pytest.raises(StrataError, match="E2002N46000"):
        spread_by_stratum(frame, [1.0, 3.0, np.nan])


def test_areas_of_strata_are_the_same_bytes_whatever_the_threads():
    rng = np.random.default_rng(0)
    parts = [
        pa.table(
            {"unit_id": [f"u{i}-{k}" for k in range(5000)], "stratum": ["a", "b"] * 2500, "area_ha": rng.random(5000)}
        )
        for i in range(20)
    ]
    frame = pa.concat_tables(parts)  # as it is read from a file of many row groups
    threads = pa.cpu_count()
    pa.set_cpu_count(8)
    try:
        found = {tuple(strata_table(frame)["area_ha"].to_pylist()) for _ in range(40)}
    finally:
        pa.set_cpu_count(threads)
    assert len(found) == 1
