"""What registers hold beside plain polygons: each has a defined result, or a message that names the parcel."""

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from agristat_platform.catalogue import Grid
from agristat_platform.geometry import read_geometry
from agristat_platform.segmentation import ParcelRegisterError, RegisterParcels, read_register, register_segments

UTM = "EPSG:32630"
WEST, NORTH = 700_000, 4_600_000
GRID = Grid(UTM, Affine(10, 0, WEST, 0, -10, NORTH), 10, 8)
AREA = GRID.outline()
SQUARE = [(0, 0), (60, 0), (60, 60), (0, 60)]


def ground(shape):
    """A shape in metres east and south of the grid's corner, brought to the map."""
    return shapely.transform(shape, lambda xy: np.column_stack([WEST + xy[:, 0], NORTH - xy[:, 1]]))


def polygon(shell, *holes):
    return ground(shapely.Polygon(shell, holes))


def parcels(**shapes):
    n = len(shapes)
    return RegisterParcels(
        ids=np.array(list(shapes), dtype=object),
        geometries=np.array([*shapes.values(), None], dtype=object)[:-1],
        stated_area_ha=np.full(n, np.nan),
        determination_datetime=np.full(n, None, dtype=object),
        determination_method=np.full(n, None, dtype=object),
    )


def cut(**shapes):
    return register_segments(parcels(**shapes), GRID, AREA)


def square_metres(shape):
    """Area of a parcel as the register's table has it."""
    return cut(p=shape).parcels["register_area_ha"][0].as_py() * 1e4


SMALL, LARGE = [(10, 10), (10, 30), (30, 30), (30, 10)], [(10, 10), (10, 50), (50, 50), (50, 10)]
ACROSS = [(20, 20), (20, 40), (40, 40), (40, 20)]  # a quarter of it in the small hole, all of it in the large one
WHOLE = shapely.Polygon(SQUARE)


def collection(*shapes):
    return shapely.GeometryCollection(shapes)


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        pytest.param(polygon([(0, 0), (60, 60), (60, 0), (0, 60)]), 1800, id="bow_tie"),
        pytest.param(polygon([(0, 0), (30, 30), (60, 0), (60, 60), (30, 30), (0, 60)]), 1800, id="touches_itself"),
        pytest.param(polygon(SQUARE, [(0, 10), (0, 20), (10, 20), (10, 10)]), 3500, id="hole_along_the_shell"),
        pytest.param(polygon(SQUARE, SMALL, SMALL), 3200, id="hole_twice"),
        pytest.param(polygon(SQUARE, SMALL, ACROSS), 2900, id="holes_overlap"),
        pytest.param(polygon(SQUARE, LARGE, ACROSS), 2000, id="hole_in_a_hole"),
        pytest.param(polygon(SQUARE + SQUARE), 3600, id="ring_run_twice"),
        pytest.param(polygon([*SQUARE[:3], (30, 60), (30, 75), (30, 60), (0, 60)]), 3600, id="spike"),
        pytest.param(
            ground(shapely.MultiPolygon([shapely.box(0, 0, 60, 40), shapely.box(0, 20, 60, 60)])), 3600, id="overlap"
        ),
        pytest.param(ground(shapely.MultiPolygon([WHOLE, WHOLE])), 3600, id="part_twice"),
        pytest.param(ground(collection(WHOLE, shapely.LineString([(0, 0), (80, 80)]))), 3600, id="collection"),
        pytest.param(
            ground(collection(collection(WHOLE, shapely.box(50, 0, 70, 60)))), 4200, id="collection_in_a_collection"
        ),
    ],
)
def test_what_is_no_valid_polygon_is_made_one_and_marked(shape, area):
    result = cut(p=shape)
    assert result.parcels["outcome"].to_pylist() == ["segment"]
    assert result.parcels["repaired"].to_pylist() == [True]
    made = read_geometry(result.parcels)[0]
    assert shapely.is_valid(made)
    assert made.geom_type in ("Polygon", "MultiPolygon")
    assert made.area == pytest.approx(area)
    assert result.parcels["register_area_ha"].to_pylist() == pytest.approx([area / 1e4])


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(polygon(SQUARE), id="clockwise_on_the_map"),
        pytest.param(polygon(SQUARE[::-1]), id="counter_clockwise_on_the_map"),
        pytest.param(ground(shapely.MultiPolygon([shapely.Polygon(SQUARE)])), id="one_part"),
        pytest.param(polygon([*SQUARE, SQUARE[-1], (0, 30)]), id="corners_twice_and_on_a_side"),
        pytest.param(shapely.force_3d(polygon(SQUARE), 812.0), id="heights"),
    ],
)
def test_what_is_valid_stays_unmarked_whatever_its_rings(shape):
    result = cut(p=shape)
    assert result.parcels["repaired"].to_pylist() == [False]
    assert result.parcels["pixels"].to_pylist() == [36]
    assert square_metres(shape) == pytest.approx(3600)


