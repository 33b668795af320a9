"""Crop maps of a million segments: peak memory of predicting and writing, and the speed of prediction on one core.

    python benchmarks/prediction.py memory [--segments 1000000 --features 200 --row-group 65536]
    python benchmarks/prediction.py speed [--rows 50000 --features 200 --runs 5]

Memory: a wide table of normal values, a tenth of them missing, beside twenty columns that the model was not taught with, and a
raster of segments of 5 × 5 pixels are written in one process; another loads the saved ensemble and goes the way of the
asset `crop_maps`: probabilities, classes, rasters, pixel counts, picture, checks. Printed are its peak resident memory, the
seconds of each step, and the hash of what it wrote, which is the same for every `--row-group`.

Speed: rows per CPU second on one thread, contestants in turn in every round, medians; "times scikit-learn" is against
`predict_proba` of the very trees or networks that were fitted, on the same prepared rows.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import rasterio
from rasterio.transform import from_origin
from threadpoolctl import threadpool_limits

from agristat_platform import mapping
from agristat_platform.catalogue import Crop, CropNomenclature, Grid, Partition
from agristat_platform.classification import CropEnsemble, EnsembleSettings, save_model
from assets import checks
from assets.class_probabilities import probability_checks, probability_source, write_classes
from resources.storage import Store

CLASSES = 17
SIDE = 5  # pixels along a segment's side
PARTITION = Partition("made-up", "2023-10")


def nomenclature() -> CropNomenclature:
    crops = [
        Crop(code=f"C{k:02d}", class_id=k + 1, name={"en": f"class {k}"}, cultivated=True, colour=f"#{k * 9:02x}80ff")
        for k in range(CLASSES)
    ]
    return CropNomenclature(code="made-up", title={"en": "Made up"}, crops=crops)


def labelled(features: int, samples: int = 5000) -> tuple[np.ndarray, np.ndarray]:
    """Samples of classes whose means differ in a fifth of the features."""
    random = np.random.default_rng(1)
    label = random.integers(0, CLASSES, samples)
    means = np.where(random.random((CLASSES, features)) < 0.2, random.normal(size=(CLASSES, features)), 0.0)
    X = (random.normal(size=(samples, features)) + means[label]).astype(np.float32)
    X[random.random(X.shape) < 0.1] = np.nan
    return X, np.array([f"C{k:02d}" for k in label])


def prepare(folder: Path, segments: int, features: int, row_group: int) -> None:
    """Publish a model, the wide table and the raster of segments."""
    store = Store(str(folder / "store"), scratch_dir=str(folder / "scratch"))
    X, y = labelled(features)
    names = [f"ndvi_t{j:03d}_mean" for j in range(features)]
    model = CropEnsemble(EnsembleSettings()).fit(X, y, feature_names=names)
    with store.draft("crop_models", PARTITION, stage="classification") as draft:
        save_model(model, draft.directory)
    store.publish(draft, draft.manifest(run_id="benchmark"))
    across = int(segments**0.5)
    count = across**2
    with store.draft("features", PARTITION, stage="features") as draft:
        schema = pa.schema(
            [("segment_id", pa.uint32()), *((n, pa.float32()) for n in names)]
            + [(f"unused_{j}", pa.float32()) for j in range(20)]
        )
        with pq.ParquetWriter(draft.path("features.parquet"), schema, compression="zstd") as writer:
            for start in range(0, count, row_group):
                # each row from its own number: the same table whatever the row groups
                rows = np.arange(start + 1, min(start + row_group, count) + 1, dtype=np.uint32)
                columns: list[np.ndarray | pa.Array] = [rows]
                for j in range(features + 20):
                    mixed = _scrambled(rows, j)
                    columns.append(pa.array(_normal(mixed), mask=mixed % 10 == 0))
                writer.write_table(pa.table(columns, schema=schema), row_group_size=row_group)
    store.publish(draft, draft.manifest(run_id="benchmark"))
    with store.draft("segments", PARTITION, stage="segmentation") as draft:
        draft.write_table("segments", pa.table({"segment_id": np.arange(1, count + 1, dtype=np.uint32)}))
        width = across * SIDE
        profile = {
            "driver": "GTiff", "width": width, "height": width, "count": 1, "dtype": "uint32", "nodata": 0, "tiled": True,
            "blockxsize": 512, "blockysize": 512, "compress": "deflate", "crs": "EPSG:32630", "transform": _transform(),
        }  # fmt: skip
        with rasterio.open(draft.path("segments.tif"), "w", **profile) as raster:
            for row in range(0, width, 512):
                rows_of = np.arange(row, min(row + 512, width)) // SIDE * across
                block = (rows_of[:, None] + np.arange(width) // SIDE + 1).astype(np.uint32)
                raster.write(block, 1, window=rasterio.windows.Window(0, row, width, len(block)))
    store.publish(draft, draft.manifest(run_id="benchmark"))


def _scrambled(rows: np.ndarray, column: int) -> np.ndarray:
    mixed = (rows.astype(np.uint64) + np.uint64(column) * np.uint64(1 << 32)) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return np.asarray(mixed ^ (mixed >> np.uint64(32)))


def _normal(mixed: np.ndarray) -> np.ndarray:
    """About normal: the sum of four uniform numbers of 16 bits."""
    parts = sum(((mixed >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.float32) for shift in (0, 16, 32, 48))
    return np.asarray((parts / np.float32(65535) - 2) * np.float32(3**0.5), dtype=np.float32)


def _transform() -> rasterio.Affine:
    return from_origin(300_000, 4_600_000, 10, 10)


def map_segments(folder: Path) -> None:
    """What `crop_maps` does, with the peak of this process."""
    store = Store(str(folder / "store"), scratch_dir=str(folder / "scratch"))
    segments, features = store.current("segments", PARTITION), store.current("features", PARTITION)
    models, classes = store.current("crop_models", PARTITION), nomenclature()
    for version in (segments, features, models):
        for name in version.names:
            version.path(name)  # hashed before the clock starts
    start_peak, spent = _peak(), [("", time.perf_counter())]
    source = probability_source(models, features, classes)
    with store.draft("crop_maps", PARTITION, stage="mapping") as draft:
        classified = write_classes(draft, source, classes)
        spent.append((f"probabilities and classes (peak {_peak():.0f} MiB)", time.perf_counter()))
        files = mapping.write_crop_map(segments.path("segments.tif"), classified, classes, draft.directory)
        spent.append((f"four rasters (peak {_peak():.0f} MiB)", time.perf_counter()))
        counts = mapping.pixel_counts(files.crop_map, classes)
        draft.write_table("pixel_counts", counts)
        draft.write_bytes("quicklook.png", mapping.crop_map_png(files.crop_map, classes))
        with rasterio.open(files.crop_map) as raster:
            grid = Grid(crs="EPSG:32630", transform=raster.transform, width=raster.width, height=raster.height)
        ids = segments.table("segments", columns=["segment_id"])["segment_id"]
        results = [
            *probability_checks(draft, source, ids),
            checks.raster_grid("grid", list(vars(files).values()), grid),
        ]
        if not all(result.passed for result in results):
            raise SystemExit(f"a check failed: {[result.description for result in results if not result.passed]}")
        written = {name: draft.path(f"{name}.parquet") for name in ("probabilities", "segments")}
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in written.values())).hexdigest()[:16]
        sizes = ", ".join(f"{name} {path.stat().st_size / 2**20:.0f} MiB" for name, path in written.items())
        spent.append((f"counts, picture, checks (peak {_peak():.0f} MiB)", time.perf_counter()))
        rows = classified.num_rows
    for (_, before), (what, after) in pairwise(spent):
        print(f"    {what}: {after - before:.0f} s")
    print(
        f"{rows} segments × {len(source.classes)} classes: peak {_peak():.0f} MiB of the process ({start_peak:.0f} before), "
        f"{time.process_time():.0f} CPU-s; {sizes}; sha256 of both {digest}"
    )


def _peak() -> float:
    """Greatest resident memory of this program, MiB; what getrusage tells also holds that of the process it was forked from."""
    said = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", said)[0]) / 1024


def speed(rows: int, features: int, runs: int) -> None:
    """Rows a CPU second of our arrays and of scikit-learn's own prediction."""
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.neural_network import MLPClassifier

    from agristat_platform.classification.forest import flatten_forest
    from agristat_platform.classification.network import flatten_network
    from agristat_platform.classification.preparation import learn_preparation

    X, y = labelled(features)
    preparation = learn_preparation(X, indicator_share=1.0, clip=5.0)
    taught = preparation.impute(X)
    random = np.random.default_rng(2)
    prepared = preparation.impute(labelled(features, rows)[0][random.permutation(rows)])
    scaled = preparation.scale(prepared)
    trees = ExtraTreesClassifier(100, random_state=0, n_jobs=1).fit(taught, y)
    network = MLPClassifier((64,), max_iter=3, random_state=0).fit(preparation.scale(taught), y)
    forest, layers = flatten_forest(trees.estimators_), flatten_network(network)
    whole = CropEnsemble(EnsembleSettings(trees=300, networks=3, max_epochs=3)).fit(X, y)
    raw = labelled(features, rows)[0]
    contestants = {
        "100 trees, scikit-learn": lambda: trees.predict_proba(prepared),
        "100 trees, ours": lambda: forest.probabilities(prepared),
        "perceptron of 64, scikit-learn": lambda: network.predict_proba(scaled),
        "perceptron of 64, ours": lambda: layers.probabilities(scaled),
        "ensemble: preparation, 300 trees, 3 perceptrons": lambda: whole.predict_proba(raw),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    said: dict[str, np.ndarray] = {}
    for _ in range(runs + 1):
        for name, work in contestants.items():
            started = time.process_time()
            said[name] = work()
            seconds[name].append(time.process_time() - started)
    print(f"| {rows} rows × {features} features | rows a CPU s | range | times scikit-learn |\n|---|---:|---:|---:|")
    for name, spent in seconds.items():
        rate = rows / np.array(spent[1:])
        other = name.replace("ours", "scikit-learn")
        ratio = "" if other == name else f"{np.median(seconds[other][1:]) / np.median(spent[1:]):.2f}"
        print(f"| {name} | {np.median(rate):,.0f} | {rate.min():,.0f}–{rate.max():,.0f} | {ratio} |")
        if other != name:
            print(f"    greatest difference of a probability {np.abs(said[name] - said[other]).max():.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["memory", "speed", "map"])
    parser.add_argument("--segments", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=200)
    parser.add_argument("--row-group", type=int, default=65_536)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where `map` finds what was prepared; used by `memory` itself")
    options = parser.parse_args()
    with threadpool_limits(limits=1):
        if options.what == "speed":
            speed(options.rows, options.features, options.runs)
        elif options.what == "map":
            map_segments(options.folder)
        else:
            with tempfile.TemporaryDirectory() as folder:
                prepare(Path(folder), options.segments, options.features, options.row_group)
                for part in _child(folder):
                    print(part, end="")


def _child(folder: str) -> Iterator[str]:
    """The measured process: one that has held nothing before."""
    command = [sys.executable, str(Path(__file__).resolve()), "map", "--folder", folder]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    yield done.stdout


if __name__ == "__main__":
    main()
