"""How well segments find the demo's simulated parcels, on the composites the demo made of its simulated scenes.

Used by `segmentation_quality.py --demo`. The image is what the asset `segments` takes, at several numbers of intervals;
the parcels are the simulation's truth. "Crop purity" is the share of pixels whose crop is the one that most of their
segment has: what a map by segments can reach at best. "F inside" leaves out pixels that touch another parcel.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rasterio.features import rasterize
from scipy import ndimage

from agristat_platform import features, imagery
from agristat_platform.catalogue import Partition, Region, load_catalogue, load_settings
from agristat_platform.geometry import read_geometry
from agristat_platform.segmentation import (
    agreement_with_parcels,
    parcel_agreement,
    segment_by_region_growing,
    segment_image,
)
from resources.storage import StoredVersion
from resources.wiring import open_store

ROOT = Path(__file__).resolve().parent.parent
REGION = "demo-valley"

METHODS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "region growing": lambda image, least: (
        segment_by_region_growing(image, nodata=features.NODATA, min_pixels=least).labels
    ),
    "Shepherd": lambda image, least: segment_image(image, nodata=features.NODATA, min_pixels=least).labels,
}


def report_demo(home: Path, intervals: list[int], least_pixels: list[int]) -> None:
    """One table for each season of a demo home that has composites, and one by size of parcel at the first of each option."""
    settings = replace(load_settings(ROOT / "config", env=os.environ), home=home, store_uri=str(home / "store"))
    region = load_catalogue(settings).region(REGION)
    store = open_store(settings)
    for season in region.seasons:
        partition = Partition(REGION, season)
        if not store.is_materialised("composites", partition):
            continue
        composites = store.current("composites", partition)
        parcels = pq.read_table(settings.archive_dir / REGION / "truth" / season / "parcels.parquet")
        numbers, crops = _rasters(region, parcels)
        edge = ndimage.minimum_filter(numbers, 3) != ndimage.maximum_filter(numbers, 3)
        joined = _neighbours_of_one_crop(numbers, crops)
        sizes = np.bincount(numbers.ravel())[1:]
        print(
            f"\ndemo, SIMULATED imagery and parcels, {season}: {(sizes > 0).sum()} parcels, median {np.median(sizes[sizes > 0]):.0f} "
            f"pixels; {((sizes > 0) & (sizes < 20)).sum()} below 20, with {sizes[sizes < 20].sum() / sizes.sum():.1%} of the pixels; "
            f"{edge[numbers > 0].mean():.0%} of the pixels touch another parcel; F of the true parcels with neighbours of one "
            f"crop joined: {parcel_agreement(joined, numbers).f:.3f}"
        )
        print(
            "| intervals | least pixels | method | purity | completeness | F | over | under | F inside | crop purity | segments | CPU s |"
        )
        print("|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")

        def read(row: dict[str, Any], composites: StoredVersion = composites) -> np.ndarray:
            return imagery.read_layers(composites.path(row["file"]), [row])[0]

        by_size: dict[str, list[dict[str, Any]]] = {}
        for number in intervals:
            stacked = features.layer_image(
                composites.table("layers"), read, region.segmentation.layers, max_intervals=number
            )
            for least in least_pixels:
                for method, segment in METHODS.items():
                    start = time.process_time()
                    labels = segment(stacked.image, least)
                    seconds = time.process_time() - start
                    _row(f"{number} | {least} | {method}", labels, numbers, crops, edge, seconds)
                    if number == intervals[0] and least == least_pixels[0]:
                        by_size[method] = agreement_with_parcels(labels, parcels, region.grid()).by_size.to_pylist()
        print("\n| size of parcel | parcels | " + " | ".join(f"F, {method}" for method in METHODS) + " |")
        print("|---|---:|" + "---:|" * len(METHODS))
        for rows in zip(*(by_size[method] for method in METHODS), strict=True):
            scores = " | ".join("–" if row["f"] is None else f"{row['f']:.3f}" for row in rows)
            print(f"| {rows[0]['size_class']} | {rows[0]['n_parcels']} | {scores} |", flush=True)


def _row(
    name: str, labels: np.ndarray, numbers: np.ndarray, crops: np.ndarray, edge: np.ndarray, seconds: float
) -> None:
    agreement = parcel_agreement(labels, numbers)
    inside = parcel_agreement(labels, np.where(edge, 0, numbers))
    crop_purity = parcel_agreement(labels, crops).purity
    values = [agreement.purity, agreement.completeness, agreement.f]
    values += [agreement.over_segmentation, agreement.under_segmentation, inside.f, crop_purity]
    print(
        f"| {name} | {' | '.join(f'{value:.3f}' for value in values)} | {agreement.n_segments} | {seconds:.2f} |",
        flush=True,
    )


def _rasters(region: Region, parcels: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Parcel numbers from 1 and class ids on the region's grid, 0 = none."""
    grid = region.grid()
    shapes = list(enumerate(read_geometry(parcels), start=1))
    numbers = rasterize(((shape, n) for n, shape in shapes), grid.shape, transform=grid.transform, dtype="uint32")
    return numbers, np.concatenate([[0], parcels["class_id"].to_numpy()])[numbers]


def _neighbours_of_one_crop(numbers: np.ndarray, crops: np.ndarray) -> np.ndarray:
    """Labels of connected ground of one crop."""
    labels = np.zeros(numbers.shape, dtype=np.uint32)
    for crop in np.unique(crops[crops > 0]):
        connected, _ = ndimage.label(crops == crop)
        labels[connected > 0] = connected[connected > 0] + labels.max()
    return labels
