"""From a recipe to a model that the server loads: check the data, build the net, train, measure on unseen speakers, export."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import torch

from pipelines.adapters.stt.ctc import states
from pipelines.models.store import Store
from pipelines.nets.alphabet import Words
from pipelines.nets.ctc import CtcNet, build
from pipelines.nets.decoding import Beam, chosen
from pipelines.nets.whole import Whole
from training.common.loop import Outcome, train
from training.common.measures import rate
from training.ctc.data import Batches, Floats, Utterance, Variations, divided, heard
from training.ctc.evaluate import Heard, ctc_loss, listen
from training.ctc.exporting import export_net
from training.ctc.pretrain import start
from training.ctc.recipe import CtcRecipe
from training.ctc.words import FILE, write_arpa

Say = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """The recipe's data, checked: what is learned from, what chooses the weights, what is measured at the end."""

    train: list[Utterance]
    validation: list[Utterance]
    test: list[Utterance]


@dataclass(frozen=True)
class Trained:
    """A net and what is known of it. `validation` and `test` are None where the recipe holds nobody aside for it."""

    net: CtcNet
    outcome: Outcome
    validation: Heard | None
    test: Heard | None

    def figures(self) -> dict[str, float]:
        """For the card of the export: rates from 0 upwards."""
        found = {
            "steps": self.outcome.steps,
            "skipped_steps": self.outcome.skipped,
            "parameters": self.net.parameters_count,
        }
        for name, heard_ in (("validation", self.validation), ("test", self.test)):
            if heard_ is not None:
                low, high = heard_.wer_interval
                found |= {f"{name}_wer": heard_.wer, f"{name}_wer_low": low, f"{name}_wer_high": high}
                found |= {f"{name}_cer": heard_.cer, f"{name}_clips": len(heard_.texts)}
                if heard_.searched:
                    found[f"{name}_wer_words"] = rate(heard_.searched)
        return found


def prepare(recipe: CtcRecipe, data: Path, say: Say = print) -> Prepared:
    """Read, split and check. Raises DataError, which lists all that is wrong."""
    parts = divided(recipe.data, data, say)
    letters = recipe.letters()
    probe = build(recipe.net, letters.size)  # it knows how many frames it makes of a clip
    read = {
        name: heard(
            clips,
            letters,
            probe,
            around=recipe.data.around,
            on_bad=recipe.data.on_bad,
            line=recipe.data.line and name != "train",
            say=say,
        )
        if clips
        else []
        for name, clips in parts.items()
    }
    return Prepared(**read)


def fit(
    recipe: CtcRecipe,
    prepared: Prepared,
    out: Path,
    *,
    variations: Variations | None = None,
    kept: dict[tuple[str, int], Floats] | None = None,
    keep: str = "best",
    reported: Callable[[int, Mapping[str, float]], None] | None = None,
    fresh: bool = False,
    quiet: bool = False,
) -> Trained:
    """Build the recipe's net from its seed and train it. `variations` and `kept` share what other runs have made of the same
    clips with the same augmentation; `reported` hears the validation's measures and may end the run by raising."""
    torch.set_num_threads(recipe.threads)
    letters = recipe.letters()
    torch.manual_seed(recipe.loop.seed)
    net = build(recipe.net, letters.size)
    if recipe.encoder:
        net.hear_through(_encoder(recipe.encoder))
    variations = variations or Variations(prepared.train, recipe.augment, recipe.loop.seed)
    epochs = max(1, recipe.loop.steps * recipe.loop.accumulate * recipe.data.batch // len(prepared.train))
    batches = Batches(prepared.train, variations, net, recipe.data.batch, recipe.loop.seed, kept, epochs)
    if recipe.start:
        start(net, Path(recipe.start), held=recipe.held)
    else:
        net.normalise_by(*batches.moments())
    if isinstance(net.head, Whole):
        net.head.normalise_by(*batches.described())
    search: Callable[[Floats], str] | None = _search(recipe, prepared, out) if recipe.words else None
    if recipe.one and isinstance(letters, Words):
        search = partial(chosen, alphabet=letters)

    def evaluate(model: torch.nn.Module) -> dict[str, float]:
        found = listen(model, prepared.validation, letters, search)
        known = {"wer_words": rate(found.searched)} if search else {}
        return {"wer": found.wer, "cer": found.cer, "loss": found.loss, **known}

    outcome = train(
        net,
        loss=ctc_loss,
        batches=batches,
        evaluate=evaluate if prepared.validation else None,
        # What it will be asked for; the loss of unseen speakers rises with the net's confidence, long before it has learnt to write.
        watch="wer_words" if search else "cer",
        keep=keep,
        settings=recipe.loop,
        out=out,
        reported=reported,
        fresh=fresh,
        quiet=quiet,
    )
    net = net.cpu()
    return Trained(
        net=net,
        outcome=outcome,
        validation=listen(net, prepared.validation, letters, search) if prepared.validation else None,
        test=listen(net, prepared.test, letters, search) if prepared.test else None,
    )


@cache
def _encoder(name: str) -> Callable[[Floats], Floats]:
    return states(Store().path(name), threads=1)


def _search(recipe: CtcRecipe, prepared: Prepared, out: Path) -> Beam:
    """A beam search that writes the training's words alone. Leaves its language model in `out`."""
    out.mkdir(parents=True, exist_ok=True)
    file = write_arpa((u.clip.text for u in prepared.train), out / FILE)
    return Beam(recipe.letters(), language_model=file)


def run(
    recipe: CtcRecipe, data: Path, out: Path, *, fresh: bool = False, quiet: bool = False, say: Say = print
) -> Path:
    """The whole way; returns the exported folder, `out / recipe.name`. Raises DataError, RecipeError, ModelError."""
    first = os.environ.get("RANK", "0") == "0"  # of several processes
    say = say if first else lambda _: None
    prepared = prepare(recipe, data, say)
    for name in ("train", "validation", "test"):
        part: list[Utterance] = getattr(prepared, name)
        if part:
            speakers = {u.clip.speaker for u in part}
            minutes = sum(u.clip.duration for u in part) / 60
            say(f"{name}: {len(part)} clips, {minutes:.1f} min, {len(speakers)} speakers")
    trained = fit(recipe, prepared, out / "run", fresh=fresh, quiet=quiet)
    if not first:  # one measures and exports
        return out / recipe.name
    figures = trained.figures()
    for name in ("validation", "test"):
        if f"{name}_wer" in figures:
            low, high = figures[f"{name}_wer_low"], figures[f"{name}_wer_high"]
            say(
                f"{name}: word error {100 * figures[f'{name}_wer']:.1f} % ({100 * low:.1f} to {100 * high:.1f}), "
                f"character error {100 * figures[f'{name}_cer']:.1f} %"
                + (
                    f"; with its words known {100 * figures[f'{name}_wer_words']:.1f} %"
                    if recipe.words or recipe.one
                    else ""
                )
            )
    (out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    parts = {"train": prepared.train, "validation": prepared.validation, "test": prepared.test}
    folder = export_net(
        trained.net,
        recipe,
        parts,
        figures,
        out / recipe.name,
        replace=True,
        language_model=out / "run" / FILE if recipe.words else None,
    )
    say(f"exported: {folder}")
    return folder
