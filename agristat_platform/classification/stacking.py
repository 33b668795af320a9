"""How the members of an ensemble become one answer: shares of a vote, or a meta-learner, from out-of-fold votes only.

Belongs here: the arithmetic on votes that already are out of fold. Who makes them is in `fitting`.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from agristat_platform.classification.network import Network

_FLOOR = 1e-3
"""Added to every vote before its logarithm: full-grown trees vote 0 where they mean "rarely"."""
_STEPS = 10


def meta_inputs(votes: np.ndarray) -> np.ndarray:
    """Logarithms of the votes (members, n, classes) side by side, float32 (n, members × classes)."""
    members, samples, classes = votes.shape
    logs = np.log((votes + _FLOOR) / (1 + classes * _FLOOR))
    return np.ascontiguousarray(logs.transpose(1, 0, 2).reshape(samples, members * classes), dtype=np.float32)


def vote_shares(votes: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> tuple[float, ...]:
    """Shares of the members, in steps of a tenth, with the least log loss; of equals the first.

    Parameters
    ----------
    votes:
        float64 (members, n, classes), each sample's by members that had not seen its block.
    truth, weight:
        Class index and weight of each sample, (n,).
    """
    of_truth = votes[:, np.arange(len(truth)), truth]
    grid = [
        np.array(shares) / _STEPS for shares in product(range(_STEPS + 1), repeat=len(votes)) if sum(shares) == _STEPS
    ]
    losses = [-np.sum(weight * np.log(np.maximum(shares @ of_truth, 1e-6))) for shares in grid]
    return tuple(float(share) for share in grid[int(np.argmin(losses))])


def fit_meta_learner(votes: np.ndarray, truth: np.ndarray, weight: np.ndarray, penalty: float) -> Network:
    """Multinomial logistic regression on log votes, shrunk towards their plain mean.

    Stacked generalisation (Wolpert 1992, Neural Networks 5), which stands and falls with votes that are out of fold.
    The penalty, half of `penalty` times the squared distance of the coefficients from those of the equal (geometric)
    vote, is what a few hundred labels need: with nothing to learn from it is that vote. A class without a sample is kept
    out of the fit, which would only learn that it never occurs, and gets the mean of what the others' own votes count for.

    Parameters
    ----------
    votes:
        float64 (members, n, classes), each sample's by members that had not seen its block.
    truth, weight:
        Class index and weight (n,) of each sample; weights of mean 1.
    penalty:
        Positive.

    Returns
    -------
    Network
        One layer of members × classes inputs (`meta_inputs`).
    """
    members, samples, classes = votes.shape
    shown, truth = np.unique(truth, return_inverse=True)
    of_shown = (np.arange(members)[:, None] * classes + shown).ravel()
    inputs = meta_inputs(votes)[:, of_shown].astype(np.float64)
    fitted = _coefficients(np.hstack([inputs, np.ones((samples, 1))]), truth, weight, members, len(shown), penalty)
    weights = np.zeros((members, classes, classes))
    biases = np.full(classes, fitted[-1].mean())
    own = fitted[:-1].reshape(members, len(shown), len(shown))
    every = np.arange(classes)
    weights[:, every, every] = np.diagonal(own, axis1=1, axis2=2).mean(axis=1)[:, None]
    weights[:, shown[:, None], shown] = own
    biases[shown] = fitted[-1]
    return Network((weights.reshape(members * classes, classes).astype(np.float32),), (biases.astype(np.float32),))


def _coefficients(
    design: np.ndarray, truth: np.ndarray, weight: np.ndarray, members: int, classes: int, penalty: float
) -> np.ndarray:
    """Coefficients (members × classes + 1, classes) of the penalised regression; the last row is the constants."""
    # Imported by those who fit: every process of a run loads this module.
    from scipy.optimize import minimize

    start = np.vstack([np.tile(np.eye(classes) / members, (members, 1)), np.zeros((1, classes))])
    rows = np.arange(len(truth))
    target = np.zeros((len(truth), classes))
    target[rows, truth] = 1

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        coefficients = flat.reshape(start.shape)
        logits = design @ coefficients
        logits -= logits.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(logits).sum(axis=1, keepdims=True))
        probabilities = np.exp(logits - log_sum)
        away = coefficients - start
        value = -np.sum(weight * (logits - log_sum)[rows, truth]) + 0.5 * penalty * np.sum(away**2)
        gradient = design.T @ (weight[:, None] * (probabilities - target)) + penalty * away
        return float(value), gradient.ravel()

    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    return np.asarray(found.reshape(start.shape))
