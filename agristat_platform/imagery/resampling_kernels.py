"""Loops over pixels of `resampling`: values of a window at places, written out or merged straight into a stack.

Positions are in pixels of the window, 0.0 the centre of its first, and rounded where they are within a millionth of a
pixel of a centre, so that equal lattices copy exactly.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

LATTICE_STEP = 16  # region pixels between exactly transformed points; between them the error is below a millimetre


@njit(cache=True, nogil=True)
def row_of_places(nodes, row, col_shift, out):  # type: ignore[no-untyped-def]
    """Coordinates of the pixels of one row, `row` counted from the first node row; bilinear between nodes."""
    upper = row // LATTICE_STEP
    down = (row - upper * LATTICE_STEP) / LATTICE_STEP
    for j in range(out.size):
        node = (j + col_shift) // LATTICE_STEP
        right = (j + col_shift - node * LATTICE_STEP) / LATTICE_STEP
        above = nodes[upper, node] * (1 - right) + nodes[upper, node + 1] * right
        below = nodes[upper + 1, node] * (1 - right) + nodes[upper + 1, node + 1] * right
        out[j] = above * (1 - down) + below * down


@njit(cache=True, nogil=True)
def bilinear_curved(source, node_x, node_y, row_shift, col_shift, rows, cols, inverse, nodata):  # type: ignore[no-untyped-def]
    """Bilinear values where each pixel has a place of its own; NaN where the nearest source pixel is missing."""
    height, width = source.shape
    out = np.full((rows, cols), np.nan, np.float32)
    x, y = np.empty(cols), np.empty(cols)
    for i in range(rows):
        row_of_places(node_x, i + row_shift, col_shift, x)
        row_of_places(node_y, i + row_shift, col_shift, y)
        for j in range(cols):
            col = inverse[0] * x[j] + inverse[1] * y[j] + inverse[2] - 0.5
            row = inverse[3] * x[j] + inverse[4] * y[j] + inverse[5] - 0.5
            if abs(col - np.rint(col)) < 1e-6:
                col = np.rint(col)
            if abs(row - np.rint(row)) < 1e-6:
                row = np.rint(row)
            if not (col >= -0.5 and row >= -0.5 and col < width - 0.5 and row < height - 0.5):
                continue
            nearest = source[math.floor(row + 0.5), math.floor(col + 0.5)]
            if np.isnan(nearest) or nearest == nodata:
                continue
            left, top = math.floor(col), math.floor(row)
            total = 0.0
            weights = 0.0
            for d_row in range(2):
                for d_col in range(2):
                    r, c = top + d_row, left + d_col
                    weight = (1.0 - abs(row - r)) * (1.0 - abs(col - c))
                    if weight <= 0.0 or r < 0 or c < 0 or r >= height or c >= width:
                        continue
                    value = source[r, c]
                    if np.isnan(value) or value == nodata:
                        continue
                    total += weight * value
                    weights += weight
            out[i, j] = total / weights
    return out


@njit(cache=True, nogil=True)
def _neighbours(positions, size):  # type: ignore[no-untyped-def]
    """Along one axis: inside or not, nearest cell, the two cells around and their weights, 0 beyond the edge."""
    count = positions.size
    inside, nearest = np.zeros(count, np.bool_), np.zeros(count, np.int32)
    before, after = np.zeros(count, np.int32), np.zeros(count, np.int32)
    weight_before, weight_after = np.zeros(count), np.zeros(count)
    for i in range(count):
        position = positions[i]
        if abs(position - np.rint(position)) < 1e-6:
            position = np.rint(position)
        if not (position >= -0.5 and position < size - 0.5):
            continue
        inside[i] = True
        nearest[i] = math.floor(position + 0.5)
        cell = math.floor(position)
        if cell >= 0:
            before[i] = cell
            weight_before[i] = 1.0 - abs(position - cell)
        if cell + 1 < size:
            after[i] = cell + 1
            weight_after[i] = 1.0 - abs(position - (cell + 1))
    return inside, nearest, before, after, weight_before, weight_after


@njit(cache=True, nogil=True)
def bilinear_lattice(source, cols, rows, nodata):  # type: ignore[no-untyped-def]
    """`bilinear_curved` where rows and columns can be placed once each: the same sums in the same order, without branches."""
    height, width = source.shape
    out = np.full((rows.size, cols.size), np.nan, np.float32)
    inside_row, near_row, above, below, weight_above, weight_below = _neighbours(rows, height)
    inside, near, left, right, weight_left, weight_right = _neighbours(cols, width)
    for i in range(rows.size):
        if not inside_row[i]:
            continue
        upper, lower, nearest = source[above[i]], source[below[i]], source[near_row[i]]
        row_out = out[i]
        up, down = weight_above[i], weight_below[i]
        for j in range(cols.size):
            total, weights = 0.0, 0.0
            a, b, c, d = upper[left[j]], upper[right[j]], lower[left[j]], lower[right[j]]
            weight = up * weight_left[j]
            used = (weight > 0.0) & (a == a) & (a != nodata)
            total += weight * a if used else 0.0
            weights += weight if used else 0.0
            weight = up * weight_right[j]
            used = (weight > 0.0) & (b == b) & (b != nodata)
            total += weight * b if used else 0.0
            weights += weight if used else 0.0
            weight = down * weight_left[j]
            used = (weight > 0.0) & (c == c) & (c != nodata)
            total += weight * c if used else 0.0
            weights += weight if used else 0.0
            weight = down * weight_right[j]
            used = (weight > 0.0) & (d == d) & (d != nodata)
            total += weight * d if used else 0.0
            weights += weight if used else 0.0
            value = nearest[near[j]]
            present = inside[j] & (value == value) & (value != nodata)
            row_out[j] = total / (weights if present else 1.0) if present else np.nan
    return out


@njit(cache=True, nogil=True)
def nearest_curved(source, node_x, node_y, row_shift, col_shift, rows, cols, inverse, outside):  # type: ignore[no-untyped-def]
    """The source pixel that holds each place, `outside` beyond the window."""
    height, width = source.shape
    out = np.full((rows, cols), outside, source.dtype)
    x, y = np.empty(cols), np.empty(cols)
    for i in range(rows):
        row_of_places(node_x, i + row_shift, col_shift, x)
        row_of_places(node_y, i + row_shift, col_shift, y)
        for j in range(cols):
            col = math.floor(inverse[0] * x[j] + inverse[1] * y[j] + inverse[2] + 1e-6)
            row = math.floor(inverse[3] * x[j] + inverse[4] * y[j] + inverse[5] + 1e-6)
            if 0 <= col < width and 0 <= row < height:
                out[i, j] = source[row, col]
    return out


@njit(cache=True, nogil=True)
def nearest_lattice(source, cols, rows, outside):  # type: ignore[no-untyped-def]
    """The same where source rows and columns are known once for all pixels."""
    height, width = source.shape
    out = np.full((rows.size, cols.size), outside, source.dtype)
    for i in range(rows.size):
        if 0 <= rows[i] < height:
            line = source[rows[i]]
            for j in range(cols.size):
                if 0 <= cols[j] < width:
                    out[i, j] = line[cols[j]]
    return out


@njit(cache=True, nogil=True)
def merge_numbers(numbers, table, missing, planes, plane, bit, out):  # type: ignore[no-untyped-def]
    """Write numbers of a 16-bit file, converted by a table, where a bit of a plane is set and they aren't `missing`."""
    wanted = np.uint8(1 << bit)
    for i in range(numbers.shape[0]):
        marks = planes[plane, i]
        line = numbers[i]
        target = out[i]
        for j in range(numbers.shape[1]):
            value = table[line[j]]
            target[j] = value if (marks[j] & wanted != 0) & (value != missing) else target[j]


