"""The real composites and labels of western Bahia as a local catalogue and as training series."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely

from agristat_platform.catalogue import CollectionRequest, Crop, CropNomenclature, Grid, ImagerySource
from agristat_platform.classification import LABELS_SCHEMA
from agristat_platform.imagery import (
    MissingRealDataError,
    assess_scenes,
    build_composites,
    prepare_western_bahia,
    read_labelled_series,
)
from agristat_platform.imagery.labelled_series import POINT_LABELS_SCHEMA

NOMENCLATURE = CropNomenclature(
    code="bahia",
    title={"en": "Bahia"},
    crops=tuple(
        Crop(code=code, class_id=i, name={"en": code}, cultivated=i == 1, colour=f"#0000{i:02d}", labels=(label,))
        for i, (code, label) in enumerate(
            [("CROP", "Cropland"), ("PAST", "Pasture"), ("CDAO", "Cerradao"), ("CERR", "Cerrado")], start=1
        )
    ),
)


def test_columns_are_those_of_classification():
    assert POINT_LABELS_SCHEMA.names == LABELS_SCHEMA.names
    assert POINT_LABELS_SCHEMA.types == LABELS_SCHEMA.types


@pytest.mark.real_data
def test_catalogue_over_the_files_is_idempotent(real_data, tmp_path):
    folder = prepare_western_bahia(real_data, tmp_path, "br-western-bahia")
    files = sorted(folder.glob("*.json"))
    written = [path.stat().st_mtime_ns for path in files]
    assert folder == tmp_path / "br-western-bahia" / "items"
    assert prepare_western_bahia(real_data, tmp_path, "br-western-bahia") == folder
    assert [path.stat().st_mtime_ns for path in sorted(folder.iterdir())] == written
    assert len(files) == 23
    first = json.loads(files[0].read_text())
    assert first["properties"]["start_datetime"] == "2018-08-29T00:00:00Z"
    assert first["properties"]["end_datetime"] == "2018-09-13T23:59:59Z"
    assert set(first["assets"]) == {"ndvi", "evi"}
    assert shapely.geometry.shape(first["geometry"]).contains(shapely.Point(-46.36, -12.84))


@pytest.mark.real_data
def test_values_are_those_of_the_files(real_data, tmp_path):
    import pystac

    folder = prepare_western_bahia(real_data, tmp_path, "b")
    items = [pystac.Item.from_dict(json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))][:2]
    with rasterio.open(items[0].assets["evi"].href) as dataset:
        grid = Grid(dataset.crs.to_wkt(), dataset.transform, dataset.width, dataset.height)
        evi = dataset.read(1)
    requests = {"cbers-4-awfi-16d": CollectionRequest(bands=("ndvi", "evi"))}
    imagery = ImagerySource(catalogue="embedded", collections=requests, interval="item")
    area = shapely.box(*grid.bounds)
    scenes = assess_scenes(items, grid, area, imagery)
    assert scenes["aoi_cover"].to_pylist() == [pytest.approx(1.0, abs=0.01)] * 2
    composite = build_composites(scenes, grid, None, imagery, tmp_path / "c", aoi_projected=area)
    assert composite.layers["band"].to_pylist() == ["ndvi", "evi", "ndvi", "evi"]
    assert composite.layers["interval_start"].to_pylist()[2] == date(2018, 9, 14)
    with rasterio.open(composite.files[0]) as dataset:
        assert (dataset.read(2) == np.where(evi == -9999, -32768, evi)).all()


@pytest.mark.real_data
def test_real_labelled_series(real_data):
    albers = "+proj=aea +lat_0=0 +lon_0=-54 +lat_1=-1 +lat_2=-29 +x_0=0 +y_0=0 +ellps=GRS80 +units=m +no_defs"
    path = real_data / "western_bahia_cbers" / "labelled_series.parquet"
    found = read_labelled_series(path, NOMENCLATURE, albers)
    assert found.series.shape == (922, 47)
    assert found.labels["label_id"].equals(found.series["label_id"])
    codes = found.labels["crop_code"].to_pylist()
    assert {code: codes.count(code) for code in set(codes)} == {"CROP": 242, "PAST": 258, "CDAO": 215, "CERR": 207}
    assert (found.repeated_positions, found.conflicting_positions) == (0, 0)
    assert found.series["ndvi_t01_mean"][0].as_py() == pytest.approx(0.2384)
    assert found.series["evi_t03_mean"][0].as_py() == pytest.approx(0.1549)
    points = shapely.from_wkb(found.labels["geometry"].to_numpy(zero_copy_only=False))
    raster = shapely.box(784851.34, -1476913.97, 825810.11, -1435954.48)
    assert shapely.contains(raster, points).sum() == 33


def long_table(path: Path, **changes):
    columns = {
        "sample_id": [1, 1, 2, 2],
        "label": ["Pasture", "Pasture", "Cropland", "Cropland"],
        "longitude": [-46.0] * 4,
        "latitude": [-12.0] * 4,
        "step": [0, 1, 0, 1],
        "ndvi": [0.1, 0.2, 0.3, None],
        "evi": [0.1, 0.2, 0.3, 0.4],
    }
    pq.write_table(pa.table({**columns, **changes}), path)
    return path


def test_places_with_conflicting_labels_are_counted_and_gaps_stay(tmp_path):
    found = read_labelled_series(long_table(tmp_path / "s.parquet"), NOMENCLATURE, "EPSG:32723")
    assert (found.repeated_positions, found.conflicting_positions) == (1, 1)
    assert found.series.column_names == ["label_id", *(f"{b}_t0{i}_mean" for b in ("ndvi", "evi") for i in (1, 2))]
    assert found.series["ndvi_t02_mean"].to_pylist() == [pytest.approx(0.2), None]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"label": ["Pasture", "Pasture", "Forest", "Forest"]}, "labels Forest are in no class of nomenclature bahia"),
        ({"label": ["Pasture", "Cropland", "Cropland", "Cropland"]}, "two values of label"),
        ({"step": [0, 0, 0, 1]}, "a step twice"),
    ],
)
def test_bad_series_are_named(tmp_path, changes, text):
    with pytest.raises(MissingRealDataError, match=text):
        read_labelled_series(long_table(tmp_path / "s.parquet", **changes), NOMENCLATURE, "EPSG:32723")


def test_absent_data_say_how_to_get_them(tmp_path):
    with pytest.raises(MissingRealDataError, match="AGRISTAT_REAL_DATA"):
        prepare_western_bahia(tmp_path, tmp_path, "b")
    with pytest.raises(MissingRealDataError, match="AGRISTAT_REAL_DATA"):
        read_labelled_series(tmp_path / "none.parquet", NOMENCLATURE, "EPSG:32723")
