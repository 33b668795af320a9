"""Keys of parcels over seasons: they pass on where a segment is the same, and nowhere else."""

import numpy as np
import pytest

from agristat_platform.segmentation import (
    PARCEL_IDENTITIES_SCHEMA,
    SegmentLinksError,
    link_segments,
    parcel_identities,
)

FIRST = np.repeat([[1, 1, 2, 2, 3, 3]], 4, axis=0).astype(np.uint32)
# 8 is 1 again; 2 is split into 4 and 5; 6 is 3 again
SECOND = np.array([[8, 8, 4, 4, 6, 6]] * 2 + [[8, 8, 5, 5, 6, 6]] * 2, np.uint32)
# 1 is 8 again; 2 is made of 4, 5; 9 is 6 again
THIRD = np.repeat([[1, 1, 2, 2, 9, 9]], 4, axis=0).astype(np.uint32)


def keys(table):
    return {row["segment_id"]: (row["parcel_key"], row["first_seen"]) for row in table.to_pylist()}


def test_keys_pass_on_as_long_as_a_segment_is_the_same():
    one = parcel_identities(np.unique(FIRST), "2023-10")
    assert one.schema.equals(PARCEL_IDENTITIES_SCHEMA)
    assert one["identity"].to_pylist() == ["first"] * 3
    assert keys(one)[3] == ("2023-10/3", "2023-10")
    two = parcel_identities(
        np.unique(SECOND), "2024-10", links=link_segments(FIRST, SECOND), previous_season="2023-10", previous=one
    )
    assert keys(two) == {
        4: ("2024-10/4", "2024-10"),
        5: ("2024-10/5", "2024-10"),
        6: ("2023-10/3", "2023-10"),
        8: ("2023-10/1", "2023-10"),
    }
    assert dict(zip(two["segment_id"].to_pylist(), two["identity"].to_pylist(), strict=True))[4] == "split"
    three = parcel_identities(
        np.unique(THIRD), "2025-10", links=link_segments(SECOND, THIRD), previous_season="2024-10", previous=two
    )
    # what became whole again is another parcel than before: nobody knows what it was in between
    assert keys(three) == {
        1: ("2023-10/1", "2023-10"),
        2: ("2025-10/2", "2025-10"),
        9: ("2023-10/3", "2023-10"),
    }
    assert three["previous_segment_id"].to_pylist() == [8, None, 6]


def test_a_season_before_without_keys_of_its_own_is_where_its_segments_were_first_seen():
    two = parcel_identities(
        np.unique(SECOND)[::-1], "2024-10", links=link_segments(FIRST, SECOND), previous_season="2023-10"
    )
    assert two["segment_id"].to_pylist() == [4, 5, 6, 8]
    assert keys(two)[8] == ("2023-10/1", "2023-10")


def test_links_that_do_not_fit_are_refused():
    links = link_segments(FIRST, SECOND)
    with pytest.raises(SegmentLinksError, match="of 4 segments, the season has 3"):
        parcel_identities(np.unique(FIRST), "2024-10", links=links, previous_season="2023-10")
    with pytest.raises(SegmentLinksError, match="without the season"):
        parcel_identities(np.unique(SECOND), "2024-10", links=links)
    one = parcel_identities(np.unique(FIRST), "2023-10")
    with pytest.raises(SegmentLinksError, match="segment 3 of season 2023-10 has no identity"):
        parcel_identities(
            np.unique(SECOND), "2024-10", links=links, previous_season="2023-10", previous=one.slice(0, 2)
        )  # fmt: skip
