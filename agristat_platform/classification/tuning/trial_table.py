"""The trials of a study as a table and a picture. Times are not in them: the same data gives the same bytes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa

from agristat_platform.classification.tuning.candidates import DEFAULTS, canonical
from agristat_platform.classification.tuning.journal import FoldResult
from agristat_platform.classification.tuning.judging import Judge, loss_difference, mean_loss
from agristat_platform.classification.tuning.search import Search

TRIALS_SCHEMA = pa.schema(
    [
        pa.field("study", pa.string(), nullable=False),
        pa.field("trial", pa.int32(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("chosen", pa.bool_(), nullable=False),
        pa.field("folds", pa.int32(), nullable=False),
        pa.field("log_loss", pa.float64(), metadata={"over": "the folds that were judged"}),
        pa.field("worse_than_default", pa.float64(), metadata={"over": "the folds that were judged"}),
        pa.field("standard_error", pa.float64(), metadata={"of": "worse_than_default, over blocks"}),
        pa.field("overall_accuracy", pa.float64()),
        pa.field("macro_f1", pa.float64()),
        pa.field("least_recall", pa.float64()),
        pa.field("untaught_samples", pa.int64()),
        pa.field("feature_count", pa.float64(), metadata={"meaning": "mean over folds"}),
        pa.field("max_features", pa.string(), nullable=False),
        pa.field("min_samples_leaf", pa.int32(), nullable=False),
        pa.field("max_depth", pa.int32()),
        pa.field("hidden_units", pa.string(), nullable=False),
        pa.field("weight_decay", pa.float64(), nullable=False),
        pa.field("balance", pa.float64(), nullable=False),
        pa.field("combine", pa.string(), nullable=False),
        pa.field("trees_share", pa.float64(), metadata={"null": "members are stacked"}),
        pa.field("boosting_share", pa.float64(), metadata={"null": "members are stacked, boosting among them"}),
        pa.field("feature_choice", pa.string(), nullable=False),
    ]
)


def trial_table(judge: Judge, found: Search, chosen: int, study: str) -> pa.Table:
    """One row a trial (`TRIALS_SCHEMA`); accuracies are of the study's own folds, on which trials were compared."""
    default = judge.known(found.trials[0].parameters)
    rows = []
    for trial in found.trials:
        results = judge.known(trial.parameters)
        full = canonical(trial.parameters)
        stacked = full["combine"] == "stack"
        row: dict[str, Any] = {
            "study": study,
            "trial": trial.number,
            "state": trial.state,
            "chosen": trial.number == chosen,
            "folds": len(results),
            **{name: full[name] for name in DEFAULTS if name != "features"},
            "feature_choice": full["features"],
            "max_features": str(full["max_features"]),
            "trees_share": None if stacked else full["trees_share"],
            "boosting_share": None if stacked and full["boosting_share"] else full["boosting_share"],
        }
        if results:
            row |= _figures(results, default[: len(results)])
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=TRIALS_SCHEMA)


def _figures(results: list[FoldResult], default: list[FoldResult]) -> dict[str, Any]:
    confusion = np.sum([result.counts for result in results], axis=0)
    support, predicted, right = confusion.sum(axis=1), confusion.sum(axis=0), np.diag(confusion)
    there = support > 0
    behind = loss_difference(results, default)
    return {
        "log_loss": mean_loss(results),
        "worse_than_default": behind.value,
        "standard_error": None if np.isnan(behind.standard_error) else behind.standard_error,
        "overall_accuracy": float(right.sum() / confusion.sum()),
        "macro_f1": float(np.mean(2 * right[there] / (support + predicted)[there])),
        "least_recall": float(np.min(right[there] / support[there])),
        "untaught_samples": sum(result.untaught for result in results),
        "feature_count": float(np.mean([result.features for result in results])),
    }


def trials_png(trials: pa.Table, *, title: str = "Tuning of the crop model", simulated: bool = False) -> bytes:
    """Draw the trials of one study: each candidate's log loss, the best so far, the default's; PNG of 700 × 450 pixels.

    `simulated` says so in the title. The same table gives the same bytes.
    """
    # Imported here: every process of a run loads this module, and few draw.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    rows = [row for row in trials.to_pylist() if row["log_loss"] is not None]
    complete = [row for row in rows if row["state"] == "complete"]
    others = [row for row in rows if row["state"] != "complete"]
    figure = Figure(figsize=(7.0, 4.5), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    number, loss = [row["trial"] for row in complete], [row["log_loss"] for row in complete]
    axes.scatter(number, loss, color="#1b6e3c", s=18, label="judged on all folds")
    axes.scatter(
        [row["trial"] for row in others],
        [row["log_loss"] for row in others],
        color="#b4531f",
        marker="x",
        s=18,
        label="dropped after fewer",
    )
    if complete:
        axes.step(number, np.minimum.accumulate(loss), where="post", color="#1b6e3c", alpha=0.5, label="least so far")
        axes.axhline(loss[0], color="#606060", linestyle="--", linewidth=1, label="the default")
    for row in complete:
        if row["chosen"]:
            axes.scatter(
                [row["trial"]], [row["log_loss"]], s=110, facecolors="none", edgecolors="#1b6e3c", label="chosen"
            )
    axes.set_xlabel("trial")
    axes.set_ylabel("log loss on blocks held out", fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(loc="upper right", frameon=False, fontsize=8)
    axes.set_title(f"{title} (simulated data)" if simulated else title, fontsize=11)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
