"""Class probabilities as they come from a model, checked before anything is said about confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.classification.errors import LengthMismatchError, UnknownCropCodeError
from agristat_platform.classification.labels import listed
from agristat_platform.classification.review.errors import InvalidProbabilitiesError

SUM_TOLERANCE = 1e-3
"""How far a row's sum may lie from one: probabilities stored as float32, or rounded to three decimals, still pass."""

LEAST_PROBABILITY = 1e-6
"""Probabilities are kept at or above this where their logarithm is taken: a vote of trees can be exactly zero."""


@dataclass(frozen=True)
class CheckedProbabilities:
    """Probabilities that can be used.

    Attributes
    ----------
    values:
        float64 (m, k), rows sum to 1; only rows that have values.
    classes:
        Codes of the columns (k,).
    rows:
        int64 (m,), position of each row in what was given.
    without_value:
        Number of rows left out because they are NaN.
    """

    values: NDArray[np.float64]
    classes: tuple[str, ...]
    rows: NDArray[np.int64]
    without_value: int

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Column of the likeliest class (m,); the first of equals."""
        return self.values.argmax(axis=1)

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Highest probability of each row (m,)."""
        return np.asarray(self.values.max(axis=1))


def check_probabilities(
    probabilities: Any, classes: Sequence[str], *, nomenclature: CropNomenclature | None = None
) -> CheckedProbabilities:
    """Check probabilities (n, k) of `classes` (k,) and leave out rows without values, with their count.

    Parameters
    ----------
    nomenclature:
        What the classes must be found in; None to take them as they are.

    Raises
    ------
    InvalidProbabilitiesError
        Other dimensions, a class named twice, a row with some NaN, values outside 0 … 1, or rows that don't sum to one
        within `SUM_TOLERANCE`; the rows are named.
    UnknownCropCodeError
        Classes outside the nomenclature.
    """
    values = np.asarray(probabilities, dtype=np.float64)
    names = tuple(str(name) for name in classes)
    if values.ndim != 2 or values.shape[1] != len(names) or len(names) < 2:
        raise InvalidProbabilitiesError(
            f"probabilities have shape {values.shape} for {len(names)} classes",
            remedy="Give a row for each parcel and a column for each of at least two classes",
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidProbabilitiesError(f"classes are named twice: {listed(twice)}")
    if nomenclature is not None:
        strangers = sorted(set(names) - set(nomenclature.codes))
        if strangers:
            raise UnknownCropCodeError(
                f"classes {listed(strangers)} are not in the nomenclature {nomenclature.code}",
                remedy="Use the region's nomenclature for model and review",
            )
    missing = np.isnan(values)
    empty = missing.all(axis=1)
    _refuse(missing.any(axis=1) & ~empty, "hold NaN next to numbers", "A parcel has all its probabilities or none")
    _refuse(
        ((values < 0) | (values > 1 + SUM_TOLERANCE)).any(axis=1), "hold values outside 0 … 1", "Give probabilities"
    )
    total = values.sum(axis=1)
    _refuse(
        ~empty & (np.abs(total - 1) > SUM_TOLERANCE),
        "don't sum to one",
        "Give probabilities over all classes, not scores or shares of some",
    )
    rows = np.flatnonzero(~empty)
    return CheckedProbabilities(values[rows] / total[rows, None], names, rows, int(empty.sum()))


def label_columns(labels: Sequence[Any], classes: Sequence[str], *, rows: int) -> NDArray[np.int64]:
    """Column of each label among `classes`, (n,).

    Raises
    ------
    LengthMismatchError
        The number of labels isn't `rows`.
    UnknownCropCodeError
        Labels that are none of the classes, named.
    """
    if len(labels) != rows:
        raise LengthMismatchError(f"{rows} rows of probabilities but {len(labels)} labels")
    column = {str(name): j for j, name in enumerate(classes)}
    names = [str(label) for label in labels]
    strangers = sorted(set(names) - set(column))
    if strangers:
        raise UnknownCropCodeError(
            f"labels {listed(strangers)} are none of the classes that have probabilities",
            remedy="Leave them out and report their share: no probability can be right about them",
        )
    return np.array([column[name] for name in names], dtype=np.int64)


def log_loss(
    values: NDArray[np.float64], label: NDArray[np.int64], weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Minus the logarithm of what each row gave to its true class (n,), times weights of mean one if given."""
    loss = -np.log(np.maximum(values[np.arange(len(label)), label], LEAST_PROBABILITY))
    return loss if weights is None else loss * weights / weights.mean()


def _refuse(bad: Any, what: str, remedy: str) -> None:
    rows = np.flatnonzero(bad)
    if len(rows):
        raise InvalidProbabilitiesError(
            f"{len(rows)} rows of probabilities {what}", where=f"rows {listed(rows.tolist())}", remedy=remedy
        )
