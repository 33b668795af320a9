"""What crop rotation and warmth bring to recognition where they govern crops, and whether they do harm where they don't.

    python benchmarks/season_options.py [--seeds 0 1 2]

Simulated, small: five seasons of 90 parcels, four teach. `rotation`: curves that tell four crops apart badly, a share of the
parcels follow a rotation, nine tenths of the histories are known. `warmth`: three crops whose peaks go by degree days, or by
the calendar, in seasons of very different warmth. Overall accuracy of the fifth season with the option given, and without.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from agristat_platform.classification.cross_season import MemberSettings, teach

SMALL = MemberSettings(trees=20, rounds=10, kernel_columns=84, copies=1, bags=1)
PARCELS, SEASONS = 90, 5
ROTATION_STEPS, WARMTH_STEPS = 14, 18
Season = tuple[np.ndarray, np.ndarray, Any]


def rotating(seed: int, regular: float) -> list[Season]:
    """Series, crops and known histories of each season; `regular` is the share of parcels that follow the rotation."""
    random = np.random.default_rng(seed)
    crops = np.array(["barley", "fallow", "rape", "wheat"])
    turn = (1 - regular) / 4 + regular * np.roll(np.eye(4), 1, axis=1)
    previous, seasons = random.integers(0, 4, PARCELS), []
    for year in range(SEASONS):
        now = np.array([random.choice(4, p=turn[p]) for p in previous])
        peak = np.array([5.0, 6.5, 8.0, 9.5])[now] + random.normal(0, 0.8, PARCELS) + random.normal(0, 0.3)
        curves = np.exp(-0.5 * ((np.arange(ROTATION_STEPS)[None] - peak[:, None]) / 2) ** 2)[:, :, None]
        known = (random.random(PARCELS) < 0.9) & (year > 0)
        history = [crops[p] if k else None for p, k in zip(previous, known, strict=True)]
        seasons.append((curves + random.normal(0, 0.45, curves.shape), crops[now], history))
        previous = now
    return seasons


def warming(seed: int, *, by_warmth: bool) -> list[Season]:
    """Series, crops and cumulative degree days of each season."""
    random = np.random.default_rng(seed)
    crops, step, seasons = np.array(["a", "b", "c"]), np.arange(WARMTH_STEPS), []
    for _ in range(SEASONS):
        course = 2 + 14 * np.sin(np.pi * (step + 1 + random.normal(0, 1.5)) / (WARMTH_STEPS + 2)) + random.normal(0, 2)
        warmth = np.cumsum(np.maximum(course, 0.3) * 16)
        crop = random.integers(0, 3, PARCELS)
        need = np.array([780.0, 1090.0, 1400.0])[crop] + random.normal(0, 60, PARCELS)
        on_time = np.array([6.0, 8.0, 10.0])[crop] + random.normal(0, 0.4, PARCELS)
        peak = np.interp(need, warmth, step) if by_warmth else on_time
        curves = np.exp(-0.5 * ((step[None] - peak[:, None]) / 1.8) ** 2)[:, :, None]
        seasons.append((curves + random.normal(0, 0.15, curves.shape), crops[crop], warmth))
    return seasons


def run(name: str, seed: int, seasons: list[Season], option: str) -> None:
    past, (target, truth, now) = seasons[:-1], seasons[-1]
    values, labels = (np.concatenate([season[i] for season in past]) for i in range(2))
    years, places = np.repeat(np.arange(len(past)), PARCELS), np.tile(np.arange(PARCELS) // 4, len(past))
    given: dict[str, Any]
    ahead: dict[str, Any]
    if option == "rotation":
        given, ahead = {"histories": [h for season in past for h in season[2]]}, {"target_histories": now}
    else:
        given, ahead = {"degree_days": {i: s[2] for i, s in enumerate(past)}}, {"target_degree_days": now}
    found = teach(values, labels, years, places=places, settings=SMALL, seed=seed, **given).recognise(target, **ahead)
    without = teach(values, labels, years, places=places, settings=SMALL, seed=seed).recognise(target)
    stage = "rotation" if option == "rotation" else "time_axis"
    row = next(r for r in found.gate.rows if r.stage == stage and r.option in ("transitions", "thermal"))
    print(
        f"| {name} | {seed} | {(found.labels == truth).mean():.3f} | {(without.labels == truth).mean():.3f} | "
        f"{found.gate.chosen[stage]} | {row.gain:+.3f} ({row.standard_error:.3f}) |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    seeds = parser.parse_args().seeds
    print(
        "| case | seed | with | without | chosen | gain on past seasons (standard error) |\n|---|---:|---:|---:|---|---:|"
    )
    for regular in (0.7, 0.4, 0.0):
        for seed in seeds:
            run(f"{regular:.0%} rotate", seed, rotating(seed, regular), "rotation")
    for by_warmth in (True, False):
        for seed in seeds:
            run("by warmth" if by_warmth else "by the calendar", seed, warming(seed, by_warmth=by_warmth), "warmth")


if __name__ == "__main__":
    main()
