"""Field boundaries as others read them: geopandas, our own reader of registers, and the words of the schema."""

import datetime as dt
import json

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from affine import Affine

from agristat_platform.geometry import with_geometry
from agristat_platform.segmentation import (
    FIELD_BOUNDARIES_SCHEMA,
    FieldBoundariesError,
    read_register,
    segment_polygons,
    write_field_boundaries,
)

UTM = "EPSG:32630"
LABELS = np.array([[1, 1, 2, 2], [1, 3, 3, 2], [1, 3, 3, 2], [1, 1, 0, 0]], np.uint32)
OBSERVED = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)


def segments():
    return segment_polygons(LABELS, Affine(10, 0, 500_000, 0, -10, 4_600_000), UTM)


def write(tmp_path, table=None, **options):
    path = tmp_path / "boundaries.parquet"
    options = {"collection": "valley-2023-10", "observed": OBSERVED} | options
    write_field_boundaries(path, segments() if table is None else table, **options)
    return path


def test_others_read_what_is_written(tmp_path):
    path = write(tmp_path)
    frame = geopandas.read_parquet(path)
    assert frame.crs.to_authority() == ("OGC", "CRS84")
    assert list(frame["id"]) == ["1", "2", "3"]
    assert set(frame["collection"]) == {"valley-2023-10"}
    back = frame.to_crs(UTM)
    assert back.area.to_numpy() == pytest.approx([600, 400, 400], rel=1e-6)
    # on the central meridian of a zone map lengths are 0.9996 of those on the ground
    assert frame["metrics:area"].to_numpy() == pytest.approx(np.array([600, 400, 400]) / 0.9996**2, rel=1e-4)
    assert frame["metrics:perimeter"].to_numpy() == pytest.approx(np.array([140, 100, 80]) / 0.9996, rel=1e-4)
    assert shapely.is_ccw(shapely.get_exterior_ring(frame.geometry.to_numpy())).all()
    west, south, east, north = frame.total_bounds
    half = geopandas.read_parquet(path, bbox=(west, south, west + (east - west) / 8, north))  # by the boxes
    assert list(half["id"]) == ["1"]


def test_our_own_reader_gives_the_same_back(tmp_path):
    register = read_register(write(tmp_path, method="unknown", details="pixels of a register's parcels"), UTM)
    assert list(register.ids) == ["1", "2", "3"]
    assert register.stated_area_ha == pytest.approx([0.06, 0.04, 0.04], rel=1e-3)
    assert list(register.determination_method) == ["unknown"] * 3
    assert list(register.determination_datetime) == ["2024-06-01T00:00:00+00:00"] * 3
    assert shapely.area(register.geometries) == pytest.approx([600, 400, 400], rel=1e-6)


@pytest.mark.skipif("Parquet" not in pyogrio.list_drivers(), reason="this build of GDAL has no Parquet driver")
def test_gdal_reads_what_is_written(tmp_path):
    path = write(tmp_path)
    info = pyogrio.read_info(path)
    assert (info["features"], info["geometry_type"]) == (3, "Polygon")
    assert list(pyogrio.read_dataframe(path)["id"]) == ["1", "2", "3"]


def test_metadata_and_columns_are_those_of_the_schema(tmp_path):
    table = pq.read_table(write(tmp_path))
    assert table.schema.equals(FIELD_BOUNDARIES_SCHEMA)
    assert json.loads(table.schema.metadata[b"collection"]) == {
        "collection": "valley-2023-10",
        "schemas": {
            "valley-2023-10": [
                "https://vecorel.org/specification/v0.1.0/schema.yaml",
                "https://fiboa.org/specification/v0.3.0/schema.yaml",
            ]
        },
    }
    described = json.loads(table.schema.metadata[b"geo"])["columns"]["geometry"]
    assert described["orientation"] == "counterclockwise"
    assert described["covering"]["bbox"]["xmax"] == ["bbox", "xmax"]
    assert described["geometry_types"] == ["Polygon"]
    assert described["bbox"] == list(shapely.total_bounds(shapely.from_wkb(table["geometry"].to_pylist())))
    assert write(tmp_path).read_bytes() == write(tmp_path).read_bytes()


def test_what_the_schema_does_not_allow_is_null(tmp_path):
    large = shapely.box(400_000, 4_500_000, 450_000, 4_530_000)  # 1,500 km² with 160 km of boundary
    table = with_geometry(pa.table({"segment_id": [1], "geometry": [shapely.to_wkb(large)]}), UTM)
    row = pq.read_table(write(tmp_path, table)).to_pylist()[0]
    assert row["metrics:area"] is None
    assert row["metrics:perimeter"] is None


def test_bad_input_is_named_and_leaves_no_file(tmp_path):
    def table_of(shapes, ids):
        return with_geometry(pa.table({"segment_id": ids, "geometry": shapely.to_wkb(shapes)}), UTM)

    box, bow = shapely.box(0, 0, 9, 9), shapely.Polygon([(0, 0), (9, 9), (9, 0), (0, 9)])
    refused = [
        ({"table": table_of([box, bow, None], [7, 8, 9])}, r"2 row\(s\) are no valid polygon: 8, 9"),
        ({"table": table_of([box, shapely.Point(0, 0)], [7, 8])}, "no valid polygon: 8"),
        ({"table": table_of([box, box], [7, 7])}, "ids are there more than once: 7"),
        ({"table": table_of([box, box], [7, None])}, r"1 row\(s\) have no segment_id"),
        ({"table": segments().slice(0, 0)}, "there is no polygon to write"),
        ({"id_column": "parcel_id"}, "no column 'parcel_id'.*Name one of segment_id"),
        ({"collection": " "}, "the collection has no name"),
        ({"observed": dt.datetime(2024, 6, 1)}, "has no zone"),
    ]
    for options, message in refused:
        with pytest.raises(FieldBoundariesError, match=message):
            write(tmp_path, **options)
    with pytest.raises(FieldBoundariesError, match=r"cannot be written.*nowhere"):
        write_field_boundaries(tmp_path / "nowhere" / "f.parquet", segments(), collection="c", observed=OBSERVED)
    for name in ("f.gpkg", "f"):
        with pytest.raises(FieldBoundariesError, match=r"not written as .*Name it \.parquet or \.geoparquet"):
            write_field_boundaries(tmp_path / name, segments(), collection="c", observed=OBSERVED)
    assert list(tmp_path.iterdir()) == []
