"""From features to classes: the crop, its confidence and the second-best crop of every segment."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.classification import CropEnsemble
from agristat_platform.mapping.errors import UnmappableClassError

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
        A segment that lacks more than this share of the model's features gets no class (null, class_id 0): what the
        model would say about it is the training medians' class.

    Returns
    -------
    pa.Table
        `CLASSIFIED_SCHEMA`, rows in the order of `features`. `confidence` is the highest class probability.

    Raises
    ------
    UnmappableClassError
        The model knows crops that the nomenclature doesn't.
    FeatureMismatchError
        Feature columns are missing (from `classification`).
    """
    strangers = [code for code in model.classes_ if code not in nomenclature.class_ids]
    if strangers:
        raise UnmappableClassError(
            f"the model's crops {', '.join(strangers)} are not in the nomenclature {nomenclature.code}",
            remedy="Train the model with the region's nomenclature",
        )
    starts = range(0, max(features.num_rows, 1), batch)
    parts = [_classify(model, features.slice(start, batch), nomenclature, max_missing_share) for start in starts]
    return pa.concat_tables(parts).combine_chunks()


def _classify(model: CropEnsemble, features: pa.Table, nomenclature: CropNomenclature, max_missing: float) -> pa.Table:
    probabilities = model.predict_proba(features)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    rows = np.arange(len(order))
    first, second = order[:, 0], order[:, 1]
    unseen = _missing_share(model, features) > max_missing
    class_ids = np.array([nomenclature.class_ids[str(code)] for code in model.classes_], dtype=np.uint8)
    return pa.table(
        {
            "segment_id": features.column("segment_id").cast(pa.uint32()),
            "crop_code": pa.array(model.classes_[first].astype(object), pa.string(), mask=unseen),
            "class_id": np.where(unseen, np.uint8(0), class_ids[first]),
            "confidence": pa.array(probabilities[rows, first].astype(np.float32), mask=unseen),
            "second_crop_code": pa.array(model.classes_[second].astype(object), pa.string(), mask=unseen),
            "second_probability": pa.array(probabilities[rows, second].astype(np.float32), mask=unseen),
        },
        schema=CLASSIFIED_SCHEMA,
    )


def _missing_share(model: CropEnsemble, features: pa.Table) -> np.ndarray:
    missing = np.zeros(features.num_rows, dtype=np.int64)
    for name in model.feature_names_in_:
        missing += ~np.isfinite(features.column(name).cast(pa.float32()).to_numpy())
    return missing / model.n_features_in_
