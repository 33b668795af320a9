"""The Dagster instance of this checkout, the one the UI shows as well."""

from __future__ import annotations

import dagster as dg

from agristat_platform.catalogue import Settings
from agristat_platform.operations.dagster_home import prepare_dagster_home


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance the UI shows as well."""
    prepare_dagster_home(settings)
    return dg.DagsterInstance.get()
