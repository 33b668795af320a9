"""Which dates are clear at each place, kept as one bit a date, and the whole spectra that are taken by it.

A boolean array of 150 dates takes as much memory as 75 bands of one date; as bits it takes ten. Bit d of a place says
whether date d counts there. A place's whole spectrum counts on a date when the date is clear and every band has a
value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

BLOCK_PIXELS = 2048


def pack_clear(clear: NDArray[np.bool_]) -> NDArray[np.unsignedinteger[Any]]:
    """Boolean dates packed into bits, date d in bit d.

    Parameters
    ----------
    clear:
        (dates, rows, cols), True where a date is clear.

    Returns
    -------
    (rows, cols) in the smallest of uint8, uint16, uint32 and uint64 that holds the dates; beyond 64 dates
    (words, rows, cols) uint64, date d in bit d mod 64 of word d div 64.

    Raises
    ------
    TypeError
        Not boolean.
    """
    if clear.dtype != np.bool_:
        raise TypeError(f"the mask of clear dates is {clear.dtype}, not boolean")
    depth = len(clear)
    kind = np.dtype(next((f"u{size}" for size in (1, 2, 4, 8) if depth <= 8 * size), "u8"))
    size = 8 * kind.itemsize
    words = np.zeros((max(1, -(-depth // size)), *clear.shape[1:]), kind)
    for date, here in enumerate(clear):
        words[date // size] |= here.astype(kind) << kind.type(date % size)
    return words[0] if len(words) == 1 else words


def clear_words(clear: NDArray[Any] | None, depth: int, shape: tuple[int, int]) -> NDArray[np.unsignedinteger[Any]]:
    """Clear dates, boolean or as bits, as contiguous words (words, pixels) for the kernels.

    Parameters
    ----------
    clear:
        (dates, rows, cols) boolean; or bits as `pack_clear` makes them, (rows, cols) or (words, rows, cols) of any
        unsigned type; None: every date everywhere.
    depth, shape:
        Dates, and (rows, cols), of the stack that these are of.

    Raises
    ------
    TypeError
        Neither boolean nor unsigned.
    ValueError
        Another shape than the stack's, or not as many words as the dates take.
    """
    if clear is None:
        return np.full((max(1, -(-depth // 64)), shape[0] * shape[1]), np.iinfo(np.uint64).max, np.uint64)
    if clear.dtype == np.bool_:
        if clear.shape != (depth, *shape):
            raise ValueError(f"the mask of clear dates has shape {clear.shape}, not {(depth, *shape)}")
        clear = pack_clear(clear)
    if clear.dtype.kind != "u":
        raise TypeError(f"the clear dates are {clear.dtype}, neither boolean nor the bits of an unsigned type")
    words = clear[None] if clear.ndim == 2 else clear
    if words.ndim != 3 or words.shape[1:] != tuple(shape):
        raise ValueError(f"the bits of clear dates have shape {clear.shape}, not {tuple(shape)} behind the words")
    needed = max(1, -(-depth // (8 * words.dtype.itemsize)))
    if len(words) != needed:  # more would be a mask of 0 and 1 that was not made boolean
        raise ValueError(f"clear dates in {len(words)} words of {words.dtype}; {depth} dates take {needed}")
    return np.ascontiguousarray(words).reshape(len(words), shape[0] * shape[1])


def complete_words(
    stack: NDArray[Any], clear: NDArray[Any] | None, nodata: float
) -> tuple[NDArray[Any], NDArray[np.uint64], NDArray[np.uint16]]:
    """Whole spectra that count, as bits.

    Parameters
    ----------
    stack:
        (dates, bands, rows, cols); not copied when it is contiguous.
    clear:
        Boolean or bits, as for `clear_words`.
    nodata:
        The value that means missing; what is not finite is missing whatever `nodata` is.

    Returns
    -------
    (stack, words, count): the stack as (dates, bands, pixels), uint64 (words, pixels) and uint16 (pixels,).
    """
    depth, bands, height, width = stack.shape
    words = clear_words(clear, depth, (height, width))
    flat = np.ascontiguousarray(stack).reshape(depth, bands, height * width)
    complete, count = _complete(flat, words, np.int64(8 * words.dtype.itemsize), stack.dtype.type(nodata))
    return flat, complete, count


def take_observations(flat: NDArray[Any], observation: NDArray[np.int16], nodata: float) -> NDArray[Any]:
    """The spectrum of each place's observation, (bands, pixels) of a stack (dates, bands, pixels).

    `nodata` (of floating-point stacks NaN) where the observation is −1.
    """
    missing = np.nan if flat.dtype.kind == "f" else nodata
    return np.asarray(_take(flat, observation, flat.dtype.type(missing)))


@njit(cache=True)
def _bits_of(word, shift, flags):  # type: ignore[no-untyped-def]
    for pixel in range(flags.size):
        flags[pixel] = np.uint8((word[pixel] >> shift) & 1)


@njit(cache=True)
def _keep_valued(values, nodata, flags):  # type: ignore[no-untyped-def]
    """Drop what is missing: the value of nodata, NaN and infinite ones (whose difference to themselves is not 0)."""
    for pixel in range(flags.size):
        value = values[pixel]
        flags[pixel] &= np.uint8((value != nodata) & (value - value == 0))


@njit(cache=True)
def _set_bits(flags, shift, word, count):  # type: ignore[no-untyped-def]
    for pixel in range(flags.size):
        word[pixel] |= np.uint64(flags[pixel]) << shift
        count[pixel] += np.uint16(flags[pixel])


@njit(cache=True)
def _complete(stack, words, word_bits, nodata):  # type: ignore[no-untyped-def]
    depth, bands, pixels = stack.shape
    complete = np.zeros((max(1, (depth + 63) // 64), pixels), np.uint64)
    count = np.zeros(pixels, np.uint16)
    scratch = np.empty(BLOCK_PIXELS, np.uint8)
    for start in range(0, pixels, BLOCK_PIXELS):
        stop = min(start + BLOCK_PIXELS, pixels)
        flags = scratch[: stop - start]
        for k in range(depth):
            _bits_of(words[k // word_bits, start:stop], words.dtype.type(k % word_bits), flags)
            if not flags.any():
                continue
            for band in range(bands):
                _keep_valued(stack[k, band, start:stop], nodata, flags)
            _set_bits(flags, np.uint64(k % 64), complete[k // 64, start:stop], count[start:stop])
    return complete, count


@njit(cache=True)
def _take(flat, observation, missing):  # type: ignore[no-untyped-def]
    _, bands, pixels = flat.shape
    taken = np.empty((bands, pixels), flat.dtype)
    for band in range(bands):
        for pixel in range(pixels):
            k = observation[pixel]
            taken[band, pixel] = flat[k, band, pixel] if k >= 0 else missing
    return taken
