"""survey_samples: the frame, its strata and the probability sample drawn from it, with inclusion probabilities."""

import hashlib
from pathlib import Path

import dagster as dg

from agristat_platform import sampling
from agristat_platform.catalogue import Catalogue, Partition, Region
from assets import checks
from assets.families import asset_family, check
from assets.materialisation import materialised, upstream
from assets.partitions import partition_of
from assets.presentation import markdown_table, table_metadata
from resources.field_archive import FieldArchive
from resources.storage import Draft, StorageResource, StoredVersion


def build(seasons: dg.MultiPartitionsDefinition, previous: dg.PartitionMapping) -> dg.AssetsDefinition:
    """The asset `survey_samples`."""

    @asset_family(
        "survey_samples",
        seasons,
        ins={"previous_crop_maps": upstream("training", key="crop_maps", mapping=previous, optional=True)},
        checks=[
            check(
                "survey_samples", "sample_matches_frame", "Every sampled unit is in the frame, once, in its own stratum"
            ),
            check("survey_samples", "weights_add_up", "In every stratum the weights add up to its population size"),
        ],
    )
    def survey_samples(
        context: dg.AssetExecutionContext,
        previous_crop_maps: StoredVersion | None,
        catalogue: dg.ResourceParam[Catalogue],
        field_archive: dg.ResourceParam[FieldArchive],
        storage: StorageResource,
    ) -> dg.MaterializeResult:
        """A stratified sample of area segments, or a recorded one, or the statement that there is none.

        Strata follow the cultivated share of each unit: from the land-use map at first, from last season's crop map afterwards.
        """
        partition = partition_of(context, catalogue)
        region = catalogue.region(partition.region)
        with storage.store.draft("survey_samples", partition, stage="survey") as draft:
            if region.survey.kind == "none":
                return _none(context, draft, region, catalogue)
            if region.survey.kind == "recorded":
                return _recorded(context, draft, region, catalogue, field_archive)
            return _drawn(context, draft, region, catalogue, field_archive, previous_crop_maps)

    return survey_samples


def _drawn(
    context: dg.AssetExecutionContext,
    draft: Draft,
    region: Region,
    catalogue: Catalogue,
    archive: FieldArchive,
    previous_crop_maps: StoredVersion | None,
) -> dg.MaterializeResult:
    """Build the frame, stratify, allocate, draw."""
    survey = region.survey
    if survey.segment_side_m is None or survey.sample_size is None:  # the region file's own check sees to that
        raise TypeError(f"an area frame without segment side or sample size: {survey!r}")
    frame = sampling.area_frame(region.aoi_projected(), survey.segment_side_m, crs=region.crs)
    if frame.num_rows < survey.sample_size:
        raise sampling.DesignError(
            f"{survey.sample_size} segments are to be drawn and the area has {frame.num_rows} of {survey.segment_side_m:g} m",
            where=f"config/regions/{region.code}.yaml: survey",
            remedy="Make segment_side_m or sample_size smaller",
        )
    raster, cultivated, basis = _stratification_raster(region, catalogue, archive, previous_crop_maps)
    share = sampling.cultivated_share(frame, raster, cultivated)
    frame = sampling.stratify(frame, share, survey.strata.bounds)
    cultivated_ha = share * frame["area_ha"].to_numpy()  # its spread stands in for that of the crops
    strata = sampling.allocate(
        sampling.strata_table(frame),
        survey.sample_size,
        method=survey.allocation,
        sd=sampling.spread_by_stratum(frame, cultivated_ha) if survey.allocation == "neyman" else None,
        min_per_stratum=survey.min_per_stratum,
    )
    seed = _draw_seed(survey.seed, draft.partition)
    sample = sampling.draw(frame, sampling.StratifiedRandom.from_strata(strata), seed=seed)
    sampling.check_sample(frame, sample)
    draft.write_table("frame", frame, crs=region.crs)
    draft.write_table("strata", strata)
    draft.write_table("sample", sample)
    return materialised(
        context,
        draft,
        region=region,
        catalogue=catalogue,
        parameters={
            "kind": "area_frame",
            "segment_side_m": survey.segment_side_m,
            "sample_size": survey.sample_size,
            "allocation": survey.allocation,
            "strata_bounds": list(survey.strata.bounds),
            "strata_from": basis,
            "frame_hash": sampling.frame_hash(frame),
        },
        seeds={"draw": seed},
        external=[] if basis == "crop map" else [archive.record("land use", raster)],
        metadata={
            **table_metadata(sample),
            "strata": markdown_table(strata.to_pylist()),
            "strata_from": basis,
            "frame_units": frame.num_rows,
        },
        checks=[
            checks.holds(
                "sample_matches_frame",
                set(sample["unit_id"].to_pylist()) <= set(frame["unit_id"].to_pylist())
                and sample.num_rows == survey.sample_size,
                description=f"{sample.num_rows} units of {frame.num_rows} drawn",
            ),
            checks.weights_add_up("weights_add_up", sample, strata),
        ],
    )


