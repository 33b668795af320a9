"""Compiled kernels of `phenology`: cycles of one curve, their valleys, and where the largest crosses its thresholds.

Belongs here: what runs inside the loop over series. Definitions for the reader, arguments and tables are in `phenology`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_NO_DATA, _NO_SEASON, _UP_AT_START, _UP_AT_END, _UP_AT_BOTH = 1, 2, 3, 4, 5


@njit(cache=True, nogil=True, error_model="numpy")
def _prominence(curve, first, last, lowest):  # type: ignore[no-untyped-def]
    """Height of the level top first…last over the valley that parts it from higher ones; of equal ones the first is higher.

    Over the lowest sample where none is higher. An end of the series is no valley: what lies beyond it is not known.
    """
    top = curve[first]
    saddle = -np.inf
    valley = top
    for t in range(first - 1, -1, -1):
        if curve[t] >= top:
            saddle = valley
            break
        valley = min(valley, curve[t])
    valley = top
    for t in range(last + 1, len(curve)):
        if curve[t] > top:
            saddle = max(saddle, valley)
            break
        valley = min(valley, curve[t])
    return top - (saddle if saddle > -np.inf else lowest)


@njit(cache=True, nogil=True, error_model="numpy")
def _find_peaks(curve, least, lowest, first_of, last_of):  # type: ignore[no-untyped-def]
    """Level tops of at least that prominence, in order of time; returns how many."""
    count = 0
    t = 0
    while t < len(curve):
        last = t
        while last + 1 < len(curve) and curve[last + 1] == curve[t]:
            last += 1
        risen = t == 0 or curve[t - 1] < curve[t]
        falls = last == len(curve) - 1 or curve[last + 1] < curve[t]
        if risen and falls and _prominence(curve, t, last, lowest) >= least:
            first_of[count] = t
            last_of[count] = last
            count += 1
        t = last + 1
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def _lowest(curve, first, last):  # type: ignore[no-untyped-def]
    """Least of samples first…last; NaN of none."""
    least = np.nan
    for t in range(first, last + 1):
        if not least <= curve[t]:
            least = curve[t]
    return least


@njit(cache=True, nogil=True, error_model="numpy")
def _valleys(curve, first_of, last_of, count, k):  # type: ignore[no-untyped-def]
    """Minima before and after peak k, up to its neighbours or the ends; NaN where the peak is on an end."""
    before = _lowest(curve, last_of[k - 1] if k > 0 else 0, first_of[k] - 1)
    after = _lowest(curve, last_of[k] + 1, first_of[k + 1] if k + 1 < count else len(curve) - 1)
    return before, after


@njit(cache=True, nogil=True, error_model="numpy")
def _largest(curve, first_of, last_of, count):  # type: ignore[no-untyped-def]
    """The peak highest over its lower valley; one on an end of the series only if none inside has half its height."""
    inside, at_end = -1, -1
    height_inside, height_at_end = 0.0, 0.0
    for k in range(count):
        before, after = _valleys(curve, first_of, last_of, count, k)
        if before == before and after == after:
            height = curve[first_of[k]] - min(before, after)
            if height > height_inside:
                inside, height_inside = k, height
        else:
            height = curve[first_of[k]] - (after if before != before else before)
            if height > height_at_end:
                at_end, height_at_end = k, height
    return inside if inside >= 0 and height_inside >= 0.5 * height_at_end else at_end


@njit(cache=True, nogil=True, error_model="numpy")
def _crossing(curve, days, start, step, level):  # type: ignore[no-untyped-def]
    """Day on which the curve, followed from a peak in steps of ±1, first comes down to the level; NaN if it does not."""
    t = start
    while 0 <= t + step < len(curve):
        t += step
        if curve[t] <= level:
            share = (level - curve[t]) / (curve[t - step] - curve[t])
            return days[t] + share * (days[t - step] - days[t])
    return np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def _areas(curve, days, start, end, base):  # type: ignore[no-untyped-def]
    """Areas over the base and over zero of the straight lines between samples, from day start to day end."""
    above_zero = 0.0
    for t in range(len(curve) - 1):
        left, right = max(days[t], start), min(days[t + 1], end)
        if right > left:
            slope = (curve[t + 1] - curve[t]) / (days[t + 1] - days[t])
            middle = curve[t] + slope * (0.5 * (left + right) - days[t])
            above_zero += middle * (right - left)
    return above_zero - base * (end - start), above_zero


@njit(cache=True, nogil=True, error_model="numpy")
def _measure(curve, days, threshold, first_of, last_of, count, into):  # type: ignore[no-untyped-def]
    """Fill in the nine measures of the largest cycle; returns its flag."""
    k = _largest(curve, first_of, last_of, count)
    first, last, top = first_of[k], last_of[k], curve[first_of[k]]
    before, after = _valleys(curve, first_of, last_of, count, k)
    low = min(before if before == before else after, after if after == after else before)
    reached = low + threshold * (top - low)
    left = k > 0 or before <= reached
    right = k < count - 1 or after <= reached
    left = left and before == before
    right = right and after == after
    start = _crossing(curve, days, first, -1, before + threshold * (top - before)) if left else np.nan
    end = _crossing(curve, days, last, 1, after + threshold * (top - after)) if right else np.nan
    # Of a slope through the whole series neither foot nor top is known; its foot is known where it stays low for long.
    if left and not right and k == 0:
        left = start - days[0] > 2.0 * threshold * (days[first] - days[0])
    elif right and not left and k == count - 1:
        right = days[-1] - end > 2.0 * threshold * (days[-1] - days[last])
    start = start if left else np.nan
    end = end if right else np.nan
    base = 0.5 * (before + after) if left and right else (before if left else (after if right else low))
    into[0] = start
    into[1] = 0.5 * (days[first] + days[last]) if before == before and after == after else np.nan
    into[2] = end
    into[3] = end - start
    into[4] = top - base
    if left and right:
        into[5], into[6] = _areas(curve, days, start, end, base)
    into[7] = base
    into[8] = top
    if left:
        return 0 if right else _UP_AT_END
    return _UP_AT_START if right else _UP_AT_BOTH


@njit(cache=True, nogil=True, error_model="numpy")
def measure_cycles(  # type: ignore[no-untyped-def]
    samples, days, threshold, min_amplitude, cycle_share, measured, cycles, flag
):
    """Every series of (n_series, n_samples) into (9, n_series) NaN-filled measures, in the order of `Phenology`."""
    n_samples = samples.shape[1]
    curve, into = np.empty(n_samples), np.empty(9)
    first_of, last_of = np.empty(n_samples, np.int64), np.empty(n_samples, np.int64)
    for s in range(len(samples)):
        highest, lowest = -np.inf, np.inf
        missing = False
        for t in range(n_samples):
            curve[t] = samples[s, t]
            missing |= curve[t] != curve[t]
            highest, lowest = max(highest, curve[t]), min(lowest, curve[t])
        if missing:
            cycles[s], flag[s] = -1, _NO_DATA
            continue
        if highest - lowest < min_amplitude:
            cycles[s], flag[s] = 0, _NO_SEASON
            measured[4, s], measured[7, s], measured[8, s] = highest - lowest, lowest, highest
            continue
        into[:] = np.nan
        least = max(cycle_share * (highest - lowest), min_amplitude)
        count = _find_peaks(curve, min(least, highest - lowest), lowest, first_of, last_of)
        cycles[s] = count
        flag[s] = _measure(curve, days, threshold, first_of, last_of, count, into)
        measured[:, s] = into
