"""What a model said of each label that had not taught it, kept so that accuracy can be looked at by any group afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from agristat_platform.classification.errors import LengthMismatchError

HELD_OUT_SCHEMA = pa.schema(
    [
        pa.field("label_id", pa.string(), nullable=False),
        pa.field("crop_code", pa.string(), nullable=False),
        pa.field("predicted", pa.string(), nullable=False),
        pa.field(
            "confidence", pa.float64(), nullable=False, metadata={"description": "probability of the class predicted"}
        ),
        pa.field(
            "fold",
            pa.int32(),
            metadata={"description": "in which it was held out; null: no label of the season taught"},
        ),
    ]
)


def held_out_table(
    label_ids: Sequence[Any] | npt.NDArray[Any],
    reference: Sequence[Any] | npt.NDArray[Any],
    predicted: Sequence[Any] | npt.NDArray[Any],
    confidence: Sequence[float] | npt.NDArray[Any],
    fold: npt.NDArray[np.integer[Any]] | None = None,
) -> pa.Table:
    """Labels (n,) beside what was said of them (`HELD_OUT_SCHEMA`); `fold` None where none of the season's labels taught.

    Raises
    ------
    LengthMismatchError
        Numbers differ.
    """
    columns = [label_ids, reference, predicted, confidence]
    lengths = [len(column) for column in columns] + ([] if fold is None else [len(fold)])
    if len(set(lengths)) > 1:
        raise LengthMismatchError(f"{lengths} labels, classes, predictions, confidences and folds given")
    texts = [pa.array([str(value) for value in column], pa.string()) for column in columns[:3]]
    folds = pa.nulls(len(label_ids), pa.int32()) if fold is None else pa.array(np.asarray(fold, dtype=np.int32))
    return pa.Table.from_arrays(
        [*texts, pa.array(np.asarray(confidence, dtype=np.float64)), folds], schema=HELD_OUT_SCHEMA
    )
