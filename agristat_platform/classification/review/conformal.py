"""Conformal prediction sets: the classes a parcel can be, so that the true one is among them at a stated share.

Calibrated on the audit sample of the season itself. Past seasons don't do: the promise holds only for parcels drawn as those
calibrated on were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from agristat_platform.classification.review.chance import uniform
from agristat_platform.classification.review.errors import CalibrationError

Score = Literal["lac", "aps"]
LEAST_OF_A_CLASS = 20
"""Audited parcels from which on a class gets a threshold of its own: with fewer, a 90 % quantile is its highest score or two."""


@dataclass(frozen=True)
class ConformalSets:
    """Thresholds on the score of each class.

    Attributes
    ----------
    score:
        "lac": 1 − p of the class (Sadinle et al. 2019, JASA), the smallest sets on average, some of them empty. "aps": sum of
        the probabilities down to the class, a random part of its own taken off (Romano et al. 2020, NeurIPS).
    classes:
        Codes (k,).
    thresholds:
        float64 (k,); infinite where too few were audited: then every set has the class.
    coverage:
        Share asked for.
    seed:
        Of the random part of "aps".
    """

    score: Score
    classes: tuple[str, ...]
    thresholds: NDArray[np.float64]
    coverage: float
    seed: int

    def sets(self, probabilities: Any, keys: Sequence[int] | NDArray[Any]) -> NDArray[np.bool_]:
        """Membership of each class in each parcel's set, bool (n, k), of probabilities (n, k) and parcel numbers (n,).

        A NaN row has every class in its set: nothing is known of it.
        """
        values = np.asarray(probabilities, dtype=np.float64)
        if values.ndim != 2 or values.shape != (len(keys), len(self.classes)):
            raise CalibrationError(
                f"probabilities of shape {values.shape} for {len(keys)} parcels and {len(self.classes)} classes"
            )
        unknown = np.asarray(np.isnan(values).any(axis=1))
        scores = _scores(np.where(unknown[:, None], 0.0, values), self.score, keys, self.seed)
        inside = scores <= self.thresholds
        inside[unknown] = True
        return np.asarray(inside)


def fit_conformal(
    probabilities: NDArray[np.float64],
    label: NDArray[np.int64],
    weights: NDArray[np.float64],
    classes: Sequence[str],
    keys: Sequence[int] | NDArray[Any],
    *,
    coverage: float = 0.9,
    score: Score = "lac",
    by_class: bool = False,
    seed: int = 0,
) -> ConformalSets:
    """Fit sets on audited parcels.

    The threshold is the weighted quantile of the true classes' scores (Tibshirani et al. 2019, NeurIPS, with sampling
    weights in place of likelihood ratios), a further parcel of mean weight counted in above all others. Between
    two scores it is interpolated: the next one up would cover 0.9 and something on average, this covers 0.9.

    Parameters
    ----------
    probabilities, label, weights, keys:
        (n, k) and (n,) of the audited parcels with a known class: probabilities that weren't fitted on them, column of
        the true class, sampling weight, parcel number.
    by_class:
        A threshold for each class with `LEAST_OF_A_CLASS` audited parcels; the others share the common one.

    Raises
    ------
    CalibrationError
        Nothing to calibrate on, other numbers, weights that aren't positive, or a coverage outside 0 … 1.
    """
    n = len(label)
    if not n or probabilities.shape != (n, len(classes)) or len(weights) != n or len(keys) != n:
        raise CalibrationError(
            f"{n} labels, probabilities of shape {probabilities.shape}, {len(weights)} weights and {len(keys)} parcels "
            f"for {len(classes)} classes",
            remedy="Give all of the audited parcels, at least one",
        )
    if not 0 < coverage < 1 or not (np.isfinite(weights) & (weights > 0)).all():
        raise CalibrationError(f"coverage {coverage} must lie above 0 and below 1, and weights above 0")
    own = _scores(probabilities, score, keys, seed)[np.arange(n), label]
    thresholds = np.full(len(classes), weighted_quantile(own, weights, coverage))
    if by_class:
        for j in range(len(classes)):
            mine = label == j
            if mine.sum() >= LEAST_OF_A_CLASS:
                thresholds[j] = weighted_quantile(own[mine], weights[mine], coverage)
    return ConformalSets(score, tuple(str(c) for c in classes), thresholds, coverage, seed)


def weighted_quantile(scores: NDArray[np.float64], weights: NDArray[np.float64], share: float) -> float:
    """Score below which `share` of the population lies in expectation, a further parcel of mean weight counted at infinity.

    Infinite where all scores together don't reach the share: with equal weights, fewer than share / (1 − share) of them.
    """
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weights[order]) / (weights.sum() + weights.mean())
    if reached[-1] < share - 1e-12:
        return float("inf")
    return float(np.interp(share, reached, scores[order]))


def _scores(
    values: NDArray[np.float64], score: Score, keys: Sequence[int] | NDArray[Any], seed: int
) -> NDArray[np.float64]:
    """Score of every class (n, k): the higher, the less it fits."""
    if score == "lac":
        return 1.0 - values
    if score != "aps":
        raise CalibrationError(f"unknown score {score!r}", remedy="Use lac or aps")
    order = np.argsort(-values, axis=1, kind="stable")
    reached = np.take_along_axis(values, order, axis=1).cumsum(axis=1)
    down_to = np.empty_like(values)
    np.put_along_axis(down_to, order, reached, axis=1)
    return np.asarray(down_to - uniform(np.asarray(keys), seed, "sets")[:, None] * values)
