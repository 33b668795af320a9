"""A head on members' answers, learned from reviewed parcels: one slope, and an offset for each class.

Not here: members that learn from the parcels themselves (`reviewed`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

_RIDGE = 1.0  # in parcels: an offset of one unit costs half of this


@dataclass(frozen=True)
class Head:
    """One slope and an offset for each class on log probabilities, learned from reviewed parcels."""

    slope: float
    offsets: np.ndarray

    def applied(self, probabilities: np.ndarray) -> np.ndarray:
        """Probabilities (n, classes); what was impossible stays so."""
        raised = probabilities**self.slope * np.exp(self.offsets)
        total = raised.sum(axis=1, keepdims=True)
        return np.asarray(raised / np.where(total > 0, total, 1.0))


def fit_head(probabilities: np.ndarray, reviewed_label: np.ndarray, weight: np.ndarray) -> Head:
    """The head with the least weighted log loss on reviewed parcels, pulled to no change by a ridge of one parcel.

    Parameters
    ----------
    probabilities:
        (r, classes) of the reviewed parcels, by members that haven't learned from them. Parcels of a class that is
        impossible to them are passed over.
    reviewed_label, weight:
        (r,) class numbers and weights.
    """
    classes = probabilities.shape[1]
    open_rows = probabilities[np.arange(len(reviewed_label)), reviewed_label] > 0
    if not open_rows.any():
        return Head(1.0, np.zeros(classes))
    p, label, w = probabilities[open_rows], reviewed_label[open_rows], weight[open_rows]
    possible = p > 0
    logs = np.where(possible, np.log(np.where(possible, p, 1.0)), 0.0)
    row = np.arange(len(label))

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        slope, offsets = float(np.exp(parameters[0])), parameters[1:]
        score = np.where(possible, slope * logs + offsets, -np.inf)
        score = score - score.max(axis=1, keepdims=True)
        said = np.exp(score)
        said /= said.sum(axis=1, keepdims=True)
        difference = said.copy()
        difference[row, label] -= 1.0
        difference *= w[:, None]
        gradient = np.concatenate([[slope * float((difference * logs).sum())], difference.sum(axis=0)])
        value = -float((w * np.log(np.maximum(said[row, label], 1e-300))).sum())
        return value + _RIDGE / 2 * float((parameters**2).sum()), gradient + _RIDGE * parameters

    found = minimize(loss, np.zeros(classes + 1), jac=True, method="L-BFGS-B").x
    return Head(float(np.exp(found[0])), found[1:])
