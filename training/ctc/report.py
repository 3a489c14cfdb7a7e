"""The comparison as one page that can be shown: figures computed from the cells, words from the templates beside this file."""

import base64
import platform
from collections import defaultdict
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import jinja2
import msgspec

from training.common.measures import Errors, interval
from training.ctc import pictures
from training.ctc.compare import best_file, best_jobs, best_recipe, cells, chosen, pace_file
from training.ctc.comparison import Cell, Comparison, Fold, Pace

_TEMPLATES = Path(__file__).parent / "templates"

INPUTS = {
    "mfcc": "the mouth's shape in a few numbers a frame; pitch is thrown away",
    "log_mel": "energy in bands as wide as the ear's",
    "spectrogram": "energy at every 40 Hz",
    "raw": "the samples themselves; the net learns its own filters",
}
NETS = {
    "mlp": "looks at a frame and its near neighbours, knows no order beyond them",
    "cnn": "stacks local looks, so that each layer sees a wider stretch",
    "lstm": "carries a memory forwards; can write while it listens",
    "gru": "the same with a simpler memory",
    "bilstm": "memories forwards and backwards: each frame knows the whole word",
    "cnn_bilstm": "local looks first, then both memories",
    "transformer": "every frame looks at every other; order is given as waves added to the frames",
    "conformer": "attention for the far, convolution for the near",
}


def converged(losses: list[tuple[int, float]]) -> int:
    """First step at which the training loss has gone nine tenths of its way down; 0 for an empty curve."""
    if not losses:
        return 0
    first, last = losses[0][1], mean(value for _, value in losses[-3:])
    return next(step for step, value in losses if value <= last + 0.1 * (first - last) or step == losses[-1][0])


def rows(plan: Comparison, out: Path, done: list[Cell]) -> list[dict[str, Any]]:
    """A row for each (input, net), the best first."""
    groups: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in done:
        groups[cell.input, cell.net].append(cell)
    found = []
    for (input_, net), group in groups.items():
        pace = _pace(out, input_, net)
        wers = [cell.wer() for cell in group]
        folds = [fold for cell in group for fold in cell.folds]
        low, high = interval(_errors(folds))
        found.append(
            {
                "input": input_,
                "net": net,
                "parameters": pace.parameters,
                "steps": folds[0].steps,
                "wer": 100 * mean(wers),
                "spread": 100 * pstdev(wers),
                "low": 100 * low,
                "high": 100 * high,
                "cer": 100 * mean(cell.cer() for cell in group),
                "searched": _mean([cell.searched() for cell in group]),
                "worst": max(_by_speaker(folds).items(), key=lambda item: item[1]),
                "converged": round(mean(converged(fold.losses) for fold in folds)),
                "clips_per_s": pace.clips_per_s,
                "real_time": pace.real_time,
                "causal": pace.causal,
                "train_s": mean(fold.train_s for fold in folds),
            }
        )
    return sorted(found, key=lambda row: row["wer"])


def write_report(plan: Comparison, out: Path, speakers: list[str]) -> Path:
    """report.md, report.html, the pictures and best.toml from what lies in `out`. Returns report.html."""
    done = cells(plan, out)
    turns = [fold.unseen for fold in done[0].folds]
    inputs, nets = list(plan.inputs), list(plan.nets)
    rates: dict[tuple[str, str], list[float]] = defaultdict(list)
    for cell in done:
        rates[cell.input, cell.net].append(cell.wer())
    table = rows(plan, out, done)
    best = _best(plan, out, speakers)
    words = sorted({word for fold in done[0].folds for word in fold.said})

    pictures.heat_map(rates, inputs, nets, out / "heat.png")
    pictures.loss_curves(done, inputs, nets, out / "losses.png")
    pictures.unseen_curves(done, nets, out / "unseen.png")
    pictures.by_parameters(rates, {pair: _pace(out, *pair) for pair in rates}, nets, out / "parameters.png")
    pictures.over_seeds(rates, inputs, nets, out / "seeds.png")
    if best and len(words) <= 30:
        said = [text for fold in best["folds"] for text in fold.said]
        heard = [text for fold in best["folds"] for text in fold.heard]
        pictures.confusions(said, heard, words, out / "confusions.png")
    (out / "best.toml").write_text(best_recipe(plan, out, speakers))

    content = {
        "plan": plan,
        "rows": table,
        "best": best,
        "first": chosen(done),
        "speakers": speakers,
        "turns": turns,
        "clips": sum(len(fold.said) for fold in done[0].folds),
        "words": words,
        "inputs": _means(table, "input", INPUTS),
        "nets": _means(table, "net", NETS),
        "machine": f"{platform.machine()}, {platform.system()}, one thread a training",
        "trainings": sum(len(cell.folds) for cell in done) + (len(best["folds"]) if best else 0),
        "cells": len(done),
        "wanted": len(plan.cells()),
        "confusions": (out / "confusions.png").exists(),
    }
    content["steadiest"] = min(table, key=lambda row: row["spread"])
    content["shakiest"] = max(table, key=lambda row: row["spread"])
    content["streaming"] = next((row for row in table if row["causal"]), None)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["embedded"] = lambda name: (
        "data:image/png;base64," + base64.b64encode((out / name).read_bytes()).decode()
    )
    for name in ("report.md", "report.html"):
        (out / name).write_text(environment.get_template(f"{name}.j2").render(**content), encoding="utf-8")
    return out / "report.html"


