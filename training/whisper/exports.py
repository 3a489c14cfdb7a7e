"""A finished training as a folder that the server verifies and loads."""

import json
from pathlib import Path

from pipelines.models import exported
from pipelines.models.exported import CardFile
from pipelines.models.store import Store
from training.common import export as exports
from training.common import manifests
from training.common.errors import DataError
from training.common.manifests import Clip
from training.whisper import checkpoint
from training.whisper.changes import write_changes
from training.whisper.convert import Precision, export, write_context
from training.whisper.settings import Recipe

CHANGES = "changes.npz"
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
    recipe, parts, card = _told(out, data_licence)
    return export(
        checkpoint.load(str(out / "best")),
        folder,
        _self_test([*parts["test"], *parts["validation"], *parts["train"]]),
        name=name,
        licence=licence,
        note=note,
        provenance=card,
        precision=precision,
        margin_s=_margin_s(recipe),
        replace=replace,
    )


def export_changes(out: Path, folder: Path, *, name: str, licence: str, data_licence: str, note: str) -> int:
    """Write what `out`, a training by low-rank matrices, changed: `changes.npz`, with its card and the context that it needs; returns how many matrices that
    are. Raises DataError, ModelError."""
    recipe, _, told = _told(out, data_licence)
    if recipe.train.lora is None:
        raise DataError(
            f"{out} was trained without `lora`: all of its weights changed. Use `allo train export-whisper`."
        )
    folder.mkdir(parents=True, exist_ok=True)
    count = write_changes(out / "best", Store().path(recipe.model), recipe.train.lora.rank, folder / CHANGES)
    exported.write_card(
        CardFile(name=name, port="stt", kind="faster-whisper", licence=licence, note=note, provenance=told), folder
    )
    if (margin_s := _margin_s(recipe)) is not None:
        write_context(folder, margin_s)
    return count


def _told(out: Path, data_licence: str) -> tuple[Recipe, dict[str, list[Clip]], exported.Provenance]:
    """What a finished training was, for its card."""
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
    told = exports.provenance(
        data=data,
        seed=recipe.train.seed,
        recipe=recipe.model_dump(mode="json"),
        figures=figures,
        languages=sorted({clip.language for clip in every}),
        base=recipe.model,
    )
    return recipe, parts, told


def _margin_s(recipe: Recipe) -> float | None:
    """Seconds of context that suffice what it made; None for all."""
    low, _ = recipe.context.margin_s
    return recipe.context.watched_s if low < recipe.context.watched_s < 30.0 else None


_ROLES = {"train": "train", "validation": "watched", "test": "aside"}


def _clips(path: Path) -> list[Clip]:
    return manifests.read_all([path]) if path.is_file() else []


def _self_test(clips: list[Clip]) -> Clip:
    low, high = _SELF_TEST_S
    fit = [clip for clip in clips if low <= clip.duration <= high]
    if not fit:
        raise DataError(f"No clip lasts {low:g} to {high:g} s: there is nothing to make a self-test of.")
    return fit[0]