@njit(cache=True, nogil=True)
def merge_shifted(numbers, shift, nodata, least, most, planes, plane, bit, out):  # type: ignore[no-untyped-def]
    """`merge_numbers` where the table only adds a whole number and clips: three times as fast as looking it up."""
    wanted = np.uint8(1 << bit)
    added, lowest, highest = np.int32(shift), np.int32(least), np.int32(most)
    for i in range(numbers.shape[0]):
        marks = planes[plane, i]
        line = numbers[i]
        target = out[i]
        for j in range(numbers.shape[1]):
            value = min(max(np.int32(line[j]) + added, lowest), highest)
            target[j] = np.uint16(value) if (marks[j] & wanted != 0) & (line[j] != nodata) else target[j]


@njit(cache=True, nogil=True)
def merge_bilinear(source, cols, rows, nodata, gain, shift, least, most, planes, plane, bit, out):  # type: ignore[no-untyped-def]
    """Bilinear values of an integer window as stored numbers, written where a bit of a plane is set.

    stored = value · gain + shift, halves up, clipped to least and most. A place whose nearest source pixel is missing
    is left as it is; missing neighbours are left out and the weights of the others scaled up. Which of the two ways a
    pixel is computed depends on its own neighbours alone.
    """
    height, width = source.shape
    inside_row, near_row, above, below, weight_above, weight_below = _neighbours(rows, height)
    inside, near, left, right, weight_left, weight_right = _neighbours(cols, width)
    first, last = np.float32(least), np.float32(most)
    gain_, shift_ = np.float32(gain), np.float32(shift + 0.5)
    wanted = np.uint8(1 << bit)
    weights_left, weights_right = weight_left.astype(np.float32), weight_right.astype(np.float32)
    between = inside & (weights_left + weights_right > np.float32(0.999999))
    first_between, after_between = _range_of(between)
    mixed, whole = np.empty(width, np.float32), np.empty(width, np.bool_)
    values = np.empty(cols.size, np.float32)
    for i in range(rows.size):
        if not inside_row[i]:
            continue
        marks, target = planes[plane, i], out[i]
        some = np.uint8(0)
        for j in range(cols.size):
            some |= marks[j]
        if not some & wanted:
            continue
        upper, lower, nearest = source[above[i]], source[below[i]], source[near_row[i]]
        up, down = np.float32(weight_above[i]), np.float32(weight_below[i])
        inner_row = (up + down) > np.float32(0.999999)
        all_whole = inner_row
        for k in range(width):
            mixed[k] = (up * upper[k] + down * lower[k]) * gain_
            whole[k] = inner_row & (upper[k] != nodata) & (lower[k] != nodata)
            all_whole &= whole[k]
        for j in range(cols.size):
            value = np.floor(weights_left[j] * mixed[left[j]] + weights_right[j] * mixed[right[j]] + shift_)
            values[j] = min(max(value, first), last)
        plain, after_plain = (first_between, after_between) if all_whole else (0, 0)
        for j in range(plain, after_plain):
            target[j] = out.dtype.type(values[j]) if marks[j] & wanted else target[j]
        for j in range(cols.size if after_plain - plain < cols.size else 0):
            if plain <= j < after_plain or not marks[j] & wanted:
                continue
            if between[j] & whole[left[j]] & whole[right[j]]:
                target[j] = values[j]
            elif inside[j] and nearest[near[j]] != nodata:
                target[j] = _incomplete(
                    upper, lower, left[j], right[j], up, down, weights_left[j], weights_right[j], nodata, gain_, shift_,
                    first, last,
                )  # fmt: skip


@njit(cache=True, nogil=True)
def _range_of(flags):  # type: ignore[no-untyped-def]
    """First true and the one after the last; flags are true without gap, as positions along an axis rise."""
    first, after = 0, 0
    for j in range(flags.size):
        if flags[j]:
            if after == 0:
                first = j
            after = j + 1
    return first, after


@njit(cache=True, nogil=True)
def _incomplete(upper, lower, left, right, up, down, weight_left, weight_right, nodata, gain, shift, least, most):  # type: ignore[no-untyped-def]
    """A stored number from those of four neighbours that are there."""
    total, weights = np.float32(0.0), np.float32(0.0)
    for line, along in ((upper, up), (lower, down)):
        for cell, across in ((left, weight_left), (right, weight_right)):
            weight = along * across
            if weight > 0 and line[cell] != nodata:
                total += weight * line[cell]
                weights += weight
    return min(max(np.floor(total / weights * gain + shift), least), most)
