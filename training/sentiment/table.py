"""Several recipes side by side, with less and less to learn from, and a picture of both kinds of curve."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot

from training.common.recipe import load
from training.sentiment.data import divided
from training.sentiment.recipe import SentimentRecipe
from training.sentiment.train import measured

Say = Callable[[str], None]

_SHARES = (0.125, 0.25, 0.5, 1.0)
_TESTS = ("phone_en", "phone_fr", "denied_en", "denied_fr", "reviews", "answers", "neutral", "neutral_aside")


def table(recipes: Sequence[Path], data: Path, out: Path, overrides: Sequence[str] = (), say: Say = print) -> str:
    """Write `table.md`, NAME-SHARE.json, `learning.png` and `loss.png` in `out`; returns the table. What lies there is not measured again.
    Raises DataError, RecipeError, ModelError."""
    out.mkdir(parents=True, exist_ok=True)
    found = {}
    for path in recipes:
        for share in _SHARES:
            recipe = load(path, SentimentRecipe, [*overrides, f"data.share={share}"])
            file = out / f"{recipe.name}-{share:g}.json"
            if not file.exists():
                file.write_text(
                    json.dumps(measured(recipe, divided(recipe.data, data), out / recipe.name, say)[0]) + "\n"
                )
            found[recipe.name, share] = json.loads(file.read_text())
    names = list(dict.fromkeys(name for name, _ in found))
    titles = [
        "model",
        "learnt numbers",
        *(f"{test} ({found[names[0], 1.0][0]['tests'][test]['sentences']})" for test in _tests(found, names)),
    ]
    rows = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    for name in names:
        runs = found[name, 1.0]
        cells = [name, f"{runs[0]['parameters']:,}".replace(",", " ")]
        for test in _tests(found, names):
            first = runs[0]["tests"][test]
            low, high = first["accuracy_interval"]
            cells.append(
                f"{100 * mean(run['tests'][test]['accuracy'] for run in runs):.1f} ({100 * low:.0f} to {100 * high:.0f})"
                f" / {100 * mean(run['tests'][test]['macro_f1'] for run in runs):.0f}"
            )
        rows.append(f"| {' | '.join(cells)} |")
    _learning(found, names, out / "learning.png")
    _losses(found, names, out / "loss.png")
    text = "\n".join(rows) + "\n"
    (out / "table.md").write_text(text)
    return text


def _tests(found: dict, names: Sequence[str]) -> list[str]:
    return [test for test in _TESTS if test in found[names[0], 1.0][0]["tests"]]


def _learning(found: dict, names: Sequence[str], file: Path) -> None:
    figure, panels = pyplot.subplots(1, 2, figsize=(10, 4), sharey=True)
    for panel, test in zip(panels, ("phone_en", "phone_fr"), strict=True):
        for name in names:
            points = [found[name, share] for share in _SHARES]
            taught = [runs[0]["taught"] for runs in points]
            panel.plot(
                taught,
                [100 * mean(run["tests"][test]["macro_f1"] for run in runs) for runs in points],
                "o-",
                label=name,
            )
        panel.set(title=test, xlabel="sentences taught", xscale="log")
        panel.set_xticks(taught, map(str, taught))
        panel.minorticks_off()
        panel.axhline(100 / 3, color="grey", lw=0.8, ls=":")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("macro F1, % (unseen sentences)")
    panels[1].legend(fontsize=8)
    _save(figure, file)


def _losses(found: dict, names: Sequence[str], file: Path) -> None:
    figure, panel = pyplot.subplots(figsize=(7, 4))
    colours = pyplot.get_cmap("tab10").colors
    for colour, name in zip(colours, names, strict=False):
        run = found[name, 1.0][0]
        if run["losses"]:
            panel.plot(*zip(*run["losses"], strict=True), color=colour, label=f"{name}, taught")
            panel.plot(*zip(*run["aside"], strict=True), color=colour, ls="--", label=f"{name}, aside")
    panel.set(xlabel="steps", ylabel="cross-entropy")
    panel.grid(alpha=0.3)
    if panel.lines:
        panel.legend(fontsize=8)
    _save(figure, file)


def _save(figure, file: Path) -> None:
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
