"""Last season's values brought to this season's segments over their links.

Belongs here: following links. Finding them is in `links`; what past maps say of a segment's ground, whatever became of
the segment, is among the `features`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from agristat_platform.segmentation.errors import SegmentLinksError
from agristat_platform.segmentation.seasons.links import segment_identities


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
