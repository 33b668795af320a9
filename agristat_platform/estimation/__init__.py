"""Design-based, model-assisted and model-based estimates, each with its variance, in one tidy table."""

from agristat_platform.estimation.battese_harter_fuller import small_area_crop_estimates
from agristat_platform.estimation.coverage import COVERAGE_SCHEMA, SurveyRule, coverage_of_survey_step
from agristat_platform.estimation.design import SampleDesign, Stage
from agristat_platform.estimation.efficiency import RELATIVE_EFFICIENCY_SCHEMA, relative_efficiency
from agristat_platform.estimation.error_adjusted import map_area
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
from agristat_platform.estimation.regression import regression_estimate
from agristat_platform.estimation.results import ESTIMATES_SCHEMA, WHOLE_POPULATION
from agristat_platform.estimation.small_area import MODEL_BASED, small_area_estimate
from agristat_platform.estimation.survey_step import (
    NOT_OBSERVED,
    PUBLISH,
    EstimationRule,
    crop_estimates,
    crop_variable,
    published_rows,
)
from agristat_platform.estimation.unit_level_model import UnitLevelModel, fit_by_constants
from agristat_platform.estimation.weighted_regression import INTERCEPT

__all__ = [
    "COVERAGE_SCHEMA",
    "ESTIMATES_SCHEMA",
    "INTERCEPT",
    "MODEL_BASED",
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
    "UnitLevelModel",
    "UnknownColumnError",
    "VarianceNotDefinedError",
    "coverage_of_survey_step",
    "crop_estimates",
    "crop_variable",
    "fit_by_constants",
    "map_area",
    "mean",
    "published_rows",
    "ratio",
    "regression_estimate",
    "relative_efficiency",
    "small_area_crop_estimates",
    "small_area_estimate",
    "total",
]
