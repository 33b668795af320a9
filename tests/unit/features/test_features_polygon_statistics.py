"""Statistics within users' polygons: partial pixels by hand, and polygons and rasters that are refused."""

import sys

import numpy as np
import pyarrow as pa
import pytest
import rasterio
import shapely
from affine import Affine

from agristat_platform.features import MissingPackageError, PolygonError, StatisticError, polygon_statistics

CRS = "EPSG:32630"


@pytest.fixture
def raster(tmp_path):
    def write(values, **options):
        values = np.asarray(values)
        path = tmp_path / "band.tif"
        with rasterio.open(
            path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype=values.dtype,
            crs=CRS, transform=Affine(10, 0, 300_000, 0, -10, 4_600_000), nodata=options.get("nodata"),
        ) as dataset:  # fmt: skip
            dataset.write(values, 1)
            if "scale" in options:
                dataset.scales, dataset.offsets = (options["scale"],), (options["offset"],)
        return path

    return write


def polygons(**boxes):
    shapes = [box if isinstance(box, shapely.Geometry) else shapely.box(*box) for box in boxes.values()]
    return pa.table({"polygon_id": list(boxes), "geometry": pa.array(shapely.to_wkb(shapes), pa.binary())})


LEFT, TOP = 300_000, 4_600_000
# the left pixel and a quarter of the right one
PARTIAL = (LEFT, TOP - 10, LEFT + 12.5, TOP)


class TestWithExactextract:
    @pytest.fixture(autouse=True)
    def _installed(self):
        pytest.importorskip("exactextract", reason="exactextract is not installed")

    def test_pixels_on_the_edge_count_by_their_share(self, raster):
        path = raster(np.array([[4, 8]], np.float32))
        found = polygon_statistics(
            path, polygons(a=PARTIAL), ("count", "sum", "mean", "std", "min", "max", "p50"), crs=CRS
        ).to_pylist()[0]
        assert found["count"] == pytest.approx(1.25)
        assert found["sum"] == pytest.approx(6)
        assert found["mean"] == pytest.approx(4.8)
        assert found["std"] == pytest.approx(np.sqrt((0.8**2 + 0.25 * 3.2**2) / 1.25))
        assert (found["min"], found["max"]) == (4, 8)
        assert 4 <= found["p50"] < 8

    def test_missing_stays_missing(self, raster):
        path = raster(np.array([[4, np.nan], [np.nan, np.nan]], np.float32))
        boxes = polygons(whole=(LEFT, TOP - 20, LEFT + 20, TOP), empty=(LEFT, TOP - 20, LEFT + 20, TOP - 10),
                         outside=(LEFT + 100, TOP, LEFT + 110, TOP + 10))  # fmt: skip
        found = polygon_statistics(path, boxes, ("mean", "count", "p50"), crs=CRS)
        assert found.column_names == ["polygon_id", "mean", "count", "p50"]
        assert found["polygon_id"].to_pylist() == ["whole", "empty", "outside"]
        assert found["count"].to_pylist() == [1, 0, 0]
        assert found["mean"].to_pylist() == [4, None, None]
        assert found["p50"].to_pylist() == [4, None, None]

    def test_nodata_scale_and_offset(self, raster):
        path = raster(np.array([[2000, 0]], np.uint16), nodata=0, scale=1e-4, offset=-0.1)
        found = polygon_statistics(path, polygons(a=(LEFT, TOP - 10, LEFT + 20, TOP)), crs=CRS).to_pylist()[0]
        assert found == {"polygon_id": "a", "count": 1, "mean": pytest.approx(0.1), "std": pytest.approx(0)}

    def test_polygons_of_another_reference_system(self, raster):
        path = raster(np.array([[4, 8]], np.float32))
        from pyproj import Transformer

        turn = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
        box = shapely.transform(shapely.box(*PARTIAL), lambda xy: np.column_stack(turn.transform(xy[:, 0], xy[:, 1])))
        found = polygon_statistics(path, polygons(a=box), ("mean",), crs="EPSG:4326")
        assert found["mean"][0].as_py() == pytest.approx(4.8, abs=1e-3)

    def test_bad_polygons_and_rasters(self, raster, tmp_path):
        path = raster(np.ones((2, 2), np.float32))
        bow = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
        with pytest.raises(PolygonError, match="polygon bow is not valid"):
            polygon_statistics(path, polygons(bow=bow), crs=CRS)
        with pytest.raises(PolygonError, match="dot is a Point"):
            polygon_statistics(path, polygons(dot=shapely.Point(1, 1)), crs=CRS)
        with pytest.raises(PolygonError, match="nil has no geometry"):
            polygon_statistics(path, polygons(nil=shapely.Polygon()), crs=CRS)
        with pytest.raises(PolygonError, match="polygon a is there more than once"):
            polygon_statistics(path, pa.concat_tables([polygons(a=PARTIAL)] * 2), crs=CRS)
        with pytest.raises(PolygonError, match="no column field"):
            polygon_statistics(path, polygons(a=PARTIAL), crs=CRS, id_column="field")
        with pytest.raises(StatisticError, match="no band 2"):
            polygon_statistics(path, polygons(a=PARTIAL), crs=CRS, band=2)
        with pytest.raises(StatisticError, match="cannot be read"):
            polygon_statistics(tmp_path / "none.tif", polygons(a=PARTIAL), crs=CRS)
        with pytest.raises(StatisticError, match="mode"):
            polygon_statistics(path, polygons(a=PARTIAL), ("mode",), crs=CRS)


def test_without_exactextract_the_error_says_what_to_install(raster, monkeypatch):
    monkeypatch.setitem(sys.modules, "exactextract", None)
    with pytest.raises(MissingPackageError, match=r"exactextract.*not installed.*agristat_platform\[polygons\]"):
        polygon_statistics(raster(np.ones((2, 2), np.float32)), polygons(a=PARTIAL), crs=CRS)
