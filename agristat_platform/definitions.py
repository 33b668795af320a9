"""The code location: assets, resources and jobs put together from the settings.

`build_definitions(settings, **overrides)` is what tests call, with any resource swapped.
"""

from __future__ import annotations

from typing import Any

import dagster as dg

from agristat_platform.catalogue import Settings, load_catalogue
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
        # One process a run: start-up of a process per step costs more than these steps; a cluster gives the job another executor.
        executor=dg.in_process_executor,
    )
