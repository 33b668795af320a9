"""GeoParquet metadata: what others read back, and what is refused."""

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely

from agristat_platform.geometry import (
    GeometryColumnError,
    GeometryCrsError,
    geometry_crs,
    geoparquet_metadata,
    read_geometry,
    with_geometry,
)


def table_of(geometries, **columns):
    return pa.table({**columns, "geometry": pa.array(shapely.to_wkb(geometries), type=pa.binary())})


def test_geopandas_reads_what_is_written(tmp_path):
    squares = [
        shapely.box(0, 0, 10, 10),
        shapely.MultiPolygon([shapely.box(20, 0, 30, 10), shapely.box(40, 5, 50, 20)]),
    ]
    table = with_geometry(table_of(squares, name=["a", "b"]), "EPSG:32630")
    pq.write_table(table, tmp_path / "squares.parquet")
    frame = geopandas.read_parquet(tmp_path / "squares.parquet")
    assert frame.crs == pyproj.CRS("EPSG:32630")
    assert frame.geometry.area.tolist() == [100.0, 250.0]
    assert list(frame["name"]) == ["a", "b"]


def test_metadata_describes_types_and_bounds():
    table = with_geometry(table_of([shapely.Point(1, 2), None, shapely.Point(-3, 7)]), "EPSG:4326")
    again = pa.ipc.open_stream(_stream(table)).read_all()
    assert geometry_crs(again) == pyproj.CRS("EPSG:4326")
    import json

    geo = json.loads(again.schema.metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    assert geo["primary_column"] == "geometry"
    assert geo["columns"]["geometry"]["geometry_types"] == ["Point"]
    assert geo["columns"]["geometry"]["bbox"] == [-3.0, 2.0, 1.0, 7.0]
    assert geo["columns"]["geometry"]["crs"]["type"] == "GeographicCRS"


def test_other_metadata_and_nulls_survive():
    table = table_of([None, shapely.Point(0, 0)]).replace_schema_metadata({"unit": "ha"})
    kept = with_geometry(table, "EPSG:3857")
    assert kept.schema.metadata[b"unit"] == b"ha"
    geometries = read_geometry(kept)
    assert geometries[0] is None
    assert geometries[1] == shapely.Point(0, 0)


def test_an_empty_table_is_valid_geoparquet(tmp_path):
    table = with_geometry(table_of(np.empty(0, dtype=object)), "EPSG:32630")
    pq.write_table(table, tmp_path / "none.parquet")
    assert len(geopandas.read_parquet(tmp_path / "none.parquet")) == 0


def test_three_dimensional_geometry_is_named():
    table = with_geometry(pa.table({"where": shapely.to_wkb([shapely.Point(1, 2, 3)])}), "EPSG:4326", column="where")
    assert b'"Point Z"' in table.schema.metadata[b"geo"]


def test_bad_input_is_named():
    with pytest.raises(GeometryColumnError, match=r"'geometry'.*name"):
        read_geometry(pa.table({"name": ["a"]}))
    with pytest.raises(GeometryColumnError, match="string"):
        read_geometry(pa.table({"geometry": ["POINT (0 0)"]}))
    with pytest.raises(GeometryColumnError, match="row 1"):
        read_geometry(pa.table({"geometry": [shapely.to_wkb(shapely.Point(0, 0)), b"\x01\x02"]}))
    with pytest.raises(GeometryCrsError, match="EPSG:0"):
        geoparquet_metadata("EPSG:0")
    with pytest.raises(GeometryCrsError, match="no GeoParquet metadata"):
        geometry_crs(pa.table({"geometry": [b""]}))


def _stream(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()
