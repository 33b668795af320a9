"""Each small segment's neighbours in the order in which a walk along its pixels meets them.

Belongs here: how the lists are held and made. What they are walked for is in `elimination`.

A list is a chain of links of six neighbours, as many as a segment has on average. Segment s begins with link s, so that no
segment has to say where its list begins; further links come after the last segment's. Which link follows is told apart
from the links: chains are joined far more often than walked. Empty places and the end of a chain are 0.

When a segment joins another, its pixels come after the other's, and so does its chain. A walk along the chain then meets
the segments that the neighbours have become in the same order as a walk along all the pixels would: dropping repeated
neighbours of one original segment drops no first meeting.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uintp

# Neighbours of a link.
SLOTS = 6


@njit(cache=True, nogil=True)
def neighbour_lists(labels, sizes, min_pixels, steps):  # type: ignore[no-untyped-def]
    """Lists of all segments below `min_pixels`: the links (n, SLOTS) uint32, and the link after each (n,) uint32.

    Parameters
    ----------
    labels : flat, with a border of nodata one pixel wide
    sizes : (segments + 1,) pixels of each segment
    min_pixels : segments of this size and more get no list
    steps : distances from a pixel to its neighbours in the flat raster, in the order in which they are met
    """
    n_links = len(sizes)
    links = np.empty((_most_links(sizes, min_pixels, len(steps)), SLOTS), dtype=np.uint32)
    following = np.empty(len(links), dtype=np.uint32)
    # Links are emptied as they are taken: memory that is asked for and never written costs nothing.
    links[:n_links] = 0
    following[:n_links] = 0
    widest = steps[-1]
    for p in range(widest, len(labels) - widest):
        s = labels[p]
        if s == 0 or sizes[s] >= min_pixels:
            continue
        for step in steps:
            neighbour = labels[p + step]
            if neighbour == s or neighbour == 0:
                continue
            # Unsigned, because signed places would be checked for counting from the end.
            link = uintp(s)
            slot = uintp(0)
            while True:
                if slot == SLOTS:
                    if following[link] == 0:
                        following[link] = n_links
                        links[n_links] = 0
                        following[n_links] = 0
                        n_links += 1
                    link = uintp(following[link])
                    slot = uintp(0)
                known = links[link, slot]
                if known == neighbour:
                    break
                if known == 0:
                    links[link, slot] = neighbour
                    break
                slot += uintp(1)
    return links, following


@njit(cache=True, nogil=True)
def _most_links(sizes, min_pixels, n_steps):  # type: ignore[no-untyped-def]
    """Links that suffice.

    n connected pixels have at most 2n + 2 neighbours over edges and 4n + 4 over corners too.
    """
    most = len(sizes)
    for s in range(1, len(sizes)):
        if sizes[s] < min_pixels:
            most += (int(sizes[s]) + 1) * n_steps // 2 // SLOTS
    return most
