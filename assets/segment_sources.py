"""Where the segments of a region and season come from: cut out of the composites, or parcels of a register.

Belongs here: the steps from settings and files to labels and polygons, in bounded memory. What is published of them, and
the checks, are in `segments`.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from agristat_platform import features, segmentation
from agristat_platform.catalogue import Region
from agristat_platform.provenance import ExternalRecord
from assets.errors import RegionTooLargeError
from assets.layers import layer_rows_reader
from assets.materialisation import file_record
from assets.presentation import markdown_table
from resources.storage import StoredVersion

GIB = 1 << 30
MEMORY_SHARE = 0.8  # of the machine's memory that region growing may be expected to take

Log = Callable[..., None]


@dataclass(frozen=True)
class Segments:
    """Segments from wherever they came, and what the manifest and the page say of that.

    Attributes
    ----------
    labels: (rows, cols), 0 = nodata.
    schema, portions: the table of polygons, some rows after the other.
    parameters, seeds, external: for the manifest.
    metadata: for the page.
    tables: further tables of the version by name.
    """

    labels: npt.NDArray[np.uint32]
    schema: pa.Schema
    portions: Iterable[pa.Table]
    parameters: Mapping[str, Any]
    metadata: Mapping[str, Any]
    seeds: Mapping[str, int] = field(default_factory=dict)
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    external: tuple[ExternalRecord, ...] = ()


def from_imagery(region: Region, composites: StoredVersion, scratch: Path, log: Log) -> Segments:
    """Segments of the clearest intervals; of the image no more than a strip is held, except by region growing.

    The image lies in a file without a name in `scratch`, which is gone with the process however that ends.

    Raises
    ------
    RegionTooLargeError
        Region growing would need more memory than there is.
    """
    settings, grid = region.segmentation, region.grid()
    layers = composites.table("layers")
    if settings.method == "region_growing":
        _require_memory(region, layers)
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=scratch) as file:
        log("stacking %s", ", ".join(settings.layers))
        image = features.write_layer_image(
            layers,
            layer_rows_reader(composites),
            grid.shape,
            settings.layers,
            file,
            max_intervals=settings.max_intervals,
        )
        if settings.method == "region_growing":
            labels, parameters, seeds = _grown(region, image)
        else:
            labels, parameters, seeds = _clumped(region, image, log)
    polygons = segmentation.segment_polygon_portions(labels, grid.transform, grid.crs)
    return Segments(
        labels=labels,
        schema=polygons.schema,
        portions=polygons,
        parameters={
            **parameters,
            "layers": list(image.names),
            "min_pixels": settings.min_pixels,
            "connectivity": settings.connectivity,
        },
        seeds=seeds,
        metadata={"gap_filled_share": image.filled_share},
    )


def from_register(region: Region, path: Path) -> Segments:
    """Parcels of the register that the region file names."""
    settings = region.segmentation
    register = segmentation.read_register(path, region.crs, id_column=settings.id_column, layer=settings.file_layer)
    result = segmentation.register_segments(register, region.grid(), region.aoi_projected(), invalid=settings.invalid)
    repaired = int(pc.sum(result.parcels["repaired"]).as_py() or 0)
    return Segments(
        labels=result.labels,
        schema=result.segments.schema,
        portions=[result.segments],
        parameters={"method": "register of parcels", "id_column": settings.id_column, "invalid": settings.invalid},
        tables={"parcels": result.parcels, "overlaps": result.overlaps},
        external=(file_record("register of parcels", path),),
        metadata={
            "parcels": markdown_table([{"outcome": key, "parcels": n} for key, n in result.outcomes.items()]),
            "repaired_polygons": repaired,
            "overlapping_pairs": result.overlaps.num_rows,
            "overlap_ha": float(pc.sum(result.overlaps["overlap_ha"]).as_py() or 0.0),
        },
    )


Cut = tuple[npt.NDArray[np.uint32], dict[str, Any], dict[str, int]]


def _clumped(region: Region, image: features.LayerImageFile, log: Log) -> Cut:
    """Labels, parameters and seeds of Shepherd segmentation."""
    settings = region.segmentation
    steps: set[str] = set()

    def progress(step: str, share: float) -> None:
        if step not in steps:
            steps.add(step)
            log("%s (%.0f %% done)", step, 100 * share)

    result = segmentation.segment_strips(
        image.read,
        image.shape,
        nodata=features.NODATA,
        n_clusters=settings.n_clusters,
        min_pixels=settings.min_pixels,
        max_distance=settings.max_distance,
        max_clump_pixels=settings.max_clump_pixels,
        connectivity=settings.connectivity,
        seed=settings.seed,
        progress=progress,
    )
    parameters = {
        "method": "Shepherd et al. 2019",
        "n_clusters": settings.n_clusters,
        "max_distance": result.max_distance,
        "max_clump_pixels": settings.max_clump_pixels,
    }
    return result.labels, parameters, {"k_means": settings.seed}


def _grown(region: Region, image: features.LayerImageFile) -> Cut:
    """Labels and parameters of region growing, which has no seeds."""
    settings = region.segmentation
    result = segmentation.segment_by_region_growing(
        image.read(slice(0, image.shape[1])),
        nodata=features.NODATA,
        min_pixels=settings.min_pixels,
        connectivity=settings.connectivity,
    )
    parameters = {
        "method": "region growing",
        "threshold": result.threshold,
        "noise": [float(noise) for noise in result.noise],
        "texture": [float(texture) for texture in result.texture],
    }
    return result.labels, parameters, {}


def _require_memory(region: Region, layers: pa.Table) -> None:
    """RegionTooLargeError where region growing would need more memory than the machine can give."""
    settings, (rows, cols) = region.segmentation, region.grid().shape
    intervals = len(set(layers["interval"].to_pylist()) - {0})  # 0 is the whole season
    shape = (len(settings.layers) * min(settings.max_intervals, intervals), rows, cols)
    needed = segmentation.region_growing_bytes(shape) + math.prod(shape) * np.dtype(np.int16).itemsize
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > MEMORY_SHARE * machine:
        raise RegionTooLargeError(
            f"region growing of {rows} × {cols} pixels in {shape[0]} layers takes up to {needed / GIB:.1f} GiB, "
            f"the machine has {machine / GIB:.1f} GiB",
            where=f"config/regions/{region.code}.yaml, segmentation.method",
            remedy="Set segmentation.method to shepherd, which takes about 2 GiB for a tile of 10,980 × 10,980 pixels, "
            "or name fewer layers and intervals",
        )
