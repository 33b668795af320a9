"""Fewer than two classes, or than three samples of one, are refused by name."""

import numpy as np
import pytest

from agristat_platform.classification.class_counts import check_class_counts
from agristat_platform.classification.errors import SmallClassError, TooFewClassesError


def test_three_samples_of_each_of_two_classes_are_enough() -> None:
    check_class_counts(np.array(["maize", "wheat"]), np.array([3, 3]), learner="A model", few="one class")


def test_fewer_than_two_classes_are_refused_in_the_words_of_who_asks() -> None:
    with pytest.raises(TooFewClassesError, match=r"^only maize; 4 dropped") as refused:
        check_class_counts(np.array(["maize"]), np.array([9]), learner="A model", few="only maize", told="; 4 dropped")
    assert refused.value.remedy == "A model needs samples of at least two classes"


def test_classes_of_too_few_samples_are_named_with_their_counts() -> None:
    names, counts = np.array(["maize", "rape", "wheat"]), np.array([2, 3, 1])
    with pytest.raises(SmallClassError, match=r"^too few samples of maize \(2\), wheat \(1\); 4 dropped") as refused:
        check_class_counts(names, counts, learner="A model", few="", told="; 4 dropped")
    assert refused.value.remedy == "Give at least 3 samples of each class, merge classes, or leave them out"
