"""Compiled loops of texture: pairs of neighbouring pixels of a strip, and the co-occurrence matrix of each segment.

Belongs here: the loops alone, on dense segment numbers (0 = no pair is made). What the numbers mean is in `texture`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

RARE = 256
"""Entries of a matrix that were counted less often are summed up by how often, those above in order of their counts."""


@njit(cache=True, nogil=True)
def grey_of(values, missing, low, high, levels, none):  # type: ignore[no-untyped-def]
    """(pixels,) uint8 grey levels of floats; `none` where `missing`, NaN or infinite."""
    grey = np.empty(len(values), np.uint8)
    width = high - low
    for p in range(len(values)):
        value = np.float64(values[p])
        if value - value == 0.0 and not missing[p]:
            grey[p] = np.uint8(min(max((value - low) / width * levels, 0.0), levels - 1.0))
        else:
            grey[p] = none
    return grey


@njit(cache=True, nogil=True)
def pairs_of_rows(labels, grey, starts, levels):  # type: ignore[no-untyped-def]
    """Pairs of every pixel below the first row with the four neighbours that come before it, by segment.

    Parameters
    ----------
    labels : (rows + 1, cols + 2) dense numbers, 0 around the strip and where a pixel is missing; the first row is the one
        above the strip
    grey : (rows + 1, cols + 2) uint8
    starts : (n_segments + 2,) int64, first place of each segment in `entries`; four places a pixel

    Returns
    -------
    entries : uint16, least grey level × levels + greatest
    filled : (n_segments + 1,) int64, how many of each segment's places are used
    """
    entries = np.empty(starts[-1] + 1, np.uint16)
    filled = np.zeros(len(starts) - 1, np.int64)
    current = np.uint32(0)
    place = np.int64(0)
    for r in range(1, labels.shape[0]):
        above, own = labels[r - 1], labels[r]
        grey_above, grey_own = grey[r - 1], grey[r]
        for c in range(1, labels.shape[1] - 1):
            label = own[c]
            if label == 0:
                continue
            if label != current:
                if current != 0:
                    filled[current] = place - starts[current]
                current = label
                place = starts[current] + filled[current]
            level = np.int32(grey_own[c])
            # written always, the place moves on where both pixels are of the segment: no branch
            for other, same in (
                (np.int32(grey_own[c - 1]), own[c - 1] == label),
                (np.int32(grey_above[c - 1]), above[c - 1] == label),
                (np.int32(grey_above[c]), above[c] == label),
                (np.int32(grey_above[c + 1]), above[c + 1] == label),
            ):
                entries[np.uintp(place)] = np.uint16(min(level, other) * levels + max(level, other))
                place += np.int64(same)
    if current != 0:
        filled[current] = place - starts[current]
    return entries, filled


@njit(cache=True, nogil=True)
def describe_closing(entries, starts, filled, closing, kept, squares, halves, logs, table):  # type: ignore[no-untyped-def]
    """Contrast, entropy and pairs of the segments that end; the matrices of the others.

    Sums of counts are exact, and those of logarithms run over how often an entry was counted, not over the entries as they
    came: the results do not depend on the order of the pairs, and so not on the strips.

    Parameters
    ----------
    entries, starts, filled : as from `pairs_of_rows`
    closing : (n_segments + 1,) bool, the segments that end in this strip
    kept : (segments uint32 ascending, first places int64, entries uint16, counts int64) of matrices from above
    squares : (levels²,) int64, (i − j)² of an entry
    halves : (levels²,) bool, i ≠ j: the entry stands for two of the symmetric matrix
    logs : (RARE,) float64, k ln k
    table : (n_segments, 3) float64, filled with contrast, entropy, pairs of the segments that end

    Returns
    -------
    `kept` for the strip below.
    """
    kept_segments, kept_starts, kept_entries, kept_counts = kept
    n = len(filled) - 1
    going_on, room = 0, 0
    k = 0
    for s in range(1, n + 1):
        size = 0
        if k < len(kept_segments) and kept_segments[k] == s:
            size = kept_starts[k + 1] - kept_starts[k]
            k += 1
        size += filled[s]
        if size > 0 and not closing[s]:
            going_on += 1
            room += min(size, len(squares))
    next_segments = np.empty(going_on, np.uint32)
    next_starts = np.zeros(going_on + 1, np.int64)
    next_entries = np.empty(room, np.uint16)
    next_counts = np.empty(room, np.int64)
    matrix = np.zeros(len(squares), np.int64)
    used = np.empty(len(squares), np.int64)  # half of the entries occur, so that a place is always left
    times = np.zeros(RARE, np.int64)
    often = np.empty(len(squares), np.int64)
    going_on, k = 0, 0
    for s in range(1, n + 1):
        n_used = 0
        if k < len(kept_segments) and kept_segments[k] == s:
            for place in range(kept_starts[k], kept_starts[k + 1]):
                matrix[kept_entries[place]] = kept_counts[place]
                used[n_used] = kept_entries[place]
                n_used += 1
            k += 1
        for place in range(starts[s], starts[s] + filled[s]):
            entry = np.uintp(entries[place])
            used[n_used] = entry
            n_used += int(matrix[entry] == 0)
            matrix[entry] += 1
        if n_used == 0:
            continue
        if not closing[s]:
            first = next_starts[going_on]
            for u in range(n_used):
                next_entries[first + u] = used[u]
                next_counts[first + u] = matrix[used[u]]
                matrix[used[u]] = 0
            next_segments[going_on] = s
            going_on += 1
            next_starts[going_on] = first + n_used
            continue
        pairs, squared, halved = np.int64(0), np.int64(0), np.int64(0)
        n_often, most = 0, 0
        for u in range(n_used):
            entry = used[u]
            count = matrix[entry]
            matrix[entry] = 0
            pairs += count
            squared += count * squares[entry]
            halved += count * halves[entry]
            if count < RARE:
                times[count] += 1
                most = max(most, count)
            else:
                often[n_often] = count
                n_often += 1
        logged = 0.0
        for rare in range(1, most + 1):
            logged += times[rare] * logs[rare]
            times[rare] = 0
        for large in np.sort(often[:n_often]):
            logged += large * np.log(large)
        table[s - 1, 0] = squared / pairs
        table[s - 1, 1] = max(0.0, np.log(pairs) + (halved * np.log(2.0) - logged) / pairs)
        table[s - 1, 2] = pairs
    places = next_starts[-1]
    return next_segments, next_starts, next_entries[:places], next_counts[:places]
