"""Labels: the schema, the checks, and what is dropped with a record."""

import pyarrow as pa
import pytest
import shapely

from agristat_platform.classification import (
    LABELS_SCHEMA,
    EmptyClassError,
    InvalidLabelsError,
    TooFewClassesError,
    UnknownCropCodeError,
    class_support,
    label_table,
    validate_labels,
)


def labels(*rows: tuple[str, str, object], **more: object) -> pa.Table:
    return label_table(
        {"label_id": n, "crop_code": c, "geometry": None if g is None else shapely.to_wkb(g), **more}
        for n, c, g in rows
    )


def test_good_labels_pass_unchanged(nomenclature):
    table = labels(("a", "WHE", shapely.Point(0, 0)), ("b", "MAI", shapely.box(0, 0, 1, 1)))
    check = validate_labels(table, nomenclature)
    assert check.labels.equals(table.cast(check.labels.schema))
    assert check.labels.column_names == LABELS_SCHEMA.names
    assert check.counts == {}


def test_codes_outside_the_nomenclature_are_listed_with_their_rows(nomenclature):
    table = labels(
        ("a", "RYE", shapely.Point(0, 0)), ("b", "WHE", shapely.Point(1, 0)), ("c", "RYE", shapely.Point(2, 0))
    )
    with pytest.raises(UnknownCropCodeError, match=r"RYE.*rows 0, 2.*WHE, BAR, MAI, GRA"):
        validate_labels(table, nomenclature)


def test_conflicting_labels_at_one_place_are_all_dropped(nomenclature):
    square, turned = shapely.box(0, 0, 1, 1), shapely.Polygon([(1, 1), (0, 1), (0, 0), (1, 0)])
    table = labels(
        ("a", "WHE", square), ("b", "MAI", turned), ("c", "WHE", shapely.Point(5, 5)), ("d", "WHE", shapely.Point(5, 5))
    )
    check = validate_labels(table, nomenclature)
    assert check.labels["label_id"].to_pylist() == ["c"]
    assert check.counts == {"conflicting_place": 2, "duplicate_place": 1}
    assert check.dropped["detail"].to_pylist()[0] == "crops MAI, WHE at one place"


def test_labels_without_geometry_are_no_duplicates(nomenclature):
    assert validate_labels(labels(("a", "WHE", None), ("b", "MAI", None)), nomenclature).labels.num_rows == 2


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (labels(("a", "WHE", None), ("a", "MAI", None)), "label_id a stands in two rows.*rows 0 and 1"),
        (labels(("a", "WHE", None), role="estimate"), r"role train.*a \(estimate\)"),
        (pa.table({"label_id": ["a"], "crop_code": ["WHE"]}), "no column geometry, role"),
        (labels(("a", "WHE", None)).set_column(2, "geometry", pa.array([b"nonsense"])), "not WKB.*label_id a"),
    ],
)
def test_bad_tables_name_the_fault(table, message, nomenclature):
    with pytest.raises(InvalidLabelsError, match=message):
        validate_labels(table, nomenclature)


def test_class_support_reports_empty_and_single_block_crops(nomenclature):
    support = class_support(["WHE", "WHE", "BAR", "BAR"], nomenclature, groups=["1", "2", "1", "1"])
    rows = {row["crop_code"]: (row["samples"], row["blocks"], row["status"]) for row in support.to_pylist()}
    assert rows == {"WHE": (2, 2, "ok"), "BAR": (2, 1, "single_block"), "MAI": (0, 0, "empty"), "GRA": (0, 0, "empty")}


def test_a_required_crop_without_labels_and_a_single_crop_raise(nomenclature):
    with pytest.raises(EmptyClassError, match="MAI"):
        class_support(["WHE", "BAR"], nomenclature, required_classes=["WHE", "MAI"])
    with pytest.raises(TooFewClassesError, match="WHE"):
        class_support(["WHE", "WHE"], nomenclature)
