"""Who is taken for whom, as a picture."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot
from numpy.typing import NDArray


def confusion_picture(table: NDArray[np.int64], labels: Sequence[str], title: str, file: Path) -> None:
    """`table` (truth, said) as shares of each row, with its counts."""
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    figure, panel = pyplot.subplots(figsize=(1.1 * len(labels) + 1.6, 0.9 * len(labels) + 1.4))
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(table):
        panel.text(
            column,
            row,
            f"{100 * shares[row, column]:.0f} %\n({count})",
            ha="center",
            va="center",
            fontsize=9,
            color="white" if shares[row, column] > 0.55 else "black",
        )
    panel.set_xticks(range(len(labels)), labels, rotation=20, ha="right")
    panel.set_yticks(range(len(labels)), labels)
    panel.set(xlabel="what the model said", ylabel="what it was")
    panel.set_title(title, fontsize=9, wrap=True)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
