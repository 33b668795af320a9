"""Class probabilities and classes of every segment as `crop_maps` writes them: some segments at a time, whichever model they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from agristat_platform import classification, mapping
from agristat_platform.catalogue import CropNomenclature
from assets import checks
from assets.layers import folder_of
from resources.storage import Draft, StoredVersion
from resources.table_portions import read_portions

TABLE = "probabilities"
RECOGNISED = "recognised"
CLASSES_TABLE = "segments"


@dataclass(frozen=True)
class ProbabilitySource:
    """Where probabilities come from.

    Attributes
    ----------
    made_by: "recognition" (taught by past seasons) or "ensemble" (taught by this season's labels).
    classes: codes of the classes, in the order of the columns.
    portions: gives tables of `mapping.probabilities_schema(classes)`.
    """

    made_by: str
    classes: tuple[str, ...]
    portions: Callable[[], Iterator[pa.Table]]


def probability_source(
    crop_models: StoredVersion, features: StoredVersion, nomenclature: CropNomenclature
) -> ProbabilitySource:
    """What the crop model says of the season's segments: what it has recognised already, else its answer to their features.

    Raises
    ------
    UnmappableClassError
        The model knows crops that the nomenclature doesn't.
    """
    if crop_models.has(RECOGNISED):
        classes = tuple(mapping.class_columns(pq.read_schema(crop_models.path(f"{RECOGNISED}.parquet"))))
        source = ProbabilitySource(
            "recognition", classes, lambda: map(mapping.recognised_probabilities, crop_models.portions(RECOGNISED))
        )
    else:
        model = classification.load_model(folder_of(crop_models, classification.MODEL_FILES))
        columns = ["segment_id", *map(str, model.feature_names_in_)]
        source = ProbabilitySource(
            "ensemble",
            tuple(map(str, model.classes_)),
            lambda: (
                mapping.class_probabilities(model, rows) for rows in features.portions("features", columns=columns)
            ),
        )
    mapping.check_mappable(source.classes, nomenclature)
    return source


def write_classes(draft: Draft, source: ProbabilitySource, nomenclature: CropNomenclature) -> pa.Table:
    """Write the tables `probabilities` and `segments`, and return the latter (`mapping.CLASSIFIED_SCHEMA`)."""
    written = draft.write_portions(TABLE, mapping.probabilities_schema(source.classes), source.portions())
    path = draft.write_portions(
        CLASSES_TABLE,
        mapping.CLASSIFIED_SCHEMA,
        (mapping.likeliest_classes(portion, nomenclature) for portion in read_portions(written)),
    )
    return pq.read_table(path, memory_map=False)


def probability_checks(
    draft: Draft, source: ProbabilitySource, segment_ids: pa.ChunkedArray
) -> list[dg.AssetCheckResult]:
    """Checks of the table of probabilities as written.

    Parameters
    ----------
    segment_ids: those of the season's segments.
    """
    path = draft.path(f"{TABLE}.parquet")
    found = mapping.probability_faults(read_portions(path))
    wrong = ", ".join(map(str, found.not_adding_up[: checks.NAMED]))
    return [
        checks.schema("probabilities_schema", path, mapping.probabilities_schema(source.classes)),
        checks.holds(
            "one_row_per_segment",
            np.array_equal(np.sort(found.segment_ids), np.sort(segment_ids.to_numpy())),
            description=f"{found.rows} rows, {len(segment_ids)} segments",
        ),
        checks.holds(
            "probabilities_add_up",
            not found.not_adding_up,
            description=f"{found.rows - found.without_value} segments with probabilities, {found.without_value} without; "
            + (
                f"not of sum 1 or with gaps: {len(found.not_adding_up)}, such as {wrong}"
                if wrong
                else "all add up to 1"
            ),
            without_value=found.without_value,
        ),
    ]
