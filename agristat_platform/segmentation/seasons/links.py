"""Segments of one season against those of the homologous season before: which are the same, and what became of the rest.

Belongs here: links between two label rasters, and what they say of each segment. Counting pixels is in `label_overlaps`,
bringing last season's values over the links in `history`.

A segment is taken for last season's only where each is nearly all of the other. Everything else says what happened to it,
so that nobody mistakes a changed parcel for the old one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from agristat_platform.segmentation.errors import SegmentationOptionError, SegmentLinksError
from agristat_platform.segmentation.label_overlaps import Pairs, count_file_overlaps, count_overlaps

SAME, SPLIT, MERGED, RESHAPED, NEW, GONE = "same", "split", "merged", "reshaped", "new", "gone"

IDENTITIES = (SAME, SPLIT, MERGED, RESHAPED, NEW)
"""What a segment can be with regard to the season before."""

SAME_SHARE = 0.8
"""Least share that one segment has of another to hold it "nearly whole".

The smallest segment of the default settings is 20 pixels, a square of 4.47. Half a pixel to the east and half to the south,
as two seasons' images may lie apart, leave (1 − 0.5 / 4.47)² = 0.79 of it: less than this is no matter of registration.
Above one half, a segment can be nearly whole in one other only, which is what makes the relations exclusive.
"""

LINKS_SCHEMA = pa.schema(
    [
        pa.field("previous_segment_id", pa.uint32(), metadata={"null": "ground without a segment the season before"}),
        pa.field("segment_id", pa.uint32(), metadata={"null": "ground without a segment this season"}),
        pa.field("pixels", pa.int64(), nullable=False),
        pa.field("share_of_previous", pa.float64(), metadata={"unit": "1"}),
        pa.field("share_of_current", pa.float64(), metadata={"unit": "1"}),
        pa.field("relation", pa.string(), nullable=False),
    ]
)

IDENTITY_SCHEMA = pa.schema(
    [
        pa.field("segment_id", pa.uint32(), nullable=False),
        pa.field("identity", pa.string(), nullable=False),
        pa.field("previous_segment_id", pa.uint32(), metadata={"null": "not the same as any segment before"}),
    ]
)


def link_segments(
    previous_labels: npt.NDArray[Any], labels: npt.NDArray[Any], *, same_share: float = SAME_SHARE
) -> pa.Table:
    """Links between the segments of two seasons on one grid: a row for every pair that shares pixels.

    Rows without a previous segment are ground that only this season labels, rows without a current one ground that only
    the season before did. So the pixels of a segment's rows add up to its own, on either side.

    Relations of a row, with "within" for a share of at least `same_share`:

    - `same`: each is within the other;
    - `split`: the current segment is within the previous one, and with one or more others like it makes it up (their
      shares of the previous one reach `same_share`);
    - `merged`: the mirror image, the previous segment within the current one, together with others;
    - `new`, `gone`: the segment is within ground that the other season did not label;
    - `reshaped`: anything else, from a moved boundary to a parcel cut up afresh.

    A small piece that a `same` segment took in, or gave off, is `merged` or `split`; the segment itself stays `same`.

    Parameters
    ----------
    previous_labels, labels:
        (rows, cols) segment numbers, 0 = nodata.
    same_share:
        Above 0.5, at most 1; see `SAME_SHARE`.

    Returns
    -------
    Table of `LINKS_SCHEMA`, ordered by both numbers with null first.

    Raises
    ------
    LabelGridError
        The rasters have different sizes.
    ImageShapeError, TooManySegmentsError
        One is no label raster.
    SegmentationOptionError
        `same_share` is out of range.
    """
    _require_share(same_share)
    return _links(count_overlaps(previous_labels, labels), same_share)


def link_segment_files(previous_path: Path, path: Path, *, same_share: float = SAME_SHARE) -> pa.Table:
    """`link_segments` of two label files, read by strips in bounded memory.

    Raises
    ------
    LabelGridError
        The files differ in CRS, transform or size, or mark nodata by another value than 0.
    ImageSourceError
        A file cannot be opened or read.
    ImageShapeError, TooManySegmentsError, SegmentationOptionError
        As `link_segments`.
    """
    _require_share(same_share)
    return _links(count_file_overlaps(previous_path, path), same_share)


def segment_identities(links: pa.Table) -> pa.Table:
    """What each segment of the current season is with regard to the season before.

    Returns
    -------
    Table of `IDENTITY_SCHEMA`, a row per segment_id in rising order: identity is `same` (then previous_segment_id says
    of which), `split` (a part of one), `merged` (made of several), `new`, or `reshaped`.

    Raises
    ------
    SegmentLinksError
        The links lack columns, or a segment is the same as two.
    """
    require_links(links)
    rows = links.filter(pc.is_valid(links["segment_id"]))
    ids, of = np.unique(rows["segment_id"].to_numpy(), return_inverse=True)
    relation = np.asarray(rows["relation"].to_pylist(), dtype=object)
    identity = np.full(len(ids), RESHAPED, dtype=object)
    identity[of[relation == MERGED]] = MERGED
    identity[of[relation == SPLIT]] = SPLIT
    identity[of[relation == NEW]] = NEW
    same = relation == SAME
    if len(np.unique(of[same])) != int(same.sum()):
        doubled = ids[np.flatnonzero(np.bincount(of[same], minlength=len(ids)) > 1)[0]]
        raise SegmentLinksError(
            f"segment {doubled} is the same as two segments before", remedy="Link the seasons again"
        )
    identity[of[same]] = SAME
    previous = np.zeros(len(ids), dtype=np.uint32)
    previous[of[same]] = rows["previous_segment_id"].fill_null(0).to_numpy()[same]
    return pa.Table.from_arrays(
        [
            pa.array(ids, pa.uint32()),
            pa.array(identity, pa.string()),
            pa.array(previous, pa.uint32(), mask=identity != SAME),
        ],
        schema=IDENTITY_SCHEMA,
    )


def _links(pairs: Pairs, same_share: float) -> pa.Table:
    previous, current, pixels = pairs
    of_previous = pixels / _sums(previous, pixels)
    of_current = pixels / _sums(current, pixels)
    relation = _relations(previous, current, of_previous, of_current, same_share)
    return pa.Table.from_arrays(
        [
            pa.array(previous, pa.uint32(), mask=previous == 0),
            pa.array(current, pa.uint32(), mask=current == 0),
            pa.array(pixels, pa.int64()),
            pa.array(of_previous, pa.float64(), mask=previous == 0),
            pa.array(of_current, pa.float64(), mask=current == 0),
            pa.array(relation, pa.string()),
        ],
        schema=LINKS_SCHEMA,
    )


def _relations(
    previous: npt.NDArray[np.uint32],
    current: npt.NDArray[np.uint32],
    of_previous: npt.NDArray[np.float64],
    of_current: npt.NDArray[np.float64],
    least: float,
) -> npt.NDArray[np.object_]:
    linked = (previous > 0) & (current > 0)
    in_current, in_previous = (
        of_previous >= least,
        of_current >= least,
    )  # the previous one within the current, and so on
    part, whole = linked & in_previous, linked & in_current
    relation = np.full(len(previous), RESHAPED, dtype=object)
    relation[part & _made_up(previous, of_previous, part, least)] = SPLIT
    relation[whole & _made_up(current, of_current, whole, least)] = MERGED
    relation[part & whole] = SAME
    relation[(previous == 0) & in_previous] = NEW
    relation[(current == 0) & in_current] = GONE
    return relation


def _made_up(
    wholes: npt.NDArray[np.uint32], shares: npt.NDArray[np.float64], parts: npt.NDArray[np.bool_], least: float
) -> npt.NDArray[np.bool_]:
    """Of each row, whether the parts of its whole are two or more and reach the least share of it together."""
    _, of = np.unique(wholes, return_inverse=True)
    number = np.bincount(of[parts], minlength=of.max(initial=-1) + 1)
    together = np.bincount(of[parts], weights=shares[parts], minlength=of.max(initial=-1) + 1)
    made: npt.NDArray[np.bool_] = (number[of] >= 2) & (together[of] >= least - 1e-12)
    return made


def _sums(ids: npt.NDArray[np.uint32], pixels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Of each row, the pixels of all rows with its number."""
    found, of = np.unique(ids, return_inverse=True)
    total = np.zeros(len(found), dtype=np.int64)
    np.add.at(total, of, pixels)
    return total[of]


def _require_share(same_share: float) -> None:
    if not 0.5 < same_share <= 1:
        raise SegmentationOptionError(
            f"same_share is {same_share}",
            remedy="Give a share above 0.5 (below, two segments could be the same one) up to 1",
        )


def require_links(links: pa.Table) -> None:
    """Raise SegmentLinksError unless the table has the columns of `LINKS_SCHEMA`."""
    missing = [name for name in LINKS_SCHEMA.names if name not in links.column_names]
    if missing:
        raise SegmentLinksError(
            f"the table of links lacks {', '.join(missing)}", remedy="Give the result of link_segments"
        )
