"""What all spectral indices ask of reflectance, and how they divide.

Belongs here: the check that values are reflectance at all, and the quotient with its missing values. Formulas are in
`vegetation_indices`, `water_and_soil_indices`, `red_edge_indices` and `tasselled_cap`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from agristat_platform.features.errors import ReflectanceScaleError

Reflectance = npt.NDArray[np.floating[Any]]
Index = npt.NDArray[np.float32]

# No sensor's scaled reflectance reaches this (uint16 × 1e-4 ends at 6.6); stored numbers pass it at once.
_IMPOSSIBLE_REFLECTANCE = 10.0


def checked_reflectance(**bands: Reflectance) -> list[npt.NDArray[np.float32]]:
    """The bands as float32, in the order given.

    Raises
    ------
    ReflectanceScaleError
        A band is of integer type or exceeds 10: stored numbers, whose scale was not applied.
    """
    checked = []
    for name, values in bands.items():
        values = np.asarray(values)
        if not np.issubdtype(values.dtype, np.floating):
            raise ReflectanceScaleError(
                f"{name} holds {values.dtype} numbers, not reflectance",
                remedy="Apply the layer's scale and offset first (dn × 0.0001 for Sentinel-2)",
            )
        if values.size and np.fmax.reduce(values, axis=None) > _IMPOSSIBLE_REFLECTANCE:
            raise ReflectanceScaleError(
                f"{name} reaches {np.nanmax(values):g}, which is no reflectance on the 0–1 scale",
                remedy="Apply the layer's scale and offset first (dn × 0.0001 for Sentinel-2)",
            )
        checked.append(values.astype(np.float32, copy=False))
    return checked


def quotient(numerator: npt.NDArray[np.float32], denominator: npt.NDArray[np.float32]) -> Index:
    """numerator / denominator; NaN where the denominator is zero, negative or missing."""
    divided = np.full(np.shape(numerator), np.nan, dtype=np.float32)
    np.divide(numerator, denominator, out=divided, where=denominator > 0)
    return divided
