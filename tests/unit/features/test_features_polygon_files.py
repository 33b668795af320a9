"""Statistics within the polygons of a file, by function and by command."""

import geopandas
import numpy as np
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
from affine import Affine

from agristat_platform.cli.main import main
from agristat_platform.features import PolygonError, StatisticError, polygon_file_statistics

CRS = "EPSG:32630"
LEFT, TOP = 300_000, 4_600_000


@pytest.fixture
def raster(tmp_path):
    path = tmp_path / "image.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=2, width=2, count=2, dtype="float32", crs=CRS,
        transform=Affine(10, 0, LEFT, 0, -10, TOP),
    ) as dataset:  # fmt: skip
        dataset.write(np.array([[[1, 3], [5, 7]], [[10, 30], [50, 70]]], np.float32))
    return path


@pytest.fixture
def fields(tmp_path):
    def write(name, crs=CRS, **columns):
        boxes = [shapely.box(LEFT, TOP - 10, LEFT + 15, TOP), shapely.box(LEFT, TOP - 20, LEFT + 20, TOP - 10)]
        frame = geopandas.GeoDataFrame({"field": ["a", "b"], **columns}, geometry=boxes, crs=crs)
        path = tmp_path / name
        if name.endswith("parquet"):
            frame.to_parquet(path)
        else:
            frame.to_file(path)
        return path

    return write


@pytest.mark.parametrize("name", ["fields.parquet", "fields.gpkg", "fields.geojson"])
def test_all_bands_within_every_polygon(raster, fields, tmp_path, name):
    pytest.importorskip("exactextract", reason="exactextract is not installed")
    target = tmp_path / "found.parquet"
    found = polygon_file_statistics(raster, fields(name), target, ("count", "mean"), id_column="field")
    assert found.column_names == ["field", "b1_count", "b1_mean", "b2_count", "b2_mean"]
    assert found["field"].to_pylist() == ["a", "b"]
    # one pixel and half of the next
    assert found["b1_count"].to_pylist() == pytest.approx([1.5, 2])
    assert found["b2_mean"].to_pylist() == pytest.approx([(10 + 15) / 1.5, 60])
    assert pq.read_table(target).equals(found)


def test_the_command_writes_what_the_function_does(raster, fields, tmp_path, capsys):
    pytest.importorskip("exactextract", reason="exactextract is not installed")
    target = tmp_path / "found.csv"
    options = ["--band", "2", "--statistics", "max, p50"]
    assert main(["features", "polygons", str(raster), str(fields("fields.gpkg")), str(target), *options]) == 0
    assert "2 polygons, 2 columns" in capsys.readouterr().out
    written = pcsv.read_csv(target)
    assert written["polygon_id"].to_pylist() == [1, 2]
    assert written["b2_max"].to_pylist() == [30, 70]


def test_what_cannot_be_used_is_named(raster, fields, tmp_path):
    target = tmp_path / "found.parquet"
    with pytest.raises(StatisticError, match=r"written as \.xlsx"):
        polygon_file_statistics(raster, fields("a.gpkg"), tmp_path / "found.xlsx")
    with pytest.raises(PolygonError, match="no column parcel") as refused:
        polygon_file_statistics(raster, fields("a.gpkg"), target, id_column="parcel")
    assert "field" in str(refused.value)
    with pytest.raises(PolygonError, match="cannot be read"):
        polygon_file_statistics(raster, tmp_path / "absent.gpkg", target)
    with pytest.raises(PolygonError, match="no reference system"):
        polygon_file_statistics(raster, fields("bare.parquet", crs=None), target)
    with pytest.raises(StatisticError, match="raster cannot be read"):
        polygon_file_statistics(tmp_path / "absent.tif", fields("b.gpkg"), target)
