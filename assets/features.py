"""features: statistics of every layer per segment, in one wide table with its dictionary."""

import dagster as dg
import numpy as np
import rasterio
from rasterio.windows import Window

from agristat_platform import features as segment_features
from agristat_platform.catalogue import Catalogue
from assets import checks
from assets.families import asset_family, check
from assets.layers import layer_rows_reader
from assets.materialisation import imagery_of, materialised, upstream
from assets.partitions import partition_of
from assets.presentation import table_metadata
from resources.storage import StorageResource, StoredVersion

MISSING_SHARE = 0.20


def build(seasons: dg.MultiPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset `features`."""

    @asset_family(
        "features",
        seasons,
        ins={
            "segments": upstream("imagery"),
            "composites": upstream("imagery"),
            "time_series": upstream("imagery"),
        },
        checks=[
            check("features", "one_row_per_segment", "Every segment has one row and no other has", blocking=True),
            check("features", "missing_values", f"At most {MISSING_SHARE:.0%} of the values are missing"),
            check(
                "features",
                "dictionary_is_complete",
                "Every column stands in the dictionary with formula and unit",
                blocking=True,
            ),
        ],
    )
    def features(
        context: dg.AssetExecutionContext,
        segments: StoredVersion,
        composites: StoredVersion,
        time_series: StoredVersion,
        catalogue: dg.ResourceParam[Catalogue],
        storage: StorageResource,
    ) -> dg.MaterializeResult:
        """Optical bands and indices, radar and Landsat layers as statistics per segment; missing stays missing."""
        partition = partition_of(context, catalogue)
        region = catalogue.region(partition.region)
        polygons = segments.table("segments")
        layers = composites.table("layers")
        wanted = region.features.indices
        left_out = segment_features.left_out_indices(layers, wanted)
        for index, lacking in left_out.items():
            context.log.warning("%s is left out: no collection has %s", index, " and ".join(lacking))
        with rasterio.open(segments.path("segments.tif")) as raster:
            strips = segment_features.SegmentStrips(
                lambda rows: np.asarray(raster.read(1, window=Window.from_slices(rows, (0, raster.width)))),
                raster.shape,
            )
            table, dictionary = segment_features.segment_features_by_strips(
                strips,
                layers,
                layer_rows_reader(composites),
                polygons,
                indices=wanted,
                harmonised=imagery_of(region).harmonise,
            )
        table, dictionary = segment_features.with_series_features(
            table,
            dictionary,
            time_series.table("series", columns=["segment_id", "index", *segment_features.OBSERVED_COLUMNS]),
            time_series.table("phenology"),
        )

        with storage.store.draft("features", partition, stage="features") as draft:
            draft.write_table("features", table)
            draft.write_table("dictionary", dictionary)
            columns = [name for name in table.column_names if name != "segment_id"]
            missing = sum(table[name].null_count for name in columns) / max(1, table.num_rows * len(columns))
            described = set(dictionary["name"].to_pylist())
            undescribed = [name for name in columns if name not in described]
            return materialised(
                context,
                draft,
                region=region,
                catalogue=catalogue,
                parameters={"layers": layers.num_rows, "columns": len(columns), "indices": list(wanted)},
                metadata={
                    **table_metadata(table),
                    "missing_share": missing,
                    "columns": len(columns),
                    "indices_left_out": {index: list(lacking) for index, lacking in left_out.items()},
                },
                checks=[
                    checks.holds(
                        "one_row_per_segment",
                        sorted(table["segment_id"].to_pylist()) == sorted(polygons["segment_id"].to_pylist()),
                        description=f"{table.num_rows} rows, {polygons.num_rows} segments",
                    ),
                    checks.holds(
                        "missing_values",
                        missing <= MISSING_SHARE,
                        description=f"{missing:.1%} of the values are missing",
                        warn_only=True,
                    ),
                    checks.holds(
                        "dictionary_is_complete",
                        not undescribed,
                        description=f"{len(undescribed)} columns without a description: {', '.join(undescribed[:10])}"
                        if undescribed
                        else "all described",
                    ),
                ],
            )

    return features
