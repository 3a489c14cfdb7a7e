"""How a recipe does on people it has never heard: each speaker of its recordings is left out in turn, and only then listened to.

    out/SPEAKER-SEED.json   one training; what is there is not trained again
    out/unseen.md           the table

What the recipe says of `validation` and `test` is not read. The last weights are measured: an unseen speaker chooses nothing. `data.also`
is trained on in every turn.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from training.common.errors import RecipeError
from training.common.measures import Errors, interval, rate
from training.ctc.comparison import Fold, trained, write
from training.ctc.data import Variations, clips_of
from training.ctc.recipe import CtcRecipe, to_toml
from training.ctc.train import prepare

Say = Callable[[str], None]


def unseen(
    recipe: CtcRecipe,
    data: Path,
    out: Path,
    *,
    speakers: Sequence[str] = (),
    seeds: int = 1,
    say: Say = print,
) -> str:
    """Train what is not trained yet, a turn for each of `speakers` (all, if empty) and seed; returns the table. Raises DataError, RecipeError."""
    out.mkdir(parents=True, exist_ok=True)
    _same(recipe, out)
    whole = recipe.model_copy(update={"data": recipe.data.model_copy(update={"test": [], "validation": []})})
    utterances = prepare(whole, data, say).train
    there = sorted({clip.speaker for clip in clips_of(recipe.data.manifests, recipe.data, data, lambda _: None)})
    if unknown := sorted({*speakers} - {*there}):
        raise RecipeError(f"no clip is by {', '.join(unknown)}. Speakers: {', '.join(there)}.")
    variations = Variations(utterances, recipe.augment, recipe.data.seed)
    kept: dict = {}
    folds = []
    for speaker in speakers or there:
        for seed in range(seeds):
            file = out / f"{speaker}-{seed}.json"
            if not file.exists():
                turn = _turn(recipe, speaker, seed)
                with tempfile.TemporaryDirectory() as scratch:
                    write(file, trained(turn, utterances, variations, kept, Path(scratch)))
                say(f"{speaker}, seed {seed}: done")
            folds.append(msgspec.json.decode(file.read_bytes(), type=Fold))
    text = "\n".join(_table(recipe, folds, seeds)) + "\n"
    (out / "unseen.md").write_text(text)
    return text


def _turn(recipe: CtcRecipe, speaker: str, seed: int) -> CtcRecipe:
    loop = {"seed": recipe.loop.seed + seed, "evaluate_every": recipe.loop.steps, "checkpoint_every": 0}
    return recipe.model_copy(
        update={
            "data": recipe.data.model_copy(update={"test": [speaker], "validation": []}),
            "loop": recipe.loop.model_copy(update=loop | {"tensorboard": False}),
        }
    )


def _same(recipe: CtcRecipe, out: Path) -> None:
    file, now = out / "recipe.toml", to_toml(recipe)
    if file.exists() and file.read_text() != now:
        raise RecipeError(f"{out} holds turns of another recipe. Give another --out, or remove that folder.")
    file.write_text(now)


def _table(recipe: CtcRecipe, folds: Sequence[Fold], seeds: int) -> list[str]:
    """Each clip's errors are added up over the seeds, so that the bounds are those of other clips."""
    whole = isinstance(recipe.data.alphabet, list)
    kinds = {f"word error, {'as written' if whole else 'letter by letter'}, %": "word_errors"}
    if recipe.one:
        kinds["one word chosen, %"] = "searched_errors"
    if recipe.words:
        kinds["with the words known, %"] = "searched_errors"
    lines = [f"| left out | clips | {' | '.join(kinds)} |", "|" + "---|" * (len(kinds) + 2)]
    turns = [folds[i : i + seeds] for i in range(0, len(folds), seeds)]
    for name, mine in [*((turn[0].unseen, [turn]) for turn in turns), ("all", turns)]:
        cells = [name, str(sum(len(turn[0].words) for turn in mine))]
        for kind in kinds.values():
            by_seed = [[each for turn in mine for each in _errors(turn[seed], kind)] for seed in range(seeds)]
            clips = [sum(each, Errors(0, 0)) for each in zip(*by_seed, strict=True)]
            low, high = interval(clips)
            each = f"; by seed {', '.join(f'{100 * rate(one):.1f}' for one in by_seed)}" if seeds > 1 else ""
            cells.append(f"{100 * rate(clips):.1f} ({100 * low:.1f} to {100 * high:.1f}{each})")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _errors(fold: Fold, kind: str) -> list[Errors]:
    return [Errors(wrong, total) for wrong, total in zip(getattr(fold, kind), fold.words, strict=True)]
