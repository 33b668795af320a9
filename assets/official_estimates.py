"""official_estimates: what is published. Design-based wherever there is a probability sample; a statement where there is none."""

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from agristat_platform import estimation, mapping, sampling
from agristat_platform.catalogue import Catalogue, CropNomenclature, Region
from assets import checks
from assets.families import asset_family, check
from assets.materialisation import materialised, upstream
from assets.partitions import partition_of
from assets.presentation import column_schema, markdown_table, table_metadata
from resources.storage import StorageResource, StoredVersion

GROUND_ONLY = "expansion total"
UNMAPPED_SAID_HA = 0.05
READ_FIRST = [
    "variable",
    "domain",
    "estimator",
    "estimate",
    "standard_error",
    "cv",
    "ci_low",
    "ci_high",
    "n",
    "relative_efficiency",
    "flags",
]


def build(seasons: dg.MultiPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset `official_estimates`."""

    @asset_family(
        "official_estimates",
        seasons,
        ins={
            "survey_samples": upstream(),
            "field_data": upstream(),
            "crop_maps": upstream("training"),
        },
        checks=[
            check("official_estimates", "schema", "Columns and types as the contract says", blocking=True),
            check("official_estimates", "has_probability_sample", "The figures rest on a probability sample"),
            check(
                "official_estimates",
                "cv_threshold",
                "Coefficients of variation are below the publication threshold of the region",
            ),
        ],
    )
    def official_estimates(
        context: dg.AssetExecutionContext,
        survey_samples: StoredVersion,
        field_data: StoredVersion,
        crop_maps: StoredVersion | None,
        catalogue: dg.ResourceParam[Catalogue],
        storage: StorageResource,
    ) -> dg.MaterializeResult:
        """Crop areas with standard errors, coefficients of variation, confidence intervals and the relative efficiency of remote sensing.

        The crop map assists the estimate through a regression estimator; it never replaces the sample. Without a probability
        sample there is no estimate, and the result says so.
        """
        partition = partition_of(context, catalogue)
        region = catalogue.region(partition.region)
        nomenclature = catalogue.nomenclature(region.code)
        table, notes = _estimates(region, nomenclature, survey_samples, field_data, crop_maps)
        published = estimation.published_rows(table)
        sampled = region.survey.kind == "area_frame"

        with storage.store.draft("official_estimates", partition, stage="statistics") as draft:
            draft.write_table("estimates", table)
            return materialised(
                context,
                draft,
                region=region,
                catalogue=catalogue,
                parameters={
                    "survey": region.survey.kind,
                    "variance": region.estimation.variance,
                    "confidence": region.estimation.confidence,
                    "cv_threshold": region.estimation.cv_threshold,
                    "reason": notes,
                },
                metadata={
                    # short, or the UI hides it behind a click
                    "estimates": markdown_table(_shown(table, nomenclature, region.estimation.confidence)),
                    "remarks": _remarks(published),
                    **table_metadata(table.select(READ_FIRST), rows=60),
                    "dagster/column_schema": column_schema(table.schema),
                    **({"notes": notes} if notes else {}),
                },
                checks=[
                    checks.schema("schema", draft.directory / "estimates.parquet", estimation.ESTIMATES_SCHEMA),
                    checks.holds(
                        "has_probability_sample",
                        sampled,
                        description="stratified area sample" if sampled else notes,
                        warn_only=True,
                    ),
                    checks.cv_threshold("cv_threshold", published, threshold=region.estimation.cv_threshold),
                ],
            )

    return official_estimates


def _estimates(
    region: Region,
    nomenclature: CropNomenclature,
    survey_samples: StoredVersion,
    field_data: StoredVersion,
    crop_maps: StoredVersion | None,
) -> tuple[pa.Table, str]:
    """The table, and what a reader must know before using it."""
    crops = _crops(region, nomenclature)
    if region.survey.kind == "none":
        return (
            estimation.ESTIMATES_SCHEMA.empty_table(),
            f"No probability sample, so no official estimate: {region.survey.reason}",
        )
    if region.survey.kind == "recorded":
        recorded = _recorded_survey(survey_samples, field_data)
        table = estimation.small_area_crop_estimates(recorded, crops, confidence=region.estimation.confidence)
        return table, "; ".join(["Model-based estimates by county, not design-based", *recorded.notes])
    frame, sample = survey_samples.table("frame"), survey_samples.table("sample")
    sampling.check_sample(frame, sample)
    mapped, notes = _mapped_areas(crop_maps, frame, nomenclature)
    table = estimation.crop_estimates(
        sample,
        survey_samples.table("strata"),
        field_data.table("observations"),
        mapped,
        dict.fromkeys(crops, 0.0) | _map_totals(mapped),
        crops=crops,
        settings=region.estimation,
        known_crops=nomenclature.codes,
    )
    return table, notes


def _crops(region: Region, nomenclature: CropNomenclature) -> list[str]:
    if region.estimation.crops == "all":
        return [crop.code for crop in nomenclature.crops if crop.cultivated]
    return list(region.estimation.crops)


def _recorded_survey(survey_samples: StoredVersion, field_data: StoredVersion) -> sampling.RecordedSurvey:
    """The recorded survey as it was stored, so that the estimate rests on verified versions alone."""
    described = survey_samples.manifest.parameters
    return sampling.RecordedSurvey(
        name=str(described["name"]),
        source=str(described["source"]),
        sample=survey_samples.table("sample"),
        strata=survey_samples.table("strata"),
        field_data=field_data.table("observations"),
        auxiliaries=survey_samples.table("auxiliaries"),
        domain_means=survey_samples.table("domain_means"),
        notes=tuple(str(note) for note in described["notes"]),  # type: ignore[union-attr]
    )


def _mapped_areas(
    crop_maps: StoredVersion | None, frame: pa.Table, nomenclature: CropNomenclature
) -> tuple[pa.Table, str]:
    """Map areas by unit of the frame, none where the region has no map, and what is to be said of them."""
    if crop_maps is None:
        return mapping.UNIT_AREAS_SCHEMA.empty_table(), "no crop map in this region: estimates from the ground alone"
    units = frame.select(["unit_id", "geometry"])
    mapped = mapping.areas_by_unit(crop_maps.path("crop_map.tif"), units, nomenclature)
    complete, filled = mapping.fill_unmapped_units(mapped)
    notes = [_unmapped_note(mapped)]
    if filled:
        notes.append(f"{filled} units without any class on the map take the map's shares as their auxiliary")
    return complete, "; ".join(filter(None, notes))


def _unmapped_note(mapped: pa.Table) -> str:
    """Land of the frame that the map has no class for, where there is some."""
    by_unit = mapped.group_by("unit_id", use_threads=False).aggregate([("unmapped_ha", "min")])
    unmapped = pc.sum(by_unit["unmapped_ha_min"]).as_py() or 0.0
    return f"{unmapped:,.1f} ha of the frame have no class on the map" if unmapped >= UNMAPPED_SAID_HA else ""


def _map_totals(mapped: pa.Table) -> dict[str, float]:
    """Mapped area of each crop over the whole frame, hectares."""
    totals = mapped.group_by("crop_code", use_threads=False).aggregate([("area_ha", "sum")]).to_pylist()
    return {row["crop_code"]: row["area_ha_sum"] for row in totals}


def _shown(table: pa.Table, nomenclature: CropNomenclature, confidence: float) -> list[dict[str, object]]:
    """One line a crop and domain, rounded as a reader needs it: the assisted estimate and the ground-only standard error."""
    names = {estimation.crop_variable(crop.code): crop.name.get("en", crop.code) for crop in nomenclature.crops}
    ground = {
        (row["variable"], row["domain"]): row["standard_error"]
        for row in table.to_pylist()
        if row["estimator"] == GROUND_ONLY
    }
    return [
        {
            "crop": names.get(row["variable"], row["variable"]),
            "domain": row["domain"],
            "estimate, ha": _rounded(row["estimate"]),
            "SE": _rounded(row["standard_error"]),
            "CV %": _rounded(row["cv"], 100),
            f"{100 * confidence:g} % from": _rounded(row["ci_low"]),
            "to": _rounded(row["ci_high"]),
            "SE, ground only": _rounded(ground.get((row["variable"], row["domain"]))),
            "relative efficiency": _rounded(row["relative_efficiency"]),
        }
        for row in estimation.published_rows(table).to_pylist()
    ]


def _remarks(published: pa.Table) -> str:
    """What is to be known of single figures, one after the other."""
    said = [f"{row['variable']} in {row['domain']}: {row['flags']}" for row in published.to_pylist()]
    return " · ".join(text for text in said if not text.endswith(f": {estimation.PUBLISH}")) or "none"


def _rounded(value: float | None, factor: float = 1.0) -> float | None:
    return None if value is None else round(value * factor, 1)
