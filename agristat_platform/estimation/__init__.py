"""Design-based, model-assisted and model-based estimates, each with its variance, in one tidy table."""

from agristat_platform.estimation.coverage import COVERAGE_SCHEMA, SurveyRule, coverage_of_survey_step
from agristat_platform.estimation.design import SampleDesign, Stage
from agristat_platform.estimation.efficiency import RELATIVE_EFFICIENCY_SCHEMA, relative_efficiency
from agristat_platform.estimation.errors import (
    EstimationError,
    FieldDataError,
    InvalidProbabilityError,
    InvalidWeightError,
    LonelyPsuError,
    MapAreaError,
    MissingValueError,
    OverSampledStratumError,
    PopulationTotalsError,
    PsuInTwoStrataError,
    SingularAuxiliariesError,
    SmallAreaError,
    UnknownColumnError,
    VarianceNotDefinedError,
)
from agristat_platform.estimation.expansion import mean, ratio, total
from agristat_platform.estimation.regression import INTERCEPT, regression_estimate
from agristat_platform.estimation.results import ESTIMATES_SCHEMA, WHOLE_POPULATION
from agristat_platform.estimation.survey_step import (
    NOT_OBSERVED,
    PUBLISH,
    EstimationRule,
    crop_estimates,
    crop_variable,
)

__all__ = [
    "COVERAGE_SCHEMA",
    "ESTIMATES_SCHEMA",
    "INTERCEPT",
    "NOT_OBSERVED",
    "PUBLISH",
    "RELATIVE_EFFICIENCY_SCHEMA",
    "WHOLE_POPULATION",
    "EstimationError",
    "EstimationRule",
    "FieldDataError",
    "InvalidProbabilityError",
    "InvalidWeightError",
    "LonelyPsuError",
    "MapAreaError",
    "MissingValueError",
    "OverSampledStratumError",
    "PopulationTotalsError",
    "PsuInTwoStrataError",
    "SampleDesign",
    "SingularAuxiliariesError",
    "SmallAreaError",
    "Stage",
    "SurveyRule",
    "UnknownColumnError",
    "VarianceNotDefinedError",
    "coverage_of_survey_step",
    "crop_estimates",
    "crop_variable",
    "mean",
    "ratio",
    "regression_estimate",
    "relative_efficiency",
    "total",
]
