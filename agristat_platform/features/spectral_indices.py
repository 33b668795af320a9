"""Spectral indices of optical reflectance: the formulas, their sources, and the registry that features are made from.

Belongs here: pixel arithmetic on reflectance. Radar is in `radar`, aggregation over segments in `segment_statistics`.

All functions take reflectance as floats on the 0–1 scale (arrays of one shape) and return float32 of that shape. NaN in
any input gives NaN. A denominator of zero or below gives NaN: it occurs only where a reflectance is missing, negative
after atmospheric correction or saturated, and the quotient has no meaning there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from agristat_platform.features.errors import ReflectanceScaleError, UnknownIndexError

Reflectance = npt.NDArray[np.floating[Any]]
Index = npt.NDArray[np.float32]

# No sensor's scaled reflectance reaches this (uint16 × 1e-4 ends at 6.6); stored numbers pass it at once.
_IMPOSSIBLE_REFLECTANCE = 10.0


def ndvi(*, nir: Reflectance, red: Reflectance) -> Index:
    """Normalised difference vegetation index, (NIR − red) / (NIR + red).

    Source: Rouse et al. 1974, "Monitoring vegetation systems in the Great Plains with ERTS".

    Raises
    ------
    ReflectanceScaleError
        An input is of integer type or exceeds 10.
    """
    nir, red = _reflectance(nir=nir, red=red)
    return _quotient(nir - red, nir + red)


def evi(*, nir: Reflectance, red: Reflectance, blue: Reflectance) -> Index:
    """Enhanced vegetation index, 2.5 (NIR − red) / (NIR + 6 red − 7.5 blue + 1).

    The 1 in the denominator presupposes reflectance on the 0–1 scale: on stored integers the formula still returns
    plausible-looking numbers, all wrong.

    Source: Huete et al. 2002, "Overview of the radiometric and biophysical performance of the MODIS vegetation
    indices", Remote Sensing of Environment 83.

    Raises
    ------
    ReflectanceScaleError
        An input is of integer type or exceeds 10.
    """
    nir, red, blue = _reflectance(nir=nir, red=red, blue=blue)
    one = np.float32(1.0)
    return _quotient(np.float32(2.5) * (nir - red), nir + np.float32(6.0) * red - np.float32(7.5) * blue + one)


def ndwi(*, green: Reflectance, nir: Reflectance) -> Index:
    """Normalised difference water index of open water, (green − NIR) / (green + NIR).

    Source: McFeeters 1996, International Journal of Remote Sensing 17(7). (Gao's index of the same name is `lswi`.)

    Raises
    ------
    ReflectanceScaleError
        An input is of integer type or exceeds 10.
    """
    green, nir = _reflectance(green=green, nir=nir)
    return _quotient(green - nir, green + nir)


def gcvi(*, nir: Reflectance, green: Reflectance) -> Index:
    """Green chlorophyll vegetation index, NIR / green − 1.

    Source: Gitelson et al. 2003, Journal of Plant Physiology 160(3).

    Raises
    ------
    ReflectanceScaleError
        An input is of integer type or exceeds 10.
    """
    nir, green = _reflectance(nir=nir, green=green)
    return _quotient(nir, green) - np.float32(1.0)


def lswi(*, nir: Reflectance, swir16: Reflectance) -> Index:
    """Land surface water index, (NIR − SWIR 1.6 µm) / (NIR + SWIR 1.6 µm): water in leaves and soil.

    Source: Xiao et al. 2004, Remote Sensing of Environment 89(4); the index of Gao 1996 at 1.6 µm.

    Raises
    ------
    ReflectanceScaleError
        An input is of integer type or exceeds 10.
    """
    nir, swir16 = _reflectance(nir=nir, swir16=swir16)
    return _quotient(nir - swir16, nir + swir16)


@dataclass(frozen=True)
class SpectralIndex:
    """A spectral index: its name in feature columns, the bands it takes by common name, formula, and function."""

    name: str
    bands: tuple[str, ...]
    formula: str
    function: Callable[..., Index]


INDICES: dict[str, SpectralIndex] = {
    index.name: index
    for index in (
        SpectralIndex("ndvi", ("nir", "red"), "(nir - red) / (nir + red)", ndvi),
        SpectralIndex("evi", ("nir", "red", "blue"), "2.5 (nir - red) / (nir + 6 red - 7.5 blue + 1)", evi),
        SpectralIndex("ndwi", ("green", "nir"), "(green - nir) / (green + nir)", ndwi),
        SpectralIndex("gcvi", ("nir", "green"), "nir / green - 1", gcvi),
        SpectralIndex("lswi", ("nir", "swir16"), "(nir - swir16) / (nir + swir16)", lswi),
    )
}


def spectral_index(name: str) -> SpectralIndex:
    """The index of that name (lower case), or UnknownIndexError naming those that exist."""
    if name not in INDICES:
        raise UnknownIndexError(f"there is no spectral index {name!r}", remedy=f"Known are {', '.join(INDICES)}")
    return INDICES[name]


def spectral_indices(bands: Mapping[str, Reflectance], names: Iterable[str] | None = None) -> dict[str, Index]:
    """Several indices at once from bands by common name ("blue", "green", "red", "nir", "swir16").

    Parameters
    ----------
    bands:
        Reflectance arrays of one shape, 0–1 scale, NaN where missing.
    names:
        Indices wanted; None: all that the bands allow.

    Raises
    ------
    UnknownIndexError
        An index is unknown, or wanted without the bands it takes.
    ReflectanceScaleError
        A band is of integer type or exceeds 10.
    """
    if names is None:
        names = [index.name for index in INDICES.values() if set(index.bands) <= set(bands)]
    computed = {}
    for name in names:
        index = spectral_index(name)
        absent = [band for band in index.bands if band not in bands]
        if absent:
            raise UnknownIndexError(
                f"{name} needs {', '.join(absent)}, which is not among the bands {', '.join(bands) or '(none)'}",
                remedy="Request that band from the imagery source or leave the index out",
            )
        computed[name] = index.function(**{band: bands[band] for band in index.bands})
    return computed


def _reflectance(**bands: Reflectance) -> list[npt.NDArray[np.float32]]:
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


def _quotient(numerator: npt.NDArray[np.float32], denominator: npt.NDArray[np.float32]) -> Index:
    quotient = np.full(np.shape(numerator), np.nan, dtype=np.float32)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient
