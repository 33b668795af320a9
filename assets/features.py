"""features: statistics of every layer per segment, in one wide table with its dictionary."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import rasterio
from rasterio.windows import Window

from agristat_platform import features as segment_features
from agristat_platform.catalogue import Catalogue
from assets import checks
from assets import past_crop_maps as past_maps
from assets.families import asset_family, check
from assets.layers import layer_rows_reader
from assets.materialisation import imagery_of, materialised, upstream
from assets.partitions import partition_of
from assets.presentation import table_metadata
from resources.storage import Draft, StorageResource, StoredVersion

MISSING_SHARE = 0.20
SERIES_INDEX = "ndvi"
MEASURES = ("segment_id", "area_ha", "compactness")


def build(seasons: dg.MultiPartitionsDefinition, past: Mapping[str, dg.AssetIn]) -> dg.AssetsDefinition:
    """The asset `features`; `past` are the inputs that look back at crop maps (`past_crop_maps.inputs`)."""

    @asset_family(
        "features",
        seasons,
        ins={
            "segments": upstream("imagery"),
            "composites": upstream("imagery"),
            "time_series": upstream("imagery"),
            **past,
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
        past_crop_maps: StoredVersion | None,
        older_crop_maps: StoredVersion | None,
        catalogue: dg.ResourceParam[Catalogue],
        storage: StorageResource,
    ) -> dg.MaterializeResult:
        """Optical bands and indices, radar and Landsat layers as statistics per segment; missing stays missing."""
        partition = partition_of(context, catalogue)
        region = catalogue.region(partition.region)
        polygons = segments.table("segments", columns=MEASURES)
        layers = composites.table("layers")
        settings = region.features
        left_out = segment_features.left_out_indices(layers, settings.indices)
        for index, lacking in left_out.items():
            context.log.warning("%s is left out: no collection has %s", index, " and ".join(lacking))
        with storage.store.draft("features", partition, stage="features") as draft:
            with (
                rasterio.open(segments.path("segments.tif")) as raster,
                segment_features.segment_feature_columns(
                    segment_features.SegmentStrips(
                        lambda rows: np.asarray(raster.read(1, window=Window.from_slices(rows, (0, raster.width)))),
                        raster.shape,
                    ),
                    layers,
                    layer_rows_reader(composites),
                    polygons,
                    settings,
                    folder=draft.directory.parent,
                    harmonised=imagery_of(region).harmonise,
                ) as columns,
            ):
                _join_series(columns, time_series)
                history = past_maps.join_history(
                    columns,
                    segments,
                    {"past_crop_maps": past_crop_maps, "older_crop_maps": older_crop_maps},
                    catalogue,
                    context.log,
                )
                path = draft.write_portions("features", columns.schema, columns.portions())
                draft.write_table("dictionary", columns.dictionary)
                missing = _missing_share(columns)
            return materialised(
                context,
                draft,
                region=region,
                catalogue=catalogue,
                parameters={
                    "layers": layers.num_rows,
                    **settings.model_dump(mode="json"),
                    "columns": len(columns.names),
                    "history_from": history,
                },
                metadata={
                    **_shown(path),
                    "missing_share": missing,
                    "columns": len(columns.names),
                    "indices_left_out": {index: list(lacking) for index, lacking in left_out.items()},
                },
                checks=_checks(draft, polygons, missing),
            )

    return features


def _join_series(columns: segment_features.FeatureColumns, time_series: StoredVersion) -> None:
    """Add how well the season was observed, and its phenology."""
    no_columns = pa.table({"segment_id": columns.segment_ids})
    observed = ["segment_id", "index", *segment_features.OBSERVED_COLUMNS]
    columns.join(
        *segment_features.with_series_features(
            no_columns,
            segment_features.DICTIONARY_SCHEMA.empty_table(),
            _of_index(time_series.path("series.parquet"), observed),
            _of_index(time_series.path("phenology.parquet"), None),
            index=SERIES_INDEX,
        )
    )


def _of_index(path: Path, columns: list[str] | None) -> pa.Table:
    """The rows of one index; the others are left where they are."""
    return pq.read_table(path, columns=columns, filters=[("index", "==", SERIES_INDEX)], memory_map=False)


def _missing_share(columns: segment_features.FeatureColumns) -> float:
    """Share of the values that are missing; a first season has no history, and that is no fault."""
    counted = {
        name: count for name, count in columns.missing.items() if not name.startswith(segment_features.HISTORY_PREFIX)
    }
    return sum(counted.values()) / max(1, len(columns.segment_ids) * len(counted))


def _shown(path: Path) -> dict[str, Any]:
    """Schema, count and a preview of the table, of which no more than some rows are held."""
    with pq.ParquetFile(path) as file:
        first = next(file.iter_batches(batch_size=100), None)
        table = file.schema_arrow.empty_table() if first is None else pa.Table.from_batches([first])
        return {**table_metadata(table), "dagster/row_count": file.metadata.num_rows}


def _checks(draft: Draft, polygons: pa.Table, missing: float) -> list[dg.AssetCheckResult]:
    """What was written: its segments, its columns against its dictionary."""
    path = draft.path("features.parquet")
    written = pq.read_table(path, columns=["segment_id"], memory_map=False)["segment_id"].to_numpy()
    described = {
        row["name"]
        for row in pq.read_table(draft.path("dictionary.parquet"), memory_map=False).to_pylist()
        if row["formula"] and row["unit"]
    }
    undescribed = [name for name in pq.read_schema(path).names if name != "segment_id" and name not in described]
    return [
        checks.holds(
            "one_row_per_segment",
            np.array_equal(np.sort(written), np.sort(polygons["segment_id"].to_numpy())),
            description=f"{len(written)} rows, {polygons.num_rows} segments",
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
    ]
