"""The image to segment, made strip by strip into a file: the values of `layer_image` without holding any layer whole.

Belongs here: the passes over the strips, exact percentiles by counting, and the file. What the values are is in
`layer_images`.

Percentiles are exact. Floating-point numbers, their bits seen as whole numbers with the negative ones turned round, are
in the order of their values; the first pass counts the upper half of these bits, the second the lower half where the
wanted ranks lie, and between two ranks numpy itself interpolates. (A radix selection: Knuth 1998, The Art of Computer
Programming 3, section 5.2.5.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from agristat_platform.features.segmentation_image.layer_images import (
    SCALED_BETWEEN,
    ChosenLayers,
    choose_layers,
    filled_layers,
    scaled,
)

ReadRows = Callable[[Sequence[dict[str, Any]], slice], Iterable[npt.NDArray[Any]]]

ROWS_PER_STRIP = 512  # as many as the blocks of composites have, so that each block is decoded once a pass
_HALF = 1 << 16
_ITEM = np.dtype(np.int16).itemsize


@dataclass(frozen=True)
class LayerImageFile:
    """Layers stacked for segmentation, in an open file.

    Attributes
    ----------
    file: binary, layer after layer, each (rows, cols) int16 in the machine's byte order; closing it is its owner's part.
    shape: (layers, rows, cols).
    names, filled_share: as in `LayerImage`.
    """

    file: BinaryIO
    shape: tuple[int, int, int]
    names: tuple[str, ...]
    filled_share: float

    def read(self, rows: slice) -> npt.NDArray[np.int16]:
        """Some rows of all layers, (layers, stop - start, cols) int16, -1 where missing.

        Raises
        ------
        OSError
            The file ends before those rows do.
        """
        layers, n_rows, cols = self.shape
        start, stop, _ = rows.indices(n_rows)
        out = np.empty((layers, max(0, stop - start), cols), dtype=np.int16)
        for layer in range(layers):
            self.file.seek((layer * n_rows + start) * cols * _ITEM)
            if self.file.readinto(out[layer].reshape(-1).view(np.uint8)) != out[layer].nbytes:  # type: ignore[attr-defined]
                raise OSError(f"the file of the image ends within rows {start} to {stop} of layer {layer}")
        return out


def write_layer_image(
    layers: pa.Table,
    read: ReadRows,
    shape: tuple[int, int],
    wanted: Sequence[str],
    file: BinaryIO,
    *,
    max_intervals: int,
    rows_per_strip: int = ROWS_PER_STRIP,
) -> LayerImageFile:
    """`layer_image` in bounded memory: the same values, written to a file of 2 bytes a pixel and layer.

    Parameters
    ----------
    layers, wanted, max_intervals:
        As in `layer_image`.
    read:
        Physical values of several rows of `layers` within some rows of the grid, (rows, cols) each with NaN where
        missing, in the order asked for. Every strip is asked for three times: to count values, to count again between
        the bounds found, and to scale.
    shape:
        (rows, cols) of the grid.
    file:
        Open for writing and reading; what it holds is overwritten.
    rows_per_strip:
        Rows held at a time; the image is the same for every number. Memory is about 40 bytes for each of their pixels
        and layers that are read.

    Raises
    ------
    LayerTableError
        As in `layer_image`.
    ValueError
        `rows_per_strip` or `max_intervals` is below 1.
    """
    if rows_per_strip < 1:
        raise ValueError(f"rows_per_strip is {rows_per_strip}, give at least 1")
    chosen = choose_layers(layers, wanted, max_intervals=max_intervals)
    strips = [slice(top, min(top + rows_per_strip, shape[0])) for top in range(0, shape[0], rows_per_strip)]

    counts = np.zeros((len(chosen.names), _HALF), dtype=np.int64)
    filled = 0
    for strip in strips:
        gaps = np.zeros((), dtype=bool)
        for k, values, own in _layers_of(chosen, read, strip):
            _count_upper(values.reshape(-1), counts[k])
            gaps = gaps | own
        filled += int(np.count_nonzero(gaps))
    bounds = _bounds(chosen, read, strips, counts)

    cols = shape[1]
    for strip in strips:
        for k, values, _ in _layers_of(chosen, read, strip):
            file.seek((k * shape[0] + strip.start) * cols * _ITEM)
            file.write(scaled(values, *bounds[k]).data)
    file.flush()
    return LayerImageFile(file, (len(chosen.names), *shape), chosen.names, filled / (shape[0] * shape[1]))


def _layers_of(
    chosen: ChosenLayers, read: ReadRows, strip: slice
) -> Iterator[tuple[int, npt.NDArray[np.float32], npt.NDArray[np.bool_]]]:
    """Number of each layer of the image with its values within a strip, gaps filled, and where these were."""
    rows = chosen.rows()
    # one call, so that blocks which hold several layers are decoded once
    held = {_key(row): values for row, values in zip(rows, read(rows, strip), strict=True)}
    for first, (stack, gaps) in enumerate(filled_layers(chosen, lambda row: held[_key(row)])):
        for i, values in enumerate(stack):
            yield first * len(stack) + i, values, gaps


def _key(row: dict[str, Any]) -> tuple[str, int]:
    return row["file"], row["band_index"]


def _bounds(
    chosen: ChosenLayers, read: ReadRows, strips: Sequence[slice], upper: npt.NDArray[np.int64]
) -> list[tuple[float, float]]:
    """The percentiles of each layer that are scaled to 0 and FULL_SCALE; 0 and 0 of a layer without values.

    `upper` (layers, 65536) counts the upper halves of the values' ordered bits.
    """
    present = upper.sum(axis=1)
    ranks = [_ranks(int(n)) for n in present]  # of each layer (percentiles, 2): the ranks before and after
    ends = np.cumsum(upper, axis=1)
    halves = [
        np.unique(np.searchsorted(ends[k], ranks[k], side="right")) if n else np.empty(0, np.intp)
        for k, n in enumerate(present)
    ]
    lower = [np.zeros((len(wanted), _HALF), dtype=np.int64) for wanted in halves]
    slots = np.full((len(upper), _HALF), -1, dtype=np.int16)
    for k, wanted in enumerate(halves):
        slots[k, wanted] = np.arange(len(wanted))
    for strip in strips:
        for k, values, _ in _layers_of(chosen, read, strip):
            if len(halves[k]):
                _count_lower(values.reshape(-1), slots[k], lower[k])
    bounds = []
    for k, n in enumerate(present):
        if n == 0:
            bounds.append((0.0, 0.0))
            continue
        found = np.empty(ranks[k].shape, dtype=np.float32)
        for at in np.ndindex(ranks[k].shape):
            half = int(np.searchsorted(ends[k], ranks[k][at], side="right"))
            rest = ranks[k][at] - (ends[k][half] - upper[k][half])
            within = np.cumsum(lower[k][slots[k, half]])
            found[at] = _value_of(half << 16 | int(np.searchsorted(within, rest, side="right")))
        bounds.append(_interpolated(found, int(n)))
    return bounds


def _virtual(n: int) -> npt.NDArray[np.float64]:
    """Where the percentiles lie among n sorted values, counted from 0 (method "linear")."""
    virtual: npt.NDArray[np.float64] = (n - 1) * np.true_divide(SCALED_BETWEEN, 100)
    return virtual


def _ranks(n: int) -> npt.NDArray[np.int64]:
    before = np.floor(_virtual(n)).astype(np.int64)
    return np.column_stack([before, np.minimum(before + 1, max(n - 1, 0))])


def _interpolated(found: npt.NDArray[np.float32], n: int) -> tuple[float, float]:
    """Between the values before and after each percentile, by numpy's own rule for two values."""
    virtual = _virtual(n)
    parts = virtual - np.floor(virtual)
    low, high = (np.quantile(pair, part[np.newaxis])[0] for pair, part in zip(found, parts, strict=True))
    return low, high


