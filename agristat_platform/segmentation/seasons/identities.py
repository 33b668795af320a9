"""Who each segment is over the seasons: a key that it keeps as long as it stays the same, and when it was first seen.

Belongs here: keys that pass from season to season. Which segments are the same is decided in `links`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from agristat_platform.segmentation.errors import SegmentLinksError
from agristat_platform.segmentation.seasons.links import IDENTITY_SCHEMA, SAME, segment_identities

FIRST = "first"
"""Identity of the segments of a season that has none before it to be linked to."""

PARCEL_IDENTITIES_SCHEMA = pa.schema(
    [
        *IDENTITY_SCHEMA,
        pa.field("parcel_key", pa.string(), nullable=False, metadata={"form": "<season first seen>/<segment_id then>"}),
        pa.field("first_seen", pa.string(), nullable=False, metadata={"unit": "season"}),
    ]
)


def parcel_identities(
    segment_ids: npt.NDArray[np.uint32],
    season: str,
    *,
    links: pa.Table | None = None,
    previous_season: str | None = None,
    previous: pa.Table | None = None,
) -> pa.Table:
    """Key and identity of each segment of a season.

    A segment that is the `same` as one before takes over its key. Every other, split and merged ones included, begins a key
    of its own: equal keys always mean one parcel of unchanged shape, season after season.

    Parameters
    ----------
    segment_ids:
        (n,) of this season, in any order.
    season:
        Key of the season, "2024-10".
    links:
        Table of `LINKS_SCHEMA` to the season before; None: a first season, or one on another grid.
    previous_season:
        Key of the linked season; needed with `links`.
    previous:
        This function's result for the linked season; None: it has none, and its segments count as first seen then.

    Returns
    -------
    Table of `PARCEL_IDENTITIES_SCHEMA`, a row a segment by rising number.

    Raises
    ------
    SegmentLinksError
        Links are of other segments, come without their season, or `previous` lacks a segment that is linked.
    """
    ids = np.unique(np.asarray(segment_ids, np.uint32))
    own = np.array([f"{season}/{number}" for number in ids.tolist()], dtype=object)
    if links is None:
        nothing = pa.nulls(len(ids), pa.uint32())
        return _table(ids, [FIRST] * len(ids), nothing, own, np.full(len(ids), season, dtype=object))
    if previous_season is None:
        raise SegmentLinksError("the links come without the season they lead to", remedy="Give previous_season")
    identities = segment_identities(links)
    linked = identities["segment_id"].to_numpy()
    if not np.array_equal(linked, ids):
        raise SegmentLinksError(
            f"the links are of {len(linked)} segments, the season has {len(ids)}, and they are not the same",
            remedy="Link the current segments again",
        )
    same = np.asarray(pc.equal(identities["identity"], SAME))
    before = identities["previous_segment_id"].drop_null().to_numpy()
    keys, seen = own, np.full(len(ids), season, dtype=object)
    keys[same], seen[same] = _keys_before(before, previous_season, previous)
    return _table(ids, identities["identity"], identities["previous_segment_id"], keys, seen)


def _keys_before(
    numbers: npt.NDArray[np.uint32], season: str, previous: pa.Table | None
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    """Key and first season of segments of the season before."""
    if previous is None:
        keys = np.array([f"{season}/{number}" for number in numbers.tolist()], dtype=object)
        return keys, np.full(len(numbers), season, dtype=object)
    at = pc.index_in(pa.array(numbers, pa.uint32()), value_set=previous["segment_id"].combine_chunks())
    if at.null_count:
        lost = numbers[np.flatnonzero(np.asarray(at.is_null()))[0]]
        raise SegmentLinksError(
            f"segment {lost} of season {season} has no identity", remedy=f"Materialise the segments of {season} again"
        )
    found = previous.take(at)
    return tuple(np.array(found[name].to_pylist(), dtype=object) for name in ("parcel_key", "first_seen"))  # type: ignore[return-value]


def _table(ids: object, identity: object, previous: object, keys: object, seen: object) -> pa.Table:
    columns = dict(zip(PARCEL_IDENTITIES_SCHEMA.names, (ids, identity, previous, keys, seen), strict=True))
    return pa.table(columns, schema=PARCEL_IDENTITIES_SCHEMA)
