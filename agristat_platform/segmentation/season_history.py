"""Last season's values brought to this season's segments over their links.

Belongs here: following links. Finding them is in `season_links`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from agristat_platform.segmentation.errors import SegmentLinksError
from agristat_platform.segmentation.season_links import IDENTITY_SCHEMA, segment_identities

CROP_HISTORY_SCHEMA = pa.schema(
    [
        *IDENTITY_SCHEMA,
        pa.field("previous_crop_code", pa.string(), metadata={"null": "identity changed, or the crop was not known"}),
        pa.field("previous_crop_share", pa.float64(), metadata={"unit": "1", "of": "the segment's pixels"}),
        pa.field("ground_crop_code", pa.string(), metadata={"means": "crop that most of the segment's ground carried"}),
        pa.field("ground_crop_share", pa.float64(), metadata={"unit": "1", "of": "the segment's pixels"}),
    ]
)


def carry_over(links: pa.Table, previous: pa.Table) -> pa.Table:
    """Last season's values of each segment that is still the same; null for every other, with the reason beside it.

    Parameters
    ----------
    links:
        Table of `LINKS_SCHEMA`.
    previous:
        Any table of the season before with a row per `segment_id`: features, classes, labels.

    Returns
    -------
    The columns of `IDENTITY_SCHEMA`, then those of `previous` but its segment_id, named `previous_<name>`; a row per
    current segment.

    Raises
    ------
    SegmentLinksError
        `previous` has no segment_id, or one twice; or the links are none.
    """
    identities = segment_identities(links)
    at = _rows_of(identities["previous_segment_id"], _previous_ids(previous))
    carried = previous.drop_columns(["segment_id"]).take(at)
    table = identities
    for field in carried.schema:
        named = pa.field(f"previous_{field.name}", field.type, metadata=field.metadata)
        table = table.append_column(named, carried[field.name])
    return table


def crop_history(links: pa.Table, previous_crops: pa.Table) -> pa.Table:
    """The crop of the season before, of each segment that is still the same, and of each segment's ground.

    Parameters
    ----------
    links:
        Table of `LINKS_SCHEMA`.
    previous_crops:
        Last season's segment_id and crop_code (null: not classified), as in a crop map's table.

    Returns
    -------
    Table of `CROP_HISTORY_SCHEMA`, a row per current segment. `previous_crop_code` is the parcel's own, null where its
    identity changed; `previous_crop_share` the share of the segment's pixels that carried this crop, whichever segment
    they lay in. `ground_crop_code` is the crop with the largest such share (of equal ones the first by code) whatever
    became of the parcel: it describes the ground, and null only where no crop of it is known.

    Raises
    ------
    SegmentLinksError
        Columns are missing, a segment_id occurs twice, or the links are none.
    """
    if "crop_code" not in previous_crops.column_names:
        raise SegmentLinksError(
            "the previous season's crops have no column crop_code",
            remedy=f"Give a crop map's table; the columns are {', '.join(previous_crops.column_names)}",
        )
    carried = carry_over(links, previous_crops.select(["segment_id", "crop_code"]))
    by_crop = _ground_shares(links, previous_crops)
    shares = {(row["segment_id"], row["crop_code"]): row["share"] for row in by_crop.to_pylist()}
    largest = {row["segment_id"]: row for row in reversed(by_crop.to_pylist())}
    ids, own = carried["segment_id"].to_pylist(), carried["previous_crop_code"].to_pylist()
    ground = [largest.get(segment) for segment in ids]
    columns = [
        carried["segment_id"],
        carried["identity"],
        carried["previous_segment_id"],
        carried["previous_crop_code"],
        pa.array([shares.get((segment, crop)) for segment, crop in zip(ids, own, strict=True)], pa.float64()),
        pa.array([row and row["crop_code"] for row in ground], pa.string()),
        pa.array([row and row["share"] for row in ground], pa.float64()),
    ]
    return pa.Table.from_arrays(columns, schema=CROP_HISTORY_SCHEMA)


def _ground_shares(links: pa.Table, previous_crops: pa.Table) -> pa.Table:
    """segment_id, crop_code, share of the segment's pixels; largest share first within a segment, then by code."""
    both = links.filter(pc.and_(pc.is_valid(links["segment_id"]), pc.is_valid(links["previous_segment_id"])))
    at = _rows_of(both["previous_segment_id"], _previous_ids(previous_crops))
    crops = previous_crops["crop_code"].take(at)
    known = both.append_column("crop_code", crops).filter(pc.is_valid(crops))
    summed = known.group_by(["segment_id", "crop_code"]).aggregate([("pixels", "sum")])
    current = links.filter(pc.is_valid(links["segment_id"]))
    ids, of = np.unique(current["segment_id"].to_numpy(), return_inverse=True)
    sizes = np.zeros(len(ids), dtype=np.int64)
    np.add.at(sizes, of, current["pixels"].to_numpy())
    size = sizes[np.searchsorted(ids, summed["segment_id"].to_numpy())]
    shared = summed.append_column("share", pa.array(summed["pixels_sum"].to_numpy() / size, pa.float64()))
    return shared.sort_by([("segment_id", "ascending"), ("share", "descending"), ("crop_code", "ascending")])


def _previous_ids(previous: pa.Table) -> npt.NDArray[Any]:
    if "segment_id" not in previous.column_names:
        raise SegmentLinksError(
            "the previous season's table has no column segment_id",
            remedy=f"Its columns are {', '.join(previous.column_names)}",
        )
    ids: npt.NDArray[Any] = previous["segment_id"].to_numpy()
    found, times = np.unique(ids, return_counts=True)
    if len(found) < len(ids):
        raise SegmentLinksError(
            f"segment {found[times > 1][0]} occurs {times.max()} times in the previous season's table",
            remedy="Give one row per segment",
        )
    return ids


def _rows_of(wanted: pa.ChunkedArray, ids: npt.NDArray[Any]) -> pa.Array:
    """Row of each wanted number in `ids`; null where it is null or not there."""
    return pc.index_in(wanted, value_set=pa.array(ids, pa.uint32()), skip_nulls=True)
