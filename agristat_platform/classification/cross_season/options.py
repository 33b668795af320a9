"""What the gate can choose among, and how a choice turns the members' probabilities into answers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from agristat_platform.classification.cross_season.adaptation import best_shift
from agristat_platform.classification.cross_season.priors import adjusted, shares_by_confusion, shares_by_em, tempered

# Weights of the members in the vote, in the order of `members.MEMBERS`.
AUGMENTATIONS = {
    "plain": (1.0, 1.0, 1.0, 0.0, 0.0),
    "warped": (0.0, 0.0, 1.0, 1.0, 1.0),
    "both": (1.0, 1.0, 2.0, 1.0, 1.0),
}
PRIORS = ("uniform", "training", "last_season", "em", "shrunken_em", "bbse")
ALIGNMENTS = ("none", "shift_score")
RETRAININGS = ("none", "coral", "self_training")
RETRAINED_WEIGHT = 1 / 3  # of the retrained trees in the vote


@dataclass(frozen=True)
class Choice:
    """One option of each kind; the default is "none": nothing adapted but the shares, which are taken as equal."""

    augmentation: str = "plain"
    prior: str = "uniform"
    alignment: str = "none"
    retraining: str = "none"

    def with_option(self, stage: str, option: str) -> Choice:
        return replace(self, **{stage: option})


STAGES: dict[str, tuple[str, ...]] = {
    "augmentation": tuple(AUGMENTATIONS),
    "prior": PRIORS,
    "alignment": ALIGNMENTS,
    "retraining": RETRAININGS,
}


@dataclass(frozen=True)
class Shares:
    """Shares of classes, each float64 (classes,), that a prior can be made of.

    `given`: the target's, from official statistics, or None. `held_out`, `classes`: probabilities and class numbers of
    held-out samples, for BBSE; `held_out` holds each member's (members, m, classes).
    """

    training: np.ndarray
    last_season: np.ndarray
    given: np.ndarray | None
    held_out: np.ndarray
    classes: np.ndarray


def vote(probabilities: np.ndarray, steepness: np.ndarray, augmentation: str) -> np.ndarray:
    """Weighted mean of the members' tempered probabilities: (members, n, classes) → (n, classes)."""
    weights = AUGMENTATIONS[augmentation]
    parts = [w * tempered(p, s) for w, p, s in zip(weights, probabilities, steepness, strict=True) if w]
    return np.asarray(sum(parts)) / sum(weights)


def aligned_vote(by_shift: np.ndarray, steepness: np.ndarray, choice: Choice) -> tuple[np.ndarray, int]:
    """The vote, and the shift it is taken at: position in `by_shift` (shifts, members, n, classes), no shift midway."""
    middle = len(by_shift) // 2
    if choice.alignment == "none":
        return vote(by_shift[middle], steepness, choice.augmentation), middle
    votes = [vote(at, steepness, choice.augmentation) for at in by_shift]
    best = best_shift(votes)
    return votes[best], best


def target_shares(probabilities: np.ndarray, choice: Choice, shares: Shares, steepness: np.ndarray) -> np.ndarray:
    """Shares of classes that the target is taken to have, float64 (classes,); classes never taught have none."""
    if shares.given is not None:
        return shares.given
    taught = shares.training > 0
    equal = taught / taught.sum()
    if choice.prior == "uniform":
        return equal
    if choice.prior == "training":
        return shares.training
    if choice.prior == "last_season":
        # A class that the last season happens not to show can still come back.
        return 0.95 * shares.last_season + 0.05 * equal
    if choice.prior == "bbse":
        if not len(shares.classes):
            return equal
        held_out = vote(shares.held_out, steepness, choice.augmentation)
        return 0.95 * shares_by_confusion(probabilities, shares.training, held_out, shares.classes) + 0.05 * equal
    weight = 1.0 if choice.prior == "shrunken_em" else 0.0
    return shares_by_em(probabilities, shares.training, prior_weight=weight, allowed=taught)


def answer(
    voted: np.ndarray, retrained: np.ndarray | None, choice: Choice, shares: Shares, steepness: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Final probabilities (n, classes) and the target's shares that they assume; `retrained` (n, classes) or None."""
    if retrained is not None:
        voted = (1 - RETRAINED_WEIGHT) * voted + RETRAINED_WEIGHT * tempered(retrained, float(steepness[0]))
    target = target_shares(voted, choice, shares, steepness)
    return adjusted(voted, shares.training, target), target
