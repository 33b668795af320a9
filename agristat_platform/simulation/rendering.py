"""From parcels to pixels: texture, mixed pixels at the edges, clouds over them, sensor noise. Arrays only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

F32 = npt.NDArray[np.float32]
CLOUD = np.array([0.64, 0.61, 0.61, 0.66, 0.44, 0.31], dtype=np.float32)
"""Reflectance of a thick cloud in blue, green, red, near infrared, 1.6 and 2.2 µm (ice and drops absorb there)."""


@njit(cache=True)
def surface(
    numbers: npt.NDArray[np.int32], canopy: F32, soil: F32, mean: F32, by_canopy: F32, by_soil: F32, reach: float
) -> F32:
    """Reflectance of the ground, (bands, rows, columns), with each pixel seeing some of its neighbours.

    Parameters
    ----------
    numbers:
        Parcel under each pixel, (rows, columns); -1 leaves NaN.
    canopy, soil:
        Texture of variance 1, (rows, columns).
    mean, by_canopy, by_soil:
        Parcels' signal and its answer to a unit of either texture, (parcels, bands).
    reach:
        Weight of each of the four next pixels in what a pixel sees (point spread function).
    """
    rows, columns = numbers.shape
    bands = mean.shape[1]
    sharp = np.empty((bands, rows, columns), dtype=np.float32)
    for i in range(rows):
        for j in range(columns):
            p = numbers[i, j]
            for b in range(bands):
                if p < 0:
                    sharp[b, i, j] = np.nan
                else:
                    sharp[b, i, j] = max(
                        mean[p, b] + canopy[i, j] * by_canopy[p, b] + soil[i, j] * by_soil[p, b], np.float32(0.002)
                    )
    seen = np.empty_like(sharp)
    own = np.float32(1.0 - 4.0 * reach)
    side = np.float32(reach)
    for b in range(bands):
        for i in range(rows):
            up, down = max(i - 1, 0), min(i + 1, rows - 1)
            for j in range(columns):
                left, right = max(j - 1, 0), min(j + 1, columns - 1)
                near = sharp[b, up, j] + sharp[b, down, j] + sharp[b, i, left] + sharp[b, i, right]
                seen[b, i, j] = own * sharp[b, i, j] + side * near
    return seen


@njit(cache=True)
def sample_bilinear(field: F32, row: F32, column: F32, shift_rows: float, shift_columns: float) -> F32:
    """Values of a coarse field at fractional positions (rows, columns), moved by a constant shift."""
    height, width = field.shape
    out = np.empty(row.shape, dtype=np.float32)
    for i in range(row.shape[0]):
        for j in range(row.shape[1]):
            r = min(max(row[i, j] + shift_rows, 0.0), height - 1.001)
            c = min(max(column[i, j] + shift_columns, 0.0), width - 1.001)
            r0, c0 = int(r), int(c)
            dr, dc = r - r0, c - c0
            top = field[r0, c0] * (1 - dc) + field[r0, c0 + 1] * dc
            bottom = field[r0 + 1, c0] * (1 - dc) + field[r0 + 1, c0 + 1] * dc
            out[i, j] = top * (1 - dr) + bottom * dr
    return out


@njit(cache=True)
def observe_optical(ground: F32, opacity: F32, shadow: F32, cloud: float, gain: float, haze: float, noise: F32) -> F32:
    """What an optical band sees: ground, dimmed in shadows, behind cloud of an opacity 0–1; all (rows, columns).

    `cloud`: reflectance of a thick cloud; `gain`, `haze`: what atmospheric correction left; `noise`: standard normal.
    """
    rows, columns = ground.shape
    out = np.empty((rows, columns), dtype=np.float32)
    for i in range(rows):
        for j in range(columns):
            lit = ground[i, j] * gain * (1.0 - 0.62 * shadow[i, j]) + haze
            value = lit * (1.0 - opacity[i, j]) + cloud * opacity[i, j]
            out[i, j] = value + noise[i, j] * (0.0018 + 0.012 * value)
    return out


def block_mean(values: F32, factor: int) -> F32:
    """Mean of `factor` × `factor` pixels over the last two axes, whose lengths it must divide."""
    *lead, rows, columns = values.shape
    blocks = values.reshape(*lead, rows // factor, factor, columns // factor, factor)
    return np.asarray(blocks.mean(axis=(-3, -1), dtype=np.float32))
