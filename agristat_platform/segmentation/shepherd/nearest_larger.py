"""Where small segments would go: the larger neighbour with the nearest mean.

Belongs here: the choice, for many segments of one size at a time. The order of sizes and the merges are in `elimination`,
the lists in `neighbour_lists`, the sums in `segment_sums`.

Segments of one size lie all over the image, so hardly anything that a choice needs is in the cache, and one choice alone
would wait for its links, then for what the neighbours have become, then for their sums. A batch of segments goes through
these steps together: what one step finds is asked for while it looks at the others.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uintp

from agristat_platform.segmentation.shepherd.link_numbers import NUMBERS
from agristat_platform.segmentation.shepherd.neighbour_lists import SLOTS
from agristat_platform.segmentation.shepherd.prefetch import prefetch
from agristat_platform.segmentation.shepherd.segment_sums import BELOW_SUMS, write_mean

# Segments that go through the steps together; what they look at fits the first-level cache.
_BATCH = 32

# Visits ahead for which links are asked for.
_AHEAD = 4

# Neighbours of a segment that are remembered as met. A later one that comes again is measured again, to no effect.
_REMEMBERED = 16


@njit(cache=True, nogil=True)
def choose(current, links, rows, wide, state, limit, targets):  # type: ignore[no-untyped-def]
    """Write where each of some segments of one size would go; 0 where no larger neighbour is near enough.

    Parameters
    ----------
    current : (n,) the segments
    links : of `neighbour_lists`; what neighbours have become is noted in place
    rows, wide : of `SegmentSums`
    state : (segments + 1,) signed: pixels of a segment, or -t where it has become part of t
    limit : largest squared distance between means
    targets : (n,) uint32, written
    """
    chains = np.empty(_BATCH * 8, dtype=np.uint32)
    met = np.empty(_BATCH * 8 * SLOTS, dtype=np.uint32)
    ends = np.empty(_BATCH, dtype=np.int64)
    near = np.empty(_REMEMBERED, dtype=np.uint32)
    mean = np.empty(rows.shape[1])
    other = np.empty(rows.shape[1])
    for first in range(0, len(current), _BATCH):
        last = min(first + _BATCH, len(current))
        while _walk(current, first, last, links, rows, chains, ends) > len(chains):
            chains = np.empty(2 * len(chains), dtype=np.uint32)
            met = np.empty(2 * len(met), dtype=np.uint32)
        _meet(current[first:last], links, rows, state, chains, ends, met)
        _compare(current[first:last], met, ends, near, rows, wide, state, mean, other, limit, targets[first:last])


# Below, every loop over a batch is inside its function: references to arrays are counted in every call, which takes longer
# than the work for one segment.
@njit(cache=True, nogil=True)
def _walk(current, first, last, links, rows, chains, ends):  # type: ignore[no-untyped-def]
    """Write down the links of the chains of a batch, and where each chain ends; returns how much room that takes.

    Where `chains` is too short for it, what was written is of no use.
    """
    n = 0
    for k in range(first, last):
        # What the walk and the next steps will need soon.
        if k + 2 * _AHEAD < len(current):
            prefetch(links, current[k + 2 * _AHEAD])
            prefetch(rows, current[k + 2 * _AHEAD])
        if k + _AHEAD < len(current):
            prefetch(links, links[current[k + _AHEAD], 0])
        s = current[k]
        end = links[s, 0]
        link = s
        while True:
            if n < len(chains):
                chains[n] = link
            n += 1
            if link == end or end == 0:
                break
            link = links[end, 0] if link == s else links[link, 0]
        ends[k - first] = n
    return n


@njit(cache=True, nogil=True)
def _meet(batch, links, rows, state, chains, ends, met):  # type: ignore[no-untyped-def]
    """Write down the larger segments that lie beside each of a batch, and ask for their sums.

    `ends` are where each one's links end in `chains`, and become where each one's neighbours end in `met`.
    """
    n = uintp(0)
    first = 0
    for k in range(len(batch)):
        size = state[batch[k]]
        for i in range(first, ends[k]):
            link = uintp(chains[i])
            for slot in range(1, NUMBERS):
                neighbour = links[link, slot]
                now = state[neighbour]
                neighbour = np.uint32(-now) if now < 0 else neighbour
                now = state[neighbour]
                while now < 0:  # seldom: what it joined has itself joined another
                    neighbour = np.uint32(-now)
                    now = state[neighbour]
                links[link, slot] = neighbour
                prefetch(rows, neighbour)
                # Kept if larger: the next one is written over it otherwise. Nodata has no pixels.
                met[n] = neighbour
                n += uintp(now > size)
        first = ends[k]
        ends[k] = n


@njit(cache=True, nogil=True)
def _compare(batch, met, ends, near, rows, wide, state, mean, other, limit, targets):  # type: ignore[no-untyped-def]
    """Write which of those met has the nearest mean within the squared distance `limit`, the first of several."""
    n_bands = rows.shape[1]
    some_wide = len(wide) > 0
    start = 0
    for k in range(len(batch)):
        s = batch[k]
        pixels = state[s]
        if some_wide and rows[s, 0] < BELOW_SUMS:
            write_mean(rows, wide, s, pixels, mean)
        else:  # written out, for the same reason
            for b in range(n_bands):
                mean[b] = rows[s, b] / pixels
        best = np.uint32(0)
        best_distance = np.inf
        n_near = 0
        for i in range(start, ends[k]):
            neighbour = met[i]
            known = False
            for j in range(n_near):
                known |= near[j] == neighbour
            if known:
                continue
            near[n_near] = neighbour
            n_near = min(n_near + 1, _REMEMBERED - 1)
            pixels = state[neighbour]
            if some_wide and rows[neighbour, 0] < BELOW_SUMS:
                write_mean(rows, wide, neighbour, pixels, other)
            else:
                for b in range(n_bands):
                    other[b] = rows[neighbour, b] / pixels
            for b in range(n_bands):
                difference = mean[b] - other[b]
                other[b] = difference * difference
            distance = 0.0
            for b in range(n_bands):  # in their order, which decides ties
                distance += other[b]
            if distance < best_distance:
                best_distance = distance
                best = neighbour
        start = ends[k]
        targets[k] = best if best_distance <= limit else np.uint32(0)
