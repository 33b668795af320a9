"""Elimination of small segments into the spectrally nearest larger neighbour.

Belongs here: the second elimination step of Shepherd et al. 2019 (section 2.3), segments in increasing size by the
nearest segment mean. The first step is in `single_pixels`; clumping and numbering are in `clumps`, sums in
`segment_sums`, who lies beside whom in `neighbour_lists`.

Within one size all choices are made before the first merge is carried out, so that the result does not depend on the
order in which segments are visited; among equally near neighbours the first one met wins, going through the segment's
pixels in the order they joined and through each pixel's neighbours from the upper left.

No pixel is looked at between the first and the last pass over the labels: segments carry their neighbours and sums, and
a merged one the number of the segment it went into.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uintp

from agristat_platform.segmentation.clumps import neighbour_steps
from agristat_platform.segmentation.neighbour_lists import SLOTS, neighbour_lists
from agristat_platform.segmentation.prefetch import prefetch
from agristat_platform.segmentation.segment_sums import held_wide, move_sums, write_mean

# Segments of one size are gone over again while merges happen (a merge changes who is larger and how near); in
# practice two or three rounds settle it, the bound only keeps a pathological image linear.
_MAX_ROUNDS = 10

# Visits ahead for which memory is asked for; a visit takes about as long as one wait for memory.
_AHEAD = 4


@njit(cache=True, nogil=True)
def _successor(s, sizes, marks):  # type: ignore[no-untyped-def]
    """The segment that a segment, merged or not, is part of now."""
    while sizes[s] == 0:
        s = marks[s]
    return s


@njit(cache=True, nogil=True)
def _nearest_larger(s, links, following, marks, stamp, rows, wide, sizes, mean, other, limit):  # type: ignore[no-untyped-def]
    """The larger neighbour with the nearest mean within the squared distance `limit`; 0 where there is none."""
    n_bands = rows.shape[1]
    size = int(sizes[s])
    write_mean(rows, wide, s, size, mean)
    marks[s] = stamp
    best = np.uint32(0)
    best_distance = np.inf
    link = uintp(s)
    while True:
        for slot in range(SLOTS):
            neighbour = links[link, slot]
            if neighbour == 0:
                break
            if sizes[neighbour] == 0:
                neighbour = _successor(neighbour, sizes, marks)
                links[link, slot] = neighbour
            if marks[neighbour] == stamp:
                continue
            marks[neighbour] = stamp
            pixels = sizes[neighbour]
            if pixels <= size:
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


@njit(cache=True, nogil=True)
def _ask_for(k, current, links, marks, rows, sizes):  # type: ignore[no-untyped-def]
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
            prefetch(marks, neighbour)
            prefetch(rows, neighbour)


@njit(cache=True, nogil=True)
def _choose(current, links, following, marks, stamp, rows, wide, sizes, mean, other, limit, targets):  # type: ignore[no-untyped-def]
    """Where each of the current segments would go; returns the last stamp given."""
    for k in range(len(current)):
        _ask_for(k, current, links, marks, rows, sizes)
        if stamp == np.uint32(0xFFFFFFFF):
            for s in range(len(marks)):
                if sizes[s] != 0:
                    marks[s] = 0
            stamp = np.uint32(0)
        stamp = np.uint32(stamp + np.uint32(1))
        targets[k] = _nearest_larger(current[k], links, following, marks, stamp, rows, wide, sizes, mean, other, limit)
    return stamp


@njit(cache=True, nogil=True)
def _merge(s, target, following, marks, rows, wide, used, sizes, min_pixels):  # type: ignore[no-untyped-def]
    sizes[target] += sizes[s]
    move_sums(rows, wide, used, s, target, sizes[target])
    sizes[s] = 0
    marks[s] = target
    if sizes[target] < min_pixels:  # others are not visited any more and need no list
        link = uintp(target)
        while following[link] != 0:
            link = uintp(following[link])
        following[link] = s


@njit(cache=True, nogil=True)
def _carry_out(current, targets, following, marks, rows, wide, used, sizes, min_pixels):  # type: ignore[no-untyped-def]
    """Merge those that have a target; the others move up in `current`. Returns how many those are."""
    kept = 0
    for k in range(len(current)):
        ahead = k + _AHEAD
        if ahead < len(current):
            prefetch(rows, current[ahead])
            prefetch(marks, current[ahead])
            prefetch(rows, targets[ahead])
            prefetch(sizes, targets[ahead])
            prefetch(following, targets[ahead])
        if targets[k] != 0:
            _merge(current[k], targets[k], following, marks, rows, wide, used, sizes, min_pixels)
        else:
            current[kept] = current[k]
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def _relabel(labels, sizes, marks):  # type: ignore[no-untyped-def]
    for s in range(1, len(sizes)):
        marks[s] = _successor(np.uint32(s), sizes, marks) if sizes[s] == 0 else np.uint32(s)
    marks[0] = 0
    for p in range(len(labels)):
        labels[p] = marks[labels[p]]


@njit(cache=True, nogil=True)
def _small_segments(sizes, min_pixels):  # type: ignore[no-untyped-def]
    count = 0
    for s in range(1, len(sizes)):
        count += 0 < sizes[s] < min_pixels
    small = np.empty(count, dtype=np.uint32)
    count = 0
    for s in range(1, len(sizes)):
        if 0 < sizes[s] < min_pixels:
            small[count] = s
            count += 1
    return small


@njit(cache=True, nogil=True)
def eliminate_small_segments(labels, sums, sizes, min_pixels, limit, width, eight):  # type: ignore[no-untyped-def]
    """Merge segments below `min_pixels` into the nearest larger neighbour, smallest size first, in place.

    Beside what it is given it takes, for each segment, 8 bytes and 32 of neighbours, or little more.

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
    # The last visit that met each segment; of a merged one, where it went.
    marks = np.zeros(len(sizes), dtype=np.uint32)
    stamp = np.uint32(0)
    rows, wide, used = sums
    mean = np.empty(rows.shape[1])
    other = np.empty(rows.shape[1])
    small = _small_segments(sizes, min_pixels)
    n_small = len(small)
    current = np.empty(n_small, dtype=np.uint32)
    targets = np.empty(n_small, dtype=np.uint32)
    eliminated = 0
    for size in range(1, min_pixels):
        # Those still to come; a list that shrinks keeps the total at pixels × log(min_pixels).
        n_current = 0
        kept = 0
        for k in range(n_small):
            s = small[k]
            if sizes[s] == size:
                current[n_current] = s
                n_current += 1
            elif size < sizes[s] < min_pixels:
                small[kept] = s
                kept += 1
        n_small = kept
        for _ in range(_MAX_ROUNDS):
            stamp = _choose(
                current[:n_current], links, following, marks, stamp, rows, wide, sizes, mean, other, limit, targets
            )
            kept = _carry_out(
                current[:n_current], targets[:n_current], following, marks, rows, wide, used, sizes, min_pixels
            )
            eliminated += n_current - kept
            if kept == n_current:
                break
            n_current = kept
    _relabel(labels, sizes, marks)
    return eliminated
