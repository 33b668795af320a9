"""Spatial blocks, and folds that keep each block whole.

Neighbouring fields share weather, soil and often the farmer; folds that part them measure memory, not recognition
(Roberts et al. 2017, Ecography 40).
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pyarrow as pa
import shapely

from agristat_platform.classification.errors import InvalidLabelsError, TooFewBlocksError
from agristat_platform.classification.labels import listed


def spatial_blocks(
    x: np.ndarray, y: np.ndarray, *, block_size_m: float, origin: tuple[float, float] = (0.0, 0.0)
) -> np.ndarray:
    """Names "x<column>y<row>" of the square blocks that points fall into; blocks are closed to the west and south."""
    if not block_size_m > 0:
        raise InvalidLabelsError(f"spatial block size is {block_size_m}", remedy="Give a positive length in metres")
    column = np.floor((np.asarray(x) - origin[0]) / block_size_m).astype(np.int64)
    row = np.floor((np.asarray(y) - origin[1]) / block_size_m).astype(np.int64)
    return np.array([f"x{c}y{r}" for c, r in zip(column, row, strict=True)], dtype=str)


def label_blocks(
    labels: pa.Table, geometries: np.ndarray, *, block_size_m: float, origin: tuple[float, float]
) -> np.ndarray:
    """Block of each label: its own `block`, else the lattice block of its centre; labels of one parcel share one.

    Raises
    ------
    InvalidLabelsError
        A label has neither a block nor a geometry.
    """
    given = labels.column("block").to_pylist()
    names = labels.column("label_id").to_pylist()
    homeless = [n for n, block, shape in zip(names, given, geometries, strict=True) if block is None and shape is None]
    if homeless:
        raise InvalidLabelsError(
            f"{len(homeless)} labels have neither a geometry nor a block",
            where=f"label_id {listed(homeless)}",
            remedy="Cross-validation needs to know which samples are neighbours: give one of the two",
        )
    centres = shapely.centroid(geometries)
    located = np.array([shape is not None for shape in geometries])
    blocks = np.array(given, dtype=object)
    lattice = spatial_blocks(
        shapely.get_x(centres[located]), shapely.get_y(centres[located]), block_size_m=block_size_m, origin=origin
    )
    for row, block in zip(np.flatnonzero(located).tolist(), lattice, strict=True):
        if blocks[row] is None:
            blocks[row] = block
    # Samples of one parcel must not be parted, whichever blocks their centres fall into.
    by_parcel: dict[str, list[int]] = defaultdict(list)
    for row, parcel in enumerate(labels.column("parcel_id").to_pylist()):
        if parcel is not None:
            by_parcel[parcel].append(row)
    for rows in by_parcel.values():
        blocks[rows] = blocks[rows[0]]
    return blocks.astype(str)


def blocked_folds(y: np.ndarray, groups: np.ndarray, *, folds: int, seed: int) -> np.ndarray:
    """Fold number (0 … folds − 1) of each sample: blocks stay whole, crops are spread as evenly as blocks allow.

    Blocks are dealt out greedily, the ones that hold the largest share of any crop first, each to the fold that has
    least of the block's crops so far. The seed orders blocks that are alike.

    Parameters
    ----------
    y, groups:
        Crop code and block of each sample, (n,).
    folds:
        At least 2.

    Raises
    ------
    TooFewBlocksError
        There are fewer blocks than folds, or fewer than two folds are asked for.
    """
    blocks, block_index = np.unique(groups, return_inverse=True)
    if folds < 2 or len(blocks) < folds:
        raise TooFewBlocksError(
            f"{folds} folds can't be made of {len(blocks)} spatial blocks",
            remedy="Give at least 2 folds and at most as many as there are blocks; smaller blocks give more of them",
        )
    classes, class_index = np.unique(y, return_inverse=True)
    share = np.zeros((len(blocks), len(classes)))
    np.add.at(share, (block_index, class_index), 1.0)
    size = share.sum(axis=1)
    share /= share.sum(axis=0)
    shuffled = np.random.default_rng(seed).permutation(len(blocks))
    order = shuffled[np.argsort(-share[shuffled].max(axis=1), kind="stable")]
    held = np.zeros((folds, len(classes)))
    held_size = np.zeros(folds)
    fold_of_block = np.empty(len(blocks), dtype=np.int64)
    for position, block in enumerate(order):
        growth = ((held + share[block]) ** 2 - held**2).sum(axis=1)
        empty = held_size == 0
        if empty.sum() == len(blocks) - position:
            growth = np.where(empty, growth, np.inf)
        chosen = int(np.lexsort((held_size, np.round(growth, 12)))[0])
        fold_of_block[block] = chosen
        held[chosen] += share[block]
        held_size[chosen] += size[block]
    return fold_of_block[block_index]
