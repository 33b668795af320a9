"""What a geometry column may be stored as: WKB of either flavour and the native encodings, read back and refused."""

import json

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from agristat_platform.geometry import (
    GeometryColumnError,
    geometry_column,
    geometry_crs,
    read_geometry,
    with_geometry,
)

HOLED = shapely.Polygon([(0, 0), (9, 0), (9, 9), (0, 9)], [[(1, 1), (1, 2), (2, 2), (2, 1)]])
NATIVE = {
    "point": [shapely.Point(1, 2), shapely.Point(3, 4)],
    "linestring": [shapely.LineString([(0, 0), (1, 1)]), shapely.LineString([(5, 5), (6, 6), (7, 5)])],
    "polygon": [shapely.box(0, 0, 1, 1), HOLED],
    "multipoint": [shapely.MultiPoint([(0, 0), (1, 1)]), shapely.MultiPoint([(2, 2)])],
    "multilinestring": [shapely.MultiLineString([[(0, 0), (1, 1)], [(2, 2), (3, 3)]])],
    "multipolygon": [shapely.MultiPolygon([HOLED, shapely.box(20, 0, 30, 10)])],
}


def written(geometries, tmp_path, **options):
    path = tmp_path / "g.parquet"
    geopandas.GeoDataFrame(geometry=geometries, crs="EPSG:32630").to_parquet(path, schema_version="1.1.0", **options)
    return pq.read_table(path)


@pytest.mark.parametrize("encoding", NATIVE)
def test_native_encodings_are_read(encoding, tmp_path):
    table = written(NATIVE[encoding], tmp_path, geometry_encoding="geoarrow")
    assert json.loads(table.schema.metadata[b"geo"])["columns"]["geometry"]["encoding"] == encoding
    assert shapely.equals_identical(read_geometry(table), np.array(NATIVE[encoding], dtype=object)).all()
    later = table.slice(len(table) - 1)  # offsets that do not begin at 0
    assert shapely.equals_identical(read_geometry(later)[0], NATIVE[encoding][-1])


def test_nulls_and_heights_of_native_encodings(tmp_path):
    shapes = [
        shapely.Polygon([(0, 0, 5), (9, 0, 6), (9, 9, 7)]),
        None,
        shapely.Polygon([(0, 0, 1), (2, 0, 1), (2, 2, 1)]),
    ]
    read = read_geometry(written(shapes, tmp_path, geometry_encoding="geoarrow"))
    assert read[1] is None
    assert shapely.equals_identical(read[0], shapes[0])
    assert shapely.equals_identical(read[2], shapes[2])
    empty = written([shapely.Point(0, 0)], tmp_path, geometry_encoding="geoarrow").slice(0, 0)
    assert len(read_geometry(empty)) == 0


def test_an_encoding_that_is_unknown_or_not_that_of_the_column_is_refused(tmp_path):
    table = written(NATIVE["polygon"], tmp_path, geometry_encoding="geoarrow")

    def declared(encoding):
        geo = json.loads(table.schema.metadata[b"geo"])
        geo["columns"]["geometry"]["encoding"] = encoding
        return table.replace_schema_metadata({"geo": json.dumps(geo)})

    with pytest.raises(GeometryColumnError, match="encoded as 'WKT', which GeoParquet"):
        read_geometry(declared("WKT"))
    with pytest.raises(GeometryColumnError, match="declared as 'multipolygon'"):
        read_geometry(declared("multipolygon"))
    with pytest.raises(GeometryColumnError, match="not WKB"):
        read_geometry(declared("WKB"))


def test_the_primary_column_is_that_of_the_metadata():
    table = pa.table(
        {"outline": shapely.to_wkb([shapely.Point(1, 2)]), "centre": shapely.to_wkb([shapely.Point(0, 0)])}
    )
    assert geometry_column(with_geometry(table, "EPSG:4326", column="outline").schema) == "outline"
    assert geometry_column(table.schema) == "geometry"


def test_a_file_that_leaves_the_crs_out_is_in_longitude_and_latitude():
    table = with_geometry(pa.table({"geometry": shapely.to_wkb([shapely.Point(1, 2)])}), "EPSG:4326")
    geo = json.loads(table.schema.metadata[b"geo"])
    del geo["columns"]["geometry"]["crs"]
    assert geometry_crs(table.replace_schema_metadata({"geo": json.dumps(geo)})).to_authority() == ("OGC", "CRS84")


def test_heights_become_iso_wkb_with_six_bounds(tmp_path):
    low, high = shapely.Polygon([(0, 0, 5), (9, 0, 6), (9, 9, 7)]), shapely.Polygon([(0, 0, 1), (2, 0, -1), (2, 2, 1)])
    raw = shapely.to_wkb([low, None, high])  # shapely's own flavour sets a high bit
    table = with_geometry(pa.table({"geometry": raw}), "EPSG:32630")
    described = json.loads(table.schema.metadata[b"geo"])["columns"]["geometry"]
    assert described["geometry_types"] == ["Polygon Z"]
    assert described["bbox"] == [0, 0, -1, 9, 9, 7]
    assert int.from_bytes(table["geometry"][0].as_py()[1:5], "little") == 1003  # ISO: polygon with Z
    pq.write_table(table, tmp_path / "z.parquet")
    assert geopandas.read_parquet(tmp_path / "z.parquet").geometry.iloc[2] == high


def test_what_has_no_place_in_geoparquet_is_refused():
    measured = shapely.from_wkt("POINT M (1 2 3)")
    with pytest.raises(GeometryColumnError, match=r"'geometry' has measures \(M\).*force_2d"):
        with_geometry(pa.table({"geometry": shapely.to_wkb([measured])}), "EPSG:32630")
    far = shapely.LineString([(0, 0), (np.inf, 1)])
    with pytest.raises(GeometryColumnError, match="'geometry' has coordinates that are not finite"):
        with_geometry(pa.table({"geometry": shapely.to_wkb([far])}), "EPSG:32630")
    broken = pa.table({"geometry": [b""]}).replace_schema_metadata({"geo": "{"})
    with pytest.raises(GeometryColumnError, match="metadata are no JSON"):
        geometry_crs(broken)
    with pytest.raises(GeometryColumnError, match="no JSON object"):
        read_geometry(broken.replace_schema_metadata({"geo": "[]"}))


def test_the_metadata_are_those_of_the_specification():
    """Keys and values that GeoParquet 1.1.0 requires or allows, and none beside."""
    table = with_geometry(pa.table({"geometry": shapely.to_wkb([HOLED, shapely.MultiPolygon([HOLED])])}), "EPSG:32630")
    geo = json.loads(table.schema.metadata[b"geo"])
    assert set(geo) == {"version", "primary_column", "columns"}
    assert geo["version"] == "1.1.0"
    described = geo["columns"][geo["primary_column"]]
    assert set(described) == {"encoding", "geometry_types", "crs", "bbox"}  # planar edges are the default
    assert described["encoding"] == "WKB"
    assert described["geometry_types"] == ["MultiPolygon", "Polygon"]
    assert described["crs"]["$schema"].startswith("https://proj.org/schemas/")
    assert described["crs"]["id"] == {"authority": "EPSG", "code": 32630}
