"""How many classes, and samples of each, learning from series needs: one check for all that learn from them."""

from __future__ import annotations

import numpy as np

from agristat_platform.classification.errors import SmallClassError, TooFewClassesError

LEAST_SAMPLES = 3  # two to learn from while one is held out


def check_class_counts(classes: np.ndarray, counts: np.ndarray, *, learner: str, few: str, told: str = "") -> None:
    """Refuse samples of fewer than two classes, and classes of fewer than `LEAST_SAMPLES` samples.

    Parameters
    ----------
    classes, counts:
        Names (k,) of the classes and int64 (k,) how many samples each has.
    learner:
        What learns, at the start of a sentence: "An encoder".
    few:
        What is said where there are fewer than two classes.
    told:
        What else is said after either fault.

    Raises
    ------
    TooFewClassesError
        Fewer than two classes.
    SmallClassError
        Classes of too few samples, named with their counts.
    """
    if len(classes) < 2:
        raise TooFewClassesError(f"{few}{told}", remedy=f"{learner} needs samples of at least two classes")
    small = [f"{name} ({n})" for name, n in zip(classes.tolist(), counts.tolist(), strict=True) if n < LEAST_SAMPLES]
    if small:
        raise SmallClassError(
            f"too few samples of {', '.join(small)}{told}",
            remedy=f"Give at least {LEAST_SAMPLES} samples of each class, merge classes, or leave them out",
        )
