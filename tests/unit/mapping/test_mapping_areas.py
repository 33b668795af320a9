"""Mapped area by unit: exact at the boundary, additive over partitions."""

import numpy as np
import pyarrow as pa
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from agristat_platform.mapping import (
    UNIT_AREAS_SCHEMA,
    UnitGeometryError,
    UnmappableClassError,
    areas_by_unit,
    cover_shares,
    fill_unmapped_units,
)

UNIT = Affine(1, 0, 0, 0, -1, 8)


def units(*rows) -> pa.Table:
    return pa.table({"unit_id": [n for n, _ in rows], "geometry": [g and shapely.to_wkb(g) for _, g in rows]})


def by_unit(table: pa.Table) -> dict[tuple[str, str], float]:
    return {(row["unit_id"], row["crop_code"]): row["area_ha"] for row in table.to_pylist()}


def test_shares_of_a_triangle_by_hand():
    shares = cover_shares(shapely.Polygon([(0, 8), (2, 8), (0, 6)]), UNIT, 3, 3)
    np.testing.assert_allclose(shares, [[1, 0.5, 0], [0.5, 0, 0], [0, 0, 0]], atol=1e-12)


coordinates = st.floats(-2, 10, allow_nan=False).map(lambda v: round(v, 3))


@given(st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=8), st.integers(1, 9), st.integers(1, 9))
@settings(max_examples=150, deadline=None)
def test_shares_are_the_clipped_area_of_every_pixel(points, height, width):
    polygon = shapely.convex_hull(shapely.MultiPoint(points))
    if shapely.get_dimensions(polygon) != 2:
        return
    shares = cover_shares(polygon, UNIT, height, width)
    rows, cols = np.indices((height, width))
    pixels = shapely.box(cols, 8 - rows - 1, cols + 1, 8 - rows)
    np.testing.assert_allclose(shares, shapely.area(shapely.intersection(polygon, pixels)), atol=1e-9)


def test_polygons_with_holes_count_without_them():
    ring = shapely.box(0, 0, 8, 8).difference(shapely.box(1.5, 1.5, 6.5, 6.5))
    shares = cover_shares(ring, UNIT, 8, 8)
    assert shares.sum() == pytest.approx(64 - 25)
    assert shares[4, 4] == 0
    assert shares[1, 1] == pytest.approx(0.75)


def test_a_part_of_no_width_covers_nothing():
    # A border digitised twice leaves a part of 3e-9 m²; in company, GEOS returns whole pixels as its intersections.
    strip = [
        (247200.0, 4610258.005860652),
        (247096.20685783838, 4610268.043813225),
        (246900.0, 4610287.01920112),
        (246900.0, 4610290.033198034),
        (247200.0, 4610261.019857565),
    ]
    sliver = [
        (246935.45819377893, 4610145.021952716),
        (246900.0, 4610149.82746059),
        (247078.41008217924, 4610125.648252251),
    ]
    grid = Affine(10, 0, 246900, 0, -10, 4610300)
    both = shapely.MultiPolygon([(strip, ()), (sliver, ())])
    assert 100 * cover_shares(both, grid, 18, 30).sum() == pytest.approx(both.area)
    alone = shapely.Polygon(sliver)
    assert 100 * cover_shares(alone, grid, 18, 30).sum() == pytest.approx(alone.area, abs=1e-6)


def test_areas_by_hand(write_raster, nomenclature):
    path = write_raster(np.array([[1, 1, 5], [1, 0, 5]], dtype=np.uint8))
    table = areas_by_unit(
        path,
        units(
            ("whole", shapely.box(1000, 1980, 1030, 2000)),
            ("half", shapely.box(1005, 1990, 1025, 2000)),
            ("edge", shapely.box(1020, 1990, 1050, 2000)),
            ("beyond", shapely.box(5000, 5000, 5010, 5010)),
        ),
        nomenclature,
    )
    areas = by_unit(table)
    assert areas["whole", "WHE"] == pytest.approx(0.03)
    assert areas["whole", "MAI"] == pytest.approx(0.02)
    assert areas["whole", "GRA"] == 0
    assert areas["half", "WHE"] == pytest.approx(0.015)
    assert areas["half", "MAI"] == pytest.approx(0.005)
    assert areas["beyond", "WHE"] is None
    unmapped = dict(zip(table["unit_id"].to_pylist(), table["unmapped_ha"].to_pylist(), strict=True))
    assert unmapped == pytest.approx({"whole": 0.01, "half": 0, "edge": 0.02, "beyond": 0.01})