def test_a_hole_that_touches_the_shell_in_a_point_is_valid_and_stays():
    shape = polygon(SQUARE, [(0, 10), (20, 20), (20, 0.1)])
    assert cut(p=shape).parcels["repaired"].to_pylist() == [False]
    assert square_metres(shape) == pytest.approx(3600 - shapely.Polygon([(0, 10), (20, 20), (20, 0.1)]).area)


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(None, id="null"),
        pytest.param(shapely.Polygon(), id="empty"),
        pytest.param(shapely.MultiPolygon(), id="empty_multipolygon"),
        pytest.param(shapely.GeometryCollection(), id="empty_collection"),
        pytest.param(polygon([(0, 0), (20, 0), (60, 0)]), id="zero_area"),
        pytest.param(polygon([(5, 5), (5, 5), (5, 5)]), id="one_place"),
        pytest.param(polygon(SQUARE, SQUARE), id="hole_like_its_shell"),
        pytest.param(ground(shapely.Point(5, 5)), id="point"),
        pytest.param(ground(shapely.GeometryCollection([shapely.Point(5, 5), shapely.LineString(SQUARE)])), id="collection_without_ground"),
    ],
)  # fmt: skip
def test_what_covers_no_ground_is_no_polygon_and_counted(shape):
    result = cut(bad=shape, good=polygon(SQUARE))
    assert dict(zip(*result.parcels.select(["parcel_id", "outcome"]).to_pydict().values(), strict=True)) == {
        "bad": "no_polygon",
        "good": "segment",
    }
    assert result.outcomes == {"no_polygon": 1, "segment": 1}
    assert result.parcels["register_area_ha"].to_pylist()[0] is None
    assert result.labels.max() == 1


def test_refusing_names_every_invalid_parcel_and_no_collection():
    shapes = parcels(
        bow=polygon([(0, 0), (60, 60), (60, 0), (0, 60)]),
        both=ground(collection(WHOLE, shapely.Point(1, 1))),
        hole=polygon(SQUARE, SQUARE),
    )
    with pytest.raises(ParcelRegisterError, match=r"2 polygon\(s\) are invalid: bow \(Self-inter.*hole \(.*repair"):
        register_segments(shapes, GRID, AREA, invalid="refuse")


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # shapely's, of a ring without a number
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_coordinates_that_are_no_numbers_are_named(wrong):
    shape = shapely.Polygon([(WEST, NORTH), (WEST + 50, NORTH), (wrong, NORTH - 50), (WEST, NORTH - 50)])
    with pytest.raises(ParcelRegisterError, match="coordinates of p7 cannot be brought"):
        cut(p7=shape, good=polygon(SQUARE))


def test_a_register_without_a_row_is_refused():
    with pytest.raises(ParcelRegisterError, match=r"the register has no parcel\. Is it the right file"):
        cut()


def test_only_parcels_that_have_no_ground_here_say_why():
    with pytest.raises(
        ParcelRegisterError, match="none of 3 parcels becomes a segment: 1 no_polygon, 1 outside, 1 too_small"
    ):
        cut(
            a=None,
            b=polygon([(900, 0), (960, 0), (960, 60)]),
            c=polygon([(0.5, 0.5), (4.5, 0.5), (4.5, 4.5), (0.5, 4.5)]),
        )


def test_a_crs_that_is_wrong_finds_no_parcel_here(tmp_path):
    path = tmp_path / "wrong.gpkg"  # coordinates of one zone, declared as another
    geopandas.GeoDataFrame({"id": ["a"]}, geometry=[polygon(SQUARE)], crs="EPSG:32620").to_file(path)
    with pytest.raises(
        ParcelRegisterError, match=r"1 outside.*Is it the register of this region, and is its CRS right"
    ):
        register_segments(read_register(path, UTM), GRID, AREA)
    metres = tmp_path / "metres.geojson"  # metres where GeoJSON has degrees
    metres.write_text(shapely.to_geojson(polygon(SQUARE)).join(
        ['{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"id":"a"},"geometry":', "}]}"]
    ))  # fmt: skip
    with pytest.raises(ParcelRegisterError, match=r"coordinates of a cannot be brought.*order of its axes"):
        register_segments(read_register(metres, UTM), GRID, AREA)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=3, max_size=12))
def test_whatever_ring_is_drawn_there_is_a_defined_outcome(corners):
    shape = polygon([(x * 10, y * 10) for x, y in corners])
    result = cut(any=shape, other=polygon([(80, 70), (100, 70), (100, 80), (80, 80)]))
    assert result.parcels["outcome"][0].as_py() in ("segment", "no_polygon", "sliver", "too_small")
    assert shapely.is_valid(read_geometry(result.parcels)).all()
    assert result.parcels["repaired"][0].as_py() == (not shape.is_valid)
    assert sum(result.parcels["pixels"].to_pylist()) == int((result.labels > 0).sum())
