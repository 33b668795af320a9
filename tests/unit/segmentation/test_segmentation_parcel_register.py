"""Parcels of a register as segments: worked on a small grid, and what is wrong with registers, one by one."""

import datetime as dt

import geopandas
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from affine import Affine

from agristat_platform.catalogue import Grid
from agristat_platform.geometry import geometry_crs, read_geometry, with_geometry
from agristat_platform.segmentation import SEGMENTS_SCHEMA, ParcelRegisterError, read_register, register_segments
from agristat_platform.segmentation.parcels.register import OVERLAPS_SCHEMA, PARCELS_SCHEMA

UTM = "EPSG:32630"
WEST, NORTH = 700_000, 4_600_000
GRID = Grid(UTM, Affine(10, 0, WEST, 0, -10, NORTH), 12, 8)


def box(left, top, right, bottom):
    """A box in metres east and south of the grid's corner."""
    return shapely.box(WEST + left, NORTH - bottom, WEST + right, NORTH - top)


AREA = box(0, 0, 100, 80)  # the last two columns of pixels lie outside
FIELDS = {"b": box(0, 0, 40, 30), "a": box(40, 0, 90, 20), "c": box(90, 40, 120, 80)}


def register_of(shapes, tmp_path, crs=UTM, **columns):
    frame = geopandas.GeoDataFrame({"id": list(shapes), **columns}, geometry=list(shapes.values()), crs=UTM).to_crs(crs)
    path = tmp_path / "register.gpkg"
    path.unlink(missing_ok=True)
    frame.to_file(path)
    return read_register(path, UTM)


def cut(shapes, tmp_path, **options):
    return register_segments(register_of(shapes, tmp_path), GRID, AREA, **options)


def outcomes(result):
    return dict(zip(result.parcels["parcel_id"].to_pylist(), result.parcels["outcome"].to_pylist(), strict=True))


def test_parcels_become_labels_and_the_table_of_any_segmentation(tmp_path):
    result = cut(FIELDS, tmp_path)
    expected = np.zeros((8, 12), np.uint32)
    expected[:2, 4:9], expected[:3, :4], expected[4:, 9:] = 1, 2, 3  # numbered by identifier, c stays whole
    np.testing.assert_array_equal(result.labels, expected)
    assert result.labels.dtype == np.uint32
    assert result.segments.schema.equals(SEGMENTS_SCHEMA)
    assert result.segments["area_ha"].to_pylist() == pytest.approx([0.10, 0.12, 0.12])
    assert result.parcels.schema.equals(PARCELS_SCHEMA)
    assert result.parcels["segment_id"].to_pylist() == [1, 2, 3]
    assert result.parcels["pixels"].to_pylist() == result.segments["pixels"].to_pylist()
    assert result.parcels["register_area_ha"].to_pylist() == pytest.approx([0.10, 0.12, 0.12])
    assert result.outcomes == {"segment": 3}
    assert result.overlaps.num_rows == 0


def test_rows_in_another_order_give_the_same(tmp_path):
    shapes = {**FIELDS, "d": box(10, 10, 60, 25), "e": box(60, 10, 10, 25)}
    first, second = cut(shapes, tmp_path), cut(dict(reversed(shapes.items())), tmp_path)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert first.parcels.equals(second.parcels)
    assert first.overlaps.equals(second.overlaps)


def test_the_smaller_parcel_has_the_ground_and_the_overlap_is_listed(tmp_path):
    result = cut({"block": box(0, 0, 60, 40), "plot": box(10, 10, 30, 30)}, tmp_path)
    assert result.parcels["pixels"].to_pylist() == [20, 4]
    assert result.overlaps.schema.equals(OVERLAPS_SCHEMA)
    assert result.overlaps.to_pylist() == [
        {"parcel_id": "plot", "other_parcel_id": "block", "overlap_ha": pytest.approx(0.04)}
    ]
    same = cut({"second": box(0, 0, 30, 30), "first": box(0, 0, 30, 30)}, tmp_path)
    assert outcomes(same) == {"first": "segment", "second": "covered"}
    neighbours = cut({"x": box(0, 0, 30, 30), "y": box(29.99, 0, 60, 30)}, tmp_path)
    assert neighbours.overlaps.num_rows == 0


def test_no_parcel_is_lost_silently(tmp_path):
    shapes = {
        "dot": box(5.5, 5.5, 9.9, 9.9),  # no pixel centre
        "far": box(500, 0, 540, 40),
        "field": box(0, 0, 40, 30),
        "gap": box(40, 0, 41.5, 60),
        "line": shapely.LineString([(WEST, NORTH), (WEST + 30, NORTH)]),
        "nothing": None,
        "touching": box(100, 0, 120, 30),  # shares only the edge with the area
    }
    result = cut(shapes, tmp_path)
    assert outcomes(result) == {
        "dot": "too_small", "far": "outside", "field": "segment", "gap": "sliver", "line": "no_polygon",
        "nothing": "no_polygon", "touching": "outside",
    }  # fmt: skip
    assert sum(result.outcomes.values()) == len(shapes)
    assert result.parcels["segment_id"].to_pylist() == [None, None, 1, None, None, None, None]
    assert read_geometry(result.parcels)[0].equals(shapes["dot"])
    assert outcomes(cut(shapes, tmp_path, sliver_width_m=0.0))["gap"] == "too_small"


