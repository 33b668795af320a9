"""Registers as files: field boundaries of both versions of the schema, GeoParquet of other hands, and what is refused."""

import datetime as dt
import json

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from agristat_platform.geometry import with_geometry
from agristat_platform.segmentation import ParcelRegisterError, read_polygons, read_register

UTM = "EPSG:32630"
SHAPES = [shapely.box(700_000, 4_600_000, 700_060, 4_600_040), shapely.box(700_100, 4_600_000, 700_160, 4_600_040)]
LONLAT = geopandas.GeoSeries(SHAPES, crs=UTM).to_crs("OGC:CRS84").to_numpy()
WKB = shapely.to_wkb(LONLAT)


def written(tmp_path, columns, *, crs="OGC:CRS84", geometry="geometry", metadata=None):
    table = with_geometry(pa.table(columns), crs, column=geometry)
    path = tmp_path / "register.parquet"
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, **(metadata or {})}), path)
    return path


def changed(path, change):
    """The file with its GeoParquet metadata changed."""
    table = pq.read_table(path)
    geo = json.loads(table.schema.metadata[b"geo"])
    change(geo)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"geo": json.dumps(geo)}), path)
    return path


def assert_shapes(register):
    assert shapely.hausdorff_distance(register.geometries, SHAPES).max() < 0.001


def test_field_boundaries_of_version_0_3(tmp_path):
    shared = {"schemas": {"es": ["https://fiboa.org/specification/v0.3.0/schema.yaml"]}, "collection": "es"}
    register = read_register(
        written(
            tmp_path,
            {
                "geometry": WKB,
                "id": ["a", "b"],
                "metrics:area": pa.array([2400.0, None], pa.float32()),  # square metres
                "determination:method": ["surveyed", None],
                "determination:datetime": [dt.datetime(2024, 6, 1, tzinfo=dt.UTC)] * 2,
                "bbox": [dict(zip(("xmin", "ymin", "xmax", "ymax"), shape.bounds, strict=True)) for shape in LONLAT],
            },
            metadata={"collection": json.dumps(shared)},
        ),
        UTM,
    )
    assert list(register.ids) == ["a", "b"]
    assert register.stated_area_ha == pytest.approx([0.24, np.nan], nan_ok=True)
    assert list(register.determination_method) == ["surveyed", None]
    assert list(register.determination_datetime) == ["2024-06-01T00:00:00+00:00"] * 2
    assert_shapes(register)


@pytest.mark.parametrize(
    ("key", "names"),
    [("collection", ("determination:datetime", "determination:method")), ("fiboa", ("determination_datetime", "determination_method"))],
)  # fmt: skip
def test_what_all_parcels_share_stands_in_the_metadata(key, names, tmp_path):
    said = {key: json.dumps(dict(zip(names, ("2005-02-28T00:00:00Z", "unknown"), strict=True)))}
    register = read_register(written(tmp_path, {"geometry": WKB, "id": ["a", "b"]}, metadata=said), UTM)
    assert list(register.determination_datetime) == ["2005-02-28T00:00:00Z"] * 2
    assert list(register.determination_method) == ["unknown"] * 2
    column = {"geometry": WKB, "id": ["a", "b"], names[1]: ["driven", None]}
    register = read_register(written(tmp_path, column, metadata=said), UTM)
    assert list(register.determination_method) == ["driven", None]  # a column before the metadata


@pytest.mark.parametrize("value", ["no JSON", '["list"]', "17"])
def test_metadata_of_that_name_that_mean_something_else_say_nothing(value, tmp_path):
    register = read_register(
        written(tmp_path, {"geometry": WKB, "id": ["a", "b"]}, metadata={"collection": value}), UTM
    )
    assert list(register.determination_method) == [None, None]


def test_areas_of_version_0_2_are_hectares_and_those_of_0_3_come_first(tmp_path):
    columns = {"geometry": WKB, "id": ["a", "b"], "area": [0.25, 0.5]}
    assert read_register(written(tmp_path, columns), UTM).stated_area_ha == pytest.approx([0.25, 0.5])
    columns["metrics:area"] = [2400.0, 2400.0]
    assert read_register(written(tmp_path, columns), UTM).stated_area_ha == pytest.approx([0.24, 0.24])
    columns["metrics:area"] = ["large", "small"]  # somebody's own column
    assert read_register(written(tmp_path, columns), UTM).stated_area_ha == pytest.approx([0.25, 0.5])


def test_the_geometry_may_have_any_name_and_other_geometries_beside_it(tmp_path):
    columns = {"id": ["a", "b"], "centre": shapely.to_wkb(shapely.centroid(LONLAT)), "outline": WKB}
    path = written(tmp_path, columns, geometry="outline")
    assert_shapes(read_register(path, UTM))
    with pytest.raises(ParcelRegisterError, match="id_column to one of id, centre"):
        read_register(path, UTM, id_column="ref")


