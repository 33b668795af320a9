"""Multi-layer perceptrons as plain arrays: taken from fitted scikit-learn networks, run by a numba kernel.

A matrix product's rounding depends on the library, its threads and the number of rows; the kernel's doesn't, so a
sample's probabilities are the same bytes whatever batch it comes in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit


@dataclass(frozen=True)
class Network:
    """Layers of weights (inputs, outputs) and biases (outputs,), float32; ReLU between layers, softmax at the end."""

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]

    def probabilities(self, scaled: np.ndarray) -> np.ndarray:
        """Class probabilities, float64 (n, classes), of float32 inputs (n, q)."""
        values = np.ascontiguousarray(scaled, dtype=np.float32)
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            values = _dense(values, weight, bias, layer < last)
        logits = values.astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        odds = np.exp(logits)
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    def fault(self, width: int, classes: int) -> str | None:
        """Say what makes these layers unfit to run on `width` inputs for `classes` classes, or None."""
        inputs = width
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if weight.ndim != 2 or weight.shape[0] != inputs or bias.shape != (weight.shape[1],):
                return f"layer {layer} doesn't take {inputs} inputs"
            inputs = weight.shape[1]
        return None if self.weights and inputs == classes else f"the last layer doesn't have {classes} outputs"


def flatten_network(classifier: Any) -> Network:
    """Take the layers out of a fitted `sklearn.neural_network.MLPClassifier` with ReLU units.

    With two classes scikit-learn keeps a single logistic output; it becomes two outputs (0 and z) with equal
    probabilities under the softmax.
    """
    weights = [np.ascontiguousarray(w, dtype=np.float32) for w in classifier.coefs_]
    biases = [np.ascontiguousarray(b, dtype=np.float32) for b in classifier.intercepts_]
    if weights[-1].shape[1] == 1:
        weights[-1] = np.hstack([np.zeros_like(weights[-1]), weights[-1]])
        biases[-1] = np.concatenate([np.zeros_like(biases[-1]), biases[-1]])
    return Network(tuple(weights), tuple(biases))


@njit(cache=True, nogil=True)
def _dense(X: np.ndarray, weight: np.ndarray, bias: np.ndarray, rectify: bool) -> np.ndarray:
    n, inputs = X.shape
    outputs = weight.shape[1]
    result = np.empty((n, outputs), dtype=np.float32)
    for i in range(n):
        row = result[i]
        for k in range(outputs):
            row[k] = bias[k]
        for j in range(inputs):
            value = X[i, j]
            if value != 0:
                for k in range(outputs):
                    row[k] += value * weight[j, k]
        if rectify:
            for k in range(outputs):
                if row[k] < 0:
                    row[k] = 0
    return result
