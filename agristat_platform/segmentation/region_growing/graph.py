"""Merging of regions on their adjacency graph until every two neighbours differ by more than the noise explains.

Belongs here: the kernels on regions and edges. Pixels before the first graph and after the last one are in
`pixels`.

Regions are rows of `means` (float32, in units of the noise) and `sizes` (pixels); edges are `first < second` with the number of
pixel sides they share. All of it is renumbered without gaps after each round, in raster order, so neighbours stay near
each other in memory. Nothing depends on the order in which edges are visited: equal costs are settled by a scrambled
number of the edge, not by the regions' numbers, which would make even ground merge one region a round.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def region_edges(labels, cols, n_regions, eight):  # type: ignore[no-untyped-def]
    """Edges between the regions of a label raster.

    Parameters
    ----------
    labels : (rows × cols,) uint32, 0 = nodata, regions 1..n_regions
    cols : number of columns
    n_regions : number of regions
    eight : regions that only touch over corners are neighbours too, with a shared side of length 0

    Returns
    -------
    first, second : (edges,) uint32, region numbers from 0 (label − 1), first < second, sorted by first, no pair twice
    sides : (edges,) float32, shared pixel sides
    """
    n_pixels = len(labels)
    none, no_sides = np.empty(0, dtype=np.uint32), np.empty(0, dtype=np.float32)
    n = 0
    for p in range(n_pixels):
        if labels[p] != 0:
            n += _edges_of_pixel(labels, p, cols, n_pixels, eight, False, n, none, none, no_sides)
    first = np.empty(n, dtype=np.uint32)
    second = np.empty(n, dtype=np.uint32)
    sides = np.empty(n, dtype=np.float32)
    n = 0
    for p in range(n_pixels):
        if labels[p] != 0:
            n += _edges_of_pixel(labels, p, cols, n_pixels, eight, True, n, first, second, sides)
    return unique_edges(first, second, sides, np.zeros(n, dtype=np.float32), n_regions)[:3]


@njit(cache=True, nogil=True, inline="always")
def _edges_of_pixel(labels, p, cols, n_pixels, eight, write, n, first, second, sides):  # type: ignore[no-untyped-def]
    """Edges from a pixel to those after it; how many, and written from place `n` on where `write` says so."""
    found = 0
    column = p % cols
    for step in range(4 if eight else 2):
        if step == 0:
            inside, q = column < cols - 1, p + 1
        elif step == 1:
            inside, q = p + cols < n_pixels, p + cols
        elif step == 2:
            inside, q = column < cols - 1 and p + cols + 1 < n_pixels, p + cols + 1
        else:
            inside, q = column > 0 and p + cols - 1 < n_pixels, p + cols - 1
        if inside and labels[q] != 0 and labels[q] != labels[p]:
            if write:
                first[n + found] = min(labels[p], labels[q]) - 1
                second[n + found] = max(labels[p], labels[q]) - 1
                sides[n + found] = 1.0 if step < 2 else 0.0
            found += 1
    return found


@njit(cache=True, nogil=True)
def unique_edges(first, second, sides, costs, n_regions):  # type: ignore[no-untyped-def]
    """Edges sorted by `first`, each pair once with its sides added up; linear time."""
    n_edges = len(first)
    starts = np.zeros(n_regions + 1, dtype=np.int64)
    for e in range(n_edges):
        starts[first[e] + 1] += 1
    for r in range(n_regions):
        starts[r + 1] += starts[r]
    ends = starts[:-1].copy()
    sorted_second = np.empty(n_edges, dtype=np.uint32)
    sorted_sides = np.empty(n_edges, dtype=np.float32)
    sorted_costs = np.empty(n_edges, dtype=np.float32)
    for e in range(n_edges):
        place = ends[first[e]]
        ends[first[e]] = place + 1
        sorted_second[place] = second[e]
        sorted_sides[place] = sides[e]
        sorted_costs[place] = costs[e]
    place_of = np.full(n_regions, -1, dtype=np.int64)  # where a neighbour was last written
    unique_first = np.empty(n_edges, dtype=np.uint32)
    n = 0
    for r in range(n_regions):
        begin = n
        for k in range(starts[r], starts[r + 1]):
            other = sorted_second[k]
            place = place_of[other]
            if place >= begin:
                sorted_sides[place] += sorted_sides[k]
            else:
                place_of[other] = n
                unique_first[n] = r
                sorted_second[n] = other
                sorted_sides[n] = sorted_sides[k]
                sorted_costs[n] = sorted_costs[k]
                n += 1
    return unique_first[:n], sorted_second[:n], sorted_sides[:n], sorted_costs[:n]


@njit(cache=True, nogil=True)
def _comes_first(a, b, c, d):  # type: ignore[no-untyped-def]
    """Whether edge a–b comes before edge c–d among edges of equal cost: a strict order of all edges."""
    a, b, c, d = min(a, b), max(a, b), min(c, d), max(c, d)
    mixed = np.uint64(0x9E3779B97F4A7C15)
    shift = np.uint64(29)
    edge = (np.uint64(a) << np.uint64(32) | np.uint64(b)) * mixed
    other = (np.uint64(c) << np.uint64(32) | np.uint64(d)) * mixed
    # Odd factors and shifted exclusive-ors map 64 bits one to one, so no two edges are equal.
    edge = (edge ^ (edge >> shift)) * mixed
    other = (other ^ (other >> shift)) * mixed
    return edge < other


@njit(cache=True, nogil=True)
def best_neighbours(first, second, sides, costs, means, sizes, changed, per_side, parameter_cost, texture):  # type: ignore[no-untyped-def]
    """Each region's neighbour at the least relative cost, and that cost (infinite without a neighbour).

    The cost of an edge is what joining the two adds to the sum of squares, over `per_side` times their shared sides plus
    the `parameter_cost` (by size) of the smaller one. `costs` of edges at a region marked in `changed` are computed anew,
    in place; the others stand. `texture`, (bands,) and perhaps empty, is the variance that the difference of two parts of
    one field has along each band beside that of noise; see `_textured_cost`.
    """
    n_regions, n_bands = means.shape
    best = np.zeros(n_regions, dtype=np.uint32)
    cost = np.full(n_regions, np.float32(np.inf), dtype=np.float32)
    largest = len(parameter_cost) - 1
    for e in range(len(first)):
        a, b = first[e], second[e]
        if changed[a] or changed[b]:
            smaller, larger = min(sizes[a], sizes[b]), max(sizes[a], sizes[b])
            if len(texture) > 0:
                costs[e] = _textured_cost(means[a], means[b], smaller, larger, per_side * sides[e], texture)
            else:
                distance = np.float32(0.0)
                for k in range(n_bands):
                    difference = means[a, k] - means[b, k]
                    distance += difference * difference
                allowed = per_side * sides[e] + parameter_cost[min(int(smaller), largest)]
                costs[e] = distance * (smaller * larger / (smaller + larger)) / allowed
        relative = costs[e]
        if relative < cost[a] or (relative == cost[a] and _comes_first(a, b, a, best[a])):
            cost[a] = relative
            best[a] = b
        if relative < cost[b] or (relative == cost[b] and _comes_first(a, b, b, best[b])):
            cost[b] = relative
            best[b] = a
    return best, cost


@njit(cache=True, nogil=True, inline="always")
def _textured_cost(one, other, smaller, larger, boundary, texture):  # type: ignore[no-untyped-def]
    """Relative cost of an edge where means vary by texture too.

    A mean of n pixels has variance 1/n + t/2, as if of 1 / (1/n + t/2) independent ones: those count in the second mean's
    cost, and the boundary's is scaled by the share of their evidence that noise alone would leave.
    """
    noise = np.float32(1.0 / smaller + 1.0 / larger)
    distance, mean_cost, left = np.float32(0.0), np.float32(0.0), np.float32(0.0)
    for k in range(len(texture)):
        difference = one[k] - other[k]
        variance = noise + texture[k]
        distance += difference * difference / variance
        mean_cost += np.log1p(np.float32(1.0) / (np.float32(1.0 / smaller) + np.float32(0.5) * texture[k]))
        left += noise / variance
    return distance / (boundary * left / len(texture) + mean_cost)


@njit(cache=True, nogil=True)
def merge_targets(best, cost, sizes, threshold, min_pixels, chains):  # type: ignore[no-untyped-def]
    """Whom each region joins in this round: itself where it stays.

    Two regions that are each other's best neighbour at a cost of at most `threshold` join under the smaller number. A
    region at most a quarter the size of its best neighbour joins it without being its best, since that hardly moves the
    larger one's mean; so does, with `min_pixels` above 0 and whatever the cost, one smaller than that. `chains` lets all
    regions within the threshold join their best neighbour, as in Borůvka's algorithm: at least half of them go.

    Returns
    -------
    target : (regions,) uint32; a target's target is itself
    numbers : (regions,) uint32, each region's number from 0 after the round
    n : number of regions after the round
    """
    n_regions = len(sizes)
    target = np.empty(n_regions, dtype=np.uint32)
    joins = np.zeros(n_regions, dtype=np.bool_)
    for r in range(n_regions):
        target[r] = r
        if cost[r] == np.inf:
            continue
        other = best[r]
        smaller = min(sizes[r], sizes[other])
        if best[other] == r:
            if cost[r] <= threshold or smaller < min_pixels:
                target[r] = min(r, other)
        elif cost[r] <= threshold:
            joins[r] = chains or 4 * sizes[r] <= sizes[other]
        else:
            joins[r] = sizes[r] < min_pixels <= sizes[other]
    for r in range(n_regions):
        if joins[r] and (chains or not joins[best[r]]):
            target[r] = best[r]
    # Costs fall along a chain in a strict order, so it ends in a region that stays or in a pair.
    moved = True
    while moved:
        moved = False
        for r in range(n_regions):
            if target[r] != target[target[r]]:
                target[r] = target[target[r]]
                moved = True
    numbers = np.empty(n_regions, dtype=np.uint32)
    n = 0
    for r in range(n_regions):
        if target[r] == r:
            numbers[r] = n
            n += 1
    for r in range(n_regions):
        numbers[r] = numbers[target[r]]
    return target, numbers, n


@njit(cache=True, nogil=True)
def contract(first, second, sides, costs, means, sizes, target, numbers, n):  # type: ignore[no-untyped-def]
    """The graph after merging: edges, their costs, means, sizes, and which of the `n` regions changed."""
    n_regions, n_bands = means.shape
    new_means = np.empty((n, n_bands), dtype=np.float32)
    new_sizes = np.empty(n, dtype=sizes.dtype)
    changed = np.zeros(n, dtype=np.bool_)
    for r in range(n_regions):
        if target[r] == r:
            new_sizes[numbers[r]] = sizes[r]
            for k in range(n_bands):
                new_means[numbers[r], k] = means[r, k]
    for r in range(n_regions):
        if target[r] != r:
            s = numbers[r]
            changed[s] = True
            together = new_sizes[s] + sizes[r]
            share = sizes[r] / together
            for k in range(n_bands):
                new_means[s, k] += share * (means[r, k] - new_means[s, k])
            new_sizes[s] = together
    kept = 0
    new_first = np.empty(len(first), dtype=np.uint32)
    new_second = np.empty(len(first), dtype=np.uint32)
    new_sides = np.empty(len(first), dtype=np.float32)
    new_costs = np.empty(len(first), dtype=np.float32)
    for e in range(len(first)):
        a, b = numbers[first[e]], numbers[second[e]]
        if a != b:
            new_first[kept] = min(a, b)
            new_second[kept] = max(a, b)
            new_sides[kept] = sides[e]
            new_costs[kept] = costs[e]
            kept += 1
    edges = unique_edges(new_first[:kept], new_second[:kept], new_sides[:kept], new_costs[:kept], n)
    return edges, new_means, new_sizes, changed
