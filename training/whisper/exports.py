"""A finished training as a folder that the server verifies and loads."""

import json
from pathlib import Path

from training.common import export as exports
from training.common import manifests
from training.common.errors import DataError
from training.common.manifests import Clip
from training.whisper import checkpoint
from training.whisper.convert import Precision, export
from training.whisper.settings import Recipe

_SELF_TEST_S = (2.0, 12.0)  # long enough to say something, short enough for the test of it


def export_training(
    out: Path,
    folder: Path,
    *,
    name: str,
    licence: str,
    data_licence: str,
    note: str,
    precision: Precision = "float16",
    replace: bool = False,
) -> Path:
    """Export `out/best` to `folder`: converted, with its card and self-test. Raises DataError if `out` is no finished training, ModelError."""
    try:
        recipe = Recipe.model_validate_json((out / "recipe.json").read_text(encoding="utf-8"))
        history = json.loads((out / "history.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{out} holds no finished training ({error}): run `allo train whisper` to its end.") from error
    parts = {role: _clips(out / f"{file}.jsonl") for role, file in _ROLES.items()}
    data = [
        exports.Data(
            manifest=f"{file}.jsonl",
            hours=round(sum(clip.duration for clip in parts[role]) / 3600, 3),
            clips=len(parts[role]),
            licence=data_licence,
            role=role,
        )
        for role, file in _ROLES.items()
        if parts[role]
    ]
    figures = {"wer_watched": {str(entry["step"]): entry["eval_wer"] for entry in history if "eval_wer" in entry}}
    for file in sorted(out.glob("figures*.json")):  # tables of `... --json` that lie beside
        figures[file.stem] = json.loads(file.read_text(encoding="utf-8"))
    every = [clip for clips in parts.values() for clip in clips]
    card = exports.provenance(
        data=data,
        seed=recipe.train.seed,
        recipe=recipe.model_dump(mode="json"),
        figures=figures,
        languages=sorted({clip.language for clip in every}),
        base=recipe.model,
    )
    low, _ = recipe.context.margin_s
    return export(
        checkpoint.load(str(out / "best")),
        folder,
        _self_test([*parts["test"], *parts["validation"], *parts["train"]]),
        name=name,
        licence=licence,
        note=note,
        provenance=card,
        precision=precision,
        margin_s=recipe.context.watched_s if low < recipe.context.watched_s < 30.0 else None,
        replace=replace,
    )


_ROLES = {"train": "train", "validation": "watched", "test": "aside"}


def _clips(path: Path) -> list[Clip]:
    return manifests.read_all([path]) if path.is_file() else []


def _self_test(clips: list[Clip]) -> Clip:
    low, high = _SELF_TEST_S
    fit = [clip for clip in clips if low <= clip.duration <= high]
    if not fit:
        raise DataError(f"No clip lasts {low:g} to {high:g} s: there is nothing to make a self-test of.")
    return fit[0]
