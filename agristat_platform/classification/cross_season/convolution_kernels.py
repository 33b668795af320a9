"""Random convolution kernels over series: MiniRocket (Dempster, Schmidt and Webb 2021, KDD, arXiv:2012.08791), multivariate.

Written from the paper: 84 kernels of nine taps, six of weight −1 and three of weight 2, dilated, each over a random set of
features; biases are quantiles of one training series' convolution; what is kept of an output is the share of positive
values (PPV). Missing values must be filled before; positions without an observation can be given no weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numba import njit

TAPS = 9
_MAX_DILATIONS = 32
_KERNELS = np.array(list(combinations(range(TAPS), 3)), dtype=np.int64)  # (84, 3): where the weight is 2
_GOLDEN = (np.sqrt(5.0) + 1.0) / 2.0


@dataclass(frozen=True)
class ConvolutionKernels:
    """Fitted kernels; `transform` turns series into shares of positive values.

    Attributes
    ----------
    steps:
        Length of the series they were fitted on.
    dilations:
        int64 (d,), each with 8 × dilation < steps, or just 1 where series are shorter than a kernel.
    feature_sets:
        bool (d, 84, features): the features that a kernel is summed over.
    biases:
        float64 (d, 84, biases), NaN where a dilation has fewer of them than the others.
    padded:
        bool (d, 84): whether the output runs over the whole series, with zeros beyond its ends.
    """

    steps: int
    dilations: np.ndarray
    feature_sets: np.ndarray
    biases: np.ndarray
    padded: np.ndarray

    @property
    def width(self) -> int:
        """Number of columns that `transform` returns."""
        return int(np.isfinite(self.biases).sum())

    def transform(self, series: np.ndarray, support: np.ndarray | None = None) -> np.ndarray:
        """Share of positive values of each kernel and bias, float32 (n, width), in [0, 1].

        Parameters
        ----------
        series:
            (n, steps, features) without NaN.
        support:
            (n, steps), weight of an output centred at that step, 0 to 1; None for ones. Where a series has no
            supported position at all its outputs count equally.
        """
        values = np.ascontiguousarray(series.transpose(0, 2, 1), dtype=np.float64)
        weight = np.ones((len(values), self.steps)) if support is None else np.ascontiguousarray(support, np.float64)
        shares = np.empty((len(values), self.width), dtype=np.float32)
        _positive_shares(values, weight, self.dilations, _KERNELS, self.feature_sets, self.biases, self.padded, shares)
        return shares


def fit_convolution_kernels(series: np.ndarray, *, size: int = 2_520, seed: int = 0) -> ConvolutionKernels:
    """Choose dilations, feature sets and biases.

    Parameters
    ----------
    series:
        (n, steps, features) without NaN, the training series; n ≥ 1.
    size:
        About how many columns to make; rounded down to a multiple of 84, at least 84.
    seed:
        Draws the feature sets, and the series whose quantiles become biases.
    """
    count, steps, features = series.shape
    random = np.random.default_rng(seed)
    dilations, per_dilation = _dilations(steps, max(size // len(_KERNELS), 1))
    shape = (len(dilations), len(_KERNELS))
    feature_sets = np.zeros((*shape, features), dtype=bool)
    biases = np.full((*shape, int(per_dilation.max())), np.nan)
    # Every other kernel is padded, and the order turns round from one dilation to the next (the paper's alternation).
    padded = (np.arange(shape[0])[:, None] + np.arange(shape[1])[None, :]) % 2 == 0
    if steps < TAPS:
        padded[:] = True
    highest = np.log2(min(features, TAPS) + 1)
    values = np.ascontiguousarray(series.transpose(0, 2, 1), dtype=np.float64)
    quantile = 0
    for i, dilation in enumerate(dilations):
        for k in range(len(_KERNELS)):
            # The number of features is log-uniform, so that most kernels look at one or few of them.
            chosen = random.choice(features, size=max(int(2 ** random.uniform(0, highest)), 1), replace=False)
            feature_sets[i, k, chosen] = True
            output = _convolve(values[random.integers(count)], int(dilation), _KERNELS[k], feature_sets[i, k])
            if not padded[i, k]:
                edge = (TAPS // 2) * int(dilation)
                output = output[edge : steps - edge]
            position = (np.arange(quantile, quantile + per_dilation[i]) + 1) * _GOLDEN % 1.0
            biases[i, k, : per_dilation[i]] = np.quantile(output, position)
            quantile += int(per_dilation[i])
    return ConvolutionKernels(steps, dilations, feature_sets, biases, padded)


def _dilations(steps: int, biases: int) -> tuple[np.ndarray, np.ndarray]:
    """Dilations, spread exponentially up to (steps − 1)/8, and how many biases each gets; they sum to `biases`."""
    most = np.log2(max((steps - 1) / (TAPS - 1), 1.0))
    trial = min(biases, _MAX_DILATIONS)
    dilations, counts = np.unique(np.logspace(0, most, trial, base=2).astype(np.int64), return_counts=True)
    counts = counts * biases // trial
    for i in range(biases - int(counts.sum())):
        counts[i % len(counts)] += 1
    return dilations, counts.astype(np.int64)


@njit(cache=True, nogil=True)
def _convolve(values: np.ndarray, dilation: int, heavy: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Output of one kernel at every step, zeros beyond the ends; `values` (features, steps)."""
    steps = values.shape[1]
    output = np.zeros(steps)
    for f in range(values.shape[0]):
        if not used[f]:
            continue
        for t in range(steps):
            for tap in range(9):
                at = t + (tap - 4) * dilation
                if 0 <= at < steps:
                    weight = 2.0 if (tap == heavy[0] or tap == heavy[1] or tap == heavy[2]) else -1.0
                    output[t] += weight * values[f, at]
    return output


@njit(cache=True, nogil=True)
def _positive_shares(
    values: np.ndarray,
    support: np.ndarray,
    dilations: np.ndarray,
    kernels: np.ndarray,
    feature_sets: np.ndarray,
    biases: np.ndarray,
    padded: np.ndarray,
    shares: np.ndarray,
) -> None:
    samples, features, steps = values.shape
    all_taps = np.empty((features, steps))
    shifted = np.empty((9, features, steps))
    output = np.empty(steps)
    for i in range(samples):
        column = 0
        for d in range(dilations.shape[0]):
            dilation = dilations[d]
            for f in range(features):
                for t in range(steps):
                    total = 0.0
                    for tap in range(9):
                        at = t + (tap - 4) * dilation
                        value = values[i, f, at] if 0 <= at < steps else 0.0
                        shifted[tap, f, t] = 3.0 * value
                        total += value
                    all_taps[f, t] = -total
            for k in range(kernels.shape[0]):
                a, b, c = kernels[k, 0], kernels[k, 1], kernels[k, 2]
                output[:] = 0.0
                for f in range(features):
                    if feature_sets[d, k, f]:
                        for t in range(steps):
                            output[t] += all_taps[f, t] + shifted[a, f, t] + shifted[b, f, t] + shifted[c, f, t]
                edge = 0 if padded[d, k] else 4 * dilation
                mass = 0.0
                for t in range(edge, steps - edge):
                    mass += support[i, t]
                for j in range(biases.shape[2]):
                    bias = biases[d, k, j]
                    if np.isnan(bias):
                        continue
                    positive = 0.0
                    for t in range(edge, steps - edge):
                        if output[t] > bias:
                            positive += support[i, t] if mass > 0.0 else 1.0
                    shares[i, column] = positive / (mass if mass > 0.0 else steps - 2 * edge)
                    column += 1
