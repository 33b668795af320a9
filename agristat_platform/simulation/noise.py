"""Smooth random fields over the plane: crop zones, soils, vigour, texture and cloud masses.

Belongs here: fields as such. What a field means (a cloud, a soil) belongs to the module that uses it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.float64]
_CELLS_PER_LENGTH = 3.0


def smooth_field_at(rng: np.random.Generator, x: Floats, y: Floats, length_m: float, waves: int = 48) -> Floats:
    """A field of mean 0 and variance 1 with a Gaussian correlogram, at any points.

    Random Fourier features: a sum of cosines whose wave numbers come from the correlogram's spectrum
    (Rahimi and Recht 2007), so that no grid and no covariance matrix is needed.

    Parameters
    ----------
    x, y:
        Coordinates in metres, shape (n,).
    length_m:
        Distance at which the correlation has fallen to exp(-1/2).
    """
    numbers = rng.normal(0.0, 1.0 / length_m, size=(waves, 2))
    phases = rng.uniform(0.0, 2.0 * np.pi, size=waves)
    total = np.zeros_like(x)
    for (kx, ky), phase in zip(numbers, phases, strict=True):
        total += np.cos(kx * x + ky * y + phase)
    return total * np.sqrt(2.0 / waves)


@dataclass(frozen=True)
class FieldGrid:
    """A north-up lattice for fields in the region's coordinates; `left`, `top` are its outer corner."""

    left: float
    top: float
    cell_m: float
    rows: int
    columns: int

    @classmethod
    def covering(cls, bounds: tuple[float, float, float, float], cell_m: float) -> FieldGrid:
        left, bottom, right, top = bounds
        return cls(
            left, top, cell_m, int(np.ceil((top - bottom) / cell_m)) + 1, int(np.ceil((right - left) / cell_m)) + 1
        )


def gaussian_field(rng: np.random.Generator, grid: FieldGrid, length_m: float) -> npt.NDArray[np.float32]:
    """White noise smoothed with a Gaussian of `length_m`, scaled to mean 0 and variance 1; shape (rows, columns)."""
    sigma = length_m / grid.cell_m
    # a long wave needs no fine lattice: smooth on a coarser one and interpolate
    step = max(1, int(sigma / _CELLS_PER_LENGTH))
    rows, columns = -(-grid.rows // step) + 1, -(-grid.columns // step) + 1
    field = _smoothed_noise(rng, rows, columns, sigma / step)
    if step == 1:
        return field[: grid.rows, : grid.columns]
    return _interpolated(field, grid.rows, grid.columns, step)


def _smoothed_noise(rng: np.random.Generator, rows: int, columns: int, sigma: float) -> npt.NDArray[np.float32]:
    pad = int(np.ceil(3.0 * sigma))
    white = rng.standard_normal((rows + 2 * pad, columns + 2 * pad), dtype=np.float32)
    if sigma <= 0.2:
        return white[pad : pad + rows, pad : pad + columns]
    smooth = ndimage.gaussian_filter(white, sigma, mode="wrap", truncate=3.0)
    # the analytic deviation of smoothed white noise, not the sample's: a small field may lie wholly in one mass
    scale = np.float32(2.0 * np.sqrt(np.pi) * sigma)
    return np.asarray(smooth[pad : pad + rows, pad : pad + columns] * scale, dtype=np.float32)


def _interpolated(field: npt.NDArray[np.float32], rows: int, columns: int, step: int) -> npt.NDArray[np.float32]:
    """Bilinear between the knots of a field whose cells are `step` times as wide."""
    down, across = np.arange(rows) / step, np.arange(columns) / step
    i, j = down.astype(np.intp), across.astype(np.intp)
    di, dj = (down - i).astype(np.float32)[:, None], (across - j).astype(np.float32)
    lines = field[:, j] * (1 - dj) + field[:, j + 1] * dj
    return np.asarray(lines[i] * (1 - di) + lines[i + 1] * di, dtype=np.float32)


def fractal_field(
    rng: np.random.Generator, grid: FieldGrid, length_m: float, octaves: int = 4, persistence: float = 0.55
) -> npt.NDArray[np.float32]:
    """Octaves of smooth noise, each half as long and `persistence` times as strong, variance 1; shape (rows, columns)."""
    total = np.zeros((grid.rows, grid.columns), dtype=np.float32)
    power = 0.0
    for octave in range(octaves):
        amplitude = persistence**octave
        total += np.float32(amplitude) * gaussian_field(rng, grid, length_m / 2**octave)
        power += amplitude**2
    return total / np.float32(np.sqrt(power))
