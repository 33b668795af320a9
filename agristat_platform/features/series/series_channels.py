"""What a series can be of: a spectral index, or a band by its common name (reflectance, or temperature in kelvin).

Belongs here: names, units and formulas of channels, and which bands of a collection give them. The indices themselves are in
`spectral_indices`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agristat_platform.catalogue import TimeSeriesSettings, did_you_mean
from agristat_platform.features.errors import UnknownIndexError
from agristat_platform.features.indices.reflectance import Index, Reflectance
from agristat_platform.features.indices.spectral_indices import INDICES, STAND_INS, SpectralIndex, index_bands
from agristat_platform.imagery import COLLECTIONS, STORAGE, Collection

TENSOR_INDICES = ("ndvi", "evi", "ndwi", "gcvi", "lai", "tc_wetness", "tc_greenness", "tc_brightness")
"""The eight indices that come first in the tensor; with 23 samples of a season it is 23 × 8."""

_CHANNEL_KINDS = ("optical", "thermal")


def _itself(**bands: Reflectance) -> Index:
    (values,) = bands.values()
    return np.asarray(values, np.float32)


def _band_channels() -> dict[str, SpectralIndex]:
    """A channel for every common name of an optical or thermal band."""
    kinds: dict[str, str] = {}
    for collection in COLLECTIONS.values():
        for band in collection.bands.values():
            if band.common_name and band.kind in _CHANNEL_KINDS:
                kinds.setdefault(band.common_name, band.kind)
    return {
        name: SpectralIndex(
            name, (name,), name, _itself, "", unit=STORAGE[kind].unit if kind == "thermal" else "1"
        )
        for name, kind in kinds.items()
    }  # fmt: skip


BAND_CHANNELS = _band_channels()
"""Bands that a series can be of, by common name: `swir16` is B11 of Sentinel-2 and swir16 of Landsat; `lwir11` is in kelvin."""


def series_channel(name: str) -> SpectralIndex:
    """The index or band of that name.

    Raises
    ------
    UnknownIndexError
        There is none; where it is a collection's own name of a band ("B11"), the message says the common name.
    """
    found = INDICES.get(name) or BAND_CHANNELS.get(name)
    if found is not None:
        return found
    common = {
        band.common_name
        for collection in COLLECTIONS.values()
        for own, band in collection.bands.items()
        if own.casefold() == name.casefold() and band.common_name in BAND_CHANNELS
    }
    known = [*INDICES, *BAND_CHANNELS]
    remedy = f"Ask for the band as {sorted(common)[0]}" if common else f"Known are {', '.join(known)}"
    raise UnknownIndexError(
        f"a series of {name!r} is of no spectral index and no band{did_you_mean(name, known)}", remedy=remedy
    )


def is_thermal(name: str) -> bool:
    """Whether the channel is a temperature."""
    return name in BAND_CHANNELS and BAND_CHANNELS[name].unit == STORAGE["thermal"].unit


def channel_formula(name: str) -> str:
    """What the mean of a segment's clear pixels is turned into, in words of a table's metadata."""
    channel = series_channel(name)
    return f"mean of {name}" if name in BAND_CHANNELS else f"{channel.formula} of mean reflectance"


def channel_bands(name: str, table: Collection, band_names: Sequence[str]) -> dict[str, str] | None:
    """Bands of a collection that a channel takes, by common name; {} where it is delivered ready-made; None: not there.

    Parameters
    ----------
    band_names:
        Bands of the collection that are requested.
    """
    if any(band == name and table.band(band).kind == "index" for band in band_names):
        return {}
    if name in INDICES:
        return index_bands(name, table.name, [band for band in band_names if table.band(band).kind == "optical"])
    for common_name in STAND_INS.get(name, (name,)):
        for band in band_names:
            if table.band(band).common_name == common_name and table.band(band).kind in _CHANNEL_KINDS:
                return {name: band}
    return None


def tensor_channels(settings: TimeSeriesSettings) -> tuple[str, ...]:
    """Channels of the tensor in order: those of the settings, else `TENSOR_INDICES` as far as they are among the indices,
    then the other indices."""
    if settings.channels:
        return tuple(dict.fromkeys(settings.channels))
    return tuple(dict.fromkeys([*(name for name in TENSOR_INDICES if name in settings.indices), *settings.indices]))


def series_names(settings: TimeSeriesSettings) -> tuple[str, ...]:
    """Everything that a season's series are made of: the indices, then channels of the tensor that are none of them."""
    return tuple(dict.fromkeys([*settings.indices, *settings.channels]))
