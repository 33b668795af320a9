"""Class probabilities: what a model gives, what follows from them, and what is wrong with a table of them."""

import numpy as np
import pyarrow as pa
import pytest

from agristat_platform.classification import CropEnsemble, EnsembleSettings, FeatureMismatchError
from agristat_platform.mapping import (
    CLASSIFIED_SCHEMA,
    ProbabilityTableError,
    UnmappableClassError,
    class_probabilities,
    classify_segments,
    likeliest_classes,
    probabilities_schema,
    probability_faults,
    recognised_probabilities,
)

NAMES = ["a", "b", "c", "d"]


@pytest.fixture(scope="module")
def model():
    random = np.random.default_rng(2)
    y = np.array(["WHE", "MAI", "GRA"] * 20)
    X = random.normal(size=(60, 4)).astype(np.float32) + 3 * (y[:, None] == np.array(["WHE", "MAI", "GRA", "WHE"]))
    return CropEnsemble(EnsembleSettings(trees=10, networks=1, max_epochs=5)).fit(X, y, feature_names=NAMES)


def features(values) -> pa.Table:
    columns = {name: pa.array(values[:, j], from_pandas=True) for j, name in enumerate(NAMES)}
    return pa.table({"segment_id": np.arange(1, len(values) + 1, dtype=np.uint32), **columns})


def table(rows, codes=("GRA", "MAI", "WHE"), kind=pa.float32()):
    columns = {code: pa.array([row[j] for row in rows], kind) for j, code in enumerate(codes)}
    return pa.table({"segment_id": pa.array(range(1, len(rows) + 1), pa.uint32()), **columns})


def test_a_column_a_class_and_null_without_features(model):
    values = np.random.default_rng(3).normal(size=(6, 4)).astype(np.float32)
    values[4] = np.nan
    found = class_probabilities(model, features(values))
    assert found.schema.equals(probabilities_schema(["GRA", "MAI", "WHE"]), check_metadata=True)
    assert found.slice(4, 1).to_pylist() == [{"segment_id": 5, "GRA": None, "MAI": None, "WHE": None}]
    seen = [0, 1, 2, 3, 5]
    stacked = np.stack([found[code].to_numpy() for code in ("GRA", "MAI", "WHE")], axis=1)[seen]
    np.testing.assert_array_equal(stacked, model.predict_proba(values[seen]).astype(np.float32))


def test_rows_in_portions_give_the_same_probabilities(model):
    rows = features(np.random.default_rng(4).normal(size=(50, 4)).astype(np.float32))
    whole = class_probabilities(model, rows)
    parts = pa.concat_tables([class_probabilities(model, rows.slice(start, 7)) for start in range(0, 50, 7)])
    assert parts.equals(whole)
    assert class_probabilities(model, rows.slice(0, 0)).num_rows == 0


def test_columns_that_the_model_lacks_are_not_needed_and_missing_ones_are_named(model):
    rows = features(np.zeros((2, 4), np.float32))
    more = rows.append_column("e", pa.array([1.0, 2.0])).select(["e", "d", "segment_id", "c", "b", "a"])
    assert class_probabilities(model, more).equals(class_probabilities(model, rows))
    with pytest.raises(FeatureMismatchError, match="missing: c"):
        class_probabilities(model, rows.drop_columns(["c"]))


def test_likeliest_and_second_class_by_hand(nomenclature):
    rows = table([(0.2, 0.5, 0.3), (0.25, 0.25, 0.5), (0.4, 0.4, 0.2), (None, None, None), (None, 0.5, 0.5)])
    found = likeliest_classes(rows, nomenclature)
    assert found.schema.equals(CLASSIFIED_SCHEMA)
    assert found.select(["crop_code", "class_id", "second_crop_code"]).to_pylist() == [
        {"crop_code": "MAI", "class_id": 5, "second_crop_code": "WHE"},
        {"crop_code": "WHE", "class_id": 1, "second_crop_code": "GRA"},
        {"crop_code": "GRA", "class_id": 8, "second_crop_code": "MAI"},
        {"crop_code": None, "class_id": 0, "second_crop_code": None},
        {"crop_code": None, "class_id": 0, "second_crop_code": None},
    ]
    assert found["confidence"].to_pylist() == pytest.approx([0.5, 0.5, 0.4, None, None])
    assert found["second_probability"].to_pylist() == pytest.approx([0.3, 0.25, 0.4, None, None])


def test_one_class_alone_has_no_second(nomenclature):
    found = likeliest_classes(table([(1.0,)], ["WHE"]), nomenclature).to_pylist()[0]
    assert (found["crop_code"], found["second_crop_code"], found["second_probability"]) == ("WHE", None, None)


def test_classes_follow_from_published_probabilities_alone(model, nomenclature):
    rows = features(np.random.default_rng(5).normal(size=(30, 4)).astype(np.float32))
    published = class_probabilities(model, rows)
    assert likeliest_classes(published, nomenclature).equals(classify_segments(model, rows, nomenclature))


def test_what_recognition_gave_takes_the_same_form():
    found = recognised_probabilities(table([(0.2, 0.5, 0.3), (None, 0.6, 0.4)], kind=pa.float64()))
    assert found.schema.equals(probabilities_schema(["GRA", "MAI", "WHE"]))
    assert found["MAI"].to_pylist() == [0.5, None]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (pa.table({"WHE": pa.array([1.0])}), "has columns WHE"),
        (pa.table({"segment_id": pa.array([1], pa.uint32())}), "has columns segment_id"),
        (pa.table({"segment_id": pa.array([1], pa.uint32()), "WHE": ["much"]}), "columns WHE hold no probabilities"),
    ],
)
def test_a_table_that_holds_something_else_is_refused(rows, told, nomenclature):
    with pytest.raises(ProbabilityTableError, match=told):
        recognised_probabilities(rows)
    with pytest.raises(ProbabilityTableError, match=told):
        likeliest_classes(rows, nomenclature)


def test_an_unknown_class_is_named(nomenclature):
    with pytest.raises(UnmappableClassError, match="RYE"):
        likeliest_classes(table([(0.5, 0.5)], ["WHE", "RYE"]), nomenclature)


def test_faults_name_the_segments():
    rows = [(0.2, 0.5, 0.3), (None, None, None), (0.2, 0.5, 0.2), (None, 0.5, 0.5), (1.5, -0.5, 0.0)]
    parts = table(rows)
    found = probability_faults([parts.slice(0, 3), parts.slice(3)])
    assert (found.rows, found.without_value, found.not_adding_up) == (5, 1, (3, 4, 5))
    assert found.segment_ids.tolist() == [1, 2, 3, 4, 5]
    assert probability_faults([]).rows == 0
