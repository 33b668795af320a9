"""Accuracy figures of predicted against reference crops: numbers and tables, whatever the source of the predictions.

They describe the labels they are computed on. Accuracy of a map over a region is design-based and lives in `mapping`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

CLASS_ACCURACY_SCHEMA = pa.schema(
    [
        pa.field("crop_code", pa.string(), nullable=False),
        pa.field("users_accuracy", pa.float64()),
        pa.field("producers_accuracy", pa.float64()),
        pa.field("f1", pa.float64()),
        pa.field("support", pa.int64(), nullable=False),
        pa.field("predicted", pa.int64(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Accuracy:
    """Overall figures; shares between 0 and 1.

    Attributes
    ----------
    samples:
        Number of samples compared.
    overall_accuracy:
        Share of samples predicted right.
    macro_f1:
        Mean F1 of the crops that occur in the reference.
    weighted_accuracy:
        Share of the samples' weight that is predicted right.
    balanced_accuracy:
        Mean producer's accuracy of the crops that occur in the reference.
    mean_confidence:
        Mean of the highest class probability; NaN without probabilities.
    expected_calibration_error:
        See `expected_calibration_error`; NaN without probabilities.
    """

    samples: int
    overall_accuracy: float
    macro_f1: float
    weighted_accuracy: float
    balanced_accuracy: float
    mean_confidence: float
    expected_calibration_error: float


def accuracy(
    reference: np.ndarray,
    predicted: np.ndarray,
    *,
    confidence: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> Accuracy:
    """Overall figures of predicted crop codes (n,) against reference codes (n,); n ≥ 1.

    Parameters
    ----------
    confidence:
        Highest class probability of each sample (n,).
    weights:
        Weight of each sample for `weighted_accuracy` (n,); None for ones.
    """
    right = reference == predicted
    weight = np.ones(len(right)) if weights is None else weights
    classes = class_accuracy(reference, predicted)
    present = classes.column("support").to_numpy() > 0
    f1 = classes.column("f1").to_numpy(zero_copy_only=False)[present]
    producers = classes.column("producers_accuracy").to_numpy(zero_copy_only=False)[present]
    return Accuracy(
        samples=len(right),
        overall_accuracy=float(right.mean()),
        macro_f1=float(f1.mean()),
        weighted_accuracy=float(np.sum(weight * right) / np.sum(weight)),
        balanced_accuracy=float(producers.mean()),
        mean_confidence=float("nan") if confidence is None else float(confidence.mean()),
        expected_calibration_error=float("nan")
        if confidence is None
        else expected_calibration_error(right, confidence),
    )


def class_accuracy(reference: np.ndarray, predicted: np.ndarray, classes: Sequence[str] | None = None) -> pa.Table:
    """User's accuracy (precision), producer's accuracy (recall), F1 and support by crop (`CLASS_ACCURACY_SCHEMA`).

    A ratio without a denominator is null: user's accuracy of a crop never predicted, producer's accuracy of a crop
    that doesn't occur. F1 is 2·right / (support + predicted), which is 0 for a crop that is there and never found.
    """
    codes = sorted(set(reference) | set(predicted)) if classes is None else list(classes)
    support = np.array([(reference == code).sum() for code in codes], dtype=np.int64)
    found = np.array([(predicted == code).sum() for code in codes], dtype=np.int64)
    right = np.array([((reference == code) & (predicted == code)).sum() for code in codes], dtype=np.int64)
    return pa.table(
        {
            "crop_code": [str(code) for code in codes],
            "users_accuracy": _ratios(right, found),
            "producers_accuracy": _ratios(right, support),
            "f1": _ratios(2 * right, support + found),
            "support": support,
            "predicted": found,
        },
        schema=CLASS_ACCURACY_SCHEMA,
    )


def confusion_matrix(reference: np.ndarray, predicted: np.ndarray, classes: Sequence[str]) -> pa.Table:
    """Counts with a row for each reference crop and an int64 column for each predicted crop.

    The first column, `reference`, holds the row's crop code; the order of `classes` holds for both.
    """
    column = {code: j for j, code in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(counts, ([column[code] for code in reference], [column[code] for code in predicted]), 1)
    names = ["reference", *(str(code) for code in classes)]
    return pa.Table.from_arrays([pa.array([str(c) for c in classes]), *map(pa.array, counts.T)], names=names)


def expected_calibration_error(right: np.ndarray, confidence: np.ndarray, *, bins: int = 10) -> float:
    """Expected calibration error: mean gap between accuracy and confidence over equal-width confidence bins.

    Weighted by the samples in each bin (Guo et al. 2017, ICML). `right` bool (n,), `confidence` in [0, 1] (n,).
    """
    bin_index = np.minimum((np.asarray(confidence) * bins).astype(np.int64), bins - 1)
    gap = np.bincount(bin_index, weights=np.asarray(right, dtype=np.float64) - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(bin_index))


def _ratios(numerator: np.ndarray, denominator: np.ndarray) -> pa.Array:
    return pa.array([n / d if d else None for n, d in zip(numerator.tolist(), denominator.tolist(), strict=True)])
