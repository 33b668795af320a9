"""Labels from vector files: names become codes, the rest is counted with its reason, nothing is lost."""

from __future__ import annotations

from pathlib import Path

import geopandas
import pytest
import shapely

from agristat_platform.catalogue import Catalogue, load_catalogue, load_settings
from agristat_platform.classification import InvalidLabelsError, read_vector_labels, validate_labels

CONFIG = Path(__file__).resolve().parents[3] / "config"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(load_settings(CONFIG, {}))


def write(path: Path, names: list[str], shapes: list[shapely.Geometry | None], crs: str | None = "EPSG:4326") -> Path:
    geopandas.GeoDataFrame({"crop": names}, geometry=shapes, crs=crs).to_file(path)
    return path


def test_names_in_any_case_become_codes_and_places_come_to_the_regions_crs(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    places = [shapely.Point(-111, 27.3), shapely.Point(-111, 27.4), shapely.Point(-111, 27.5)]
    path = write(tmp_path / "points.gpkg", ["Trigo", "MAI", "papaya"], places)
    read = read_vector_labels(path, catalogue.nomenclature("mx-yaqui"), "EPSG:32612", column="crop")
    assert read.labels["crop_code"].to_pylist() == ["WHE", "MAI"]
    assert read.labels["label_id"].to_pylist() == ["points-1", "points-2"]
    assert read.labels["role"].to_pylist() == ["train", "train"]
    # -111° is the central meridian of zone 12: easting 500,000 m exactly
    first = shapely.from_wkb(read.labels["geometry"][0].as_py())
    assert first.x == pytest.approx(500_000, abs=1e-3)
    assert read.dropped.to_pylist() == [
        {"label_id": "points-3", "crop_code": None, "reason": "not_in_nomenclature", "detail": "papaya"}
    ]


def test_a_row_without_geometry_is_dropped_and_counted(tmp_path: Path, catalogue: Catalogue) -> None:
    path = write(tmp_path / "points.gpkg", ["TRIGO", "TRIGO"], [None, shapely.Point(-110, 27)])
    read = read_vector_labels(path, catalogue.nomenclature("mx-yaqui"), "EPSG:32612", column="crop")
    assert read.labels["label_id"].to_pylist() == ["points-2"]
    assert read.counts == {"no_geometry": 1}


def test_what_cannot_be_read_is_named(tmp_path: Path, catalogue: Catalogue) -> None:
    nomenclature = catalogue.nomenclature("mx-yaqui")
    path = write(tmp_path / "points.gpkg", ["TRIGO"], [shapely.Point(-110, 27)])
    with pytest.raises(InvalidLabelsError, match=r"no column 'cultivo'.*points\.gpkg.*label_column.*crop"):
        read_vector_labels(path, nomenclature, "EPSG:32612", column="cultivo")
    broken = tmp_path / "broken.gpkg"
    broken.write_bytes(b"not a file of any format")
    with pytest.raises(InvalidLabelsError, match=r"cannot be read.*broken\.gpkg"):
        read_vector_labels(broken, nomenclature, "EPSG:32612", column="crop")
    nowhere = write(tmp_path / "nowhere.gpkg", ["TRIGO"], [shapely.Point(-110, 27)], crs=None)
    with pytest.raises(InvalidLabelsError, match="CRS"):
        read_vector_labels(nowhere, nomenclature, "EPSG:32612", column="crop")


@pytest.mark.real_data
def test_yaqui_points_are_read_whole_and_conflicting_places_set_apart(catalogue: Catalogue, real_data: Path) -> None:
    path = real_data / "yaqui_sonora" / "crop_labels.gpkg"
    nomenclature = catalogue.nomenclature("mx-yaqui")
    read = read_vector_labels(path, nomenclature, catalogue.region("mx-yaqui").crs, column="name")
    assert read.labels.num_rows + read.dropped.num_rows == 17_619
    checked = validate_labels(read.labels, nomenclature)
    assert checked.labels.num_rows + checked.dropped.num_rows == read.labels.num_rows
    places = checked.labels["geometry"].to_pylist()
    assert len(set(places)) == len(places)
    assert checked.counts["conflicting_place"] > 0
