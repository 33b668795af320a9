"""Radar backscatter: ratios in linear power, decibels only at the end.

Belongs here: arithmetic on backscatter. Averages over pixels or dates are taken of linear power; a mean of decibels is a
geometric mean of power and lies below it, the more so the more speckle there is.

All functions take linear power (γ0 or σ0, not dB) as floats and return float32. Power of zero or below, or NaN, gives NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Power = npt.NDArray[np.floating[Any]]


def to_db(power: Power) -> npt.NDArray[np.float32]:
    """Decibels of linear power, 10 log10(power)."""
    power = np.asarray(power, dtype=np.float64)
    decibels = np.full(power.shape, np.nan)
    np.log10(power, out=decibels, where=power > 0)
    return (10.0 * decibels).astype(np.float32)


def vh_vv_ratio(vh: Power, vv: Power) -> npt.NDArray[np.float32]:
    """Cross ratio VH / VV of linear powers: rises with vegetation volume, little touched by soil moisture.

    Source: Vreugdenhil et al. 2018, Remote Sensing 10(9), 1396.
    """
    return _quotient(vh, vv, vh, vv)


def radar_vegetation_index(vh: Power, vv: Power) -> npt.NDArray[np.float32]:
    """Dual-polarisation radar vegetation index, 4 VH / (VV + VH), of linear powers.

    Source: Nasirzadehdizaji et al. 2019, Applied Sciences 9(4), 655, after the quad-polarisation index of Kim and
    van Zyl 2009.
    """
    vh, vv = np.asarray(vh, dtype=np.float64), np.asarray(vv, dtype=np.float64)
    return _quotient(4.0 * vh, vv + vh, vh, vv)


def _quotient(numerator: Power, denominator: Power, vh: Power, vv: Power) -> npt.NDArray[np.float32]:
    numerator, denominator = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    quotient = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=quotient, where=(np.asarray(vh) > 0) & (np.asarray(vv) > 0))
    return quotient.astype(np.float32)
