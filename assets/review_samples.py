"""review_samples: parcels people should look at. An audit sample that judges the map, a learning queue that teaches, flags of all."""

import hashlib

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from agristat_platform.catalogue import Catalogue, Partition
from agristat_platform.classification import review
from assets import checks
from assets.families import asset_family, check
from assets.materialisation import materialised, upstream
from assets.partitions import partition_of
from assets.presentation import markdown_table, picture, table_metadata
from assets.review_sources import ReviewSources
from assets.review_tables import tables_as_agreed
from resources.storage import StorageResource, StoredVersion

REVIEWERS_CSV = "to_review.csv"
SCHEMAS = {
    "flags": review.FLAGS_SCHEMA,
    "audit": review.AUDIT_SCHEMA,
    "strata": review.AUDIT_STRATA_SCHEMA,
    "learning_queue": review.LEARNING_QUEUE_SCHEMA,
    "estimation_ground": review.SHARED_GROUND_SCHEMA,
    "to_review": review.REVIEWERS_SCHEMA,
}


def build(seasons: dg.MultiPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset `review_samples`."""

    @asset_family(
        "review_samples",
        seasons,
        ins={
            "crop_maps": upstream("training"),
            "crop_models": upstream("training"),
            "segments": upstream("imagery"),
            "time_series": upstream("imagery"),
            "features": upstream("imagery"),
            "survey_samples": upstream(),
        },
        checks=[
            check("review_samples", "schema", "Columns and types as the contract says", blocking=True),
            check("review_samples", "every_parcel_has_flags", "A row of flags for every segment", blocking=True),
            check(
                "review_samples",
                "samples_share_no_parcel",
                "No parcel is in the audit sample and in the learning queue",
                blocking=True,
            ),
            check(
                "review_samples",
                "nothing_learned_from_the_sample",
                "No parcel of the learning queue lies on a unit of the estimation sample",
                blocking=True,
            ),
            check(
                "review_samples",
                "weights_add_up",
                "In every stratum the audit's weights add up to its number of parcels",
                blocking=True,
            ),
            check("review_samples", "sample_sizes", "Both samples have the sizes asked for"),
        ],
    )
    def review_samples(
        context: dg.AssetExecutionContext,
        crop_maps: StoredVersion,
        crop_models: StoredVersion,
        segments: StoredVersion,
        time_series: StoredVersion,
        features: StoredVersion,
        survey_samples: StoredVersion,
        catalogue: dg.ResourceParam[Catalogue],
        storage: StorageResource,
    ) -> dg.MaterializeResult:
        """Flags of every parcel, a probability sample over all strata of confidence, and the parcels worth learning from.

        The audit answers for the map; the queue is where the model doubts, and says nothing about the map. They share no
        parcel, and the queue keeps away from the units of the estimation sample.
        """
        partition = partition_of(context, catalogue)
        region = catalogue.region(partition.region)
        settings = region.review
        sources = ReviewSources(crop_maps, crop_models, segments, time_series, features, survey_samples)
        with storage.store.draft("review_samples", partition, stage="review") as draft:
            measures = sources.measures()
            ground, outside = sources.write_flags(draft, measures, region.aoi_projected())
            classified = crop_maps.table("segments")
            seed = _draw_seed(settings.seed, partition)
            samples = review.draw_review_samples(
                classified,
                review.MapProbabilities.of_table(crop_maps.table("probabilities")),
                sources.features_of,
                audit_size=settings.audit_size,
                strata=settings.strata,
                queue_size=settings.queue_size,
                seed=seed,
                on_estimation_ground=ground["segment_id"].to_pylist(),
                outside=outside,
            )
            name = review.sample_name(segments.version, samples.sha256)
            flags = pq.read_table(draft.directory / "flags.parquet")
            drawn = pa.array(sorted({*samples.drawn[review.AUDIT], *samples.drawn[review.LEARNING]}), pa.uint32())
            table = review.reviewers_table(
                samples.drawn,
                classified.filter(pc.is_in(classified["segment_id"], drawn)),
                flags.filter(pc.is_in(flags["segment_id"], drawn)),
                sources.segments_of(drawn),
                catalogue.nomenclature(region.code),
                crs=region.crs,
                sample=name,
            )
            draft.write_table("audit", samples.audit.sample)
            draft.write_table("strata", samples.audit.strata)
            draft.write_table("learning_queue", samples.queue)
            draft.write_table("estimation_ground", ground)
            draft.write_table("to_review", table, crs=region.crs)
            draft.write_bytes(REVIEWERS_CSV, review.reviewers_csv(table))
            png = review.samples_png(table, region.aoi_projected(), sources.units(), simulated=region.simulated)
            draft.write_bytes("to_review.png", png)
            shared = sorted(set(samples.drawn[review.AUDIT]) & set(samples.drawn[review.LEARNING]))
            learned = sorted(set(samples.drawn[review.LEARNING]) & set(ground["segment_id"].to_pylist()))
            notes = [*samples.notes, *measures.notes]
            return materialised(
                context,
                draft,
                region=region,
                catalogue=catalogue,
                parameters={
                    **settings.model_dump(mode="json", include={"audit_size", "strata", "queue_size"}),
                    "sample": name,
                    "population_sha256": samples.audit.population_sha256,
                    "parcels": classified.num_rows,
                    "without_class": samples.audit.without_class,
                    "spread_limit": measures.spread_limit,
                    "distance_limit": measures.distance_limit,
                    "notes": notes,
                },
                seeds={"audit": seed},
                metadata={
                    **table_metadata(table),
                    "where": picture(png, "Parcels to review, and the units of the estimation sample"),
                    "strata": markdown_table(samples.audit.strata.to_pylist()),
                    "flags": markdown_table(_flag_counts(flags)),
                    "learning_queue": markdown_table(samples.queue.slice(0, 10).to_pylist()),
                    "parcels_on_the_estimation_sample": len(set(ground["segment_id"].to_pylist())),
                    "sample": name,
                    "notes": "; ".join(notes) or "none",
                    "next": f"agristat review export {region.code} {partition.season}",
                },
                checks=[
                    tables_as_agreed("schema", draft.directory, SCHEMAS),
                    checks.holds(
                        "every_parcel_has_flags",
                        flags.num_rows == classified.num_rows
                        and set(flags["segment_id"].to_pylist()) == set(classified["segment_id"].to_pylist()),
                        description=f"{flags.num_rows} rows of flags, {classified.num_rows} segments on the map",
                    ),
                    checks.nothing_shared(
                        "samples_share_no_parcel",
                        [str(parcel) for parcel in shared],
                        first="the audit sample",
                        second="the learning queue",
                    ),
                    checks.nothing_shared(
                        "nothing_learned_from_the_sample",
                        [str(parcel) for parcel in learned],
                        first="the learning queue",
                        second="units of the estimation sample",
                    ),
                    checks.weights_add_up("weights_add_up", samples.audit.sample, samples.audit.strata),
                    checks.holds(
                        "sample_sizes",
                        samples.audit.sample.num_rows == settings.audit_size
                        and samples.queue.num_rows == settings.queue_size,
                        description=f"{samples.audit.sample.num_rows} of {settings.audit_size} parcels to audit, "
                        f"{samples.queue.num_rows} of {settings.queue_size} to learn from",
                        warn_only=True,
                    ),
                ],
            )

    return review_samples


def _flag_counts(flags: pa.Table) -> list[dict[str, object]]:
    return [
        {
            "flag": name.replace("_", " "),
            "parcels": int(pc.sum(flags[name]).as_py() or 0),
            "not known": flags[name].null_count,
        }
        for name in review.FLAGS
    ]


def _draw_seed(seed: int, partition: Partition) -> int:
    """A seed of the season's own: the same one would draw the same numbers of parcels again."""
    return int.from_bytes(hashlib.sha256(f"{seed}|{partition}|review".encode()).digest()[:4], "big")
