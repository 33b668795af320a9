"""The tasselled cap: brightness, greenness and wetness as fixed sums of six bands, with each sensor's own coefficients.

Belongs here: the coefficients with their sources, and the sums. Reflectance is on the 0–1 scale, bands go in the order
of `TASSELLED_CAP_BANDS`; what all indices share (float32 out, NaN, ReflectanceScaleError) is said in `vegetation_indices`.

Landsat has coefficients made for surface reflectance (Zhai et al. 2022), preferred here to those of Baig et al. 2014,
which are made for reflectance at the top of the atmosphere: Level-2 products hold surface reflectance. Sentinel-2 has no
set for surface reflectance in wide use; the six-band one of Shi and Xu 2019 was made at the top of the atmosphere, so its
components of surface reflectance are shifted by the haze that correction removed, and can be compared with each other but
not with values in the paper. (Nedkov 2017 needs all 13 bands, also B10, which no Level-2A product has.) The two sets do
not give one series: Landsat that was adjusted to Sentinel-2's band passes takes Sentinel-2's.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from agristat_platform.features.errors import UnknownIndexError
from agristat_platform.features.indices.reflectance import Index, Reflectance, checked_reflectance

TASSELLED_CAP_BANDS = ("blue", "green", "red", "nir", "swir16", "swir22")
TASSELLED_CAP_COMPONENTS = ("brightness", "greenness", "wetness")

# Rows: brightness, greenness, wetness; orthonormal to the four digits published.
_SHI_XU_2019 = np.array(
    [
        [0.3510, 0.3813, 0.3437, 0.7196, 0.2396, 0.1949],
        [-0.3599, -0.3533, -0.4734, 0.6633, 0.0087, -0.2856],
        [0.2578, 0.2305, 0.0883, 0.1071, -0.7611, -0.5308],
    ]
)
_ZHAI_2022 = np.array(
    [
        [0.3690, 0.4271, 0.4689, 0.5073, 0.3824, 0.2406],
        [-0.2870, -0.2685, -0.4087, 0.8145, 0.0637, -0.1052],
        [0.0382, 0.2137, 0.3536, 0.2270, -0.6108, -0.6351],
    ]
)
TASSELLED_CAP_COEFFICIENTS: MappingProxyType[str, npt.NDArray[np.float64]] = MappingProxyType(
    {"sentinel-2-l2a": _SHI_XU_2019, "landsat-c2-l2": _ZHAI_2022}
)
TASSELLED_CAP_SOURCES = MappingProxyType(
    {
        "sentinel-2-l2a": "Shi and Xu 2019, IEEE JSTARS 12(10), doi:10.1109/JSTARS.2019.2938388",
        "landsat-c2-l2": "Zhai et al. 2022, Remote Sensing of Environment 274, 112992",
    }
)


def tasselled_cap(stack: Reflectance, *, collection: str) -> Index:
    """All three components of a stack of bands.

    Parameters
    ----------
    stack:
        (6, …) reflectance 0–1 in the order blue, green, red, NIR, SWIR 1.6 µm, SWIR 2.2 µm; NaN where missing.
    collection:
        Whose coefficients: `sentinel-2-l2a` or `landsat-c2-l2`.

    Returns
    -------
    (3, …) float32: brightness, greenness, wetness; NaN where any band is missing. The same pixel gives the same bits
    whatever the shape around it.

    Raises
    ------
    UnknownIndexError
        The collection has no coefficients, or the stack has not six bands.
    ReflectanceScaleError
        The stack is of integer type or exceeds 10.
    """
    stack = np.asarray(stack)
    if stack.ndim == 0 or stack.shape[0] != len(TASSELLED_CAP_BANDS):
        raise UnknownIndexError(
            f"the tasselled cap takes a stack of six bands, not one of shape {stack.shape}",
            remedy=f"Stack {', '.join(TASSELLED_CAP_BANDS)} along the first axis",
        )
    (values,) = checked_reflectance(stack=stack)
    return np.stack([_weighted_sum(values, weights) for weights in _coefficients(collection)])


def tasselled_cap_component(
    component: str,
    *,
    blue: Reflectance,
    green: Reflectance,
    red: Reflectance,
    nir: Reflectance,
    swir16: Reflectance,
    swir22: Reflectance,
    collection: str,
) -> Index:
    """One component by its name; bands of one shape, missing values and errors as in `tasselled_cap`."""
    weights = _coefficients(collection)[TASSELLED_CAP_COMPONENTS.index(component)]
    bands = checked_reflectance(blue=blue, green=green, red=red, nir=nir, swir16=swir16, swir22=swir22)
    return _weighted_sum(bands, weights)


def tasselled_cap_formula(component: str, collection: str) -> str:
    """The sum as text, "0.3510 blue + 0.3813 green + …"."""
    weights = _coefficients(collection)[TASSELLED_CAP_COMPONENTS.index(component)]
    terms = [f"{weight:+.4f} {band}" for weight, band in zip(weights, TASSELLED_CAP_BANDS, strict=True)]
    return " ".join(f"{term[0]} {term[1:]}" for term in terms).removeprefix("+ ")


def _coefficients(collection: str) -> npt.NDArray[np.float64]:
    if collection not in TASSELLED_CAP_COEFFICIENTS:
        raise UnknownIndexError(
            f"there are no tasselled-cap coefficients for {collection!r}",
            remedy=f"There are some for {', '.join(TASSELLED_CAP_COEFFICIENTS)}",
        )
    return TASSELLED_CAP_COEFFICIENTS[collection]


def _weighted_sum(bands: Sequence[npt.NDArray[np.float32]] | Index, weights: npt.NDArray[np.float64]) -> Index:
    # Band by band, not as a matrix product: that one's rounding depends on the shape of the block.
    total = np.zeros(np.shape(bands[0]), dtype=np.float32)
    for values, weight in zip(bands, weights, strict=True):
        total += np.float32(weight) * values
    return total
