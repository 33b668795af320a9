"""Convolutions over few steps through a real Fourier transform written as matrices. Imports torch.

A convolution of 23 steps by 7 taps multiplies 161 matrices (inputs × outputs), this one 38: a product of frequencies takes
three real multiplications (Gauss), and 26 steps are enough for a circle on which the ends don't meet. Both transforms are
small matrix products of their own. Series are (steps, channels, samples) here, so that each product has samples innermost.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch


class Transforms(NamedTuple):
    """Matrices, float64, of m products: of the series (m, steps), of the taps (m, taps), and back (steps, m)."""

    series: Any
    taps: Any
    back: Any


@lru_cache(maxsize=16)
def transforms(steps: int, taps: int) -> Transforms:
    """For convolutions padded with zeros to the same number of steps; `taps` is odd.

    With frequency f of the series as a + ib and of the taps as c + id, the products are c (a + b), a (d − c), b (c + d).
    """
    circle = steps + taps // 2
    circle += circle % 2
    at, tap = np.arange(steps), taps // 2 - np.arange(taps)
    series, of_taps = [np.ones(steps), (-1.0) ** at], [np.ones(taps), (-1.0) ** (tap % 2)]
    back = [np.ones(steps) / circle, (-1.0) ** at / circle]
    for f in range(1, circle // 2):
        angle = 2 * np.pi * f / circle
        cosine, sine = np.cos(angle * at), np.sin(angle * at)
        c, d = np.cos(angle * tap), -np.sin(angle * tap)
        series += [cosine - sine, cosine, -sine]
        of_taps += [c, d - c, c + d]
        back += [2 / circle * (cosine - sine), -2 / circle * sine, -2 / circle * cosine]
    return Transforms(*(torch.from_numpy(np.array(m)) for m in (series, of_taps, np.transpose(back).copy())))


def convolve(series: Any, weight: Any, bias: Any) -> Any:
    """The convolution of (steps, inputs, samples) with `weight` (outputs, inputs, taps) and `bias` (outputs,): differentiable.

    Returns
    -------
    (steps, outputs, samples), as `conv1d` with padding "same" to within rounding.
    """
    matrices = Transforms(*(m.to(weight.dtype) for m in transforms(len(series), weight.shape[2])))
    return convolve_with(series, torch.einsum("mk,oik->moi", matrices.taps, weight), matrices) + bias[:, None]


def convolve_with(series: Any, spectrum: Any, matrices: Transforms) -> Any:
    """`convolve` without bias, with the taps (m, outputs, inputs) and the matrices made ready."""
    steps, inputs, samples = series.shape
    found = torch.bmm(spectrum, (matrices.series @ series.reshape(steps, -1)).view(-1, inputs, samples))
    return (matrices.back @ found.view(len(found), -1)).view(steps, -1, samples)
