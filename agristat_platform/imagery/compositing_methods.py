"""One function for every way of making the clear observations of an interval into one value a band and place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agristat_platform.imagery.best_pixel import best_pixel
from agristat_platform.imagery.geometric_median import geometric_median
from agristat_platform.imagery.medians import clear_mean, clear_median
from agristat_platform.imagery.medoid import medoid

METHODS = ("median", "mean", "medoid", "geometric_median", "best_pixel")
WHOLE_SPECTRUM_METHODS = ("medoid", "geometric_median", "best_pixel")  # need all bands of a place at once


@dataclass(frozen=True)
class Composed:
    """A block composed.

    Attributes
    ----------
    values:
        (bands, rows, cols) of the stack's type; nodata (NaN of floating-point stacks) where nothing was clear.
    count:
        uint16 (rows, cols): clear observations. Of methods that take whole spectra those with a value in every band;
        of median and mean the most that any band has.
    observation:
        int16 (rows, cols): index of the date that the place was taken from (medoid, best_pixel), else -1.
    unconverged:
        Places whose geometric median had not come to rest after the most steps; 0 of other methods.
    """

    values: NDArray[Any]
    count: NDArray[np.uint16]
    observation: NDArray[np.int16]
    unconverged: int = 0


def compose_bands(
    method: str,
    stack: NDArray[Any],
    clear: NDArray[Any] | None,
    *,
    nodata: float,
    days: Sequence[float] | None = None,
    target_day: float | None = None,
    cloud_distance: NDArray[np.unsignedinteger[Any]] | None = None,
) -> Composed:
    """Compose a block of one collection and interval. A place's result does not depend on the block it is in.

    Parameters
    ----------
    method:
        One of `METHODS`.
    stack:
        (dates, bands, rows, cols): uint16 as stored, or floating point. In the order of the dates: of equals the
        earlier is taken.
    clear:
        (dates, rows, cols) boolean, or bits as `pack_clear` makes them; None: all.
    nodata:
        The stack's value that means missing; NaN always is.
    days, target_day, cloud_distance:
        For best_pixel: see there.

    Raises
    ------
    ValueError
        Another method, best_pixel without days, masks that do not fit.
    """
    shape = stack.shape[2:]
    none = np.full(shape, -1, np.int16)
    if method in ("median", "mean"):
        values, counts = (clear_median if method == "median" else clear_mean)(stack, clear, nodata)
        return Composed(values, counts.max(axis=0, initial=0), none)
    if method == "medoid":
        chosen = medoid(stack, clear, nodata=nodata)
        return Composed(chosen.values, chosen.count, chosen.observation)
    if method == "geometric_median":
        middle = geometric_median(stack, clear, nodata=nodata)
        return Composed(middle.values, middle.count, none, int(np.count_nonzero(~middle.converged)))
    if method == "best_pixel":
        if days is None or target_day is None:
            raise ValueError("best_pixel needs the day of each date and the day that is wanted")
        best = best_pixel(stack, clear, days, target_day, cloud_distance, nodata=nodata)
        return Composed(best.values, best.count, best.observation)
    raise ValueError(f"no compositing method {method!r}; there are {', '.join(METHODS)}")
