"""Geometric median and medoid against searches that know nothing of how they are computed."""

import numpy as np
import pytest
from scipy.optimize import minimize

from agristat_platform.imagery.geometric_median import geometric_median
from agristat_platform.imagery.medoid import medoid


def case(seed, depth=9, bands=4, shape=(3, 5), missing=0.4):
    rng = np.random.default_rng(seed)
    stack = rng.gamma(2, 0.1, (depth, bands, *shape)).astype(np.float32)
    return stack, rng.random((depth, *shape)) > missing


def distance_sum(point, observations):
    return np.sqrt(((observations - point) ** 2).sum(axis=1)).sum()


def at(stack, valid, place):
    return stack[(slice(None), slice(None), *place)][valid[(slice(None), *place)]].astype(np.float64)


def test_no_point_has_a_smaller_sum_of_distances():
    stack, valid = case(1)
    found = geometric_median(stack, valid, tolerance=1e-8, most_steps=5000)
    assert found.converged.all()
    for place in np.ndindex(valid.shape[1:]):
        observations = at(stack, valid, place)
        assert found.count[place] == len(observations)
        ours = distance_sum(found.values[(slice(None), *place)].astype(np.float64), observations)
        starts = [observations.mean(axis=0), *observations]
        searched = [minimize(distance_sum, start, observations, method="Nelder-Mead", tol=1e-10) for start in starts]
        least = min([result.fun for result in searched] + [distance_sum(start, observations) for start in starts])
        assert ours <= least * (1 + 1e-5) + 1e-6


def test_default_tolerance_is_near_the_exact_one():
    stack, valid = case(2, depth=24, shape=(20, 20))
    exact = geometric_median(stack, valid, tolerance=1e-10, most_steps=20_000)
    usual = geometric_median(stack, valid)
    assert usual.converged.mean() > 0.99
    assert np.nanmax(np.abs(exact.values - usual.values)) < 1e-3


def test_geometric_median_by_hand():
    corners = np.array([[0, 0], [2, 0], [2, 2], [0, 2], [1, 1]], np.float64).reshape(5, 2, 1, 1)
    every = np.ones((5, 1, 1), bool)
    assert geometric_median(corners, every).values.ravel().tolist() == [1, 1]  # starts and ends on an observation
    heavy = np.array([[0, 0], [0, 0], [0, 0], [1, 0], [0, 1]], np.float64).reshape(5, 2, 1, 1)
    assert np.allclose(geometric_median(heavy, every, most_steps=2000).values, 0, atol=1e-3)  # three of five outweigh
    line = np.array([1, 2, 10], np.float64).reshape(3, 1, 1, 1)
    assert geometric_median(line, every[:3], most_steps=5000).values.item() == pytest.approx(2, abs=1e-3)


def test_an_observation_that_the_iteration_starts_on_but_is_not_the_median_is_left():
    points = np.array([[-1, 0], [1, 4], [1, -4], [-1, 0], [0, 0]], np.float64)  # the last is the mean of all
    stack = points.reshape(5, 2, 1, 1)
    found = geometric_median(stack, np.ones((5, 1, 1), bool), tolerance=1e-9, most_steps=5000)
    best = minimize(distance_sum, [-0.3, 0.1], points, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12})
    assert distance_sum(found.values.ravel().astype(float), points) <= best.fun + 1e-6
    assert distance_sum(points.mean(axis=0), points) > best.fun + 1e-3


def test_few_observations_and_none():
    stack, _ = case(4, depth=3, shape=(1, 4))
    valid = np.zeros((3, 1, 4), bool)
    valid[1, 0, 1] = valid[[0, 2], 0, 2] = True
    valid[:, 0, 3] = True
    stack[0, 2, 0, 3] = np.nan  # one band missing: the observation does not count
    found = geometric_median(stack, valid)
    chosen = medoid(stack, valid)
    assert found.count.tolist() == chosen.count.tolist() == [[0, 1, 2, 2]]
    assert chosen.observation.tolist() == [[-1, 1, 0, 1]]
    assert np.isnan(found.values[:, 0, 0]).all()
    assert np.isnan(chosen.values[:, 0, 0]).all()
    assert (found.values[:, 0, 1] == stack[1, :, 0, 1]).all()
    assert np.allclose(found.values[:, 0, 2], stack[[0, 2], :, 0, 2].mean(axis=0))
    assert (chosen.values[:, 0, 2] == stack[0, :, 0, 2]).all()  # of two equals the first


def test_what_has_not_converged_says_so():
    stack, valid = case(5, missing=0.0)
    assert not geometric_median(stack, valid, most_steps=1).converged.any()


def test_a_place_is_the_same_whatever_lies_around_it():
    stack, valid = case(6, shape=(3, 200))
    whole, alone = geometric_median(stack, valid), geometric_median(stack[..., 150:151], valid[..., 150:151])
    assert (whole.values[..., 150:151] == alone.values).all()
    assert (medoid(stack, valid).observation[:, 150:] == medoid(stack[..., 150:], valid[..., 150:]).observation).all()


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_medoid_is_the_observation_nearest_to_all_others(dtype):
    stack, valid = case(7, depth=8, shape=(6, 70))
    stack = (stack * 10_000).astype(dtype)
    found = medoid(stack, valid)
    assert found.values.dtype == dtype
    for place in np.ndindex(valid.shape[1:]):
        observations = at(stack, valid, place)
        if len(observations) == 0:
            assert found.observation[place] == -1
            continue
        sums = np.array([distance_sum(one, observations) for one in observations])
        first = np.flatnonzero(sums <= sums.min() * (1 + 1e-12))[0]
        assert found.observation[place] == np.flatnonzero(valid[(slice(None), *place)])[first]
        assert (found.values[(slice(None), *place)] == observations[first]).all()


def test_masks_that_do_not_fit():
    stack, valid = case(9)
    with pytest.raises(ValueError, match=r"shape \(8, 3, 5\), not \(9, 3, 5\)"):
        medoid(stack, valid[1:])
    with pytest.raises(ValueError, match="in 9 words of uint8; 9 dates take 2"):
        geometric_median(stack, valid.astype(np.uint8))
    with pytest.raises(ValueError, match="tolerance 0 is not positive"):
        geometric_median(stack, valid, tolerance=0)