@pytest.mark.parametrize(("version", "covering"), [("1.0.0", False), ("1.1.0", False), ("1.1.0", True)])
def test_versions_of_geoparquet_with_and_without_boxes(version, covering, tmp_path):
    path = tmp_path / "g.geoparquet"
    frame = geopandas.GeoDataFrame({"id": ["a", "b"]}, geometry=SHAPES, crs=UTM)
    frame.to_parquet(path, schema_version=version, write_covering_bbox=covering)
    assert_shapes(read_register(path, UTM))


def test_native_encodings_heights_and_an_empty_file(tmp_path):
    path = tmp_path / "g.parquet"
    high = geopandas.GeoDataFrame({"id": ["a", "b"]}, geometry=shapely.force_3d(SHAPES, 700.0), crs=UTM)
    high.to_parquet(path, geometry_encoding="geoarrow", schema_version="1.1.0")
    register = read_register(path, UTM)
    assert_shapes(register)
    assert not shapely.has_z(register.geometries).any()
    high.iloc[:0].to_parquet(path)
    assert len(read_register(path, UTM).ids) == 0


def test_a_file_that_leaves_the_crs_out_is_in_degrees_and_one_that_denies_it_refused(tmp_path):
    path = written(tmp_path, {"geometry": WKB, "id": ["a", "b"]})
    assert_shapes(read_register(changed(path, lambda geo: geo["columns"]["geometry"].pop("crs")), UTM))
    with pytest.raises(ParcelRegisterError, match=r"CRS of column 'geometry' is declared unknown.*register\.parquet"):
        read_register(changed(path, lambda geo: geo["columns"]["geometry"].update(crs=None)), UTM)


def test_what_is_no_geoparquet_is_refused_with_its_name(tmp_path):
    path = written(tmp_path, {"geometry": WKB, "id": ["a", "b"]})
    with pytest.raises(ParcelRegisterError, match=r"encoded as 'WKT'.*register\.parquet"):
        read_register(changed(path, lambda geo: geo["columns"]["geometry"].update(encoding="WKT")), UTM)
    with pytest.raises(ParcelRegisterError, match="no geometry column 'ground'"):
        read_register(changed(path, lambda geo: geo.update(primary_column="ground")), UTM)
    pq.write_table(pa.table({"geometry": WKB, "id": ["a", "b"]}), path)
    with pytest.raises(ParcelRegisterError, match="no GeoParquet metadata"):
        read_register(path, UTM)
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(ParcelRegisterError, match=r"cannot be read.*register\.parquet"):
        read_register(path, UTM)


def test_polygons_alone_need_no_identifier(tmp_path):
    path = written(tmp_path, {"geometry": [WKB[0], None]})
    shapes = read_polygons(path, UTM)
    assert shapes[1] is None
    assert shapely.hausdorff_distance(shapes[0], SHAPES[0]) < 0.001
    with pytest.raises(ParcelRegisterError, match="no column 'id'"):
        read_register(path, UTM)
    with pytest.raises(ParcelRegisterError, match="no such register"):
        read_polygons(tmp_path / "none.parquet", UTM)


def test_curves_become_polygons_of_many_corners(tmp_path):
    circle = "CIRCULARSTRING (700000 4600000, 700050 4600050, 700100 4600000, 700050 4599950, 700000 4600000)"
    (tmp_path / "curves.csv").write_text(f'id,WKT\na,"CURVEPOLYGON ({circle})"\n')
    (tmp_path / "curves.vrt").write_text(
        '<OGRVRTDataSource><OGRVRTLayer name="curves"><SrcDataSource relativeToVRT="1">curves.csv</SrcDataSource>'
        f'<LayerSRS>{UTM}</LayerSRS><GeometryField encoding="WKT" field="WKT"/></OGRVRTLayer></OGRVRTDataSource>'
    )
    shape = read_register(tmp_path / "curves.vrt", UTM).geometries[0]
    assert shape.geom_type == "Polygon"
    assert shape.area == pytest.approx(np.pi * 50**2, rel=0.002)


def test_measures_are_dropped_as_heights_are(tmp_path):
    table = with_geometry(pa.table({"id": ["a"], "geometry": shapely.to_wkb(SHAPES[:1])}), UTM)
    measured = shapely.from_wkt("POLYGON M ((700000 4600000 1, 700060 4600000 2, 700060 4600040 3, 700000 4600000 1))")
    path = tmp_path / "measured.parquet"
    pq.write_table(table.set_column(1, "geometry", [shapely.to_wkb([measured]).tolist()]), path)
    shape = read_register(path, UTM).geometries[0]
    assert not shapely.has_m(shape)
    assert not shapely.has_z(shape)
    assert shape.area == pytest.approx(1200)


def test_a_table_without_geometries_is_refused(tmp_path):
    path = tmp_path / "plain.csv"
    path.write_text("id,crop\na,maize\n")
    with pytest.raises(ParcelRegisterError, match=r"the layer has no geometries.*plain\.csv.*file_layer"):
        read_register(path, UTM)
