"""Labelled points with their own time series, made and real (western Bahia)."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from agristat_platform.catalogue import Crop, CropNomenclature
from agristat_platform.classification import InvalidLabelsError, read_labelled_series

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
    with pytest.raises(InvalidLabelsError, match=text):
        read_labelled_series(long_table(tmp_path / "s.parquet", **changes), NOMENCLATURE, "EPSG:32723")


def test_an_absent_file_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(InvalidLabelsError, match="AGRISTAT_REAL_DATA"):
        read_labelled_series(tmp_path / "none.parquet", NOMENCLATURE, "EPSG:32723")
