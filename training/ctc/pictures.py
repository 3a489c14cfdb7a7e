"""The comparison's pictures. Each is one figure that says one thing; colours belong to nets, the same in all of them."""

from collections import defaultdict
from pathlib import Path
from statistics import mean, pstdev

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot

from training.ctc.comparison import Cell, Pace

_SIZE = (9, 5)


def colours(nets: list[str]) -> dict[str, tuple]:
    """One for each net."""
    return dict(zip(nets, pyplot.get_cmap("tab10").colors, strict=False))


def loss_curves(cells: list[Cell], inputs: list[str], nets: list[str], file: Path) -> None:
    """Training loss against steps, one panel an input, the mean of all trainings of a cell."""
    figure, panels = pyplot.subplots(1, len(inputs), figsize=(4 * len(inputs), 4), sharey=True, squeeze=False)
    for panel, input_ in zip(panels[0], inputs, strict=True):
        for net, colour in colours(nets).items():
            runs = [fold.losses for cell in cells if (cell.input, cell.net) == (input_, net) for fold in cell.folds]
            if not runs:
                continue
            length = min(len(run) for run in runs)
            steps = [step for step, _ in runs[0][:length]]
            panel.plot(steps, [mean(run[i][1] for run in runs) for i in range(length)], color=colour, label=net, lw=1.4)
        panel.set(title=input_, xlabel="steps", xscale="log")
        panel.grid(alpha=0.3)
    panels[0][0].set_ylabel("CTC loss a character, training")
    panels[0][-1].legend(fontsize=8)
    _save(figure, file)


def heat_map(rates: dict[tuple[str, str], list[float]], inputs: list[str], nets: list[str], file: Path) -> None:
    """Word error of each cell, mean over seeds, per cent."""
    grid = np.full((len(inputs), len(nets)), np.nan)
    for (input_, net), found in rates.items():
        grid[inputs.index(input_), nets.index(net)] = 100 * mean(found)
    figure, panel = pyplot.subplots(figsize=(1.15 * len(nets) + 2, 0.8 * len(inputs) + 1.5))
    image = panel.imshow(grid, cmap="viridis_r", aspect="auto", vmin=0)
    panel.set_xticks(range(len(nets)), nets, rotation=20, ha="right")
    panel.set_yticks(range(len(inputs)), inputs)
    middle = np.nanmax(grid) / 2
    for (row, column), value in np.ndenumerate(grid):
        if not np.isnan(value):
            panel.text(
                column, row, f"{value:.1f}", ha="center", va="center", color="black" if value < middle else "white"
            )
    panel.set_title("word error on unseen speakers, % (mean over seeds)")
    figure.colorbar(image, ax=panel)
    _save(figure, file)


def by_parameters(
    rates: dict[tuple[str, str], list[float]], paces: dict[tuple[str, str], Pace], nets: list[str], file: Path
) -> None:
    """Word error against the size of the net; the shape of a point says the input."""
    figure, panel = pyplot.subplots(figsize=_SIZE)
    shapes = dict(zip(sorted({input_ for input_, _ in rates}), "os^Dvp", strict=False))
    for net, colour in colours(nets).items():
        for input_, shape in shapes.items():
            if (input_, net) in rates:
                found = rates[input_, net]
                panel.scatter(paces[input_, net].parameters / 1e3, 100 * mean(found), color=colour, marker=shape, s=60)
    for net, colour in colours(nets).items():
        panel.scatter([], [], color=colour, label=net)
    for input_, shape in shapes.items():
        panel.scatter([], [], color="grey", marker=shape, label=input_)
    panel.set(xlabel="parameters, thousands", ylabel="word error on unseen speakers, %", xscale="log")
    panel.xaxis.set_major_formatter("{x:.0f}")
    panel.xaxis.set_minor_formatter("{x:.0f}")
    panel.set_ylim(0, None)
    panel.grid(alpha=0.3)
    panel.legend(fontsize=8, ncols=2)
    _save(figure, file)


def over_seeds(rates: dict[tuple[str, str], list[float]], inputs: list[str], nets: list[str], file: Path) -> None:
    """Mean and spread over the seeds: a bar a cell, each seed a dot."""
    figure, panel = pyplot.subplots(figsize=(1.3 * len(nets) + 2, 5))
    wide = 0.8 / len(inputs)
    shades = dict(zip(inputs, pyplot.get_cmap("Set2").colors, strict=False))
    for k, input_ in enumerate(inputs):
        for place, net in enumerate(nets):
            if (input_, net) not in rates:
                continue
            found = [100 * value for value in rates[input_, net]]
            x = place + (k - (len(inputs) - 1) / 2) * wide
            panel.bar(x, mean(found), 0.9 * wide, yerr=pstdev(found), color=shades[input_], capsize=2)
            panel.plot([x] * len(found), found, ".", color="black", ms=3)
    for input_, shade in shades.items():
        panel.bar(0, 0, color=shade, label=input_)
    panel.set_xticks(range(len(nets)), nets, rotation=20, ha="right")
    panel.set_ylabel("word error on unseen speakers, %")
    panel.grid(alpha=0.3, axis="y")
    panel.legend(fontsize=8)
    _save(figure, file)


def unseen_curves(cells: list[Cell], nets: list[str], file: Path) -> None:
    """Word error on the unseen speakers while the nets learn, mean over inputs."""
    figure, panel = pyplot.subplots(figsize=_SIZE)
    for net, colour in colours(nets).items():
        points: dict[int, list[float]] = defaultdict(list)
        for cell in cells:
            if cell.net == net:
                for fold in cell.folds:
                    for number, (_, measures) in enumerate(fold.measures):
                        points[number].append(100 * measures["wer"])
        if points:
            full = max(points)
            x = [100 * (number + 1) / (full + 1) for number in points]
            panel.plot(x, [mean(found) for found in points.values()], "o-", color=colour, label=net, ms=3)
    panel.set(xlabel="part of the budget used, %", ylabel="word error on unseen speakers, %")
    panel.grid(alpha=0.3)
    panel.legend(fontsize=8)
    _save(figure, file)


def confusions(said: list[str], heard: list[str], words: list[str], file: Path) -> None:
    """What the best model heard for each word, counts; what is no word of the task is 'other'."""
    columns = [*words, "other"]
    counts = np.zeros((len(words), len(columns)), int)
    for word, text in zip(said, heard, strict=True):
        if word in words:
            counts[words.index(word), columns.index(text if text in words else "other")] += 1
    figure, panel = pyplot.subplots(figsize=(7.5, 6))
    panel.imshow(counts, cmap="Blues")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            panel.text(
                column,
                row,
                str(count),
                ha="center",
                va="center",
                color="white" if count > counts.max() / 2 else "black",
            )
    panel.set_xticks(range(len(columns)), columns, rotation=45, ha="right")
    panel.set_yticks(range(len(words)), words)
    panel.set(xlabel="heard", ylabel="said")
    _save(figure, file)


def _save(figure: pyplot.Figure, file: Path) -> None:
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
