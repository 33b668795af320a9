"""Elimination of small segments into the spectrally nearest larger neighbour.

Belongs here: the second elimination step of Shepherd et al. 2019 (section 2.3), segments in increasing size by the
nearest segment mean. The first step is in `single_pixels`; clumping and numbering are in `clumps`, sums in
`segment_sums`, who lies beside whom in `neighbour_lists`.

Within one size all choices are made before the first merge is carried out, so that the result does not depend on the
order in which segments are visited; among equally near neighbours the first one met wins, going through the segment's
pixels in the order they joined and through each pixel's neighbours from the upper left.

No pixel is looked at between the first and the last pass over the labels: segments carry their neighbours and sums, and
a merged one, in place of its pixels, the number of the segment it went into.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from agristat_platform.segmentation.shepherd.clumps import neighbour_steps
from agristat_platform.segmentation.shepherd.nearest_larger import choose
from agristat_platform.segmentation.shepherd.neighbour_lists import join_chains, neighbour_lists
from agristat_platform.segmentation.shepherd.prefetch import prefetch
from agristat_platform.segmentation.shepherd.segment_sums import LARGEST_NARROW, SegmentSums, move_sums

# Segments of one size are gone over again while merges happen (a merge changes who is larger and how near); in
# practice two or three rounds settle it, the bound only keeps a pathological image linear.
_MAX_ROUNDS = 10

# Sizes looked for among all segments. Most small segments are of these, and those of other sizes need a list, which is
# then the shorter.
_SCANNED = 4

# Merges ahead for which memory is asked for.
_AHEAD = 8

# Labels of the largest image whose sizes and segment numbers fit 32 bits with a sign.
_LARGEST_SIGNED = 2**31 - 1


def eliminate_small_segments(
    labels: npt.NDArray[np.uint32],
    sums: SegmentSums,
    sizes: npt.NDArray[np.uint32],
    min_pixels: int,
    limit: float,
    width: int,
    eight: bool,
) -> int:
    """Merge segments below `min_pixels` into the nearest larger neighbour, smallest size first, in place.

    Beside what it is given it takes about 40 bytes for each segment.

    Parameters
    ----------
    labels:
        (rows × width,) with a border of nodata one pixel wide, changed in place.
    sums:
        Changed in place.
    sizes:
        (segments + 1,) changed in place; entry 0 is nodata's, merged segments get size 0.
    min_pixels:
        Smallest size that is left alone.
    limit:
        Largest squared distance between means that may be merged.
    width:
        Number of columns, border included.
    eight:
        Neighbours also over corners.

    Returns
    -------
    Number of segments merged away. Those without a larger neighbour within the limit stay.
    """
    sizes[0] = 0
    narrow = len(labels) <= _LARGEST_SIGNED
    state: npt.NDArray[Any] = sizes.view(np.int32) if narrow else sizes.astype(np.int64)
    eliminated = _eliminate(labels, sums, state, min_pixels, limit, neighbour_steps(width, eight))
    np.maximum(state, 0, out=state)
    if not narrow:
        sizes[:] = state
    return int(eliminated)


@njit(cache=True, nogil=True)
def _eliminate(labels, sums, state, min_pixels, limit, steps):  # type: ignore[no-untyped-def]
    """As above; `state` are the sizes, signed, and becomes -t for what has become part of segment t."""
    links = neighbour_lists(labels, state, min_pixels, steps)
    rows, wide, used = sums
    small = np.empty(0, dtype=np.uint32)
    eliminated = 0
    for size in range(1, min_pixels):
        if size <= _SCANNED:
            current = _segments_of(state, size, size)
        else:
            # Those still to come; a list that shrinks keeps the total at pixels × log(min_pixels).
            if size == _SCANNED + 1:
                small = _segments_of(state, size, min_pixels - 1)
            current = np.empty(len(small), dtype=np.uint32)
            n_current, kept = _take(small, state, size, min_pixels, current)
            small = small[:kept]
            current = current[:n_current]
        targets = np.empty(len(current), dtype=np.uint32)
        for _ in range(_MAX_ROUNDS):
            choose(current, links, rows, wide, state, limit, targets)
            kept = _carry_out(current, targets, links, rows, wide, used, state, min_pixels)
            eliminated += len(current) - kept
            if kept == len(current):
                break
            current = current[:kept]
    _relabel(labels, state)
    return eliminated


@njit(cache=True, nogil=True)
def _carry_out(current, targets, links, rows, wide, used, state, min_pixels):  # type: ignore[no-untyped-def]
    """Merge those that have a target; the others move up in `current`. Returns how many those are."""
    kept = 0
    for k in range(len(current)):
        if k + _AHEAD < len(current):
            target = targets[k + _AHEAD]
            prefetch(rows, current[k + _AHEAD])
            prefetch(links, current[k + _AHEAD])
            prefetch(rows, target)
            prefetch(links, target)
            prefetch(state, target)
            # Half way there a link is at hand, and with it the name of its chain's last.
            prefetch(links, links[targets[k + _AHEAD // 2], 0])
        s, target = current[k], targets[k]
        if target == 0:
            current[kept] = s
            kept += 1
            continue
        state[target] += state[s]
        if state[target] <= LARGEST_NARROW or len(wide) == 0:  # written out: a call takes longer than the sums
            for b in range(rows.shape[1]):
                rows[target, b] += rows[s, b]
        else:
            move_sums(rows, wide, used, s, target, state[target])
        state[s] = -np.int64(target)
        if state[target] < min_pixels:  # others are not visited any more and need no list
            join_chains(links, target, s)
    return kept


@njit(cache=True, nogil=True)
def _relabel(labels, state):  # type: ignore[no-untyped-def]
    for s in range(1, len(state)):
        if state[s] < 0:
            into = -state[s]
            while state[into] < 0:
                into = -state[into]
            state[s] = -into
    for p in range(len(labels)):
        now = state[labels[p]]
        labels[p] = np.uint32(-now) if now < 0 else labels[p]


@njit(cache=True, nogil=True)
def _segments_of(sizes, smallest, largest):  # type: ignore[no-untyped-def]
    """Segments of these sizes and all between, in order."""
    count = 0
    for s in range(1, len(sizes)):
        count += smallest <= sizes[s] <= largest
    found = np.empty(count, dtype=np.uint32)
    count = 0
    for s in range(1, len(sizes)):
        if smallest <= sizes[s] <= largest:
            found[count] = s
            count += 1
    return found


@njit(cache=True, nogil=True)
def _take(small, sizes, size, min_pixels, current):  # type: ignore[no-untyped-def]
    """Move the segments of this size into `current`, those still to come to the front; returns how many of each."""
    taken = 0
    kept = 0
    for k in range(len(small)):
        s = small[k]
        if sizes[s] == size:
            current[taken] = s
            taken += 1
        elif size < sizes[s] < min_pixels:
            small[kept] = s
            kept += 1
    return taken, kept
