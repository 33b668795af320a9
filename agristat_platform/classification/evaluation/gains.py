"""Whether more labels help beyond chance: paired over the same held-out samples, whole places at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from agristat_platform.classification.errors import LengthMismatchError

DRAWS = 2_000


class Gain(NamedTuple):
    """Share of samples named rightly by the one that the other names wrongly, less the reverse, and how surprising that is."""

    value: float
    p: float


def paired_gain(
    right: npt.NDArray[np.bool_],
    right_before: npt.NDArray[np.bool_],
    places: Sequence[Any] | npt.NDArray[Any],
    *,
    seed: int = 0,
) -> Gain:
    """Mean difference of two answers about the same samples, and the one-sided p of a sign-flip test over places.

    Where both answers are equally good, the difference of a place is as likely to be positive as negative: its sign is
    flipped at random 2000 times, and p is the share of draws that are as great as what was found, itself counted (Fisher's
    randomisation test for pairs). The least p of m places is about 2⁻ᵐ: five places or fewer never reach 0.05 safely.

    Parameters
    ----------
    right, right_before:
        bool (repeats, n): whether a sample was named rightly.
    places:
        (n,) place, parcel or block; samples of one are not independent.

    Raises
    ------
    LengthMismatchError
        Shapes differ.
    """
    if right.shape != right_before.shape or right.ndim != 2 or right.shape[1] != len(places):
        raise LengthMismatchError(
            f"answers of shapes {right.shape} and {right_before.shape} about samples at {len(places)} places",
            remedy="Give (repeats, samples) twice, and a place for each sample",
        )
    difference = (right.astype(np.float64) - right_before).mean(axis=0)
    number = np.unique(np.asarray(places).astype(str), return_inverse=True)[1]
    by_place = np.bincount(number, weights=difference)
    signs = np.random.default_rng(seed).choice(np.array([-1.0, 1.0]), size=(DRAWS, len(by_place)))
    as_great = int((signs @ by_place >= by_place.sum() - 1e-9).sum())
    return Gain(float(difference.mean()), (1 + as_great) / (1 + DRAWS))