def _best(plan: Comparison, out: Path, speakers: list[str]) -> dict[str, Any] | None:
    """The longer trainings; None until all are there."""
    jobs = best_jobs(plan, out, speakers)
    files = [best_file(out, *job[:4]) for job in jobs]
    if not all(file.exists() for file in files):
        return None
    folds = [msgspec.json.decode(file.read_bytes(), type=Fold) for file in files]
    by_seed = [
        sum(sum(f.word_errors) for f in folds[seed :: plan.seeds])
        / sum(sum(f.words) for f in folds[seed :: plan.seeds])
        for seed in range(plan.seeds)
    ]
    low, high = interval(_errors(folds))
    total = sum(sum(f.word_errors) for f in folds) / sum(sum(f.words) for f in folds)
    characters = sum(sum(f.character_errors) for f in folds) / sum(sum(f.characters) for f in folds)
    return {
        "folds": folds,
        "wer": 100 * total,
        "low": 100 * low,
        "high": 100 * high,
        "cer": 100 * characters,
        "searched": _mean([Cell("", "", 0, folds).searched()]),
        "seeds": [100 * value for value in by_seed],
        "speakers": {name: 100 * rate for name, rate in _by_speaker(folds).items()},
        "cells": {unseen: (input_, net, steps) for input_, net, _, unseen, steps in jobs},
        "minutes": sum(fold.train_s for fold in folds) / 60,
    }


def _mean(rates: list[float | None]) -> float | None:
    """In per cent; None if any is not known."""
    known = [rate for rate in rates if rate is not None]
    return 100 * mean(known) if len(known) == len(rates) else None


def _by_speaker(folds: list[Fold]) -> dict[str, float]:
    """Word error of each unseen speaker over all seeds."""
    errors: dict[str, Errors] = defaultdict(lambda: Errors(0, 0))
    for fold in folds:
        errors[fold.unseen] += Errors(sum(fold.word_errors), sum(fold.words))
    return {name: each.errors / each.total for name, each in errors.items()}


def _errors(folds: list[Fold]) -> list[Errors]:
    """One entry a clip, the seeds' added up: the clip is what is drawn, not the training."""
    clips: dict[tuple[str, int], Errors] = defaultdict(lambda: Errors(0, 0))
    for fold in folds:
        for place, (errors, total) in enumerate(zip(fold.word_errors, fold.words, strict=True)):
            clips[fold.unseen, place] += Errors(errors, total)
    return list(clips.values())


def _means(table: list[dict[str, Any]], key: str, meanings: dict[str, str]) -> list[dict[str, Any]]:
    """Mean word error of each value of `key`, the best first."""
    groups: dict[str, list[float]] = defaultdict(list)
    for row in table:
        groups[row[key]].append(row["wer"])
    found = [
        {"name": name, "wer": mean(values), "best": min(values), "meaning": meanings.get(name, "")}
        for name, values in groups.items()
    ]
    return sorted(found, key=lambda row: row["wer"])


def _pace(out: Path, input_: str, net: str) -> Pace:
    return msgspec.json.decode(pace_file(out, input_, net).read_bytes(), type=Pace)
