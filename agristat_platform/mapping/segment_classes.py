"""From class probabilities to classes: the crop, its confidence and the second-best crop of every segment."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.classification import CropEnsemble
from agristat_platform.mapping.class_probabilities import (
    check_mappable,
    class_columns,
    class_probabilities,
    probability_matrix,
)

CLASSIFIED_SCHEMA = pa.schema(
    [
        pa.field("segment_id", pa.uint32(), nullable=False),
        pa.field("crop_code", pa.string()),
        pa.field("class_id", pa.uint8(), nullable=False, metadata={"nodata": "0"}),
        pa.field("confidence", pa.float32()),
        pa.field("second_crop_code", pa.string()),
        pa.field("second_probability", pa.float32()),
    ]
)


def classify_segments(
    model: CropEnsemble,
    features: pa.Table,
    nomenclature: CropNomenclature,
    *,
    batch: int = 65_536,
    max_missing_share: float = 0.9,
) -> pa.Table:
    """Classify segments by their features, a batch at a time so that memory stays bounded.

    Parameters
    ----------
    model:
        Fitted or loaded; takes its feature columns by name.
    features:
        Wide table with `segment_id`; null is missing.
    nomenclature:
        Gives each crop's raster value.
    batch:
        Segments at once. The result doesn't depend on it.
    max_missing_share:
        As in `class_probabilities`: a segment without probabilities has no class (null, class_id 0).

    Returns
    -------
    pa.Table
        As of `likeliest_classes`, rows in the order of `features`.

    Raises
    ------
    UnmappableClassError
        The model knows crops that the nomenclature doesn't.
    FeatureMismatchError
        Feature columns are missing (from `classification`).
    """
    check_mappable(map(str, model.classes_), nomenclature)
    starts = range(0, max(features.num_rows, 1), batch)
    return pa.concat_tables(
        likeliest_classes(
            class_probabilities(model, features.slice(start, batch), max_missing_share=max_missing_share), nomenclature
        )
        for start in starts
    ).combine_chunks()


def likeliest_classes(probabilities: pa.Table, nomenclature: CropNomenclature) -> pa.Table:
    """The likeliest and the second class of each segment; of equal probabilities the first column comes first.

    Parameters
    ----------
    probabilities:
        `segment_id` and a column of probabilities a class (`class_probabilities`); a row with a missing value has no
        class (null, class_id 0).
    nomenclature:
        Gives each crop's raster value.

    Returns
    -------
    pa.Table
        `CLASSIFIED_SCHEMA`, rows in the order of `probabilities`. `confidence` is the highest class probability. With
        one class alone there is no second one (null).

    Raises
    ------
    UnmappableClassError
        A class isn't in the nomenclature.
    ProbabilityTableError
        The table has no classes or no `segment_id`.
    """
    codes = class_columns(probabilities.schema)
    check_mappable(codes, nomenclature)
    values, unseen = probability_matrix(probabilities, codes)
    values[unseen] = 0
    rows, names = np.arange(len(values)), np.array(codes, dtype=object)
    first = values.argmax(axis=1)
    confidence = values[rows, first]
    values[rows, first] = -1
    second = values.argmax(axis=1)
    alone = unseen | (len(codes) == 1)
    class_ids = np.array([nomenclature.class_ids[code] for code in codes], dtype=np.uint8)
    return pa.table(
        {
            "segment_id": probabilities.column("segment_id").cast(pa.uint32()),
            "crop_code": pa.array(names[first], pa.string(), mask=unseen),
            "class_id": np.where(unseen, np.uint8(0), class_ids[first]),
            "confidence": pa.array(confidence, mask=unseen),
            "second_crop_code": pa.array(names[second], pa.string(), mask=alone),
            "second_probability": pa.array(values[rows, second], mask=alone),
        },
        schema=CLASSIFIED_SCHEMA,
    )
