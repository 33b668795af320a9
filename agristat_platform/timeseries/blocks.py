"""Compiled kernels of the Whittaker smoother: blocks of series solved side by side.

Belongs here: the banded solve and what runs inside its loop. Checking arguments and choosing defaults don't.

Time is the outer loop and the series of a block the inner one, so that one vector instruction serves several series. All
arithmetic is float64 whatever the precision of the input: elimination in float32 errs by up to
5e-3 where end weights are 0 (docs/measurements.md).
No fast-math: a series' result depends neither on its place in a block nor on its neighbours, bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

BLOCK = 32  # series side by side: several vectors of any instruction set, and 23 steps of workspace fit the near caches

# The workspace is one flat array of rows (steps) of seven slots of BLOCK numbers. One array with constant distances lets the
# compiler see that slots do not overlap; unsigned indices spare it the test for negative ones. Both are needed to vectorise.
_WIDTH = np.uint64(BLOCK)
OBSERVED, WEIGHT, _INVERSE, SOLUTION, _LOWER1, _LOWER2, _LOWER3 = (np.uint64(k * BLOCK) for k in range(7))
ROW = np.uint64(7 * BLOCK)
INDEX = np.uint64
_TINY = 1e-24  # sums of squares below this share of the data's are rounding, not fit or roughness


def differences(order: int) -> npt.NDArray[np.float64]:
    """Coefficients of the difference of an order, newest step first, padded with 0 to four."""
    coefficients = np.array([1.0])
    for _ in range(order):
        coefficients = np.convolve(coefficients, [1.0, -1.0])
    return np.concatenate([coefficients, np.zeros(3 - order)])


def penalty(n_steps: int, order: int) -> npt.NDArray[np.float64]:
    """D'D by bands, (n_steps, 4): entry [i, k] is the coefficient between steps i and i − k, 0 where i < k."""
    difference = differences(order)
    bands = np.zeros((n_steps, 4))
    for first in range(n_steps - order):
        for i in range(order + 1):
            for k in range(i + 1):
                bands[first + i, k] += difference[i] * difference[i - k]
    return bands


@njit(cache=True, nogil=True, error_model="numpy")
def _load(values, weights, first, last, order, block):  # type: ignore[no-untyped-def]
    n_steps = values.shape[1]
    for s in range(last - first):
        row_of_weights = first + s if len(weights) > 1 else 0
        for t in range(n_steps):
            at = INDEX(t + len(order)) * ROW + INDEX(s)
            block[at + OBSERVED] = values[first + s, t]
            block[at + WEIGHT] = weights[row_of_weights, t]


@njit(cache=True, nogil=True, error_model="numpy")
def _clear_missing(block, order, n_steps, present):  # type: ignore[no-untyped-def]
    """Missing values get weight 0; `present` counts the others. Returns how many values or weights are not allowed."""
    refused = 0
    for s in range(_WIDTH):
        present[s] = 0.0
    for t in range(n_steps):
        row = INDEX(t + len(order)) * ROW
        for s in range(_WIDTH):
            weight = block[row + WEIGHT + s]
            value = block[row + OBSERVED + s]
            there = value == value
            refused += 0 if (weight >= 0.0) & (weight < np.inf) & (abs(value) != np.inf) else 1
            weight = weight if there else 0.0
            present[s] += 1.0 if weight > 0.0 else 0.0
            block[row + OBSERVED + s] = value if there else 0.0
            block[row + WEIGHT + s] = weight
    return refused


