"""How well segments agree with reference parcels: purity, completeness, over- and under-segmentation.

Belongs here: measures between two label rasters on one grid. A table of parcels is compared in
`table_agreement`; accuracy of a crop map is in `classification`.

Over pixels that have both a parcel r and a segment s, with |r ∩ s| the pixels they share and |r|, |s| their own:

- purity: share of pixels in the parcel that most of their segment lies in, Σ_s max_r |r ∩ s| / N;
- completeness: share of pixels in the segment that covers most of their parcel, Σ_r max_s |r ∩ s| / N;
- F: their harmonic mean, so that neither one segment for all (completeness 1) nor one for each pixel (purity 1) is good
  (purity and inverse purity as in Amigó et al. 2009, Information Retrieval 12, 461–486);
- over-segmentation of a parcel: 1 − |r ∩ s| / |r|, under-segmentation: 1 − |r ∩ s| / |s|, s being the segment that covers
  most of it (Clinton et al. 2010, Photogrammetric Engineering & Remote Sensing 76, 289–299; the choice of s as in
  Persello and Bruzzone 2010, IEEE Transactions on Geoscience and Remote Sensing 48, 1232–1244);
- distance: √((over² + under²) / 2) (Clinton et al. 2010).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from agristat_platform.segmentation.errors import EmptyImageError, ImageShapeError

PARCEL_AGREEMENT_SCHEMA = pa.schema(
    [
        pa.field("parcel", pa.uint32(), nullable=False),
        pa.field("pixels", pa.int64(), nullable=False, metadata={"unit": "pixels"}),
        pa.field("segment", pa.uint32(), nullable=False),
        pa.field("shared_pixels", pa.int64(), nullable=False, metadata={"unit": "pixels"}),
        pa.field("over_segmentation", pa.float64(), nullable=False, metadata={"unit": "1"}),
        pa.field("under_segmentation", pa.float64(), nullable=False, metadata={"unit": "1"}),
    ]
)


@dataclass(frozen=True)
class ParcelAgreement:
    """Agreement of segments with parcels; shares from 0 to 1, see the module for formulas and sources.

    Attributes
    ----------
    purity, completeness, f:
        Over pixels: the larger a parcel, the more it counts.
    over_segmentation, under_segmentation, distance:
        Means over parcels, each counting once.
    n_parcels, n_segments:
        Those that share a pixel with the other side.
    pixels:
        Pixels with both.
    pixels_without_segment, pixels_without_parcel:
        Pixels with the one and not the other; in none of the measures.
    parcels:
        One row a parcel, `PARCEL_AGREEMENT_SCHEMA`: its pixels, the segment that covers most of it (the smaller number
        of two that cover as much), the pixels shared, over- and under-segmentation.
    """

    purity: float
    completeness: float
    f: float
    over_segmentation: float
    under_segmentation: float
    distance: float
    n_parcels: int
    n_segments: int
    pixels: int
    pixels_without_segment: int
    pixels_without_parcel: int
    parcels: pa.Table


def parcel_agreement(labels: npt.NDArray[Any], parcels: npt.NDArray[Any]) -> ParcelAgreement:
    """Compare segments with reference parcels.

    Parameters
    ----------
    labels:
        (rows, cols) unsigned integers, segments; 0 = none.
    parcels:
        (rows, cols) unsigned integers on the same grid, reference parcels; 0 = none.

    Raises
    ------
    ImageShapeError
        The rasters have different grids, or hold no integers from 0 to 2³² − 1.
    EmptyImageError
        No pixel has both a segment and a parcel.
    """
    segments, references = _checked(labels, "segments"), _checked(parcels, "parcels")
    if labels.shape != parcels.shape:
        raise ImageShapeError(
            f"segments {labels.shape} and parcels {parcels.shape} have different grids",
            remedy="Rasterise the parcels on the segments' grid",
        )
    both = (segments > 0) & (references > 0)
    if not both.any():
        raise EmptyImageError(
            "no pixel has both a segment and a parcel", remedy="Check that both rasters cover the same area"
        )
    pairs, shared = np.unique((references[both] << np.uint64(32)) | segments[both], return_counts=True)
    return agreement_of_pairs(
        pairs >> np.uint64(32),
        pairs & np.uint64(0xFFFFFFFF),
        shared,
        pixels_without_segment=int(((references > 0) & (segments == 0)).sum()),
        pixels_without_parcel=int(((segments > 0) & (references == 0)).sum()),
    )


def agreement_of_pairs(
    reference: npt.NDArray[Any],
    segment: npt.NDArray[Any],
    shared: npt.NDArray[np.int64],
    *,
    pixels_without_segment: int,
    pixels_without_parcel: int,
) -> ParcelAgreement:
    """The measures from the pixels that each parcel shares with each segment.

    Parameters
    ----------
    reference, segment:
        (n,) unsigned integers above 0, a parcel and a segment that share pixels; no pair twice, and at least one.
    shared:
        (n,) pixels of the pair.
    pixels_without_segment, pixels_without_parcel:
        As in the result.
    """
    segment_ids, segment_of = np.unique(segment, return_inverse=True)
    parcel_ids, parcel_of = np.unique(reference, return_inverse=True)
    segment_pixels = np.bincount(segment_of, weights=shared).astype(np.int64)
    parcel_pixels = np.bincount(parcel_of, weights=shared).astype(np.int64)
    n_pixels = int(shared.sum())

    largest_in_segment = np.zeros(len(segment_ids), dtype=np.int64)
    np.maximum.at(largest_in_segment, segment_of, shared)
    # By parcel, the largest share first, and of equal ones the smaller segment number.
    order = np.lexsort((segment, -shared, parcel_of))
    main = order[np.unique(parcel_of[order], return_index=True)[1]]

    purity = float(largest_in_segment.sum() / n_pixels)
    completeness = float(shared[main].sum() / n_pixels)
    over = 1 - shared[main] / parcel_pixels
    under = 1 - shared[main] / segment_pixels[segment_of[main]]
    return ParcelAgreement(
        purity=purity,
        completeness=completeness,
        f=2 * purity * completeness / (purity + completeness),
        over_segmentation=float(over.mean()),
        under_segmentation=float(under.mean()),
        distance=float(np.sqrt((over**2 + under**2) / 2).mean()),
        n_parcels=len(parcel_ids),
        n_segments=len(segment_ids),
        pixels=n_pixels,
        pixels_without_segment=pixels_without_segment,
        pixels_without_parcel=pixels_without_parcel,
        parcels=pa.table(
            [
                parcel_ids.astype(np.uint32),
                parcel_pixels,
                segment[main].astype(np.uint32),
                shared[main].astype(np.int64),
                over,
                under,
            ],
            schema=PARCEL_AGREEMENT_SCHEMA,
        ),
    )


def _checked(raster: npt.NDArray[Any], name: str) -> npt.NDArray[np.uint64]:
    raster = np.asarray(raster)
    if raster.ndim != 2 or not np.issubdtype(raster.dtype, np.integer):
        raise ImageShapeError(
            f"the raster of {name} has shape {raster.shape} and type {raster.dtype}",
            remedy="Give integers of (rows, cols), 0 where there is none",
        )
    if raster.size and (int(raster.min()) < 0 or int(raster.max()) >= 2**32):
        raise ImageShapeError(
            f"the raster of {name} holds {int(raster.min())} to {int(raster.max())}",
            remedy="Number them from 1 to 2³² − 1, 0 where there is none",
        )
    return raster.astype(np.uint64)
