"""From a finished draft to a Dagster result: the same frame for every family."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from agristat_platform import features, imagery
from agristat_platform.catalogue import Catalogue, ImagerySource, Region
from agristat_platform.provenance import ExternalRecord, sha256_file
from assets.errors import BlockingCheckFailedError, FamilyDoesNotApplyError
from resources.storage import Draft

SIMULATED = "SIMULATED data: no figure here describes a real place"


def upstream(
    requires: str | None = None,
    *,
    key: str | None = None,
    mapping: dg.PartitionMapping | None = None,
    optional: bool = False,
    stored_as: str | None = None,
) -> dg.AssetIn:
    """An input of the same partition (or of `mapping`'s).

    Parameters
    ----------
    requires:
        Part of a region file without which the upstream asset does not exist for a region: the input is then None.
    key:
        Asset, where the argument has another name.
    optional:
        None instead of an error when the mapped partition does not exist or has not been materialised.
    stored_as:
        Asset that the store keeps it under, where `key` is an external asset.
    """
    metadata: dict[str, Any] = {"optional": optional}
    if stored_as:
        metadata["stored_as"] = stored_as
    if requires:
        metadata["requires"] = requires
    return dg.AssetIn(key=key, partition_mapping=mapping, metadata=metadata)


def op_input(requires: str | None = None) -> dg.In:
    """`upstream` for an op of an asset that is made in several steps: the asset's name is the argument of its graph."""
    return dg.In(metadata=upstream(requires).metadata)


def imagery_of(region: Region) -> ImagerySource:
    """The region's imagery section.

    Raises
    ------
    FamilyDoesNotApplyError
        The region has none; names what can be materialised for it.
    """
    if region.imagery is None:
        raise FamilyDoesNotApplyError(
            f"region {region.code} has no imagery, so it has no scenes, segments or crop maps",
            where=f"config/regions/{region.code}.yaml",
            remedy="Materialise survey_samples, field_data and official_estimates, or give the region an imagery section",
        )
    return region.imagery


def require_known_indices(region: Region) -> None:
    """A mistyped index is told here, not when composites of many hours are done.

    Raises
    ------
    UnknownIndexError
        The region file names an index, or a band to have a series of, that there is not.
    """
    named = (
        ("features.indices", region.features.indices, features.spectral_index),
        ("time_series.indices", region.time_series.indices, features.spectral_index),
        ("time_series.channels", region.time_series.channels, features.series_channel),
    )
    for field, names, known in named:
        for name in names:
            try:
                known(name)
            except features.UnknownIndexError as error:
                raise type(error)(error.what, where=f"{region.code}, {field}", remedy=error.remedy) from error


def materialised(
    context: dg.AssetExecutionContext,
    draft: Draft,
    *,
    region: Region,
    catalogue: Catalogue,
    parameters: Mapping[str, Any],
    seeds: Mapping[str, int] | None = None,
    external: Iterable[ExternalRecord] = (),
    metadata: Mapping[str, Any],
    checks: Iterable[dg.AssetCheckResult] = (),
) -> dg.MaterializeResult:
    """Seal the draft and hand it to the I/O manager, with its content hash as Dagster's data version.

    Simulated regions are labelled as such in the metadata and in the manifest. A version that fails a blocking check is
    never published: the check is recorded as failed, the step fails, and what was current stays current.

    Raises
    ------
    BlockingCheckFailedError
        Names the checks and what they found.
    """
    results = list(checks)
    _refuse_when_blocked(context, results)
    draft.describe(parameters=parameters, seeds=seeds, simulated=region.simulated)
    draft.external.extend([*external, *_configuration(catalogue, region)])
    draft.seal()
    label = {"data": dg.MetadataValue.text(SIMULATED)} if region.simulated else {}
    return dg.MaterializeResult(
        value=draft,
        data_version=dg.DataVersion(draft.content_hash),
        metadata={**label, **metadata},
        check_results=results,
    )


def _configuration(catalogue: Catalogue, region: Region) -> list[ExternalRecord]:
    """The region's files as they are now: area, CRS and rules behind a figure stay recoverable when they are edited later."""
    folder = catalogue.settings.config_dir
    paths = [folder / "regions" / f"{region.code}.yaml", folder / "crops" / f"{region.crops}.yaml"]
    return [file_record("configuration", path) for path in paths]


def file_record(kind: str, path: Path, name: str | None = None) -> ExternalRecord:
    """How a manifest names a file on this machine or the NAS, with its hash."""
    return ExternalRecord(kind=kind, id=name or path.name, href=path.absolute().as_uri(), sha256=sha256_file(path))


def scene_file_records(file: imagery.SceneFile) -> list[ExternalRecord]:
    """A scene's file that an asset was made from; hashed where it lies on this machine, a remote one is known by its address.

    A window in the archive is followed by the file that it was copied from.
    """
    name, path = f"{file.scene_id}/{file.band}", Path(file.href)
    if path.is_file():
        records = [file_record("scene file", path, name)]
    else:
        records = [ExternalRecord(kind="scene file", id=name, href=file.href)]
    if file.origin is not None:
        records.append(ExternalRecord(kind="scene file origin", id=name, href=file.origin))
    return records


def _refuse_when_blocked(context: dg.AssetExecutionContext, results: Sequence[dg.AssetCheckResult]) -> None:
    blocking = {spec.name for spec in context.assets_def.check_specs if spec.blocking}
    failed = [
        result
        for result in results
        if not result.passed and result.severity is dg.AssetCheckSeverity.ERROR and result.check_name in blocking
    ]
    if not failed:
        return
    for result in results:
        context.log_event(
            dg.AssetCheckEvaluation(
                asset_key=context.asset_key,
                check_name=str(result.check_name),
                passed=result.passed,
                metadata=dict(result.metadata),
                severity=result.severity,
                description=result.description,
            )
        )
    raise BlockingCheckFailedError(
        f"{context.asset_key.to_user_string()} was not published: "
        + "; ".join(f"{result.check_name}: {result.description or 'failed'}" for result in failed),
        where=str(context.partition_key),
        remedy="The version before stays current. Mend what the check names and materialise again",
    )
