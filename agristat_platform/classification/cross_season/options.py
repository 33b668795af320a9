"""What the gate can choose among, and how a choice turns the members' probabilities into answers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from agristat_platform.classification.cross_season.priors import adjusted, shares_by_confusion, shares_by_em, tempered

# Weights of the members in the vote, in the order of `members.MEMBERS`.
AUGMENTATIONS = {
    "both": (1.0, 1.0, 1.0, 2.0, 0.5),
    "plain": (1.0, 1.0, 1.0, 0.0, 0.0),
    "warped": (0.0, 0.0, 1.0, 2.0, 0.5),
}
PRIORS = ("shrunken_em", "uniform", "training", "last_season", "em", "bbse")
ALIGNMENTS = ("fitted_shift", "none")
RETRAININGS = ("none", "coral", "self_training")
_TOLERATED = 0.05  # departure at which the weight of equal shares in the shrunken estimate has doubled
RETRAINED_WEIGHT = 1 / 3  # of the retrained trees in the vote


@dataclass(frozen=True)
class Choice:
    """One option of each kind; the defaults are what is done where past seasons prove nothing (methods, "recognise").

    Plain and warped members vote together, the target's shares are estimated from it and shrunk halfway to equal ones, it is
    read at another date only where its curves demand that (`season_timing`), and nothing is retrained.
    """

    augmentation: str = "both"
    prior: str = "shrunken_em"
    alignment: str = "fitted_shift"
    retraining: str = "none"

    def with_option(self, stage: str, option: str) -> Choice:
        return replace(self, **{stage: option})


PLAIN = Choice(
    augmentation="plain", prior="uniform", alignment="none"
)  # nothing adapted: what harm is measured against
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
    if choice.prior == "em":
        return shares_by_em(probabilities, shares.training, allowed=taught)
    # Half for what a larger target wouldn't cure (curves of a class change too), one observation a class for its size.
    weight = 1.0 + taught.sum() / max(len(probabilities), 1)
    first = shares_by_em(probabilities, shares.training, prior_weight=weight, allowed=taught)
    weight *= 1.0 + departure(probabilities, first, choice, shares, steepness) / _TOLERATED
    return shares_by_em(probabilities, shares.training, prior_weight=weight, allowed=taught)


def departure(
    probabilities: np.ndarray, assumed: np.ndarray, choice: Choice, shares: Shares, steepness: np.ndarray
) -> float:
    """How much less sure answers are than other shares of classes explain: 0 not at all, 1 as unsure as chance.

    If only shares had changed, the answers about each class would be as sure as about held-out samples of it, and those
    about the target, (n, classes), as sure as the mean of these weighted by the shares `assumed`. Drought or noise, which
    change the curves themselves, mislead an estimate of shares, and show here. 1 where nothing was held out.
    """
    if not len(shares.classes) or not len(probabilities):
        return 1.0
    taught = shares.training > 0
    equal = taught / taught.sum()
    held_out = adjusted(vote(shares.held_out, steepness, choice.augmentation), shares.training, equal).max(axis=1)
    number = np.bincount(shares.classes, minlength=len(taught))
    sure = np.bincount(shares.classes, weights=held_out, minlength=len(taught)) / np.maximum(number, 1)
    expected = float(np.where(number > 0, sure, held_out.mean()) @ assumed)
    observed = float(adjusted(probabilities, shares.training, equal).max(axis=1).mean())
    chance = 1.0 / taught.sum()
    return float(np.clip((expected - observed) / max(expected - chance, 1e-9), 0.0, 1.0))


def answer(
    voted: np.ndarray, retrained: np.ndarray | None, choice: Choice, shares: Shares, steepness: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Final probabilities (n, classes) and the target's shares that they assume; `retrained` (n, classes) or None."""
    mixed = _mixed(voted, retrained, steepness)
    target = target_shares(mixed, choice, shares, steepness)
    return adjusted(mixed, shares.training, target), target


def with_shares(
    voted: np.ndarray, retrained: np.ndarray | None, training: np.ndarray, target: np.ndarray, steepness: np.ndarray
) -> np.ndarray:
    """Final probabilities (n, classes) under shares (classes,) that are known already; see `answer`."""
    return adjusted(_mixed(voted, retrained, steepness), training, target)


def _mixed(voted: np.ndarray, retrained: np.ndarray | None, steepness: np.ndarray) -> np.ndarray:
    if retrained is None:
        return voted
    return (1 - RETRAINED_WEIGHT) * voted + RETRAINED_WEIGHT * tempered(retrained, float(steepness[0]))
