"""Each small segment's neighbours in the order in which a walk along its pixels meets them.

Belongs here: how the lists are held, made, walked and joined. What they are walked for is in `nearest_larger`.

A list is a chain of links of seven neighbours; segments have five or six on average. Segment s begins with link s, so that
no segment has to say where its list begins; further links come after the last segment's. Empty places are 0. A link's
number 0 says how the chain goes on, so that one can be put behind another without going through either: a segment's own
link names the last link of its chain (0: it has no other), the last names the second, and every other the one after it.

When a segment joins another, its pixels come after the other's, and so does its chain. A walk along the chain then meets
the segments that the neighbours have become in the same order as a walk along all the pixels would: dropping repeated
neighbours of one original segment drops no first meeting.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uintp

from agristat_platform.segmentation.shepherd.link_numbers import NUMBERS, load_link, place_of, store_link, with_number

# Neighbours of a link.
SLOTS = NUMBERS - 1


@njit(cache=True, nogil=True)
def neighbour_lists(labels, sizes, min_pixels, steps):  # type: ignore[no-untyped-def]
    """Lists of all segments below `min_pixels`: the links, (n, NUMBERS) uint32.

    Parameters
    ----------
    labels : flat, with a border of nodata one pixel wide
    sizes : (segments + 1,) pixels of each segment
    min_pixels : segments of this size and more get no list
    steps : distances from a pixel to its neighbours in the flat raster, in the order in which they are met; four or eight
    """
    n_links = len(sizes)
    links = np.empty((_most_links(sizes, min_pixels, len(steps)), NUMBERS), dtype=np.uint32)
    # Links are emptied as they are taken: memory that is asked for and never written costs nothing.
    links[:n_links] = 0
    widest = steps[-1]
    for p in range(widest, len(labels) - widest):
        # Unsigned, because signed places would be checked for counting from the end.
        s = labels[uintp(p)]
        if s == 0 or sizes[s] >= min_pixels:
            continue
        for i in range(0, len(steps), 4):
            n_links = _add_four(
                links,
                n_links,
                s,
                labels[uintp(p + steps[i])],
                labels[uintp(p + steps[i + 1])],
                labels[uintp(p + steps[i + 2])],
                labels[uintp(p + steps[i + 3])],
            )
    return links


@njit(cache=True, nogil=True, forceinline=True)
def _add_four(links, n_links, s, a, b, c, d):  # type: ignore[no-untyped-def]
    """Add those of four neighbours that are not in segment s's own link; returns the number of links in use.

    Which are new is told for all four at once from what the link held before, and each is written to where it comes if
    those before it are new; where they are not, the next one is written over it. That has nothing to guess or wait for.
    """
    link = load_link(links, s)
    place = place_of(link, 0)
    new_a = (a != s) & (a != 0) & (place_of(link, a) == NUMBERS)
    new_b = (b != s) & (b != 0) & (place_of(link, b) == NUMBERS) & (b != a)
    new_c = (c != s) & (c != 0) & (place_of(link, c) == NUMBERS) & (c != a) & (c != b)
    new_d = (d != s) & (d != 0) & (place_of(link, d) == NUMBERS) & (d != a) & (d != b) & (d != c)
    place_b = place + np.uint32(new_a)
    place_c = place_b + np.uint32(new_b)
    place_d = place_c + np.uint32(new_c)
    if place_d + np.uint32(new_d) > NUMBERS:
        for neighbour, new in ((a, new_a), (b, new_b), (c, new_c), (d, new_d)):
            if new:
                n_links = _add(links, n_links, s, neighbour)
        return n_links
    link = with_number(link, place, a * np.uint32(new_a))
    link = with_number(link, place_b, b * np.uint32(new_b))
    link = with_number(link, place_c, c * np.uint32(new_c))
    link = with_number(link, place_d, d * np.uint32(new_d))
    store_link(links, s, link)
    return n_links


@njit(cache=True, nogil=True)
def _add(links, n_links, s, neighbour):  # type: ignore[no-untyped-def]
    """Add a neighbour to a chain, with a new link where all are full; returns the number of links in use."""
    last = links[s, 0]
    link = s
    while True:
        for slot in range(1, NUMBERS):
            if links[link, slot] == neighbour:
                return n_links
            if links[link, slot] == 0:
                links[link, slot] = neighbour
                return n_links
        if link == last or last == 0:
            break
        link = links[last, 0] if link == s else links[link, 0]
    links[n_links] = 0
    links[n_links, 1] = neighbour
    join_chains(links, s, np.uint32(n_links))
    return n_links + 1


@njit(cache=True, nogil=True, forceinline=True)
def join_chains(links, s, behind):  # type: ignore[no-untyped-def]
    """Put the chain that begins with link `behind` behind that of segment s."""
    last = links[s, 0]
    last_behind = links[behind, 0]
    second = behind
    if last != 0:
        second = links[last, 0]
        links[last, 0] = behind
    if last_behind != 0:  # once inside, its own link names the one after it, no longer the last
        links[behind, 0] = links[last_behind, 0]
        links[last_behind, 0] = second
        links[s, 0] = last_behind
    else:
        links[behind, 0] = second
        links[s, 0] = behind


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
