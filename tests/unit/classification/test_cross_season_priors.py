"""Shares of classes: adjustments and estimates with known answers."""

import numpy as np
import pytest

from agristat_platform.classification.cross_season.priors import (
    adjusted,
    fit_steepness,
    shares_by_confusion,
    shares_by_em,
    tempered,
)


@pytest.fixture(scope="module")
def shifted() -> tuple[np.ndarray, ...]:
    """Probabilities of a perfectly calibrated model under shares (.5 .5), on held-out and on target samples (.2 .8)."""
    random = np.random.default_rng(4)

    def said(truth: np.ndarray) -> np.ndarray:
        x = random.normal(2.0 * truth - 1.0)
        p = 1 / (1 + np.exp(-2.0 * x))
        return np.stack([1 - p, p], axis=1)

    held_out, target = (random.random(4000) < 0.5).astype(int), (random.random(4000) < 0.8).astype(int)
    return said(held_out), held_out, said(target), target


def test_adjustment_by_hand() -> None:
    said = adjusted(np.array([[0.5, 0.5], [0.9, 0.1]]), np.array([0.5, 0.5]), np.array([0.2, 0.8]))
    np.testing.assert_allclose(said, [[0.2, 0.8], [0.18 / 0.26, 0.08 / 0.26]])


def test_a_class_without_share_is_never_named_even_where_it_had_all_the_mass() -> None:
    said = adjusted(np.array([[1.0, 0.0, 0.0]]), np.full(3, 1 / 3), np.array([0.0, 0.25, 0.75]))
    np.testing.assert_allclose(said, [[0, 0.25, 0.75]])


def test_em_and_black_box_find_the_shares(shifted: tuple[np.ndarray, ...]) -> None:
    held_said, held_out, said, _ = shifted
    training = np.array([0.5, 0.5])
    np.testing.assert_allclose(shares_by_em(said, training), [0.2, 0.8], atol=0.03)
    np.testing.assert_allclose(shares_by_confusion(said, training, held_said, held_out), [0.2, 0.8], atol=0.03)


def test_shrunken_shares_lie_between_equal_and_estimated_ones(shifted: tuple[np.ndarray, ...]) -> None:
    said = shifted[2]
    free, shrunken = (shares_by_em(said, np.array([0.5, 0.5]), prior_weight=w)[0] for w in (0.0, 1.0))
    assert free + 0.05 < shrunken < 0.5


def test_classes_that_are_not_allowed_get_nothing() -> None:
    said = np.full((10, 3), 1 / 3)
    shares = shares_by_em(said, np.full(3, 1 / 3), prior_weight=1.0, allowed=np.array([True, False, True]))
    np.testing.assert_allclose(shares, [0.5, 0, 0.5])


def test_steepness_undoes_a_known_flattening(shifted: tuple[np.ndarray, ...]) -> None:
    said, truth = shifted[:2]
    flat = said**0.5
    flat /= flat.sum(axis=1, keepdims=True)
    assert fit_steepness(flat, truth) == pytest.approx(2.0, rel=0.15)
    assert fit_steepness(said, truth) == pytest.approx(1.0, rel=0.15)


def test_tempered_probabilities_sum_to_one_and_keep_their_order() -> None:
    said = tempered(np.array([[0.0, 0.3, 0.7]]), 2.0)
    assert said.sum() == pytest.approx(1)
    assert (np.diff(said[0]) > 0).all()
