"""What the three assets of review share: the check of their tables, and samples as the science takes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pyarrow as pa

from agristat_platform.classification import review
from assets import checks
from resources.storage import StoredVersion


def tables_as_agreed(name: str, directory: Path, schemas: Mapping[str, pa.Schema]) -> dg.AssetCheckResult:
    """`checks.schema` of several tables at once."""
    results = {
        table: checks.schema(name, directory / f"{table}.parquet", expected) for table, expected in schemas.items()
    }
    wrong = [f"{table}: {result.description}" for table, result in results.items() if not result.passed]
    return checks.holds(name, not wrong, description="; ".join(wrong) or f"{len(schemas)} tables are as agreed")


def drawn_parcels(review_samples: StoredVersion) -> dict[str, list[int]]:
    """Parcels of both samples by purpose."""
    return {
        review.AUDIT: review_samples.table("audit", columns=["segment_id"])["segment_id"].to_pylist(),
        review.LEARNING: review_samples.table("learning_queue", columns=["segment_id"])["segment_id"].to_pylist(),
    }


def audit_sample(review_samples: StoredVersion) -> review.AuditSample:
    """The audit sample as it was drawn."""
    manifest = review_samples.manifest
    without_class = manifest.parameters["without_class"]
    assert isinstance(without_class, int)
    return review.AuditSample(
        review_samples.table("audit"),
        review_samples.table("strata"),
        manifest.seeds["audit"],
        str(manifest.parameters["population_sha256"]),
        without_class,
        (),
    )
