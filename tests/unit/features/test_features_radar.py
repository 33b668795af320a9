"""Radar ratios and decibels by hand."""

import numpy as np
import pytest

from agristat_platform.features import radar_vegetation_index, to_db, vh_vv_ratio


def test_radar_by_hand():
    vv, vh = np.array([0.10, 0.0, np.nan]), np.array([0.02, 0.02, 0.02])
    assert vh_vv_ratio(vh, vv)[0] == pytest.approx(0.2)
    assert radar_vegetation_index(vh, vv)[0] == pytest.approx(0.08 / 0.12)
    assert to_db(vv)[0] == pytest.approx(-10.0)
    for values in (vh_vv_ratio(vh, vv), radar_vegetation_index(vh, vv), to_db(vv)):
        assert np.isnan(values[1:]).all()