def _stratification_raster(
    region: Region, catalogue: Catalogue, archive: FieldArchive, previous_crop_maps: StoredVersion | None
) -> tuple[Path, list[int], str]:
    """The raster that tells cultivated from other land: last season's crop map where there is one, else the land-use map."""
    if region.survey.strata.source == "crop_map" and previous_crop_maps is not None:
        nomenclature = catalogue.nomenclature(region.code)
        return (
            previous_crop_maps.path("crop_map.tif"),
            [crop.class_id for crop in nomenclature.crops if crop.cultivated],
            "crop map",
        )
    return archive.land_use(region), [1], "land-use map"


def _draw_seed(seed: int, partition: Partition) -> int:
    """A seed of its own for each season, so that seasons are independent draws."""
    digest = hashlib.sha256(f"{seed}|{partition}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def _recorded(
    context: dg.AssetExecutionContext, draft: Draft, region: Region, catalogue: Catalogue, archive: FieldArchive
) -> dg.MaterializeResult:
    """A sample that others drew: its units, domains and auxiliary data as handed down."""
    survey, source = archive.recorded_survey(region)
    draft.write_table("sample", survey.sample)
    draft.write_table("strata", survey.strata)
    draft.write_table("auxiliaries", survey.auxiliaries)
    draft.write_table("domain_means", survey.domain_means)
    known = set(survey.strata["stratum"].to_pylist())
    strays = [row["unit_id"] for row in survey.sample.to_pylist() if row["stratum"] not in known]
    return materialised(
        context,
        draft,
        region=region,
        catalogue=catalogue,
        parameters={"kind": "recorded", "name": survey.name, "source": survey.source, "notes": list(survey.notes)},
        external=[source],
        metadata={
            **table_metadata(survey.sample),
            "strata": markdown_table(survey.strata.to_pylist()),
            "notes": "; ".join(survey.notes),
        },
        checks=[
            checks.holds(
                "sample_matches_frame",
                not strays,
                description=f"{survey.sample.num_rows} units, {len(strays)} outside every domain",
            ),
            checks.holds(
                "weights_add_up",
                survey.sample["weight"].null_count == 0,
                description="the recorded survey came without inclusion probabilities"
                if survey.sample["weight"].null_count
                else "recorded weights",
                warn_only=True,
            ),
        ],
    )


def _none(
    context: dg.AssetExecutionContext, draft: Draft, region: Region, catalogue: Catalogue
) -> dg.MaterializeResult:
    """No probability sample: empty tables and the reason, so that whatever comes after can say so."""
    draft.write_table("sample", sampling.SAMPLE_SCHEMA.empty_table())
    draft.write_table("strata", sampling.STRATA_SCHEMA.empty_table())
    reason = region.survey.reason or ""
    return materialised(
        context,
        draft,
        region=region,
        catalogue=catalogue,
        parameters={"kind": "none", "reason": reason},
        metadata={"no_probability_sample": reason},
        checks=[
            checks.holds("sample_matches_frame", False, description=f"no probability sample: {reason}", warn_only=True),
            checks.holds("weights_add_up", False, description=f"no probability sample: {reason}", warn_only=True),
        ],
    )
