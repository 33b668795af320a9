"""Temporal encoders: speed on one core, and accuracy on a season of real labels that none of them has seen.

    python benchmarks/encoders.py speed [--series 4096 --runs 7 --encoders CNN-BiGRU]
    AGRISTAT_REAL_DATA=… python benchmarks/encoders.py accuracy [--seeds 0 1 2 --epochs 30 --shift 1]

Speed: 23 steps × 8 channels, 17 classes; CPU seconds of the network alone in batches of 256, of `predict_proba` with what it
does beside, and of an epoch of `fit`; contestants in turn in every round, medians. "times torch" is against the network
alone in float32, as torch.nn has it; "folded" has normalisation within the convolutions, as `predict_proba` has in bfloat16;
"made ready" is what it runs in float32 (`fast_body` of the CNN-BiGRU). ONNX Runtime runs the exported graph.

Accuracy: 2,115 MODIS series of Mato Grosso, seasons up to 2014 teach 2015, places (half degrees) are held out for stopping.
Macro-F1 is over the classes present in the target. "equal shares": probabilities that answer for other shares of classes
(`class_shares_`) are put to equal ones. Settings are the defaults but for those on the command line; none is tuned here.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mato_grosso_series import read
from threadpoolctl import threadpool_limits

from agristat_platform.classification import accuracy
from agristat_platform.classification.encoders import CnnGru, CropEncoder, Ltae, TempCnn, Training, export_onnx

ARCHITECTURES = {"CNN-BiGRU": CnnGru(), "TempCNN": TempCnn(), "L-TAE": Ltae()}


def speed(count: int, runs: int, names: list[str]) -> None:
    """Print parcels per CPU second."""
    import torch

    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    series, label = random.normal(size=(count, 23, 8)), random.integers(0, 17, count).astype(str)
    gaps = np.where(random.random(series.shape) < 0.2, np.nan, series)
    print("| | parameters | what | parcels per CPU s | range | times torch |\n|---|---:|---|---:|---:|---:|")
    for name in names:
        architecture = ARCHITECTURES[name]
        encoder = CropEncoder(architecture, Training(epochs=1)).fit(series[:512], label[:512])
        filled = encoder.fitted_frame.fill(series)
        contestants = {
            "torch, float32": _network(encoder.network_, filled),
            "folded, float32": _network(encoder.network_.for_prediction(), filled),
            "made ready, float32": _network(encoder.network_.for_prediction(filled.shape[1]), filled),
            "folded, bfloat16": _network(encoder.network_.for_prediction(), filled, half=True),
            "predict_proba, float32": lambda e=encoder: e.predict_proba(series),
            "predict_proba, bfloat16": lambda e=encoder: e.set_params(precision="bfloat16").predict_proba(series),
            "predict_proba, float32, a fifth missing": lambda e=encoder: e.predict_proba(gaps),
        } | _onnx(encoder, filled)
        seconds: dict[str, list[float]] = {what: [] for what in contestants}
        for _ in range(runs + 1):
            for what, work in contestants.items():
                encoder.set_params(precision="float32")
                started = time.process_time()
                work()
                seconds[what].append(time.process_time() - started)
        training = [_training_seconds(architecture, series, label) for _ in range(3)]
        base = np.median(seconds["torch, float32"][1:])
        for what, spent in seconds.items():
            _line(name, encoder, what, count / np.array(spent[1:]), base / np.median(spent[1:]))
        _line(name, encoder, "fit, an epoch", count / np.array(training), None)
        difference = np.abs(
            encoder.set_params(precision="bfloat16").predict_proba(series)
            - encoder.set_params(precision="float32").predict_proba(series)
        )
        print(f"    {name}: greatest difference of a probability in bfloat16 {difference.max():.4f}")


def _network(network: Any, filled: np.ndarray, *, half: bool = False) -> Callable[[], object]:
    import torch

    batches = [torch.from_numpy(filled[i : i + 256]) for i in range(0, len(filled), 256)]

    def work() -> None:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
            for batch in batches:
                torch.softmax(network(batch).float(), dim=1)

    return work


def _onnx(encoder: CropEncoder, filled: np.ndarray) -> dict[str, Callable[[], object]]:
    try:
        import onnxruntime
    except ImportError as absent:
        print(f"ONNX Runtime is left out: {absent}")
        return {}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        path = export_onnx(encoder, Path(folder) / "encoder.onnx")
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    batches = [filled[i : i + 256] for i in range(0, len(filled), 256)]
    return {"ONNX Runtime, float32": lambda: [session.run(None, {"series": batch}) for batch in batches]}


def _training_seconds(architecture: CnnGru | TempCnn | Ltae, series: np.ndarray, label: np.ndarray) -> float:
    """CPU seconds of an epoch: those of three less those of one, by two, so that what is done once doesn't count."""
    spent = []
    for epochs in (1, 3):
        started = time.process_time()
        CropEncoder(architecture, Training(epochs=epochs)).fit(series, label)
        spent.append(time.process_time() - started)
    return (spent[1] - spent[0]) / 2


def _line(name: str, encoder: CropEncoder, what: str, rates: np.ndarray, ratio: float | None) -> None:
    times = "" if ratio is None else f"{ratio:.2f}"
    print(
        f"| {name} | {encoder.network_.parameter_count():,} | {what} | {np.median(rates):,.0f} | "
        f"{rates.min():,.0f}–{rates.max():,.0f} | {times} |",
        flush=True,
    )


def accuracy_on_real_labels(seeds: list[int], epochs: int, shift: float, names: list[str]) -> None:
    """Print overall accuracy and macro-F1 on the last season."""
    data = read()
    series, labels, season, places = data.series, data.labels, data.seasons, data.places
    past, target = season <= 2014, season == 2015
    print(
        "| | shift, steps | seed | epochs run | overall accuracy | macro-F1 | with equal shares | CPU s |\n"
        "|---|---:|---:|---:|---:|---:|---:|---:|"
    )
    for name in names:
        for amplitude in sorted({0.0, shift}):
            reached = []
            for seed in seeds:
                started = time.process_time()
                training = Training(epochs=epochs, shift_amplitude=amplitude, class_weights="none")
                encoder = CropEncoder(ARCHITECTURES[name], training, seed=seed)
                encoder.fit(series[past], labels[past], places[past])
                said = encoder.predict_proba(series[target])
                found = [
                    accuracy(labels[target], encoder.classes_[p.argmax(axis=1)])
                    for p in (said, said / encoder.class_shares_)
                ]
                figures = [(f.overall_accuracy, f.macro_f1) for f in found]
                reached.append(np.ravel(figures))
                print(
                    f"| {name} | {amplitude:g} | {seed} | {len(encoder.history_)} | {figures[0][0]:.3f} | {figures[0][1]:.3f} | "
                    f"{figures[1][0]:.3f}/{figures[1][1]:.3f} | {time.process_time() - started:.0f} |",
                    flush=True,
                )
            mean = np.mean(reached, axis=0)
            print(f"    mean of {name}, {amplitude:g}: {mean[0]:.3f}/{mean[1]:.3f}, {mean[2]:.3f}/{mean[3]:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "accuracy"])
    parser.add_argument("--series", type=int, default=4096)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--shift", type=float, default=1.0)
    parser.add_argument("--encoders", nargs="+", choices=list(ARCHITECTURES), default=list(ARCHITECTURES))
    options = parser.parse_args()
    with threadpool_limits(limits=1):
        if options.what == "speed":
            speed(options.series, options.runs, options.encoders)
        else:
            accuracy_on_real_labels(options.seeds, options.epochs, options.shift, options.encoders)


if __name__ == "__main__":
    main()
