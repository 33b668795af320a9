"""Bounds for a share estimated from a weighted sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta


def effective_number(weights: NDArray[np.float64]) -> float:
    """Kish's effective number (Σw)²/Σw²: equally weighted parcels that would vary as much."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def number_behind(share: float, standard_error: float | None, weights: NDArray[np.float64]) -> float:
    """Effective number of parcels behind a share: p(1 − p)/SE² where that is less than Kish's number.

    More is never claimed: a standard error from a few dozen parcels can be small by chance, and is zero where all were right.
    """
    kish = effective_number(weights)
    if standard_error is None or not standard_error > 0 or not 0 < share < 1:
        return kish
    return min(kish, share * (1 - share) / standard_error**2)


def lower_bound(share: float, number: float, confidence: float) -> float:
    """One-sided lower bound of a share (Clopper and Pearson 1934, with effective numbers after Korn and Graubard 1998)."""
    right = share * number
    return float(beta.ppf(1 - confidence, right, number - right + 1)) if right > 0 else 0.0


def upper_bound(share: float, number: float, confidence: float) -> float:
    """One-sided upper bound of a share; see `lower_bound`."""
    right = share * number
    return float(beta.ppf(confidence, right + 1, number - right)) if right < number else 1.0
