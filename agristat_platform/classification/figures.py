"""Pictures of a crop model's figures: the same input gives the same bytes."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa

from agristat_platform.catalogue import CropNomenclature


def confusion_png(
    confusion: pa.Table,
    nomenclature: CropNomenclature,
    *,
    title: str = "Cross-validated confusion",
    language: str = "en",
    simulated: bool = False,
) -> bytes:
    """Draw a confusion matrix: shares of each reference crop as colour, counts as numbers.

    Parameters
    ----------
    confusion:
        From `scores.confusion_matrix`.
    nomenclature:
        Gives the crops' names in `language` (English, then the code, where it has none).
    simulated:
        Say so in the title.

    Returns
    -------
    bytes
        PNG of at most 700 × 660 pixels.
    """
    # Imported here: every process of a run loads this module, and few draw.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    codes = confusion.column_names[1:]
    counts = np.column_stack([confusion.column(code).to_numpy() for code in codes])
    rows = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, rows, out=np.zeros(counts.shape), where=rows > 0)
    figure = Figure(figsize=(7.0, 6.6), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Greens", vmin=0, vmax=1)
    small = 9 if len(codes) <= 12 else 6
    for i, j in zip(*np.nonzero(counts), strict=True):
        colour = "white" if shares[i, j] > 0.6 else "black"
        axes.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=small, color=colour)
    axes.set_xticks(range(len(codes)), codes, rotation=60, fontsize=small)
    axes.set_yticks(range(len(codes)), [_label(nomenclature, code, language) for code in codes], fontsize=small)
    axes.set_xlabel("predicted")
    axes.set_ylabel("reference")
    axes.set_title(f"{title} (simulated data)" if simulated else title, fontsize=11)
    stream = io.BytesIO()
    # The writer would add its version to the file.
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def _label(nomenclature: CropNomenclature, code: str, language: str) -> str:
    names = nomenclature.by_code(code).name
    return f"{names.get(language, names.get('en', ''))} {code}".strip()
