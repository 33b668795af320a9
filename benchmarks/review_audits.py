"""What audits of a published map say, against the truth of every parcel: a simulated region's own crop maps, audited many times.

    python benchmarks/review_audits.py HOME [--region demo-valley] [--audits 100]

HOME is a home in which the region's seasons were run. Each audit is drawn anew; reviewers never err, or err as the region says. Coverage
and calibration error are of all parcels of the map, most of which were not drawn. Ground of which less than 60 % is one crop is mixed, as
reviewers see it: the map is wrong there, and no set holds it.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from agristat_platform import simulation
from agristat_platform.catalogue import Partition, Region, load_catalogue, load_settings
from agristat_platform.classification import review
from resources.versioned_store import Store


def reviewed(archive: Path, region: Region, season: str, segments: pa.Table, errors: bool) -> dict[int, str]:
    """What the last of the reviewers says of every parcel."""
    if not errors:
        exact = region.review.reviewers.model_copy(
            update={"error_rate": 0.0, "unknown_share": 0.0, "second_opinions": 0.0}
        )
        region = region.model_copy(update={"review": region.review.model_copy(update={"reviewers": exact})})
    everything = segments.append_column("purpose", pa.array(["audit"] * segments.num_rows))
    table = simulation.simulate_decisions(archive, region, season, everything)
    return dict(zip(table["segment_id"].to_pylist(), table["decision"].to_pylist(), strict=True))


def audits_of(store: Store, archive: Path, region: Region, season: str, audits: int) -> None:
    """Print figures of one season."""
    partition = Partition(region.code, season)
    segments = store.current("segments", partition).table("segments")
    classified = store.current("crop_maps", partition).table("segments")
    probabilities = review.MapProbabilities.of_table(store.current("crop_maps", partition).table("probabilities"))
    inside = pc.invert(
        pc.is_in(
            classified["segment_id"], pa.array(review.parcels_outside(segments, region.aoi_projected()), pa.uint32())
        )
    )
    classified = classified.filter(inside)
    ids = classified["segment_id"].to_pylist()
    rows = probabilities.rows_of(ids)
    area = dict(zip(segments["segment_id"].to_pylist(), segments["area_ha"].to_pylist(), strict=True))
    truth = reviewed(archive, region, season, segments, errors=False)
    right = np.array([truth[i] == code for i, code in zip(ids, classified["crop_code"].to_pylist(), strict=True)])
    has_class = np.array([truth[i] in probabilities.classes for i in ids])
    print(f"\n{season}: {len(ids)} parcels, {right.mean():.3f} right, {1 - has_class.mean():.3f} no class of the model")
    print(
        "| reviewers | OA | its SE | SD of OA | interval holds | ECE before | ECE after | 90 % sets hold (5 %) | crops in a set |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for errors in (False, True):
        said = reviewed(archive, region, season, segments, errors)
        figures: dict[str, list[float]] = {}
        thresholds: list[tuple[float, float, bool]] = []
        for seed in range(audits):
            audit = review.draw_audit_sample(classified, seed=seed)
            drawn = audit.sample["segment_id"].to_pylist()
            rows_of_decisions = [
                {
                    "segment_id": i,
                    "decision": said[i],
                    "decided_by": "a",
                    "decided_at": 0,
                    "round": 1,
                    "drawn_for": "audit",
                }
                for i in drawn
            ]
            decisions = pa.Table.from_pylist(rows_of_decisions, schema=review.DECISIONS_SCHEMA)
            found = review.judge_map(
                audit, decisions, probabilities, area_ha=area, groups={}, first_threshold=0.65, seed=seed
            )
            confidence, possible, number = review.calibrated_map(probabilities, found.calibration, found.sets)
            stated, mine = confidence[rows], [str(possible[int(i)].as_py()).split() for i in rows]
            holds = np.array([truth[i] in codes for i, codes in zip(ids, mine, strict=True)])
            overall = found.overall or {}
            values = {
                "OA": overall["estimate"],
                "SE": overall["standard_error"],
                "interval": float(overall["ci_low"] <= right.mean() <= overall["ci_high"]),
                "before": review.calibration_error(probabilities.values[rows].max(axis=1).clip(0, 1), right),
                "after": review.calibration_error(stated, right),
                "coverage": float(holds[has_class].mean()),
                "size": 0.0 if number is None else float(number[rows].mean()),
            }
            for name, value in values.items():
                figures.setdefault(name, []).append(value)
            if found.threshold is not None:
                through = stated >= found.threshold
                shown = found.threshold_basis.startswith("shown")
                thresholds.append((float(through.mean()), float(right[through].mean()), shown))
        mean = {name: float(np.mean(values)) for name, values in figures.items()}
        print(
            f"| {'err' if errors else 'never err'} | {mean['OA']:.3f} | {mean['SE']:.3f} | {np.std(figures['OA'], ddof=1):.3f} | "
            f"{mean['interval']:.2f} | {mean['before']:.3f} | {mean['after']:.3f} | {mean['coverage']:.3f} "
            f"({np.quantile(figures['coverage'], 0.05):.3f}) | {mean['size']:.2f} |"
        )
        let, good, shown = (
            (np.array(column) for column in zip(*thresholds, strict=True)) if thresholds else ([], [], [])
        )
        print(
            f"thresholds found: {len(thresholds)} of {audits}, {int(np.sum(shown))} of them shown with a bound; "
            f"{np.mean(let):.2f} let through, {np.mean(good):.3f} of them right"
            if thresholds
            else f"thresholds found: 0 of {audits}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--config", type=Path, default=Path("config"))
    parser.add_argument("--region", default="demo-valley")
    parser.add_argument("--audits", type=int, default=100)
    options = parser.parse_args()
    settings = dataclasses.replace(load_settings(options.config, env={}), home=options.home)
    region = load_catalogue(settings).region(options.region)
    store = Store(str(options.home / "store"), scratch_dir=options.home / "scratch")
    started = time.process_time()
    for season in region.seasons:
        if store.is_materialised("crop_maps", Partition(region.code, season)):
            audits_of(store, settings.archive_dir, region, season, options.audits)
    print(f"\nCPU {time.process_time() - started:.0f} s")


if __name__ == "__main__":
    main()
