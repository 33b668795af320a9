"""Probabilities of the classes of every segment, a column a class: what a crop map is made from, and what is reviewed.

Not here: which class follows from them (`segment_classes`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.classification import CropEnsemble, column_matrix
from agristat_platform.mapping.errors import ProbabilityTableError, UnmappableClassError

IDENTIFIER = "segment_id"
SUM_TOLERANCE = 1e-3
"""How far the probabilities of a segment may add up from one: they are stored as float32."""


def probabilities_schema(classes: Sequence[str]) -> pa.Schema:
    """`segment_id` (uint32) and a float32 column a class, named by its code; null where a segment has no value."""
    columns = [pa.field(code, pa.float32(), metadata={"unit": "probability"}) for code in classes]
    return pa.schema([pa.field(IDENTIFIER, pa.uint32(), nullable=False), *columns])


def class_probabilities(model: CropEnsemble, features: pa.Table, *, max_missing_share: float = 0.9) -> pa.Table:
    """Class probabilities of segments by their features; the rows may be all of a table or some of it.

    Parameters
    ----------
    model:
        Fitted or loaded; takes its feature columns by name.
    features:
        Wide table with `segment_id`; null is missing.
    max_missing_share:
        A segment that lacks more than this share of the model's features gets no probabilities: what the model would
        say about it is the training medians' class.

    Returns
    -------
    pa.Table
        `probabilities_schema(model.classes_)`, rows in the order of `features`.

    Raises
    ------
    FeatureMismatchError
        Feature columns are missing (from `classification`).
    """
    codes = [str(code) for code in model.classes_]
    names = [str(name) for name in model.feature_names_in_]
    if not set(names) <= set(features.column_names):
        model.predict_proba(features)  # names those that are missing
    X = column_matrix(features, names)
    probabilities = model.predict_proba(X).astype(np.float32)
    unseen = np.isnan(X).mean(axis=1) > max_missing_share if len(X) else np.empty(0, dtype=bool)
    return _table(features.column(IDENTIFIER), codes, probabilities, unseen)


def recognised_probabilities(recognised: pa.Table) -> pa.Table:
    """Probabilities that a model of past seasons gave, in the form of `class_probabilities`; null stays null.

    Parameters
    ----------
    recognised:
        `segment_id` and a column of probabilities a class, named by its code.

    Raises
    ------
    ProbabilityTableError
        There is no `segment_id`, no class, or a column that holds no numbers.
    """
    codes = class_columns(recognised.schema)
    return _table(recognised.column(IDENTIFIER), codes, *probability_matrix(recognised, codes))


def class_columns(schema: pa.Schema) -> list[str]:
    """Codes of the classes that a table of probabilities has columns for; errors as in `recognised_probabilities`."""
    codes = [name for name in schema.names if name != IDENTIFIER]
    if IDENTIFIER not in schema.names or not codes:
        raise ProbabilityTableError(
            f"a table of probabilities has columns {', '.join(schema.names) or 'of no name'}",
            remedy=f"Give {IDENTIFIER} and a column of probabilities for each class",
        )
    strange = [code for code in codes if not pa.types.is_floating(schema.field(code).type)]
    if strange:
        raise ProbabilityTableError(
            f"columns {', '.join(strange)} hold no probabilities",
            remedy="Give a column of floating-point numbers for each class",
        )
    return codes


def probability_matrix(table: pa.Table, codes: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Probabilities (n, classes), and which rows have none: those with a missing value."""
    values = column_matrix(table, codes)
    return values, np.isnan(values).any(axis=1)


def check_mappable(codes: Iterable[str], nomenclature: CropNomenclature) -> None:
    """Raise UnmappableClassError, which names them, when classes are not in the nomenclature."""
    strangers = [code for code in codes if code not in nomenclature.class_ids]
    if strangers:
        raise UnmappableClassError(
            f"the model's crops {', '.join(strangers)} are not in the nomenclature {nomenclature.code}",
            remedy="Train the model with the region's nomenclature",
        )


@dataclass(frozen=True)
class ProbabilityFaults:
    """What is wrong with a table of probabilities.

    Attributes
    ----------
    rows, without_value:
        Segments in all, and those without probabilities.
    not_adding_up:
        Segments whose probabilities don't add up to one, lie outside 0 to 1, or are missing for some classes only.
    segment_ids:
        uint32 (rows,), in their order.
    """

    rows: int
    without_value: int
    not_adding_up: tuple[int, ...]
    segment_ids: NDArray[np.uint32]


def probability_faults(portions: Iterable[pa.Table]) -> ProbabilityFaults:
    """Look through a table of probabilities some rows at a time."""
    without, wrong = 0, []
    identifiers = [np.empty(0, dtype=np.uint32)]
    for portion in portions:
        values, _ = probability_matrix(portion, class_columns(portion.schema))
        missing = np.isnan(values)
        filled = np.nan_to_num(values, nan=0.0)
        sound = (filled >= 0).all(axis=1) & (np.abs(filled.sum(axis=1, dtype=np.float64) - 1) <= SUM_TOLERANCE)
        none = missing.all(axis=1)
        segment = portion.column(IDENTIFIER).to_numpy()
        without += int(none.sum())
        wrong += segment[~none & (~sound | missing.any(axis=1))].tolist()
        identifiers.append(segment)
    every = np.concatenate(identifiers)
    return ProbabilityFaults(len(every), without, tuple(wrong), every)


def _table(
    identifiers: pa.ChunkedArray, codes: Sequence[str], values: NDArray[np.float32], none: NDArray[np.bool_]
) -> pa.Table:
    columns = [pa.array(values[:, j], pa.float32(), mask=none) for j in range(len(codes))]
    return pa.table([identifiers.cast(pa.uint32()), *columns], schema=probabilities_schema(codes))
