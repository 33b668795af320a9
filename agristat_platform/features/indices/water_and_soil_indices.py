"""Indices of water, soil, dry plants and residue, most of them from the short-wave infrared.

Belongs here: formulas with their sources. What all share (inputs 0–1, float32 out, NaN rules, ReflectanceScaleError) is
said in `vegetation_indices`.
"""

from __future__ import annotations

from agristat_platform.features.indices.reflectance import Index, Reflectance, checked_reflectance, quotient


def ndwi(*, green: Reflectance, nir: Reflectance) -> Index:
    """Normalised difference water index of open water, (green − NIR) / (green + NIR).

    Source: McFeeters 1996, International Journal of Remote Sensing 17(7). (Gao's index of the same name is `lswi`.)
    """
    green, nir = checked_reflectance(green=green, nir=nir)
    return quotient(green - nir, green + nir)


def lswi(*, nir: Reflectance, swir16: Reflectance) -> Index:
    """Land surface water index, (NIR − SWIR 1.6 µm) / (NIR + SWIR 1.6 µm): water in leaves and soil.

    Source: Xiao et al. 2004, Remote Sensing of Environment 89(4); the index of Gao 1996 at 1.6 µm.
    """
    nir, swir16 = checked_reflectance(nir=nir, swir16=swir16)
    return quotient(nir - swir16, nir + swir16)


def ndsvi(*, swir16: Reflectance, red: Reflectance) -> Index:
    """Normalised difference senescent vegetation index, (SWIR 1.6 µm − red) / (SWIR 1.6 µm + red).

    Source: Qi et al. 2002, "RANGES improves satellite-based information and land cover assessments in southwest United
    States", Eos 83(51).
    """
    swir16, red = checked_reflectance(swir16=swir16, red=red)
    return quotient(swir16 - red, swir16 + red)


def ndti(*, swir16: Reflectance, swir22: Reflectance) -> Index:
    """Normalised difference tillage index, (SWIR 1.6 µm − SWIR 2.2 µm) / (SWIR 1.6 µm + SWIR 2.2 µm): crop residue.

    Source: van Deventer et al. 1997, "Using Thematic Mapper data to identify contrasting soil plains and tillage
    practices", Photogrammetric Engineering & Remote Sensing 63(1).
    """
    swir16, swir22 = checked_reflectance(swir16=swir16, swir22=swir22)
    return quotient(swir16 - swir22, swir16 + swir22)
