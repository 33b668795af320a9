"""Cutting convex polygons: the two sides are an exact partition."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agristat_platform.simulation import convex

SQUARE = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 2.0], [0.0, 2.0]])


def test_a_vertical_line_cuts_a_rectangle_where_it_says():
    below, above = convex.cut(SQUARE, 0.0, 1.0)
    assert convex.area(below) == pytest.approx(2.0)
    assert convex.area(above) == pytest.approx(6.0)
    assert below[:, 0].max() == above[:, 0].min() == 1.0


def test_a_line_that_misses_the_polygon_cuts_nothing():
    assert convex.cut(SQUARE, 0.0, 4.5) is None


def test_the_long_axis_is_that_of_the_longest_side():
    assert math.cos(convex.long_axis(SQUARE)) ** 2 == pytest.approx(1.0)


@given(angle=st.floats(0, 2 * math.pi), offset=st.floats(-3, 5))
def test_both_sides_add_up_and_stay_convex(angle, offset):
    halves = convex.cut(SQUARE, angle, offset)
    if halves is None:
        return
    assert convex.area(halves[0]) + convex.area(halves[1]) == pytest.approx(8.0, abs=1e-9)
    for ring in halves:
        sides = np.roll(ring, -1, axis=0) - ring
        following = np.roll(sides, -1, axis=0)
        assert np.all(sides[:, 0] * following[:, 1] - sides[:, 1] * following[:, 0] > -1e-9)