def test_a_polygon_that_crosses_itself_is_repaired_or_refused(tmp_path):
    bow = shapely.Polygon([(WEST + x, NORTH - y) for x, y in [(0, 0), (40, 40), (40, 0), (0, 40)]])
    result = cut({**FIELDS, "b": bow}, tmp_path)
    assert result.parcels["repaired"].to_pylist() == [False, True, False]
    assert result.parcels["register_area_ha"].to_pylist()[1] == pytest.approx(0.08)  # two triangles of 20 × 40 / 2
    assert shapely.is_valid(read_geometry(result.parcels)).all()
    with pytest.raises(ParcelRegisterError, match=r"1 polygon\(s\) are invalid: b \(Self-intersection"):
        cut({**FIELDS, "b": bow}, tmp_path, invalid="refuse")
    parts = shapely.MultiPolygon([box(0, 0, 40, 20), box(0, 10, 40, 30)])  # ground that two parts share stays
    assert cut({"m": parts}, tmp_path).parcels["pixels"].to_pylist() == [12]


def test_rows_twice_are_counted_and_identifiers_of_two_polygons_refused(tmp_path):
    shapes = [box(0, 0, 40, 30), box(0, 0, 40, 30), box(50, 0, 90, 30)]
    path = tmp_path / "register.gpkg"
    geopandas.GeoDataFrame({"id": ["p", "p", "q"]}, geometry=shapes, crs=UTM).to_file(path)
    result = register_segments(read_register(path, UTM), GRID, AREA)
    assert result.outcomes == {"duplicate": 1, "segment": 2}
    geopandas.GeoDataFrame({"id": ["p", "q", "q"]}, geometry=shapes, crs=UTM).to_file(path)
    with pytest.raises(ParcelRegisterError, match="one identifier stands for different polygons: q"):
        register_segments(read_register(path, UTM), GRID, AREA)


def test_a_fiboa_file_in_degrees(tmp_path):
    shapes = geopandas.GeoSeries(list(FIELDS.values()), crs=UTM).to_crs("OGC:CRS84")
    table = pa.table(
        {
            "id": ["b", "a", "c"],
            "collection": ["es", "es", "pt"],
            "area": pa.array([0.12, 0.1, None], pa.float32()),
            "determination_datetime": [dt.datetime(2024, 6, 1, tzinfo=dt.UTC), None, None],
            "determination_method": ["surveyed", None, "unknown"],
            "geometry": shapely.to_wkb(shapes.to_numpy()),
        }
    )
    path = tmp_path / "fields.parquet"
    pq.write_table(with_geometry(table, "OGC:CRS84"), path)
    result = register_segments(read_register(path, UTM), GRID, AREA)
    assert result.parcels["parcel_id"].to_pylist() == ["es/a", "es/b", "pt/c"]  # unique within a collection
    assert result.parcels["pixels"].to_pylist() == [10, 12, 12]
    assert result.parcels["stated_area_ha"].to_pylist() == [pytest.approx(0.1), pytest.approx(0.12), None]
    assert result.parcels["determination_datetime"].to_pylist() == [None, "2024-06-01T00:00:00+00:00", None]
    assert result.parcels["determination_method"].to_pylist() == [None, "surveyed", "unknown"]
    assert geometry_crs(result.parcels).to_epsg() == 32630


def test_whole_numbers_stay_whole_as_identifiers(tmp_path):
    path = tmp_path / "register.gpkg"
    frame = geopandas.GeoDataFrame({"number": [7, 12]}, geometry=[FIELDS["a"], FIELDS["b"]], crs=UTM)
    frame.to_file(path)
    assert list(read_register(path, UTM, id_column="number").ids) == ["7", "12"]
    frame.assign(number=pd.array([7, None], dtype="Int64")).to_file(path)
    with pytest.raises(ParcelRegisterError, match=r"1 parcel\(s\) have no identifier.*row 2"):
        read_register(path, UTM, id_column="number")


@pytest.mark.filterwarnings("ignore:.crs. was not provided")  # the file without a CRS is wanted
def test_bad_files_are_named(tmp_path):
    with pytest.raises(ParcelRegisterError, match=r"no such register.*none\.gpkg"):
        read_register(tmp_path / "none.gpkg", UTM)
    (tmp_path / "text.gpkg").write_text("no package")
    with pytest.raises(ParcelRegisterError, match=r"cannot be read.*text\.gpkg"):
        read_register(tmp_path / "text.gpkg", UTM)
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "plain.parquet")
    with pytest.raises(ParcelRegisterError, match=r"no geometry column.*plain\.parquet"):
        read_register(tmp_path / "plain.parquet", UTM)
    register_of(FIELDS, tmp_path)
    with pytest.raises(ParcelRegisterError, match=r"no column 'ref'.*id_column to one of id"):
        read_register(tmp_path / "register.gpkg", UTM, id_column="ref")
    geopandas.GeoDataFrame({"id": ["a"]}, geometry=[FIELDS["a"]]).to_file(tmp_path / "bare.gpkg")
    with pytest.raises(ParcelRegisterError, match=r"names no CRS.*bare\.gpkg"):
        read_register(tmp_path / "bare.gpkg", UTM)


def test_a_register_of_another_region_is_refused(tmp_path):
    with pytest.raises(ParcelRegisterError, match="none of 1 parcels becomes a segment: 1 outside"):
        cut({"x": box(9000, 0, 9100, 100)}, tmp_path)
