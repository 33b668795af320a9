"""Frames, designs and selection: how units get into a survey, with inclusion probabilities that stay right."""

from agristat_platform.sampling.allocation import allocate
from agristat_platform.sampling.check import check_sample
from agristat_platform.sampling.errors import (
    AllocationError,
    DesignError,
    DuplicateSampleUnitError,
    FrameError,
    InvalidSampleProbabilityError,
    InvalidSizeMeasureError,
    MissingRecordedSurveyError,
    SampleOutsideStratumError,
    SamplingError,
    StrataError,
    UnknownSampleUnitError,
)
from agristat_platform.sampling.frame import UNSTRATIFIED, area_frame, frame_crs, frame_hash
from agristat_platform.sampling.probabilities import inclusion_probabilities
from agristat_platform.sampling.recorded import (
    AUXILIARY_SCHEMA,
    DOMAIN_MEANS_SCHEMA,
    RecordedSurvey,
    load_battese_harter_fuller,
)
from agristat_platform.sampling.schemas import FIELD_DATA_SCHEMA, FRAME_SCHEMA, SAMPLE_SCHEMA, STRATA_SCHEMA
from agristat_platform.sampling.selection import (
    Design,
    PPSSystematic,
    SimpleRandom,
    StratifiedRandom,
    Systematic,
    draw,
)
from agristat_platform.sampling.strata import cultivated_share, spread_by_stratum, strata_table, stratify

__all__ = [
    "AUXILIARY_SCHEMA",
    "DOMAIN_MEANS_SCHEMA",
    "FIELD_DATA_SCHEMA",
    "FRAME_SCHEMA",
    "SAMPLE_SCHEMA",
    "STRATA_SCHEMA",
    "UNSTRATIFIED",
    "AllocationError",
    "Design",
    "DesignError",
    "DuplicateSampleUnitError",
    "FrameError",
    "InvalidSampleProbabilityError",
    "InvalidSizeMeasureError",
    "MissingRecordedSurveyError",
    "PPSSystematic",
    "RecordedSurvey",
    "SampleOutsideStratumError",
    "SamplingError",
    "SimpleRandom",
    "StrataError",
    "StratifiedRandom",
    "Systematic",
    "UnknownSampleUnitError",
    "allocate",
    "area_frame",
    "check_sample",
    "cultivated_share",
    "draw",
    "frame_crs",
    "frame_hash",
    "inclusion_probabilities",
    "load_battese_harter_fuller",
    "spread_by_stratum",
    "strata_table",
    "stratify",
]