def _value_of(key: int) -> np.float32:
    """The number whose ordered bits are these."""
    bits = key & 0x7FFFFFFF if key & 0x80000000 else ~key & 0xFFFFFFFF
    return np.uint32(bits).view(np.float32)


@njit(cache=True, nogil=True)
def _ordered(bits):  # type: ignore[no-untyped-def]
    """Bits of a number as a whole number in the order of values; 0 where it is not finite."""
    if (bits >> np.uint32(23)) & np.uint32(0xFF) == np.uint32(0xFF):
        return np.uint32(0)
    if bits >> np.uint32(31):
        return np.uint32(bits ^ np.uint32(0xFFFFFFFF))
    return np.uint32(bits | np.uint32(0x80000000))


@njit(cache=True, nogil=True)
def _count_upper_bits(bits, counts):  # type: ignore[no-untyped-def]
    for i in range(len(bits)):
        key = _ordered(bits[i])
        if key != 0:  # of no finite number
            counts[key >> np.uint32(16)] += 1


@njit(cache=True, nogil=True)
def _count_lower_bits(bits, slots, counts):  # type: ignore[no-untyped-def]
    for i in range(len(bits)):
        key = _ordered(bits[i])
        if key != 0:
            slot = slots[key >> np.uint32(16)]
            if slot >= 0:
                counts[slot, key & np.uint32(0xFFFF)] += 1


def _count_upper(values: npt.NDArray[np.float32], counts: npt.NDArray[np.int64]) -> None:
    _count_upper_bits(values.view(np.uint32), counts)


def _count_lower(values: npt.NDArray[np.float32], slots: npt.NDArray[np.int16], counts: npt.NDArray[np.int64]) -> None:
    _count_lower_bits(values.view(np.uint32), slots, counts)
