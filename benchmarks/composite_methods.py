"""Compositing methods of stored reflectance, timed against their peers in the same run.

    python benchmarks/composite_methods.py [--dates 24 --bands 6 --side 400 --repeats 5]

A ground that noise of 300 units lies over, 16-bit, with cloud that lies together (as clouds do) or is scattered (the
worst case), clear dates as bits. The peer of the geometric median, where it is installed, is `hdstats.nangeomedian_pcm` on the
same values as float32 reflectance with NaN, at the same tolerance of 1e-5; it works with one thread unless told.
CPU seconds of one process after compilation, medians over the repeats; million pixels a second. Sums of distances are
compared too: whose is smaller has come nearer to the geometric median.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from timing import speed

from agristat_platform.imagery.best_pixel import cloud_distance
from agristat_platform.imagery.clear_bits import pack_clear
from agristat_platform.imagery.compositing_methods import METHODS, compose_bands
from agristat_platform.imagery.geometric_median import TOLERANCE
from agristat_platform.imagery.medians import clear_median, masked_median
from agristat_platform.imagery.percentiles import masked_percentiles_stored


def observations(dates: int, bands: int, side: int) -> tuple[NDArray[np.uint16], dict[str, NDArray[np.bool_]]]:
    """Stack and the two kinds of clear dates, about 60 % each; the same for the same arguments."""
    rng = np.random.default_rng(1)
    ground = rng.integers(500, 4000, (bands, side, side))
    stack = (ground + rng.normal(0, 300, (dates, bands, side, side))).clip(1).astype(np.uint16)
    sky = rng.normal(size=(dates, side // 40 + 2, side // 40 + 2))
    together = np.stack([ndimage.zoom(one, 40, order=1)[:side, :side] < 0.15 for one in sky])
    return stack, {"cloud together": together, "cloud scattered": rng.random((dates, side, side)) < 0.6}


def sum_of_distances(stack: NDArray[Any], clear: NDArray[np.bool_], centre: NDArray[Any]) -> float:
    """Mean over the places of the sum of distances of the clear observations to a composite."""
    total = 0.0
    for spectrum, here in zip(stack, clear, strict=True):
        total += float((np.sqrt(((spectrum - centre.astype(np.float64)) ** 2).sum(axis=0)) * here).sum())
    return total / clear[0].size


def peer() -> Callable[..., NDArray[np.float32]] | None:
    """The geometric median of hdstats where that is installed.

    Its compiled module by itself: the package as a whole asks scipy for a function that newer ones no longer have.
    """
    found = importlib.util.find_spec("hdstats")
    if found is None:
        print("hdstats is not installed and is left out")
        return None
    package = importlib.util.module_from_spec(found)  # not executed
    sys.modules["hdstats"] = package
    geomedian = importlib.import_module("hdstats.geomedian")
    return geomedian.nangeomedian_pcm


def main() -> None:
    """Print a table of speeds, memory and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dates", type=int, default=24)
    parser.add_argument("--bands", type=int, default=6)
    parser.add_argument("--side", type=int, default=400, help="pixels of a side of the square")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    hdstats = peer()
    stack, skies = observations(options.dates, options.bands, options.side)
    pixels, days = options.side**2, list(range(options.dates))
    print(f"{options.dates} dates, {options.bands} bands, {pixels / 1e6:g} million pixels")
    for name, clear in skies.items():
        bits = pack_clear(clear)
        print(f"{name}, {clear.mean():.0%} clear{'':12}{'Mpx/s':>8}  memory beside the stack")
        for method in METHODS:

            def work(method: str = method, bits: NDArray[Any] = bits) -> Any:
                return compose_bands(method, stack, bits, nodata=0, days=days, target_day=options.dates / 2)

            (middle, *_), composed = speed(work, pixels, options.repeats)
            tracemalloc.start()
            work()
            share = tracemalloc.get_traced_memory()[1] / stack.nbytes
            tracemalloc.stop()
            print(f"  {method:32}{middle:8.2f}  {share:.2f} of its size")
            if method == "geometric_median":
                ours, median = middle, composed.values
        if hdstats is not None:
            reflectance = np.where(clear[:, None], stack * np.float32(1e-4), np.nan).astype(np.float32)
            last = np.ascontiguousarray(reflectance.transpose(2, 3, 1, 0))
            (theirs, *_), values = speed(partial(hdstats, last, eps=TOLERANCE), pixels, options.repeats)
            centre = np.nan_to_num(np.moveaxis(values, -1, 0)) * 1e4
            sums = [sum_of_distances(stack, clear, made) for made in (median, centre)]
            print(f"  {'hdstats.nangeomedian_pcm':32}{theirs:8.2f}")
            print(
                f"  RATIO {ours / theirs:.1f}; greatest difference {np.abs(centre - median).max():.2f} units;", end=" "
            )
            print(f"sums of distances: ours {sums[0]:.3f}, theirs {sums[1]:.3f} units")
    one, clear = np.ascontiguousarray(stack[:, 0]), skies["cloud scattered"]
    bits = pack_clear(clear)
    works: dict[str, Callable[[], Any]] = {
        "clear_median of one band": lambda: clear_median(one, bits, 0),
        "multiply by the mask, then median": lambda: masked_median(one * clear, 0),
        "stored percentiles 10, 50, 90": lambda: masked_percentiles_stored(one, 0, (10, 50, 90), clear=bits),
        "cloud_distance of a date, 500 m": lambda: cloud_distance(np.where(skies["cloud together"][0], 1, 2), 10, 500),
    }
    for name, call in works.items():
        print(f"{name:34}{speed(call, pixels, options.repeats)[0].median:8.2f}")


if __name__ == "__main__":
    main()
