"""Nomenclatures: look-ups, colours, refusal of doubles, and the cross-walk of the shipped ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from agristat_platform.catalogue import CropNomenclature, UnknownCropError, load_nomenclature

CROPS = Path(__file__).parents[3] / "config" / "crops"
SHIPPED = sorted(path.stem for path in CROPS.glob("*.yaml"))


def nomenclature(**changes: object) -> CropNomenclature:
    wheat = {"code": "WHE", "class_id": 1, "name": {"en": "Wheat"}, "cultivated": True, "colour": "#ff8000"}
    wood = {"code": "WOO", "class_id": 7, "name": {"en": "Wood"}, "cultivated": False, "colour": "#008000"}
    wheat["labels"] = ["TRIGO"]
    return CropNomenclature.model_validate(
        {"code": "two", "title": {"en": "Two classes"}, "crops": [wheat, wood | changes]}
    )


def test_look_ups_by_code_label_and_raster_value() -> None:
    two = nomenclature()
    assert two.codes == ["WHE", "WOO"]
    assert two.cultivated_codes == ["WHE"]
    assert two.by_code("WOO") is two.by_class_id(7)
    assert two.by_label("TRIGO") is two.by_label("WHE") is two.by_code("WHE")
    assert two.class_ids == {"WHE": 1, "WOO": 7}


def test_the_colour_table_has_a_transparent_zero() -> None:
    assert nomenclature().colour_table == {0: (0, 0, 0, 0), 1: (255, 128, 0, 255), 7: (0, 128, 0, 255)}


def test_an_unknown_code_names_those_there_are() -> None:
    with pytest.raises(UnknownCropError, match=r'no crop "WEH".*Did you mean "WHE"\? It has: WHE, WOO'):
        nomenclature().by_code("WEH")
    with pytest.raises(UnknownCropError, match="99"):
        nomenclature().by_class_id(99)
    with pytest.raises(UnknownCropError, match="It has: WHE, TRIGO, WOO"):
        nomenclature().by_label("CEBADA")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"code": "WHE"}, "code WHE is used twice, by WHE and WHE"),
        ({"class_id": 1}, "class_id 1 is used twice, by WHE and WOO"),
        ({"colour": "#ff8000"}, "colour #ff8000 is used twice"),
        ({"labels": ["TRIGO"]}, 'label "TRIGO" is used twice, by WHE and WOO'),
        ({"class_id": 0}, "greater than or equal to 1"),
        ({"class_id": 255}, "less than or equal to 254"),
        ({"icc": "101"}, "icc"),
        ({"lucas": "B1"}, "lucas"),
        ({"name": {}}, "name"),
    ],
)
def test_a_class_that_cannot_be_told_apart_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        nomenclature(**changes)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_nomenclatures_load_in_the_order_of_the_file(name: str) -> None:
    path = CROPS / f"{name}.yaml"
    assert load_nomenclature(path).codes == re.findall(r"^  - code: (\w+)$", path.read_text("utf-8"), re.MULTILINE)


def test_a_crop_has_the_same_international_codes_in_every_shipped_nomenclature() -> None:
    """Codes of ICC 1.1 and LUCAS 2018 copied here from their publications, for the crops several regions share."""
    published = {
        "WHE": ("1.01", {"B11", None}),  # None: bread and durum wheat in one class
        "BAR": ("1.05", {"B13"}),
        "MAI": ("1.02", {"B16"}),
        "ALF": ("9.01.01", {"B52"}),
        "RAP": ("4.03.05", {"B32"}),
        "VET": ("7.10", {"B53"}),
        "SUN": ("4.03.08", {"B31"}),
        "POT": ("5.01", {"B21"}),
        "CORN": ("1.02", {"B16"}),
        "SOYB": ("4.01", {"B33"}),
        "GRN": ("4.02", {"B35"}),
        "MIL": ("1.08", {"B19"}),
    }
    seen = set()
    for name in SHIPPED:
        for crop in load_nomenclature(CROPS / f"{name}.yaml").crops:
            if crop.code in published:
                icc, lucas = published[crop.code]
                assert (crop.icc, crop.lucas in lucas) == (icc, True), f"{crop.code} in {name}"
                seen.add(crop.code)
            if not crop.cultivated:
                assert crop.icc is None, f"{crop.code} in {name}: ICC has crops only"
    assert seen == set(published)


@pytest.mark.real_data
def test_every_name_of_the_sonora_ground_truth_is_read_as_one_class(real_data: Path) -> None:
    import geopandas

    sonora = load_nomenclature(CROPS / "mexico-sonora.yaml")
    points = geopandas.read_file(real_data / "yaqui_sonora" / "crop_labels.gpkg", ignore_geometry=True)
    for (land_cover, name), count in points.groupby(["land_cover", "name"]).size().items():
        assert sonora.by_label(name).national == str(land_cover), f"{name} ({count} points)"


@pytest.mark.real_data
def test_every_label_of_western_bahia_is_a_class(real_data: Path) -> None:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    bahia = load_nomenclature(CROPS / "bahia.yaml")
    labels = pq.read_table(real_data / "western_bahia_cbers" / "labelled_series.parquet", columns=["label"])
    found = {bahia.by_label(label).code for label in pc.unique(labels["label"]).to_pylist()}
    assert found == set(bahia.codes)
