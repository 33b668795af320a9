"""Statistics and texture that a region asks for reach the stored table, its metadata and its dictionary."""

from __future__ import annotations

import pyarrow.parquet as pq

VALLEY, FIRST = "demo-valley", "2023-10"


def test_statistics_and_texture_are_the_regions(fresh, demo):
    def with_texture(region):
        region["features"] = {
            "statistics_of": {"B08": ["count", "mean", "p50"]},
            "texture": {"layers": ["B08", "ndvi"], "statistics": ["entropy"]},
        }

    installation = fresh(with_texture)
    installation.materialise(FIRST, "features")
    stored, default = installation.stored("features", FIRST), demo.stored("features", FIRST)
    table, before = stored.table("features"), default.table("features")
    assert {"b08_t03_count", "b08_t03_mean", "b08_t03_p50", "b08_t03_entropy", "ndvi_t03_entropy"} <= set(
        table.column_names
    )
    assert not {"b08_t03_std", "b04_t03_entropy", "ndvi_t03_contrast"} & set(table.column_names)
    for name in ("segment_id", "b08_t03_mean", "ndvi_t03_p90", "clear_share_t02"):
        assert table[name].equals(before[name]), name
    described = {row["name"]: row for row in stored.table("dictionary").to_pylist()}
    assert set(described) == set(table.column_names) - {"segment_id"}
    assert described["b08_t03_entropy"]["unit"] == "nat"
    schema = pq.read_schema(stored.path("features.parquet"))
    assert b"Haralick et al. 1973" in schema.field("ndvi_t03_entropy").metadata[b"formula"]
    assert stored.manifest.parameters["texture"]["levels"] == 32