def test_a_partition_adds_up_to_the_region(write_raster, nomenclature):
    random = np.random.default_rng(4)
    path = write_raster(random.choice(np.array([1, 5, 8], np.uint8), (60, 70)))
    region = shapely.Polygon([(1003, 1995), (1690, 1998.7), (1660, 1411), (1050, 1403)])
    seeds = shapely.MultiPoint(random.uniform([1000, 1400], [1700, 2000], (30, 2)))
    cells = [c.intersection(region) for c in shapely.voronoi_polygons(seeds, extend_to=region).geoms]
    parts = areas_by_unit(path, units(*((f"u{k}", cell) for k, cell in enumerate(cells) if cell.area)), nomenclature)
    whole = areas_by_unit(path, units(("region", region)), nomenclature)
    for code in nomenclature.codes:
        added = sum(row["area_ha"] for row in parts.to_pylist() if row["crop_code"] == code)
        assert added == pytest.approx(by_unit(whole)["region", code], rel=1e-10)
    assert sum(whole["area_ha"].to_pylist()) == pytest.approx(region.area / 10_000, rel=1e-10)


def test_large_units_are_read_in_tiles_with_the_same_result(write_raster, nomenclature, monkeypatch):
    path = write_raster(np.random.default_rng(1).choice(np.array([0, 1, 8], np.uint8), (50, 40)))
    table = units(("u", shapely.Polygon([(1004, 1999), (1390, 1700), (1100, 1505)])))
    whole = areas_by_unit(path, table, nomenclature)
    monkeypatch.setattr("agristat_platform.mapping.unit_areas._TILE", 7)
    tiled = areas_by_unit(path, table, nomenclature)
    np.testing.assert_allclose(tiled["area_ha"], whole["area_ha"], rtol=1e-12)


def test_bad_units_and_values_are_named(write_raster, nomenclature):
    path = write_raster(np.array([[1, 77]], dtype=np.uint8))
    bow_tie = shapely.Polygon([(1000, 1990), (1010, 2000), (1010, 1990), (1000, 2000)])
    for shape, message in (
        (None, "no polygon"),
        (shapely.Point(1000, 2000), "no polygon"),
        (bow_tie, "Self-intersection"),
    ):
        with pytest.raises(UnitGeometryError, match=rf"{message}.*bad"):
            areas_by_unit(path, units(("bad", shape)), nomenclature)
    with pytest.raises(UnmappableClassError, match="values 77"):
        areas_by_unit(path, units(("u", shapely.box(1000, 1990, 1020, 2000))), nomenclature)


def test_units_off_the_map_take_the_maps_shares_and_are_counted():
    areas = pa.table(
        {
            "unit_id": ["a", "a", "b", "b"],
            "crop_code": ["WHE", "MAI", "WHE", "MAI"],
            "area_ha": [6.0, 2.0, None, None],
            "unmapped_ha": [1.0, 1.0, 4.0, 4.0],
        },
        schema=UNIT_AREAS_SCHEMA,
    )
    filled, units = fill_unmapped_units(areas)
    # three quarters of what is mapped is wheat: 3 of the 4 ha of b
    assert filled["area_ha"].to_pylist() == [6.0, 2.0, 3.0, 1.0]
    assert units == 1
    assert filled.schema.equals(areas.schema)
    again, none = fill_unmapped_units(filled)
    assert (again.equals(filled), none) == (True, 0)
    with pytest.raises(UnitGeometryError, match="no unit lies on the map"):
        fill_unmapped_units(areas.slice(2, 2))
