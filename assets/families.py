"""The asset families: group, kinds, owner and the science behind each, in one table, and the decorator that applies it.

A family's code version is the hash of the source files it rests on: Dagster shows an asset as stale when its code changed, not before.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg

import agristat_platform
from agristat_platform.catalogue import Region
from resources.storage import Draft

DRAFT = dg.PythonObjectDagsterType(Draft, name="Draft", description="Files of a version, sealed and not yet published")

EARTH_OBSERVATION, STATISTICS, FIELD = "team:earth-observation", "team:statistics", "team:field"


@dataclass(frozen=True)
class Family:
    """One asset family.

    Attributes
    ----------
    group: the group in the UI, which is also the stage in the store's path.
    kinds: what its files are or what makes them; shown as tags in the UI.
    owner: who answers for it.
    science: packages of agristat_platform whose code decides its content.
    requires: the part of a region file without which the family does not apply to a region ("imagery",
        "training"; "validation" is training and a sample of area segments), or None.
    """

    group: str
    kinds: frozenset[str]
    owner: str
    science: tuple[str, ...]
    requires: str | None = None


FAMILIES: Mapping[str, Family] = {
    "scenes": Family("imagery", frozenset({"stac", "parquet"}), EARTH_OBSERVATION, ("imagery",), "imagery"),
    "composites": Family("imagery", frozenset({"cog", "parquet"}), EARTH_OBSERVATION, ("imagery",), "imagery"),
    "segments": Family(
        "segmentation",
        frozenset({"cog", "parquet"}),
        EARTH_OBSERVATION,
        ("segmentation", "features", "imagery", "geometry"),
        "imagery",
    ),
    "time_series": Family(
        "features", frozenset({"parquet", "cog"}), EARTH_OBSERVATION, ("features", "timeseries", "imagery"), "imagery"
    ),
    "features": Family(
        "features",
        frozenset({"parquet", "numpy"}),
        EARTH_OBSERVATION,
        ("features", "imagery", "segmentation"),
        "imagery",
    ),
    "training_labels": Family("classification", frozenset({"parquet"}), FIELD, ("classification",), "training"),
    "crop_models": Family(
        "classification", frozenset({"scikitlearn"}), EARTH_OBSERVATION, ("classification", "features"), "training"
    ),
    "model_evaluation": Family(
        "classification", frozenset({"parquet"}), EARTH_OBSERVATION, ("classification", "features"), "training"
    ),
    "crop_maps": Family(
        "mapping",
        frozenset({"cog", "parquet"}),
        EARTH_OBSERVATION,
        ("mapping", "classification", "segmentation"),
        "training",
    ),
    "map_accuracy": Family(
        "mapping", frozenset({"parquet"}), STATISTICS, ("mapping", "estimation", "classification"), "validation"
    ),
    "survey_samples": Family("survey", frozenset({"parquet"}), STATISTICS, ("sampling",)),
    "field_data": Family("survey", frozenset({"parquet"}), FIELD, ("sampling",)),
    "official_estimates": Family(
        "statistics", frozenset({"parquet"}), STATISTICS, ("estimation", "mapping", "sampling")
    ),
    "review_samples": Family(
        "review", frozenset({"parquet"}), STATISTICS, ("classification", "features", "sampling"), "training"
    ),
    "review_decisions": Family("review", frozenset({"parquet"}), FIELD, ("classification", "simulation"), "training"),
    "reviewed_maps": Family(
        "review",
        frozenset({"cog", "parquet"}),
        EARTH_OBSERVATION,
        ("classification", "estimation", "mapping"),
        "training",
    ),
}


@cache
def code_version(*packages: str) -> str:
    """Hash of the source files of science packages (names below agristat_platform)."""
    root = Path(agristat_platform.__file__).parent
    digest = hashlib.sha256()
    for package in sorted(packages):
        for source in sorted((root / package).rglob("*.py")):
            digest.update(source.relative_to(root).as_posix().encode())
            digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def check(asset: str, name: str, description: str, *, blocking: bool = False) -> dg.AssetCheckSpec:
    """Declare a check that the asset's own step evaluates; a blocking one that fails stops what comes after it in the run."""
    return dg.AssetCheckSpec(name=name, asset=asset, description=description, blocking=blocking)


def asset_family(
    name: str,
    seasons: dg.MultiPartitionsDefinition,
    *,
    ins: Mapping[str, dg.AssetIn] | None = None,
    checks: Sequence[dg.AssetCheckSpec] = (),
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """`dg.asset` with everything the table knows of the family `name`; one partition per run in backfills."""
    family = FAMILIES[name]
    return dg.asset(
        name=name,
        partitions_def=seasons,
        group_name=family.group,
        kinds=set(family.kinds),
        owners=[family.owner],
        code_version=code_version(*family.science),
        metadata={"stage": family.group},
        ins=ins,
        check_specs=list(checks),
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
        io_manager_key="io_manager",
        # said here because a result with check results leaves Dagster nothing to infer it from
        dagster_type=DRAFT,
    )


def graph_family(
    name: str,
    seasons: dg.MultiPartitionsDefinition,
    *,
    checks: Sequence[dg.AssetCheckSpec] = (),
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """`dg.graph_asset` with everything the table knows of the family `name`: an asset made in several steps.

    The decorated function composes ops, its arguments are the assets read, its docstring describes the asset. The last
    op has the outputs of `published_outputs` and yields what `materialised` returns; the function returns
    `op(...)._asdict()`.
    """
    family = FAMILIES[name]

    def decorate(compose: Callable[..., Any]) -> dg.AssetsDefinition:
        return dg.graph_asset(
            name=name,
            description=inspect.getdoc(compose),
            partitions_def=seasons,
            group_name=family.group,
            kinds=set(family.kinds),
            owners=[family.owner],
            code_version=code_version(*family.science),
            metadata={"stage": family.group},
            check_specs=list(checks),
            backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
        )(compose)

    return decorate


def published_outputs(checks: Sequence[dg.AssetCheckSpec]) -> dict[str, dg.Out]:
    """Outputs of the op that publishes a `graph_family`: the draft, and one for each check."""
    outputs = {spec.get_python_identifier(): dg.Out(dg.Any) for spec in checks}
    return {"result": dg.Out(DRAFT, io_manager_key="io_manager"), **outputs}


def families_of(region: Region) -> list[str]:
    """Asset families that apply to a region: one without imagery (a recorded survey) has neither scenes nor maps."""
    present = {
        None: True,
        "imagery": region.imagery is not None,
        "training": region.training is not None,
        "validation": region.training is not None and region.survey.kind == "area_frame",
    }
    return [name for name, family in FAMILIES.items() if present[family.requires]]


def families_not_of(region: Region) -> list[str]:
    """Asset families that do not exist for a region."""
    return sorted(set(FAMILIES) - set(families_of(region)))
