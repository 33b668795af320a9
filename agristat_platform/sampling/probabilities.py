"""First-order inclusion probabilities proportional to size."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agristat_platform.sampling.errors import DesignError, InvalidSizeMeasureError

_ROUNDING = 1e-12  # 3 · 0.1 / (0.1 + 0.1 + 0.1) is 0.9999999999999999, and certain all the same


def inclusion_probabilities(size: ArrayLike, n: int) -> NDArray[np.float64]:
    """Inclusion probabilities of a fixed-size design with probability proportional to size.

    Where `n` size / Σ size exceeds one the unit is taken with certainty, and the rest of the sample is shared out
    again over the remaining units until none exceeds one (Särndal, Swensson and Wretman 1992, section 3.6.2).

    Parameters
    ----------
    size:
        Shape (units,), positive and finite.
    n:
        Sample size, 0 ≤ n ≤ units.

    Returns
    -------
    numpy.ndarray
        Shape (units,), in (0, 1] with sum `n`; certainty units are exactly 1.

    Raises
    ------
    InvalidSizeMeasureError
        A size that is missing or ≤ 0 (names its row).
    DesignError
        `n` outside 0…units.
    """
    sizes = np.asarray(size, dtype=np.float64)
    bad = np.flatnonzero(~(np.isfinite(sizes) & (sizes > 0)))
    if bad.size:
        raise InvalidSizeMeasureError(
            f"measure of size {sizes[bad[0]]} is not a positive number; {bad.size} such unit(s)",
            where=f"row {bad[0]}",
            remedy="Give every unit a positive size, or take those without one off the frame",
        )
    if not 0 <= n <= sizes.size:
        raise DesignError(f"sample size {n} is outside 0 … {sizes.size} units")
    probability = np.zeros(sizes.size)
    certain = np.zeros(sizes.size, dtype=bool)
    while True:
        rest = n - int(certain.sum())
        if rest == 0:
            break
        open_units = ~certain
        probability[open_units] = rest * sizes[open_units] / sizes[open_units].sum()
        newly = open_units & (probability >= 1.0 - _ROUNDING)
        if not newly.any():
            break
        certain |= newly
    probability[certain] = 1.0
    return probability
