"""From a recipe to a model that the server loads: teach, measure on sentences never taught, export."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from pipelines.adapters.sentiment.answer import LABELS
from pipelines.adapters.sentiment.linear import LANGUAGES, LEXICONS
from pipelines.models.self_test import VectorTest
from training.common.errors import RecipeError
from training.common.export import Data, export, provenance, require_free
from training.emotion.pictures import confusion_picture
from training.sentiment import linear, measures
from training.sentiment.data import TEXTS, Parts, Sentence, divided
from training.sentiment.recipe import SentimentRecipe

Say = Callable[[str], None]

_SELF_TEST = Sentence("I am not happy with it, nobody called me back.", 0, "en", "self-test")


def fit(train: list[Sentence], recipe: SentimentRecipe, seed: int, out: Path):
    """A model with `logits(sentences)` and `parameters_count`."""
    if recipe.net.kind == "linear":
        return linear.fit(train, recipe)
    import torch

    from training.sentiment import nets

    torch.set_num_threads(1)
    return nets.fit(train, recipe, seed, out)


def judge(model, tests: dict[str, list[Sentence]]) -> dict[str, dict[str, Any]]:
    """Figures by test, shares from 0 to 1. Reviews know no neutral: `two_classes` is how often the likelier of the two others is right."""
    found = {}
    for name, sentences in tests.items():
        truth, logits = np.array([s.label for s in sentences]), model.logits(sentences)
        said = logits.argmax(1)
        felt = truth != 1
        found[name] = {
            "sentences": len(sentences),
            "accuracy": measures.accuracy(truth, said),
            "accuracy_interval": measures.interval(truth, said),
            "macro_f1": measures.macro_f1(truth, said),
            "macro_f1_interval": measures.interval(truth, said, measures.macro_f1),
            "two_classes": measures.accuracy(truth[felt], np.where(logits[felt, 2] > logits[felt, 0], 2, 0)),
            "surprise": float(-np.log(softmax(logits, axis=1)[np.arange(len(truth)), truth] + 1e-12).mean()),
            "confusion": [[int(((truth == t) & (said == s)).sum()) for s in range(3)] for t in range(3)],
        }
    return found


def measured(recipe: SentimentRecipe, parts: Parts, out: Path, say: Say = print) -> tuple[list[dict[str, Any]], Any]:
    """Figures for each seed, and the first seed's model."""
    figures, first = [], None
    for seed in recipe.seeds[:1] if recipe.net.kind == "linear" else recipe.seeds:
        model = fit(parts.train, recipe, seed, out / "run" / str(seed))
        first = first or model
        figures.append(
            {
                "tests": judge(model, parts.tests),
                "parameters": model.parameters_count,
                "taught": len(parts.train),
                "losses": getattr(model, "losses", []),
                "aside": getattr(model, "aside", []),
            }
        )
        shown = ", ".join(f"{name} {100 * each['accuracy']:.1f} %" for name, each in figures[-1]["tests"].items())
        say(f"{recipe.name}, seed {seed}: right in {shown}")
    return figures, first


def run(recipe: SentimentRecipe, data: Path, out: Path, say: Say = print) -> Path:
    """The whole way; returns the exported folder, `out / recipe.name`. Raises DataError, RecipeError, ModelError."""
    if recipe.net.kind == "whisper":
        raise RecipeError(
            "A Whisper's decoder is a comparison (allo train sentiment-table); it is not served. Take another net.kind."
        )
    folder = out / recipe.name
    require_free(folder, replace=True)
    out.mkdir(parents=True, exist_ok=True)
    parts = divided(recipe.data, data)
    say(
        f"{len(parts.train)} sentences to teach; tests: {', '.join(f'{name} {len(some)}' for name, some in parts.tests.items())}"
    )
    figures, model = measured(recipe, parts, out, say)
    (out / f"{recipe.name}.json").write_text(json.dumps(figures) + "\n")
    together = np.sum([figures[0]["tests"][name]["confusion"] for name in ("phone_en", "phone_fr")], axis=0)
    confusion_picture(
        together, LABELS, "telephone sentences never taught, English and French", out / f"{recipe.name}.png"
    )
    with tempfile.TemporaryDirectory() as scratch:
        kind, weights = written(Path(scratch), model)
        export(
            folder,
            name=recipe.name,
            port="sentiment",
            kind=kind,
            licence=recipe.licence,
            note=recipe.note,
            weights=weights,
            provenance=provenance(
                data=[
                    Data(manifest=name, hours=0.0, clips=sum(s.source == name for s in parts.train), licence=licence)
                    for name, licence in (
                        ("phone_en", "Apache-2.0"),
                        ("phone_fr", "Apache-2.0"),
                        ("reviews", "CC-BY-4.0 (UCI Sentiment Labelled Sentences, Kotzias et al. 2015)"),
                        ("neutral", "CC-BY-SA-3.0 (texts of Asterisk's telephone prompts)"),
                    )
                    if any(s.source == name for s in parts.train)
                ],
                seed=recipe.seeds[0],
                recipe=recipe.model_dump(mode="json"),
                figures=figures[0]["tests"],
                languages=list(LANGUAGES),
                base=recipe.net.base,
            ),
            self_test=VectorTest(
                text=_SELF_TEST.text,
                language=_SELF_TEST.language,
                output=softmax(model.logits([_SELF_TEST])[0]).astype(np.float32),
            ),
            replace=True,
        )
    say(f"exported: {folder}")
    return folder


def written(folder: Path, model) -> tuple[str, dict[str, Path]]:
    """The kind of the adapter, and the files that it reads, by name."""
    if isinstance(model, linear.Linear):
        np.savez_compressed(
            folder / "linear.npz", weights=model.weights.astype(np.float32), bias=model.bias.astype(np.float32)
        )
        for language in LANGUAGES:
            name, lines = LEXICONS.format(language), (TEXTS / LEXICONS.format(language)).read_text(encoding="utf-8")
            if not model.recipe.net.lexicon:
                lines = "# none\n"
            (folder / name).write_text(lines, encoding="utf-8")
        names = ["linear.npz", *(LEXICONS.format(language) for language in LANGUAGES)]
        return "sentiment-linear", {name: folder / name for name in names}
    import torch

    from pipelines.nets.sentiment import Served

    torch.onnx.export(
        Served(model.net, model.temperature).eval(),
        (torch.ones(1, 12, dtype=torch.long),),
        folder / "model.onnx",
        input_names=["ids"],
        output_names=["log_p"],
        dynamic_axes={"ids": {1: "T"}},
        dynamo=False,
    )
    model.tokenizer.save(str(folder / "tokenizer.json"))
    return "sentiment-encoder", {name: folder / name for name in ("model.onnx", "tokenizer.json")}
