"""What `workspace.yaml` loads: the definitions of this checkout's configuration. Importing it reads the configuration."""

import os

import dagster as dg

from agristat_platform.catalogue import load_settings
from agristat_platform.definitions import build_definitions

defs = build_definitions(load_settings(os.environ.get("AGRISTAT_CONFIG", "config")))


def season_job() -> dg.JobDefinition:
    """The job of `agristat run`, as the worker processes of a run load it."""
    return defs.resolve_job_def("season")
