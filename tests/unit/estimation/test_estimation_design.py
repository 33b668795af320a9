"""What the sample design refuses, and that the message names unit, stratum or column."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from agristat_platform.estimation import (
    EstimationError,
    InvalidProbabilityError,
    InvalidWeightError,
    LonelyPsuError,
    MissingValueError,
    OverSampledStratumError,
    PopulationTotalsError,
    PsuInTwoStrataError,
    SampleDesign,
    UnknownColumnError,
    VarianceNotDefinedError,
    total,
)

DATA = {
    "unit_id": ["u1", "u2", "u3", "u4"],
    "y": [1.0, 2.0, 3.0, 4.0],
    "w": [2.0, 2.0, 2.0, 2.0],
    "h": ["north", "north", "south", "south"],
    "psu": ["a", "b", "c", "d"],
}


@pytest.mark.parametrize(
    ("change", "arguments", "error", "words"),
    [
        ({"w": [2.0, 0.0, 2.0, 2.0]}, {}, InvalidWeightError, "weight 0.*u2"),
        ({"w": [2.0, 2.0, -1.0, 2.0]}, {}, InvalidWeightError, "weight -1.*u3"),
        ({"w": [2.0, 2.0, 2.0, np.nan]}, {}, InvalidWeightError, "nan.*u4"),
        ({"w": [0.5, 0.0, 1.0, 1.0]}, {"weight": None, "probability": "w"}, InvalidProbabilityError, "u2"),
        ({"w": [0.5, 0.2, 1.2, 1.0]}, {"weight": None, "probability": "w"}, InvalidProbabilityError, "1.2.*u3"),
        ({}, {"weight": None}, InvalidWeightError, "neither"),
        ({}, {"population_size": {"north": 9, "south": 1}}, OverSampledStratumError, "'south' has 2 sampled"),
        ({}, {"population_size": {"north": 9}}, PopulationTotalsError, "'south'"),
        ({"N": [9, 8, 5, 5]}, {"population_size": "N"}, PopulationTotalsError, "'north'.*u2|'north'.*u1"),
        ({"psu": ["a", "b", "b", "d"]}, {"psu": "psu"}, PsuInTwoStrataError, "'b' is in strata"),
        ({"h": ["north", None, "south", "south"]}, {}, MissingValueError, "'h'.*u2"),
        ({}, {"weight": "pw"}, UnknownColumnError, "'pw'.*unit_id, y"),
        ({}, {"lonely_psu": "ignore"}, EstimationError, "ignore.*adjust"),
        ({}, {"selection": "with_replacement"}, EstimationError, "draw"),
    ],
)
def test_a_design_that_cannot_be_is_named(change, arguments, error, words):
    with pytest.raises(error, match=words):
        SampleDesign(pa.table(DATA | change), **({"weight": "w", "stratum": "h"} | arguments))


def test_a_lonely_psu_raises_by_default_and_names_its_stratum():
    design = SampleDesign(DATA | {"h": ["north", "north", "north", "south"]}, weight="w", stratum="h")
    with pytest.raises(LonelyPsuError, match=r"'south' has only one.*adjust"):
        total(design, "y")


def test_a_stratum_taken_whole_is_not_lonely():
    data = DATA | {"h": ["north", "north", "north", "south"], "w": [3.0, 3.0, 3.0, 1.0]}
    design = SampleDesign(data, weight="w", stratum="h", population_size={"north": 9, "south": 1})
    assert total(design, "y")["standard_error"].to_pylist() == pytest.approx([np.sqrt(81 * (1 - 3 / 9) / 3)])


def test_a_missing_value_names_column_and_unit():
    design = SampleDesign(DATA | {"y": [1.0, np.nan, 3.0, 4.0]}, weight="w")
    with pytest.raises(MissingValueError, match=r"y is missing.*u2"):
        total(design, "y")


def test_a_variance_that_the_design_does_not_have_is_refused():
    design = SampleDesign(DATA, weight="w", psu="psu")
    with pytest.raises(VarianceNotDefinedError, match="draw"):
        total(design, "y", variance="random_starts")
    with pytest.raises(VarianceNotDefinedError, match="primary sampling units"):
        total(design, "y", variance="srs")
    with pytest.raises(VarianceNotDefinedError, match="guess"):
        total(design, "y", variance="guess")