@njit(cache=True, nogil=True, error_model="numpy")
def _solve(block, inverse_smoothing, above, below, bands, order, n_steps):  # type: ignore[no-untyped-def]
    """LDLᵀ of (W/λ + D'D) z = (W/λ) y for every series of the block; `order` is a tuple of that length, so that each order
    is compiled for itself. `above` and `below` multiply the weights of values above and below the solution that stands in
    the block. The rows before the first and after the last step stay 0, so that the ends need no cases of their own.
    """
    for i in range(INDEX(n_steps)):
        row = (i + INDEX(len(order))) * ROW
        row1 = row - ROW
        row2 = row1 - ROW if len(order) > 1 else row1
        row3 = row2 - ROW if len(order) > 2 else row2
        band0, band1, band2, band3 = bands[i, 0], bands[i, 1], bands[i, 2], bands[i, 3]
        for s in range(_WIDTH):
            observed = block[row + OBSERVED + s]
            side = above if observed > block[row + SOLUTION + s] else below
            weight = block[row + WEIGHT + s] * (inverse_smoothing[s] * side)
            pivot = weight + band0
            solution = weight * observed
            entry1 = band1
            if len(order) > 2:
                entry2 = band2 - band3 * block[row2 + _LOWER1 + s]
                entry1 -= entry2 * block[row1 + _LOWER1 + s] + band3 * block[row1 + _LOWER2 + s]
                lower2 = entry2 * block[row2 + _INVERSE + s]
                lower3 = band3 * block[row3 + _INVERSE + s]
                pivot -= entry2 * lower2 + band3 * lower3
                solution -= lower2 * block[row2 + SOLUTION + s] + lower3 * block[row3 + SOLUTION + s]
                block[row + _LOWER2 + s] = lower2
                block[row + _LOWER3 + s] = lower3
            elif len(order) > 1:
                entry1 -= band2 * block[row1 + _LOWER1 + s]
                lower2 = band2 * block[row2 + _INVERSE + s]
                pivot -= band2 * lower2
                solution -= lower2 * block[row2 + SOLUTION + s]
                block[row + _LOWER2 + s] = lower2
            lower1 = entry1 * block[row1 + _INVERSE + s]
            pivot -= entry1 * lower1
            solution -= lower1 * block[row1 + SOLUTION + s]
            block[row + _LOWER1 + s] = lower1
            block[row + _INVERSE + s] = 1.0 / pivot
            block[row + SOLUTION + s] = solution
    for i in range(INDEX(n_steps)):
        row = (INDEX(n_steps) - INDEX(1) - i + INDEX(len(order))) * ROW
        row1, row2, row3 = row + ROW, row + ROW + ROW, row + ROW + ROW + ROW
        for s in range(_WIDTH):
            solution = block[row + SOLUTION + s] * block[row + _INVERSE + s]
            solution -= block[row1 + _LOWER1 + s] * block[row1 + SOLUTION + s]
            if len(order) > 1:
                solution -= block[row2 + _LOWER2 + s] * block[row2 + SOLUTION + s]
            if len(order) > 2:
                solution -= block[row3 + _LOWER3 + s] * block[row3 + SOLUTION + s]
            block[row + SOLUTION + s] = solution


@njit(cache=True, nogil=True, error_model="numpy")
def smooth_block(block, inverse_smoothing, envelope, rounds, bands, order, n_steps):  # type: ignore[no-untyped-def]
    _solve(block, inverse_smoothing, 1.0, 1.0, bands, order, n_steps)
    for _ in range(rounds):
        _solve(block, inverse_smoothing, envelope, 1.0 - envelope, bands, order, n_steps)


@njit(cache=True, nogil=True, error_model="numpy")
def _store(block, present, order, first, last, smoothed):  # type: ignore[no-untyped-def]
    for s in range(last - first):
        if present[s] < len(order):
            for t in range(smoothed.shape[1]):
                smoothed[first + s, t] = np.nan
        else:
            for t in range(smoothed.shape[1]):
                smoothed[first + s, t] = block[INDEX(t + len(order)) * ROW + SOLUTION + INDEX(s)]


@njit(cache=True, nogil=True, error_model="numpy")
def smooth_range(  # type: ignore[no-untyped-def]
    values, weights, smoothing, envelope, rounds, bands, order, start, stop, smoothed
):
    """Smooth series start…stop. Returns how many values or weights are not allowed (the result is void then)."""
    n_steps = values.shape[1]
    block = np.zeros((n_steps + 2 * len(order)) * 7 * BLOCK)
    inverse_smoothing = np.ones(BLOCK)
    present = np.zeros(BLOCK)
    refused = 0
    for first in range(start, stop, BLOCK):
        last = min(first + BLOCK, stop)
        for s in range(last - first):
            inverse_smoothing[s] = 1.0 / smoothing[first + s if len(smoothing) > 1 else 0]
        _load(values, weights, first, last, order, block)
        refused += _clear_missing(block, order, n_steps, present)
        smooth_block(block, inverse_smoothing, envelope, rounds, bands, order, n_steps)
        _store(block, present, order, first, last, smoothed)
    return refused


