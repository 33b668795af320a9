"""The section `features` of a region file: what segments are described by.

Belongs here: names and ranges that can be judged without imagery. Bands and indices are judged by the rules of regions.
"""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from agristat_platform.catalogue.section import BandList, Section


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise ValueError("a statistic is named twice")
    return names


_Statistic = Annotated[str, Field(pattern=r"^(count|sum|mean|std|min|max|p(100|\d{1,2}(\.\d+)?))$")]
StatisticList = Annotated[tuple[_Statistic, ...], Field(min_length=1, strict=False), AfterValidator(_each_once)]


class TextureSettings(Section):
    """Texture of segments, from the grey-level co-occurrence matrix of each segment's own pixels.

    Parameters
    ----------
    layers:
        Bands, layers or indices, of which every interval gets the measures below.
    statistics:
        Measures of the matrix.
    levels:
        Grey levels.
    ranges:
        Values of a layer that are cut into the grey levels, by its name; others have the range of their kind: reflectance
        0 to 0.6, radar −35 to 5 dB, 250 to 330 K, an index its plausible range.
    """

    layers: BandList
    statistics: Annotated[tuple[Literal["contrast", "entropy"], ...], Field(min_length=1, strict=False)] = (
        "contrast",
        "entropy",
    )
    levels: Annotated[int, Field(ge=2, le=255)] = 32
    ranges: dict[str, Annotated[tuple[float, float], Field(strict=False)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _ranges_are_ranges(self) -> TextureSettings:
        for name, (low, high) in self.ranges.items():
            if not (isfinite(low) and isfinite(high) and low < high):
                raise ValueError(f"ranges: {name}: {low:g} to {high:g} is no range")
            if name.casefold() not in {layer.casefold() for layer in self.layers}:
                raise ValueError(f"ranges: {name} is not among the layers")
        return self


class FeatureSettings(Section):
    """What segments are described by beside the bands themselves.

    Parameters
    ----------
    indices:
        Spectral indices of every interval; those that the requested bands do not allow are left out, and the features'
        metadata say which. The default is a choice: each index adds four columns an interval, and in the simulated
        region the full list taught the classifier nothing more.
    statistics, index_statistics, radar_statistics:
        Of optical and thermal bands, of indices, and of radar layers: `count` (pixels with a value), `sum`, `mean`, `std`,
        `min`, `max`, and percentiles such as `p10`.
    statistics_of:
        Statistics of single bands, layers or indices in place of those, by name.
    texture:
        None: no texture.
    """

    indices: BandList = ("ndvi", "evi", "ndwi", "gcvi", "lswi")
    statistics: StatisticList = ("mean", "std")
    index_statistics: StatisticList = ("mean", "std", "p10", "p90")
    radar_statistics: StatisticList = ("mean", "std")
    statistics_of: dict[str, StatisticList] = Field(default_factory=dict)
    texture: TextureSettings | None = None
