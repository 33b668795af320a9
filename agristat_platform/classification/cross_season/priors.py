"""Probabilities put right after fitting: temperature, and shares of classes in the target season.

A model learned under the shares π_train says P(class | curve) ∝ π_train(class) f(curve | class). Where another season has
other shares and each class still looks the same, P / π_train × π_target is right (logit adjustment; Saerens, Latinne and
Decaestecker 2002, Neural Computation 14).
"""

from __future__ import annotations

import numpy as np

_FLOOR = 1e-6
_PSEUDO_SAMPLES = 5.0
_STEEPNESS = np.geomspace(0.75, 3.0, 21)  # flatter ones, fitted to a few samples, let shares run away


def steady_shares(counts: np.ndarray) -> np.ndarray:
    """Shares of classes that probabilities of members taught by `counts` samples (classes,) are taken to answer for.

    Five samples more a class that has any: members don't follow the share of a class down to a few samples, and divided by
    it the small probabilities that every curve has of a rare class become large ones.
    """
    raised = counts + np.where(counts > 0, _PSEUDO_SAMPLES, 0.0)
    return np.asarray(raised / raised.sum())


def tempered(probabilities: np.ndarray, steepness: float) -> np.ndarray:
    """Probabilities (…, classes) to the power of `steepness`, scaled to sum to 1; a floor of 10⁻³ keeps zeros open."""
    raised = (probabilities + 1e-3) ** steepness
    return raised / raised.sum(axis=-1, keepdims=True)


def fit_steepness(probabilities: np.ndarray, classes: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The `steepness` with the least log loss on held-out probabilities (n, classes) and class numbers (n,)."""
    weight = np.ones(len(classes)) if weights is None else weights
    row = np.arange(len(classes))
    loss = [-np.sum(weight * np.log(tempered(probabilities, s)[row, classes])) for s in _STEEPNESS]
    return float(_STEEPNESS[int(np.argmin(loss))])


def adjusted(probabilities: np.ndarray, training: np.ndarray, target: np.ndarray) -> np.ndarray:
    """P / π_train × π_target, rows scaled to sum to 1. Shares (classes,); a class with no share gets probability 0."""
    raised = probabilities * (target / np.maximum(training, _FLOOR))
    total = raised.sum(axis=1, keepdims=True)
    # Where nothing is left (all mass on classes that the target doesn't have) the target's shares are all one knows.
    return np.where(total > 0, raised / np.where(total > 0, total, 1.0), target / target.sum())


def shares_by_em(
    probabilities: np.ndarray,
    training: np.ndarray,
    *,
    prior_weight: float = 0.0,
    allowed: np.ndarray | None = None,
    rounds: int = 500,
) -> np.ndarray:
    """Shares of classes in the target season by expectation-maximisation (Saerens et al. 2002).

    Parameters
    ----------
    probabilities:
        (n, classes) under the training shares.
    training:
        (classes,) shares at training.
    prior_weight:
        Weight of equal shares against the target's own, as a multiple of n: 0 is maximum likelihood, 1 takes half of
        the shares from each (the mode under a Dirichlet prior); it keeps rare classes alive.
    allowed:
        bool (classes,): classes that the target can have; None for all.
    rounds:
        Most iterations.
    """
    possible = np.ones(len(training), bool) if allowed is None else allowed
    equal = possible / possible.sum()
    shares = equal
    for _ in range(rounds):
        updated = (adjusted(probabilities, training, shares).mean(axis=0) + prior_weight * equal) / (1 + prior_weight)
        if np.abs(updated - shares).max() < 1e-7:
            return updated
        shares = updated
    return shares


def shares_by_confusion(
    probabilities: np.ndarray, training: np.ndarray, held_out: np.ndarray, classes: np.ndarray
) -> np.ndarray:
    """Shares by black-box shift estimation (Lipton, Wang and Smola 2018, ICML), soft, clipped at 0, (classes,).

    Solves C w = mean prediction on the target, C the joint mean of predicted probability and true class on held-out
    samples; ridge-regularised, since C is near-singular where classes are confused. `held_out` (m, classes) with
    their class numbers `classes` (m,).
    """
    k = len(training)
    joint = np.stack([held_out[classes == c].sum(axis=0) / len(classes) for c in range(k)], axis=1)
    observed = probabilities.mean(axis=0)
    ridge = 1e-3 * np.eye(k)
    ratio = np.linalg.solve(
        joint.T @ joint + ridge * np.trace(joint.T @ joint), joint.T @ observed + ridge @ np.ones(k)
    )
    shares = np.clip(ratio, 0.0, None) * training
    return shares / shares.sum() if shares.sum() > 0 else np.full(k, 1.0 / k)
