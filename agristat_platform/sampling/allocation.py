"""Sharing a sample size out over strata. Drawing the units is the work of `selection`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agristat_platform.sampling.errors import AllocationError
from agristat_platform.sampling.schemas import STRATA_SCHEMA

_NO_SPREAD = 1e-12  # of the largest N_h S_h: less is rounding noise, not a reason to sample


def allocate(
    strata: pa.Table,
    n: int,
    method: Literal["proportional", "neyman"] = "proportional",
    sd: Mapping[str, float] | None = None,
    min_per_stratum: int = 2,
) -> pa.Table:
    """Allocate `n` units over strata, exactly, within `min_per_stratum` ≤ n_h ≤ N_h.

    Proportional: n_h ∝ N_h. Neyman: n_h ∝ N_h S_h. Bounds are met by finding the one multiplier λ with
    Σ min(N_h, max(m_h, λ a_h)) = n, which is the optimum under them; whole numbers come by largest remainder, ties
    by the stratum's name, so the result does not depend on the order of rows.

    Parameters
    ----------
    strata:
        `STRATA_SCHEMA`; its `sample_size` is replaced.
    sd:
        Standard deviation per stratum, for Neyman; any unit.
    min_per_stratum:
        Two by default, so that a variance can be estimated; a stratum with fewer units is taken whole.

    Raises
    ------
    AllocationError
        `n` outside what the bounds allow, or a standard deviation missing or negative (names the stratum).
    """
    table = strata.sort_by("stratum")
    names = table["stratum"].to_pylist()
    population = table["population_size"].to_numpy().astype(np.float64)
    lower = np.minimum(float(min_per_stratum), population)
    if not lower.sum() <= n <= population.sum():
        raise AllocationError(
            f"a sample of {n} cannot be shared out: {len(names)} strata need at least {int(lower.sum())} "
            f"and hold {int(population.sum())} units",
            remedy="Change the sample size, merge strata or lower min_per_stratum",
        )
    share = population * _spread(names, method, sd)
    target = _bounded(share, lower, population, float(n))
    sizes = _largest_remainder(target, population, n)
    position = STRATA_SCHEMA.get_field_index("sample_size")
    return table.set_column(position, STRATA_SCHEMA.field(position), pa.array(sizes))


def _spread(names: list[str], method: str, sd: Mapping[str, float] | None) -> NDArray[np.float64]:
    if method == "proportional":
        return np.ones(len(names))
    if method != "neyman":
        raise AllocationError(f"unknown allocation {method!r}", remedy="Use proportional or neyman")
    values = np.asarray([np.nan if sd is None else sd.get(name, np.nan) for name in names], dtype=np.float64)
    bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if bad.size:
        raise AllocationError(
            f"stratum {names[bad[0]]!r} has no standard deviation ≥ 0 for Neyman allocation", where="sd"
        )
    return values


def _bounded(
    share: NDArray[np.float64], lower: NDArray[np.float64], upper: NDArray[np.float64], n: float
) -> NDArray[np.float64]:
    share = share / share.max() if share.max() > 0 else share
    positive = share > _NO_SPREAD
    share = np.where(positive, share, 0.0)
    most = np.where(positive, upper, lower)
    if most.sum() <= n:  # strata without any spread take what the others cannot hold, by their room
        room = upper - most
        extra = n - most.sum()
        return most + (room * extra / room.sum() if room.sum() > 0 else 0.0)
    # Σ clip(λ a_h) is piecewise linear and rising in λ: find its last break below n, then go on along the line.
    starts = np.divide(lower, share, out=np.full(share.size, np.inf), where=positive)
    ends = np.divide(upper, share, out=np.full(share.size, np.inf), where=positive)
    breaks = np.unique(np.concatenate([starts[positive], ends[positive]]))
    totals = np.asarray([np.clip(b * share, lower, upper).sum() for b in breaks])
    last = int(np.searchsorted(totals, n, side="right")) - 1
    if last < 0:
        return lower.copy()
    moving = (starts <= breaks[last]) & (breaks[last] < ends)
    slope = share[moving].sum()
    multiplier = breaks[last] + ((n - totals[last]) / slope if slope > 0 else 0.0)
    return np.clip(multiplier * share, lower, upper)


def _largest_remainder(target: NDArray[np.float64], upper: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    rounded = np.round(target, 9)  # 12.999999999999998 is 13: rounding noise must not decide a remainder
    sizes = np.floor(rounded).astype(np.int64)
    left = n - int(sizes.sum())
    candidates = np.lexsort((np.arange(sizes.size), -(rounded - sizes)))
    for h in candidates:
        if left == 0:
            break
        if sizes[h] < upper[h]:
            sizes[h] += 1
            left -= 1
    return sizes
