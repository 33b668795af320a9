"""The code location: assets, resources and jobs put together from the settings.

`build_definitions(settings, **overrides)` is what tests call, with any resource swapped.
"""

from __future__ import annotations

from typing import Any

import dagster as dg

from agristat_platform.catalogue import ExecutionSection, Settings, load_catalogue
from assets import build_assets
from assets.automation import warehouse_refresh
from assets.families import families_not_of
from resources.wiring import build_resources


def build_definitions(settings: Settings, **resource_overrides: Any) -> dg.Definitions:
    """Everything Dagster loads.

    Parameters
    ----------
    settings:
        Where the configuration, the store and the servers are.
    resource_overrides:
        Resources by name in place of the ones the settings call for.

    Raises
    ------
    CatalogueError
        The configuration has problems; the message lists every one with its file and field.
    """
    catalogue = load_catalogue(settings)
    not_applicable = {code: families_not_of(region) for code, region in catalogue.regions.items()}
    resources = build_resources(catalogue, not_applicable)
    unknown = set(resource_overrides) - set(resources)
    if unknown:
        raise TypeError(f"no such resource: {', '.join(sorted(unknown))}; there are {', '.join(sorted(resources))}")
    return dg.Definitions(
        assets=build_assets(catalogue),
        resources={**resources, **resource_overrides},
        jobs=[
            dg.define_asset_job(
                "season", dg.AssetSelection.all(), description="Everything that applies to one region and season"
            )
        ],
        sensors=[warehouse_refresh],
        executor=executor_of(settings.execution),
    )


def executor_of(execution: ExecutionSection) -> dg.ExecutorDefinition:
    """One worker: every step in the run's own process, since starting one costs more than most steps take. More: a process a step.

    The processes are forked from a server that has loaded the code location once.
    """
    if execution.workers == 1:
        return dg.in_process_executor
    return dg.multiprocess_executor.configured(
        {"max_concurrent": execution.workers, "start_method": {"forkserver": {}}}
    )
