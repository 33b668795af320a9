"""Elimination of small segments into the spectrally nearest larger neighbour.

Belongs here: the second elimination step of Shepherd et al. 2019 (section 2.3), segments in increasing size by the
nearest segment mean. The first step is in `single_pixels`; clumping and numbering are in `clumps`, sums in
`segment_sums`, who lies beside whom in `neighbour_lists`.

Within one size all choices are made before the first merge is carried out, so that the result does not depend on the
order in which segments are visited; among equally near neighbours the first one met wins, going through the segment's
pixels in the order they joined and through each pixel's neighbours from the upper left.

No pixel is looked at between the first and the last pass over the labels: segments carry their neighbours and sums, and
a merged one, in place of its first sum, the number of the segment it went into.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uintp

from agristat_platform.segmentation.shepherd.clumps import neighbour_steps
from agristat_platform.segmentation.shepherd.neighbour_lists import SLOTS, neighbour_lists
from agristat_platform.segmentation.shepherd.prefetch import prefetch
from agristat_platform.segmentation.shepherd.segment_sums import held_wide, move_sums, write_mean

# Segments of one size are gone over again while merges happen (a merge changes who is larger and how near); in
# practice two or three rounds settle it, the bound only keeps a pathological image linear.
_MAX_ROUNDS = 10

# Sizes looked for among all segments. Most small segments are of these, and those of other sizes need a list, which is
# then the shorter.
_SCANNED = 4

# Visits ahead for which memory is asked for; a visit takes about as long as one wait for memory.
_AHEAD = 4


@njit(cache=True, nogil=True, forceinline=True)
def _successor(s, sizes, rows):  # type: ignore[no-untyped-def]
    """The segment that a segment, merged or not, is part of now."""
    while sizes[s] == 0:
        s = np.uint32(rows[s, 0])
    return s


@njit(cache=True, nogil=True, forceinline=True)
def _nearest_larger(s, links, following, rows, wide, sizes, mean, other, limit):  # type: ignore[no-untyped-def]
    """The larger neighbour with the nearest mean within the squared distance `limit`; 0 where there is none."""
    n_bands = rows.shape[1]
    size = int(sizes[s])
    write_mean(rows, wide, s, size, mean)
    best = np.uint32(0)
    best_distance = np.inf
    link = uintp(s)
    while True:
        for slot in range(SLOTS):
            neighbour = links[link, slot]
            if neighbour == 0:
                break
            if sizes[neighbour] == 0:
                neighbour = _successor(neighbour, sizes, rows)
                links[link, slot] = neighbour
            pixels = sizes[neighbour]
            if pixels <= size:  # as is the segment itself; one met before is not nearer than it was
                continue
            if held_wide(rows, wide, neighbour):
                write_mean(rows, wide, neighbour, pixels, other)
            else:  # written out: nearly all come here, and a call takes longer than the divisions
                for b in range(n_bands):
                    other[b] = rows[neighbour, b] / pixels
            distance = 0.0
            for b in range(n_bands):
                difference = mean[b] - other[b]
                distance += difference * difference
            if distance < best_distance:
                best_distance = distance
                best = neighbour
        link = uintp(following[link])
        if link == 0:
            break
    return best if best_distance <= limit else np.uint32(0)


@njit(cache=True, nogil=True, forceinline=True)
def _ask_for(k, current, links, rows, sizes):  # type: ignore[no-untyped-def]
    """Have the memory of coming visits loaded: what visit k + _AHEAD looks at, and the list of a later one."""
    later = k + 2 * _AHEAD
    if later < len(current):
        prefetch(links, current[later])
        prefetch(rows, current[later])
    if k + _AHEAD < len(current):
        link = uintp(current[k + _AHEAD])
        for slot in range(SLOTS):
            neighbour = links[link, slot]
            prefetch(sizes, neighbour)
            prefetch(rows, neighbour)


@njit(cache=True, nogil=True)
def _choose(current, links, following, rows, wide, sizes, mean, other, limit, targets):  # type: ignore[no-untyped-def]
    """Where each of the current segments would go."""
    for k in range(len(current)):
        _ask_for(k, current, links, rows, sizes)
        targets[k] = _nearest_larger(current[k], links, following, rows, wide, sizes, mean, other, limit)


@njit(cache=True, nogil=True, forceinline=True)
def _merge(s, target, following, rows, wide, used, sizes, min_pixels):  # type: ignore[no-untyped-def]
    sizes[target] += sizes[s]
    move_sums(rows, wide, used, s, target, sizes[target])
    sizes[s] = 0
    rows[s, 0] = target
    if sizes[target] < min_pixels:  # others are not visited any more and need no list
        link = uintp(target)
        while following[link] != 0:
            link = uintp(following[link])
        following[link] = s


@njit(cache=True, nogil=True)
def _carry_out(current, targets, following, rows, wide, used, sizes, min_pixels):  # type: ignore[no-untyped-def]
    """Merge those that have a target; the others move up in `current`. Returns how many those are."""
    kept = 0
    for k in range(len(current)):
        ahead = k + _AHEAD
        if ahead < len(current):
            prefetch(rows, current[ahead])
            prefetch(rows, targets[ahead])
            prefetch(sizes, targets[ahead])
            prefetch(following, targets[ahead])
        if targets[k] != 0:
            _merge(current[k], targets[k], following, rows, wide, used, sizes, min_pixels)
        else:
            current[kept] = current[k]
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def _relabel(labels, sizes, rows):  # type: ignore[no-untyped-def]
    for s in range(1, len(sizes)):
        if sizes[s] == 0:
            rows[s, 0] = _successor(np.uint32(s), sizes, rows)
    for p in range(len(labels)):
        s = labels[p]
        if s != 0 and sizes[s] == 0:
            labels[p] = np.uint32(rows[s, 0])


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


@njit(cache=True, nogil=True)
def eliminate_small_segments(labels, sums, sizes, min_pixels, limit, width, eight):  # type: ignore[no-untyped-def]
    """Merge segments below `min_pixels` into the nearest larger neighbour, smallest size first, in place.

    Beside what it is given it takes about 40 bytes for each segment.

    Parameters
    ----------
    labels : (rows × width,) uint32 with a border of nodata one pixel wide, changed in place
    sums : SegmentSums, changed in place
    sizes : (segments + 1,) unsigned integers, changed in place; entry 0 is unused, merged segments get size 0
    min_pixels : smallest size that is left alone
    limit : largest squared distance between means that may be merged
    width : number of columns, border included
    eight : neighbours also over corners

    Returns
    -------
    Number of segments merged away. Those without a larger neighbour within the limit stay.
    """
    links, following = neighbour_lists(labels, sizes, min_pixels, neighbour_steps(width, eight))
    rows, wide, used = sums
    mean = np.empty(rows.shape[1])
    other = np.empty(rows.shape[1])
    small = np.empty(0, dtype=np.uint32)
    eliminated = 0
    for size in range(1, min_pixels):
        if size <= _SCANNED:
            current = _segments_of(sizes, size, size)
        else:
            # Those still to come; a list that shrinks keeps the total at pixels × log(min_pixels).
            if size == _SCANNED + 1:
                small = _segments_of(sizes, size, min_pixels - 1)
            current = np.empty(len(small), dtype=np.uint32)
            n_current, kept = _take(small, sizes, size, min_pixels, current)
            small = small[:kept]
            current = current[:n_current]
        targets = np.empty(len(current), dtype=np.uint32)
        for _ in range(_MAX_ROUNDS):
            _choose(current, links, following, rows, wide, sizes, mean, other, limit, targets)
            kept = _carry_out(current, targets, following, rows, wide, used, sizes, min_pixels)
            eliminated += len(current) - kept
            if kept == len(current):
                break
            current = current[:kept]
    _relabel(labels, sizes, rows)
    return eliminated