@njit(cache=True, nogil=True, error_model="numpy")
def _size(block, order, n_steps, floor):  # type: ignore[no-untyped-def]
    """The floors under sums of squares: shares of Σ w y² (row 0) and of the mean square (row 1)."""
    total = np.zeros(BLOCK)
    floor[:] = 0.0
    for t in range(n_steps):
        row = INDEX(t + len(order)) * ROW
        for s in range(_WIDTH):
            weight = block[row + WEIGHT + s]
            floor[0, s] += weight * block[row + OBSERVED + s] * block[row + OBSERVED + s]
            total[s] += weight
    for s in range(_WIDTH):
        floor[1, s] = _TINY * floor[0, s] / max(total[s], 1e-300) + 1e-300
        floor[0, s] = _TINY * floor[0, s] + 1e-300


@njit(cache=True, nogil=True, error_model="numpy")
def _misfit_and_roughness(block, coefficients, order, n_steps, sums):  # type: ignore[no-untyped-def]
    """Σ w (y − z)² (row 0) and Σ (Δᵈ z)² (row 1) of every series in the block."""
    sums[:] = 0.0
    c1, c2, c3 = coefficients[1], coefficients[2], coefficients[3]
    for t in range(n_steps):
        row = INDEX(t + len(order)) * ROW
        for s in range(_WIDTH):
            rest = block[row + OBSERVED + s] - block[row + SOLUTION + s]
            sums[0, s] += block[row + WEIGHT + s] * rest * rest
    for t in range(len(order), n_steps):
        row = INDEX(t + len(order)) * ROW
        for s in range(_WIDTH):
            rough = block[row + SOLUTION + s] + c1 * block[row - ROW + SOLUTION + s]
            if len(order) > 1:
                rough += c2 * block[row - ROW - ROW + SOLUTION + s]
            if len(order) > 2:
                rough += c3 * block[row - ROW - ROW - ROW + SOLUTION + s]
            sums[1, s] += rough * rough


@njit(cache=True, nogil=True, error_model="numpy")
def choose_smoothing(block, smoothings, bands, coefficients, order, n_steps, best):  # type: ignore[no-untyped-def]
    """The λ at the bottom of the V-curve of every series in the block."""
    inverse_smoothing, least = np.empty(BLOCK), np.full(BLOCK, np.inf)
    floor, sums, logs = np.zeros((2, BLOCK)), np.zeros((2, BLOCK)), np.zeros((2, BLOCK))
    best[:] = 1.0
    _size(block, order, n_steps, floor)
    for k in range(len(smoothings)):
        inverse_smoothing[:] = 1.0 / smoothings[k]
        _solve(block, inverse_smoothing, 1.0, 1.0, bands, order, n_steps)
        _misfit_and_roughness(block, coefficients, order, n_steps, sums)
        for s in range(BLOCK):
            misfit = np.log(sums[0, s] + floor[0, s])
            roughness = np.log(sums[1, s] + floor[1, s])
            if k > 0:
                step = np.log(smoothings[k] / smoothings[k - 1])
                slope = ((misfit - logs[0, s]) ** 2 + (roughness - logs[1, s]) ** 2) / step**2
                if slope < least[s]:
                    least[s] = slope
                    best[s] = np.sqrt(smoothings[k] * smoothings[k - 1])
            logs[0, s] = misfit
            logs[1, s] = roughness


@njit(cache=True, nogil=True, error_model="numpy")
def vcurve_range(  # type: ignore[no-untyped-def]
    values, weights, smoothings, envelope, rounds, bands, coefficients, order, start, stop, smoothed, chosen
):
    """As `smooth_range`, the λ of each series chosen by its V-curve over `smoothings` and written to `chosen`."""
    n_steps = values.shape[1]
    block = np.zeros((n_steps + 2 * len(order)) * 7 * BLOCK)
    present, best = np.zeros(BLOCK), np.ones(BLOCK)
    refused = 0
    for first in range(start, stop, BLOCK):
        last = min(first + BLOCK, stop)
        _load(values, weights, first, last, order, block)
        refused += _clear_missing(block, order, n_steps, present)
        choose_smoothing(block, smoothings, bands, coefficients, order, n_steps, best)
        for s in range(last - first):
            chosen[first + s] = best[s] if present[s] >= len(order) else np.nan
        smooth_block(block, 1.0 / best, envelope, rounds, bands, order, n_steps)
        _store(block, present, order, first, last, smoothed)
    return refused


def kernel_order(order: int) -> tuple[Any, ...]:
    """The order as the kernels take it."""
    return (0,) * order
