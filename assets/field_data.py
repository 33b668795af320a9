"""field_data: what was observed on the probability sample. Kept apart from training labels: these units have the role "estimate"."""

import dagster as dg
import pyarrow as pa

from agristat_platform import sampling
from agristat_platform.catalogue import Catalogue, Region
from assets import checks
from assets.families import asset_family, check
from assets.materialisation import materialised, upstream
from assets.partitions import partition_of
from assets.presentation import markdown_table, table_metadata
from resources.field_archive import FieldArchive, Observations
from resources.storage import StorageResource, StoredVersion


def build(seasons: dg.MultiPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset `field_data`."""

    @asset_family(
        "field_data",
        seasons,
        ins={"survey_samples": upstream()},
        checks=[
            check("field_data", "schema", "Columns and types as the contract says", blocking=True),
            check("field_data", "crop_codes", "Every crop code is in the region's nomenclature", blocking=True),
            check("field_data", "every_unit_observed", "Every sampled unit has observations and no other unit has"),
        ],
    )
    def field_data(
        context: dg.AssetExecutionContext,
        survey_samples: StoredVersion,
        catalogue: dg.ResourceParam[Catalogue],
        field_archive: dg.ResourceParam[FieldArchive],
        storage: StorageResource,
    ) -> dg.MaterializeResult:
        """Crop, area and yield of every parcel inside the sampled units, as observed."""
        partition = partition_of(context, catalogue)
        region = catalogue.region(partition.region)
        observed = _observations(region, partition.season, survey_samples, field_archive)
        table = observed.field_data
        codes = set(catalogue.nomenclature(region.code).codes)
        unknown = sorted(set(table["crop_code"].to_pylist()) - codes)
        sampled = set(survey_samples.table("sample")["unit_id"].to_pylist())
        seen = set(table["unit_id"].to_pylist())
        by_crop = (
            table.group_by("crop_code")
            .aggregate([("area_ha", "sum"), ("unit_id", "count_distinct")])
            .sort_by("crop_code")
        )

        with storage.store.draft("field_data", partition, stage="survey") as draft:
            draft.write_table("observations", table, crs=None if region.imagery is None else region.crs)
            return materialised(
                context,
                draft,
                region=region,
                catalogue=catalogue,
                parameters={"source": observed.source},
                external=observed.external,
                metadata={**table_metadata(table), "by_crop": markdown_table(by_crop.to_pylist())},
                checks=[
                    checks.schema("schema", draft.directory / "observations.parquet", sampling.FIELD_DATA_SCHEMA),
                    checks.holds(
                        "crop_codes",
                        not unknown,
                        description=f"unknown: {', '.join(unknown)}" if unknown else "all known",
                    ),
                    checks.holds(
                        "every_unit_observed",
                        seen == sampled and bool(sampled),
                        description=f"{len(sampled)} sampled, {len(sampled - seen)} not observed, {len(seen - sampled)} not sampled",
                        warn_only=not sampled,
                    ),
                ],
            )

    return field_data


def _observations(region: Region, season: str, survey_samples: StoredVersion, archive: FieldArchive) -> Observations:
    kind = region.survey.kind
    if kind == "none":
        return Observations(sampling.FIELD_DATA_SCHEMA.empty_table(), f"none: {region.survey.reason}")
    if kind == "recorded":
        survey, record = archive.recorded_survey(region)
        return Observations(survey.field_data, survey.source, (record,))
    return archive.observations(region, season, _sampled_units(survey_samples))


def _sampled_units(survey_samples: StoredVersion) -> pa.Table:
    """Sampled units with their geometry from the frame, in the sample's order."""
    frame = survey_samples.table("frame").select(["unit_id", "geometry"])
    return (
        survey_samples.table("sample")
        .select(["unit_id", "order"])
        .join(frame, "unit_id")
        .sort_by("order")
        .select(["unit_id", "geometry"])
    )
