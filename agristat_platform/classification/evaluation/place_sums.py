"""Figures of accuracy from sums over places, so that resampling places costs a product of matrices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix, csr_matrix

CALIBRATION_BINS = 10
_BATCH = 100  # replicates at once

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PlaceSums:
    """Weighted sums of each place: confusion (places, k²) and gaps between right and confidence (places, 10) or None."""

    confusion: csr_matrix
    gaps: csr_matrix | None
    classes: int

    @property
    def places(self) -> int:
        """Number of places."""
        return int(self.confusion.shape[0])

    def figures(self) -> dict[str, Floats]:
        """Figures of all places together, arrays of leading length 1; see `figures_of`."""
        return self._of(np.ones((1, self.places)))

    def replicates(self, number: int, random: np.random.Generator) -> dict[str, Floats]:
        """Figures of `number` samples of places drawn with replacement, arrays of leading length `number`."""
        parts = []
        for start in range(0, number, _BATCH):
            drawn = random.multinomial(
                self.places, np.full(self.places, 1 / self.places), size=min(_BATCH, number - start)
            )
            parts.append(self._of(drawn.astype(np.float64)))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _of(self, times: Floats) -> dict[str, Floats]:
        confusion = (self.confusion.T @ times.T).T.reshape(len(times), self.classes, self.classes)
        gaps = None if self.gaps is None else (self.gaps.T @ times.T).T
        return figures_of(confusion, gaps)


def place_sums(
    reference: npt.NDArray[np.int64],
    predicted: npt.NDArray[np.int64],
    weight: Floats,
    place: npt.NDArray[np.int64],
    confidence: Floats | None,
    classes: int,
) -> PlaceSums:
    """Sum samples (n,) by place; classes are numbers below `classes`."""
    own = np.unique(place, return_inverse=True)[1]
    m = int(own.max()) + 1
    cell = reference * classes + predicted
    confusion = coo_matrix((weight, (own, cell)), shape=(m, classes * classes)).tocsr()
    gaps = None
    if confidence is not None:
        fold = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
        gap = weight * ((reference == predicted) - confidence)
        gaps = coo_matrix((gap, (own, fold)), shape=(m, CALIBRATION_BINS)).tocsr()
    return PlaceSums(confusion, gaps, classes)


def figures_of(confusion: Floats, gaps: Floats | None) -> dict[str, Floats]:
    """Figures of confusions (r, k, k), rows the reference: each (r,), `f1` and `recall` (r, k).

    Means are over classes that occur in the reference; NaN where a denominator is missing. F1 is
    2 · right / (support + predicted). `expected_calibration_error` as in `scores`, where gaps (r, 10) are given.
    """
    right = np.einsum("rii->ri", confusion)
    support, found = confusion.sum(axis=2), confusion.sum(axis=1)
    f1 = _ratio(2 * right, support + found)
    recall = _ratio(right, support)
    present = support > 0
    total = support.sum(axis=1)
    counted = np.where(present, np.nan_to_num(f1), 0.0)
    figures = {
        "f1": f1,
        "recall": recall,
        "macro_f1": _ratio(counted.sum(axis=1), present.sum(axis=1)),
        "weighted_f1": _ratio((counted * support).sum(axis=1), total),
        "balanced_accuracy": _ratio(np.where(present, np.nan_to_num(recall), 0.0).sum(axis=1), present.sum(axis=1)),
        "least_recall": np.where(present, np.nan_to_num(recall), np.inf).min(axis=1),
    }
    if gaps is not None:
        figures["expected_calibration_error"] = _ratio(np.abs(gaps).sum(axis=1), total)
    return figures


def _ratio(numerator: npt.NDArray[np.generic], denominator: npt.NDArray[np.generic]) -> Floats:
    whole = np.asarray(denominator, dtype=np.float64)
    return np.divide(numerator, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
