"""Sentinel-2 Level-1C through Sen2Cor, ESA's own processor, which is installed apart: found, run, and its result kept.

The platform corrects no atmosphere itself. What a SAFE folder holds is in `safe_products`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pystac

from agristat_platform.imagery.errors import InvalidProductError, Sen2CorFailedError, Sen2CorMissingError
from agristat_platform.imagery.local_catalogue import write_collections, write_items
from agristat_platform.imagery.safe_products import COLLECTION, SafeProduct, level_2a_item, safe_product

PROGRAM = "L2A_Process"
HOME_VARIABLE = "SEN2COR_HOME"
LONGEST_RUN_S = 4 * 3600.0
LEVEL_1C = "agristat:level_1c"  # property of an item: the Level-1C product it was corrected from
_TAIL_LINES = 15
_HELP_S = 120.0

Log = Callable[[str], None]


@dataclass(frozen=True)
class Sen2Cor:
    """An installed Sen2Cor: its program and version ("unknown" where it does not say)."""

    program: Path
    version: str


def find_sen2cor(environment: Mapping[str, str] | None = None) -> Sen2Cor:
    """The installed Sen2Cor: below SEN2COR_HOME, else on the PATH.

    Raises
    ------
    Sen2CorMissingError
        There is none.
    """
    environment = os.environ if environment is None else environment
    home = environment.get(HOME_VARIABLE)
    places = [Path(home) / "bin", Path(home)] if home else []
    search = os.pathsep.join([*map(str, places), environment.get("PATH", "")])
    program = shutil.which(PROGRAM, path=search)
    if program is None:
        raise Sen2CorMissingError(
            f"Level-1C has to be corrected by Sen2Cor, and {PROGRAM} is neither below {HOME_VARIABLE} nor on the PATH",
            remedy="Install Sen2Cor 2.10 or later from https://step.esa.int/main/snap-supported-plugins/sen2cor and set "
            f"{HOME_VARIABLE} to its folder, or take the same scene as Level-2A, which ESA has corrected already",
        )
    said = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=_HELP_S, check=False)
    version = re.search(r"[Vv]ersion:?\s*([\d.]*\d)", said.stdout + said.stderr)
    return Sen2Cor(Path(program), version[1] if version else "unknown")


def add_safe_product(
    path: Path,
    archive_dir: Path,
    region: str,
    *,
    resolution: int | None = None,
    timeout_s: float = LONGEST_RUN_S,
    log: Log | None = None,
    environment: Mapping[str, str] | None = None,
) -> pystac.Item:
    """Put a Sentinel-2 product on the disk into a region's archive, where the embedded catalogue serves it.

    Level-2A stays where it is and gets an item. Level-1C is corrected first, into
    `<archive>/<region>/scenes/sentinel-2-l2a/`; one that was corrected before is not corrected again.

    Parameters
    ----------
    path:
        Folder `S2?_MSIL1C_….SAFE` or `S2?_MSIL2A_….SAFE`.
    resolution:
        Metres, 10, 20 or 60, as Sen2Cor takes it; None: 20 and 10, which composites need.
    timeout_s:
        Sen2Cor is stopped after that many seconds.
    log:
        Called with each line that Sen2Cor prints.

    Raises
    ------
    InvalidProductError, Sen2CorMissingError, Sen2CorFailedError
    """
    product = safe_product(path)
    items = Path(archive_dir) / region / "items"
    if product.level == "L2A":
        item = level_2a_item(product)
    else:
        known = _corrected_before(items, product)
        if known is not None:
            return known
        sen2cor = find_sen2cor(environment)
        folder = Path(archive_dir) / region / "scenes" / COLLECTION
        corrected = correct_level_1c(product, folder, sen2cor, resolution=resolution, timeout_s=timeout_s, log=log)
        item = level_2a_item(corrected)
        item.properties[LEVEL_1C] = product.name
        item.properties["processing:software"] = {"Sen2Cor": sen2cor.version}
    write_collections(write_items([item], items))
    return item


def correct_level_1c(
    product: SafeProduct,
    folder: Path,
    sen2cor: Sen2Cor,
    *,
    resolution: int | None = None,
    timeout_s: float = LONGEST_RUN_S,
    log: Log | None = None,
) -> SafeProduct:
    """Run Sen2Cor on a Level-1C product; the Level-2A product in `folder`, there only when it is whole.

    Raises
    ------
    InvalidProductError
        The product is not Level-1C.
    Sen2CorFailedError
        Sen2Cor stopped with an error, took longer than `timeout_s`, or left no complete Level-2A product.
    """
    if product.level != "L1C":
        raise InvalidProductError("the product is no Level-1C", where=str(product.path), remedy="Use it as it is")
    work = folder / f".sen2cor-{product.name}-{os.getpid()}"
    work.mkdir(parents=True, exist_ok=True)
    try:
        wanted = [] if resolution is None else ["--resolution", str(resolution)]
        command = [str(sen2cor.program), *wanted, "--output_dir", str(work), str(product.path)]
        tail = _run(command, product, timeout_s, log)
        made = sorted(work.glob("S2*_MSIL2A_*.SAFE"))
        if len(made) != 1:
            raise _failed(f"left {len(made)} Level-2A products", product, tail)
        level_2a_item(safe_product(made[0]))  # refuses what is not whole
        target = folder / made[0].name
        shutil.rmtree(target, ignore_errors=True)
        made[0].replace(target)
        return safe_product(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _run(command: list[str], product: SafeProduct, timeout_s: float, log: Log | None) -> list[str]:
    """Run a program to its end, passing on its lines; the last of them."""
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True
    )
    late = threading.Event()

    def stop() -> None:
        late.set()
        _kill(process)

    timer = threading.Timer(timeout_s, stop)
    timer.start()
    try:
        for line in process.stdout or ():
            tail.append(line.rstrip())
            if log is not None:
                log(line.rstrip())
        status = process.wait()
    except BaseException:
        _kill(process)
        raise
    finally:
        timer.cancel()
    if late.is_set():
        raise _failed(f"was stopped after {timeout_s:g} s", product, list(tail))
    if status != 0:
        raise _failed(f"ended with status {status}", product, list(tail))
    return list(tail)


def _kill(process: subprocess.Popen[str]) -> None:
    """End a program and whatever it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def _failed(what: str, product: SafeProduct, tail: list[str]) -> Sen2CorFailedError:
    said = f"; it said at last: {' | '.join(line for line in tail[-3:] if line)[:400]}" if tail else ""
    return Sen2CorFailedError(
        f"Sen2Cor {what}{said}",
        where=str(product.path),
        remedy="Read Sen2Cor's own log (below its home folder, log/), check memory and disk, or take the scene as "
        "Level-2A",
    )


def _corrected_before(items: Path, product: SafeProduct) -> pystac.Item | None:
    """The item that an earlier run made of a Level-1C product, if its images are still there."""
    for path in sorted(items.glob("S2*_MSIL2A_*.json")):
        item = pystac.Item.from_dict(json.loads(path.read_text(encoding="utf-8")))
        there = all(Path(asset.href).is_file() for asset in item.assets.values())
        if item.properties.get(LEVEL_1C) == product.name and there:
            return item
    return None
