"""The sections of a region file about imagery and its series: `imagery` and `time_series`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from agristat_platform.catalogue.seasons import IntervalLength
from agristat_platform.catalogue.section import BandList, Positive, Section, Share

CompositeMethod = Literal["median", "mean", "medoid", "geometric_median", "best_pixel"]
Orbits = Literal["apart", "ascending", "descending"]


class CollectionRequest(Section):
    """Which bands of a STAC collection are read, and how they are composed where it differs from the region's way.

    Parameters
    ----------
    bands:
        Names of the collection's band table.
    catalogue:
        Imagery catalogue, when it is another one than the region's.
    method:
        Composite of an interval; None: that of the region for optical bands, the mean of linear power for radar.
    orbits:
        Of radar: `apart` composes ascending and descending passes into layers of their own, the others take one
        direction alone.
    """

    bands: BandList
    catalogue: str | None = None
    method: CompositeMethod | None = None
    orbits: Orbits = "apart"


class MaskSettings(Section):
    """How far around what the classification band names a place counts as obscured, in metres on the ground."""

    cloud_dilation_m: Annotated[float, Field(ge=0, le=1000)] = 60.0
    shadow_dilation_m: Annotated[float, Field(ge=0, le=1000)] = 60.0


class SpeckleSettings(Section):
    """Multi-temporal speckle filter of radar: side of the window of local means, in pixels of the region's grid."""

    window: Annotated[int, Field(ge=3, le=31)] = 7

    @model_validator(mode="after")
    def _has_a_centre(self) -> SpeckleSettings:
        if self.window % 2 == 0:
            raise ValueError(f"window {self.window} has no centre pixel: give an odd number")
        return self


class ImagerySource(Section):
    """Where the region's scenes come from and which of them are good enough.

    Parameters
    ----------
    catalogue:
        Name of an imagery catalogue of `agristat.yaml`.
    collections:
        Collections by STAC identifier.
    interval:
        Length of the time step of composites; `item`: every item is a composite already and a step of its own.
    method:
        How the clear observations of an interval become one value; collections may say otherwise.
    percentiles:
        Percentiles of every optical band over the whole season, as further layers; none by default.
    masks:
        Dilation of cloud and shadow.
    harmonise:
        Landsat's surface reflectance is adjusted to Sentinel-2's band passes.
    speckle_filter:
        Multi-temporal filter of radar before its mean; null: none.
    ingest:
        The windows of kept scenes over the region are copied to the archive and read from there.
    max_cloud_share:
        Scenes with more cloud over the AOI, by their mask, are dropped.
    min_aoi_cover:
        Scenes with data over less of the AOI are dropped.
    files:
        With the embedded catalogue and no simulation: the folder of ready composites it serves, named
        `<first day>_<last day>_<band>.tif`; `{real_data}`, `{config}` and `{home}` stand for those folders.
    """

    catalogue: str
    collections: Annotated[dict[str, CollectionRequest], Field(min_length=1)]
    interval: IntervalLength = "month"
    method: CompositeMethod = "median"
    percentiles: Annotated[tuple[Annotated[float, Field(gt=0, lt=100)], ...], Field(strict=False)] = ()
    masks: MaskSettings = MaskSettings()
    harmonise: bool = True
    speckle_filter: SpeckleSettings | None = None
    ingest: bool = False
    max_cloud_share: Share = 0.20
    min_aoi_cover: Share = 0.05
    files: str | None = None

    def by_catalogue(self) -> dict[str, list[str]]:
        """Return the collections to ask each catalogue for, in the order of the file."""
        asked: dict[str, list[str]] = {}
        for collection, request in self.collections.items():
            asked.setdefault(request.catalogue or self.catalogue, []).append(collection)
        return asked


class TimeSeriesSettings(Section):
    """Series of each segment over the season: what is smoothed, on which grid and how strongly.

    Parameters
    ----------
    indices:
        Spectral indices.
    channels:
        Indices, and bands by their common name (`swir16`, `lwir11`), that the tensor holds, in the order models take them;
        those that are not among `indices` get series as well. Empty: the indices.
    step_days, samples, padding_days:
        Days between nodes of the regular grid, even positions a series is read at, and days before and after the
        season whose scenes hold the ends of the curve.
    smoothing:
        λ of the Whittaker smoother for that step, or `vcurve`: chosen for each series.
    envelope:
        Follow the upper side of vegetation indices, as clouds missed by the mask only ever lower them.
    min_clear_dates:
        Series with fewer clear dates inside the season are flagged and left without values.
    max_gap_days:
        A sample farther than half of this from every clear date is marked as not supported, and its series flagged.
    pixels:
        Those of `indices` that are smoothed for every pixel as well and written as rasters.
    """

    indices: BandList = ("ndvi", "evi", "ndwi", "gcvi", "lai", "tc_brightness", "tc_greenness", "tc_wetness")
    channels: Annotated[tuple[str, ...], Field(strict=False)] = ()
    step_days: Annotated[int, Field(ge=1, le=30)] = 5
    samples: Annotated[int, Field(ge=2, le=200)] = 23
    padding_days: Annotated[int, Field(ge=0, le=120)] = 30
    smoothing: Literal["vcurve"] | Positive = 10.0
    envelope: bool = False
    min_clear_dates: Annotated[int, Field(ge=2)] = 5
    max_gap_days: Positive = 60.0
    pixels: Annotated[tuple[str, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _pixels_are_among_the_indices(self) -> TimeSeriesSettings:
        others = [index for index in self.pixels if index not in self.indices]
        if others:
            raise ValueError(f"pixels names {', '.join(others)}, which indices does not have")
        return self
