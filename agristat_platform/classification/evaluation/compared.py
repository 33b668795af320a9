"""Predictions beside the labels they are judged by, checked: what can't be compared is left out and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.classification.errors import (
    InvalidSampleWeightError,
    LengthMismatchError,
    TooFewClassesError,
    UnknownCropCodeError,
)
from agristat_platform.classification.evaluation.errors import InvalidPredictionsError
from agristat_platform.classification.labels import listed

Given: TypeAlias = Sequence[Any] | npt.NDArray[Any]
"""Something of each sample (n,), as callers have it."""


@dataclass(frozen=True)
class Compared:
    """Samples with a label and a prediction, n of them.

    Attributes
    ----------
    classes:
        Codes that occur, in the nomenclature's order or sorted.
    reference, predicted:
        int64 (n,), positions in `classes`.
    confidence:
        float64 (n,) in 0 … 1, or None.
    weight:
        float64 (n,), positive.
    place:
        int64 (n,), number of the sample's place; without places each sample is its own.
    rows:
        int64 (n,), the samples' positions in what was given.
    left_out:
        Samples left out by reason: no_label, no_prediction, no_weight.
    untaught:
        Samples by class of the reference that the model was not taught; they count as wrong.
    """

    classes: tuple[str, ...]
    reference: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64] | None
    weight: npt.NDArray[np.float64]
    place: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    left_out: dict[str, int]
    untaught: dict[str, int]


def compared(
    reference: Given,
    predicted: Given,
    *,
    nomenclature: CropNomenclature | None,
    taught: Collection[str] | None,
    confidence: Given | None,
    weights: Given | None,
    places: Given | None,
) -> Compared:
    """Check labels and predictions; see `accuracy_report` for the parameters and `Compared` for what comes of them.

    Raises
    ------
    LengthMismatchError
        Numbers of samples differ.
    UnknownCropCodeError
        Codes outside the nomenclature, with the rows they stand in.
    InvalidPredictionsError
        Nothing can be compared, or a confidence lies outside 0 … 1.
    InvalidSampleWeightError
        A weight is negative or infinite.
    TooFewClassesError
        The labels are of one class: nothing could be confused.
    """
    n = len(reference)
    for name, given in (
        ("predictions", predicted),
        ("confidences", confidence),
        ("weights", weights),
        ("places", places),
    ):
        if given is not None and len(given) != n:
            raise LengthMismatchError(f"{n} labels but {len(given)} {name}", remedy="Give one for every sample")
    truth, said = _names(reference), _names(predicted)
    if nomenclature is not None:
        _check_codes(truth, nomenclature, "labels")
        _check_codes(said, nomenclature, "predictions")
    weight = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    if (weight < 0).any() or not np.isfinite(weight).all():
        rows = np.flatnonzero((weight < 0) | ~np.isfinite(weight)).tolist()
        raise InvalidSampleWeightError(
            "weights are negative or no number", where=f"rows {listed(rows)}", remedy="Give finite weights, 0 or more"
        )
    labelled = np.array([name is not None for name in truth], dtype=bool)
    named = np.array([name is not None for name in said], dtype=bool)
    kept = np.flatnonzero(labelled & named & (weight > 0))
    left_out = {
        "no_label": int((~labelled).sum()),
        "no_prediction": int((labelled & ~named).sum()),
        "no_weight": int((labelled & named & (weight == 0)).sum()),
    }
    if not len(kept):
        raise InvalidPredictionsError(
            f"none of {n} samples has a label and a prediction",
            where=str(left_out),
            remedy="Check how they were joined",
        )
    kept_truth, kept_said = [str(truth[i]) for i in kept], [str(said[i]) for i in kept]
    if len(set(kept_truth)) < 2:
        raise TooFewClassesError(
            f"all {len(kept)} labels are of the class {kept_truth[0]}",
            remedy="Accuracy needs labels of at least two classes: with one, nothing could be confused",
        )
    found = set(kept_truth) | set(kept_said)
    order = sorted(found) if nomenclature is None else [code for code in nomenclature.codes if code in found]
    number = {name: i for i, name in enumerate(order)}
    known = None if taught is None else {str(name) for name in taught}
    place = np.arange(n) if places is None else _places(places)
    return Compared(
        classes=tuple(order),
        reference=np.array([number[name] for name in kept_truth], dtype=np.int64),
        predicted=np.array([number[name] for name in kept_said], dtype=np.int64),
        confidence=None if confidence is None else _confidence(confidence, kept),
        weight=weight[kept],
        place=place[kept],
        rows=kept.astype(np.int64),
        left_out={reason: count for reason, count in left_out.items() if count},
        untaught={} if known is None else dict(sorted(Counter(t for t in kept_truth if t not in known).items())),
    )


def _names(given: Given) -> list[str | None]:
    values = given.tolist() if isinstance(given, np.ndarray) else list(given)
    return [None if value is None or value == "" or value != value else str(value) for value in values]


def _places(given: Given) -> npt.NDArray[np.int64]:
    """Numbers of places; a sample whose place is unknown is its own."""
    keys = [f"p{name}" if name is not None else f"s{row}" for row, name in enumerate(_names(given))]
    return np.asarray(np.unique(keys, return_inverse=True)[1], dtype=np.int64)


def _check_codes(names: list[str | None], nomenclature: CropNomenclature, what: str) -> None:
    known = set(nomenclature.codes)
    rows = [row for row, name in enumerate(names) if name is not None and name not in known]
    if rows:
        raise UnknownCropCodeError(
            f"{what} hold {listed(sorted({str(names[row]) for row in rows}))}, not in the nomenclature {nomenclature.code}",
            where=f"rows {listed(rows)}",
            remedy=f"Use one of {listed(nomenclature.codes, 30)} or add the crop to the nomenclature",
        )


def _confidence(given: Given, kept: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    values = np.asarray(given, dtype=np.float64)[kept]
    wrong = kept[~((values >= 0) & (values <= 1 + 1e-9))]
    if len(wrong):
        raise InvalidPredictionsError(
            f"{len(wrong)} confidences are no probabilities",
            where=f"rows {listed(wrong.tolist())}",
            remedy="Give the highest class probability of each predicted sample, between 0 and 1",
        )
    return np.minimum(values, 1.0)
