"""What can go wrong between a STAC catalogue and a composite, each with a name of its own."""

from __future__ import annotations

from agristat_platform.errors import AgristatError


class ImageryError(AgristatError):
    """Anything wrong with scenes, their catalogue or what is made of them."""


class UnknownCollectionError(ImageryError):
    """A collection that neither the platform's tables nor the catalogue have."""


class ConflictingRequestsError(ImageryError):
    """One product asked for twice, under two of its names and in different ways."""


class UnknownBandError(ImageryError):
    """A band that the collection's table does not have."""


class MissingAssetError(ImageryError):
    """An item without the file of a band that is needed."""


class UnknownBaselineError(ImageryError):
    """A Sentinel-2 item that does not tell whether the −1000 offset is still to be applied."""


class UncalibratedRadarError(ImageryError):
    """Radar amplitudes as digital numbers, from which no backscatter follows without calibration."""


class TerrainWarning(UserWarning):
    """Relief over which a scene without terrain correction is displaced by more than some pixels."""


class CatalogueUnreachableError(ImageryError):
    """The STAC catalogue does not answer, or answers with server errors until the retries are spent."""


class CatalogueRefusedError(ImageryError):
    """The STAC catalogue answers, but not with what was asked."""


class PartialAnswerError(ImageryError):
    """Fewer, more or other items than the catalogue says it has: never taken for the whole list."""


class MissingKeysError(ImageryError):
    """Files of a store that asks for keys, without keys to it in the environment."""


class ArchiveFullError(ImageryError):
    """No room left on the disk that windows of scenes are copied to."""


class Sen2CorMissingError(ImageryError):
    """Level-1C input without Sen2Cor to correct it."""


class Sen2CorFailedError(ImageryError):
    """Sen2Cor stopped with an error, took too long, or left no Level-2A product."""


class InvalidProductError(ImageryError):
    """A SAFE folder that is not the product it should be: wrong level, or files and metadata missing."""


class ItemWithoutDatetimeError(ImageryError):
    """A STAC item that tells neither a moment nor an interval of acquisition."""


class UnreadableSceneError(ImageryError):
    """A scene's file that is missing, truncated or no raster."""


class InvalidAnnotationError(UnreadableSceneError):
    """A Sentinel-1 annotation file that is missing, broken or of another product than the image it came with."""


class AoiOutsideImageryError(ImageryError):
    """No scene found reaches the area of interest."""


class NoScenesLeftError(ImageryError):
    """Every scene of a collection was dropped."""


class RepeatedSceneError(ImageryError):
    """One scene handed over twice, so that its observations would count double."""


class GridMismatchError(ImageryError):
    """A composite delivered on another pixel lattice than the region's: copying would mean resampling."""


class MissingRealDataError(ImageryError):
    """A folder or file of real data that is not there or not what its README says."""


class UnfinishedUnitError(ImageryError):
    """Composites put together before all their tiles were finished."""
