"""Segmentation of rasters in files, into a label file, without holding the image.

Belongs here: `segment_raster`. The segmentation itself is in `steps`, the files in `image_files` and `label_files`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from agristat_platform.segmentation.errors import LabelTargetError
from agristat_platform.segmentation.label_files import LabelTarget
from agristat_platform.segmentation.results import ShepherdSegments
from agristat_platform.segmentation.shepherd.image_files import ImageFiles
from agristat_platform.segmentation.shepherd.image_strips import ImageStrips, Progress
from agristat_platform.segmentation.shepherd.options import ShepherdOptions, check_rows
from agristat_platform.segmentation.shepherd.steps import segmented

_SHARE_OF_WRITING = 0.1  # of all work; only the progress that is shown depends on it


@dataclass(frozen=True, kw_only=True)
class RasterSegments(ShepherdSegments):
    """Segments of rasters in files; the labels are in a file as well.

    Attributes
    ----------
    path:
        The label file: uint32, 0 = nodata, segments 1..n without gaps, numbered in the raster order of their first
        pixel.
    pixels, cluster_centres, max_distance, single_pixels_eliminated, small_segments_eliminated:
        As in `ShepherdSegments`.
    """

    path: Path


def segment_raster(
    source: str | Path | Sequence[str | Path],
    target: str | Path,
    *,
    tile_size: int = 512,
    n_clusters: int = 60,
    min_pixels: int = 20,
    max_distance: float | Literal["auto"] | None = "auto",
    nodata: float | Literal["file"] | None = "file",
    connectivity: int = 4,
    max_clump_pixels: int | None = None,
    seed: int = 0,
    sample_size: int | None = None,
    cluster_centres: npt.NDArray[np.floating[Any]] | None = None,
    progress: Progress | None = None,
) -> RasterSegments:
    """`segment_image` from files to a file; the labels are the same, byte for byte, whatever the tile size.

    Held are two strips of `tile_size` rows, the labels (4 bytes a pixel) and what elimination needs of each segment;
    docs/measurements.md has figures. A file of the labels' size lies beside `target` meanwhile.

    Parameters
    ----------
    source:
        A raster, or several on one grid; their bands make the image, in the order of the files. Scales and offsets of
        bands are not applied.
    target:
        The label file to make, a Cloud Optimized GeoTIFF on the grid of the source; it appears whole or not at all,
        and replaces what is there.
    tile_size:
        Rows held at a time, rounded to whole blocks of the files so that each is decoded once a pass. Changes no label.
    nodata:
        Value that marks missing pixels in every band, beside NaN; "file": what each file says of each of its bands,
        by value or by mask; None: no value does.
    n_clusters, min_pixels, max_distance, connectivity, max_clump_pixels, seed, sample_size, cluster_centres:
        As in `segment_image`.
    progress:
        Called with the step and the share of all work that is done, 0 to 1.

    Raises
    ------
    ImageSourceError
        A raster cannot be read, or lies on another grid than the first.
    LabelTargetError
        The target cannot be written, or is one of the sources; known before the work begins except where the disk
        fills up.
    ImageShapeError, EmptyImageError, TooManySegmentsError, SegmentationOptionError
        As in `segment_image`; too many pixels are refused before any is read.
    """
    options = ShepherdOptions(n_clusters, min_pixels, max_distance, connectivity, max_clump_pixels, seed, sample_size)
    check_rows("tile_size", tile_size)
    paths = [source] if isinstance(source, str | Path) else list(source)
    target = Path(target)
    if any(os.path.exists(path) and target.exists() and os.path.samefile(path, target) for path in paths):
        raise LabelTargetError("the labels would replace what they are made from", where=str(target))

    def before_writing(step: str, share: float) -> None:
        if progress is not None:
            progress(step, share * (1 - _SHARE_OF_WRITING))

    with ImageFiles(paths, nodata) as files, LabelTarget(target) as labels:
        strips = ImageStrips(files.read, files.shape, files.strip_rows(tile_size), before_writing)
        result = segmented(strips, files.nodata, options, cluster_centres)
        labels.write(result.labels, files.crs, files.transform)
    if progress is not None:
        progress("labels", 1.0)
    return RasterSegments(
        path=target,
        cluster_centres=result.cluster_centres,
        max_distance=result.max_distance,
        pixels=result.pixels,
        single_pixels_eliminated=result.single_pixels_eliminated,
        small_segments_eliminated=result.small_segments_eliminated,
    )
