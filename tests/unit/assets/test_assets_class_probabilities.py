"""Probabilities and classes of crop maps as written: whichever model they come from, however many rows a row group has."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agristat_platform.catalogue import Crop, CropNomenclature, Partition
from agristat_platform.classification import CropEnsemble, EnsembleSettings, save_model
from agristat_platform.mapping import UnmappableClassError, class_probabilities, classify_segments
from assets.class_probabilities import probability_checks, probability_source, write_classes
from resources.storage import Store

SEASON = Partition("valley", "2023-10")
NOMENCLATURE = CropNomenclature(
    code="test",
    title={"en": "Test"},
    crops=[
        Crop(code=code, class_id=i, name={"en": code}, cultivated=True, colour=colour)
        for code, i, colour in (("WHE", 1, "#e0b040"), ("MAI", 5, "#ff7f00"))
    ],
)
ROWS = 300


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "store"), scratch_dir=str(tmp_path / "scratch"))


@pytest.fixture
def published(store):
    def publish(asset, write):
        with store.draft(asset, SEASON, stage="test") as draft:
            write(draft)
        return store.publish(draft, draft.manifest(run_id="run"))

    return publish


@pytest.fixture(scope="module")
def model():
    random = np.random.default_rng(1)
    y = np.array(["WHE", "MAI"] * 20)
    X = random.normal(size=(40, 3)).astype(np.float32) + 2 * (y[:, None] == "WHE")
    settings = EnsembleSettings(trees=5, networks=1, max_epochs=3)
    return CropEnsemble(settings).fit(X, y, feature_names=["a", "b", "c"])


@pytest.fixture(scope="module")
def features():
    values = np.random.default_rng(3).normal(size=(ROWS, 4)).astype(np.float32)
    values[7] = np.nan
    columns = {name: pa.array(values[:, j], from_pandas=True) for j, name in enumerate("abxc")}
    return pa.table({"segment_id": np.arange(1, ROWS + 1, dtype=np.uint32), **columns})


def rows_of(table, rows):
    return lambda draft: pq.write_table(table, draft.path("features.parquet"), row_group_size=rows)


def test_row_groups_do_not_show_in_the_bytes(store, published, model, features):
    fitted = published("crop_models", lambda draft: save_model(model, draft.directory))
    written = []
    for rows in (ROWS, 64, 1):
        source = probability_source(fitted, published("features", rows_of(features, rows)), NOMENCLATURE)
        assert source.made_by == "ensemble"
        draft = store.draft("crop_maps", SEASON, stage="mapping")
        classified = write_classes(draft, source, NOMENCLATURE)
        assert classified.equals(classify_segments(model, features, NOMENCLATURE))
        assert all(check.passed for check in probability_checks(draft, source, features["segment_id"]))
        written.append((draft.path("probabilities.parquet").read_bytes(), draft.path("segments.parquet").read_bytes()))
    assert written[0] == written[1] == written[2]


def test_what_is_recognised_goes_before_the_ensemble(store, published, model, features):
    recognised = pa.table(
        {
            "segment_id": features["segment_id"],
            "MAI": pa.array([0.75] * ROWS, pa.float32()),
            "WHE": pa.array([0.25] * ROWS, pa.float32()),
        }
    )

    def both(draft):
        save_model(model, draft.directory)
        draft.write_table("recognised", recognised)

    source = probability_source(
        published("crop_models", both), published("features", rows_of(features, ROWS)), NOMENCLATURE
    )
    draft = store.draft("crop_maps", SEASON, stage="mapping")
    classified = write_classes(draft, source, NOMENCLATURE)
    assert source.made_by == "recognition"
    assert set(classified["crop_code"].to_pylist()) == {"MAI"}
    written = pq.read_table(draft.path("probabilities.parquet"))
    assert written.to_pydict() == recognised.to_pydict()


def test_segments_without_a_row_and_wrong_sums_fail_their_checks(store, published, features):
    recognised = pa.table(
        {
            "segment_id": features["segment_id"].slice(0, ROWS - 1),
            "MAI": pa.array([0.7] + [0.75] * (ROWS - 2), pa.float32()),
            "WHE": pa.array([0.25] * (ROWS - 1), pa.float32()),
        }
    )
    version = published("crop_models", lambda draft: draft.write_table("recognised", recognised))
    source = probability_source(version, version, NOMENCLATURE)
    draft = store.draft("crop_maps", SEASON, stage="mapping")
    write_classes(draft, source, NOMENCLATURE)
    found = {check.check_name: check for check in probability_checks(draft, source, features["segment_id"])}
    assert {name: check.passed for name, check in found.items()} == {
        "probabilities_schema": True,
        "one_row_per_segment": False,
        "probabilities_add_up": False,
    }
    assert "such as 1" in found["probabilities_add_up"].description
    assert "299 rows, 300 segments" in found["one_row_per_segment"].description


def test_a_class_outside_the_nomenclature_stops_before_anything_is_written(published):
    recognised = pa.table({"segment_id": pa.array([1], pa.uint32()), "RYE": pa.array([1.0], pa.float32())})
    version = published("crop_models", lambda draft: draft.write_table("recognised", recognised))
    with pytest.raises(UnmappableClassError, match="RYE"):
        probability_source(version, version, NOMENCLATURE)


def test_the_ensemble_reads_no_more_columns_than_it_uses(published, model, features, monkeypatch):
    fitted = published("crop_models", lambda draft: save_model(model, draft.directory))
    source = probability_source(fitted, published("features", rows_of(features, 64)), NOMENCLATURE)
    seen = []
    monkeypatch.setattr(
        "assets.class_probabilities.mapping.class_probabilities",
        lambda model, rows: seen.append(rows.column_names) or class_probabilities(model, rows),
    )
    assert sum(part.num_rows for part in source.portions()) == ROWS
    assert set(map(tuple, seen)) == {("segment_id", "a", "b", "c")}
