"""Intervals of figures on labels: Wilson's for shares, with the samples that clustering leaves, and place bootstrap.

Not here: design-based standard errors of a map's accuracy (`mapping.map_accuracy`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, t


def wilson_interval(share: float, size: float, *, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share of `size` independent samples (Wilson 1927, JASA 22); `size` > 0 may be broken."""
    z = float(norm.ppf(0.5 + level / 2))
    middle = (share + z * z / (2 * size)) / (1 + z * z / size)
    half = z / (1 + z * z / size) * np.sqrt(share * (1 - share) / size + z * z / (4 * size * size))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def effective_size(
    right: npt.NDArray[np.bool_], weight: npt.NDArray[np.float64], place: npt.NDArray[np.int64]
) -> float:
    """How many independent samples a share over clustered, weighted samples is worth; at least 1, at most n.

    n / design effect, with the variance of the share linearised over places, times the squared ratio of Student's t with
    n − 1 to that with places − 1 degrees of freedom (Korn and Graubard 1998, Survey Methodology 24). A share of 0 or 1
    shows no variance: then (Σ w)² / Σ w² over places, which is their number where they weigh alike.

    Parameters
    ----------
    right, weight, place:
        (n,) each, n ≥ 1; weights positive.
    """
    n = len(right)
    own = np.unique(place, return_inverse=True)[1]
    by_place = np.bincount(own, weights=weight)
    as_places = float(by_place.sum() ** 2 / (by_place**2).sum())
    share = float((weight * right).sum() / weight.sum())
    m = len(by_place)
    if share * (1 - share) < 1e-12 or m < 2:
        return min(float(n), max(1.0, as_places))
    influence = np.bincount(own, weights=weight * (right - share)) / weight.sum()
    variance = m / (m - 1) * float((influence**2).sum())
    if variance <= 0:
        return float(n)
    design_effect = variance / (share * (1 - share) / (n - 1))
    return min(float(n), max(1.0, n / design_effect * (_t(n) / _t(m)) ** 2))


def centred_percentiles(
    replicates: npt.NDArray[np.float64], value: float, places: int, *, level: float = 0.95
) -> tuple[float, float] | None:
    """Percentiles of bootstrap replicates moved so that their mean lies at `value`, and widened, within 0 … 1.

    Moved, because calibration error and the least recall of several classes are biased in replicates; widened by
    √(m / (m − 1)) and Student's t over the normal quantile, m places, because replicates of few are too alike
    (Hesterberg 2015, The American Statistician 69). None if fewer than
    20 hold a value, there is one place, or all hold the same: a class without a single error shows no spread, which isn't certainty.
    """
    told = replicates[np.isfinite(replicates)]
    if places < 2 or len(told) < 20 or np.ptp(told) < 1e-12:
        return None
    wider = np.sqrt(places / (places - 1)) * _t(places, level) / norm.ppf(0.5 + level / 2)
    low, high = value + wider * np.quantile(told - told.mean(), [0.5 - level / 2, 0.5 + level / 2])
    return float(np.clip(low, 0, 1)), float(np.clip(high, 0, 1))


def _t(number: int, level: float = 0.95) -> float:
    """Student's t of `number` − 1 degrees of freedom."""
    return float(t.ppf(0.5 + level / 2, number - 1))
