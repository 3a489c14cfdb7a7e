"""A trained net becomes a folder that the server loads, with a self-test made by the net as it was trained."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch

from pipelines.nets import saved
from pipelines.nets.alphabet import Words
from pipelines.nets.ctc import CtcNet, pad
from pipelines.nets.decoding import greedy
from pipelines.nets.saved import CtcConfig
from training.common.export import Data, SelfTest, export, provenance
from training.ctc.data import Utterance
from training.ctc.recipe import CtcRecipe

_SELF_TEST_S = 10.0  # a longer clip proves no more
_BY_ITSELF, _BY_ENCODER = 0.01, 1.0  # of log probabilities: an encoder's int8 arithmetic differs between processors


def export_net(
    net: CtcNet,
    recipe: CtcRecipe,
    parts: Mapping[str, list[Utterance]],
    figures: Mapping[str, float],
    folder: Path,
    *,
    replace: bool = False,
    language_model: Path | None = None,
) -> Path:
    """Write `folder`, whole or not at all. `parts`: the clips by role; `figures`: what was measured;
    `language_model`: an ARPA file that finals are searched with. Raises ModelError."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        letters = recipe.letters()
        config = CtcConfig(
            languages=(recipe.language,),
            characters=letters.characters,
            words=letters.words if isinstance(letters, Words) else (),
            one=recipe.one,
            net=recipe.net,
            language_model=language_model.name if language_model else None,
        )
        saved.save(place, net, config)
        return export(
            folder,
            name=folder.name,
            port="stt",
            kind="ctc",
            licence=recipe.licence,
            note=recipe.note
            or f"{recipe.net.net} on {recipe.net.input}, {'taught by a larger model' if recipe.start else 'trained from scratch'}",
            weights={name: place / name for name in (saved.CONFIG, saved.WEIGHTS)}
            | ({language_model.name: language_model} if language_model else {}),
            provenance=provenance(
                data=[
                    Data(
                        manifest=", ".join(recipe.data.manifests),
                        hours=round(sum(u.clip.duration for u in clips) / 3600, 4),
                        clips=len(clips),
                        licence=recipe.licence,
                        role=role,
                    )
                    for role, clips in parts.items()
                    if clips
                ],
                seed=recipe.loop.seed,
                recipe=recipe.model_dump(mode="json"),
                figures=dict(figures),
                languages=[recipe.language],
            ),
            self_test=self_test(net, recipe, [u for clips in parts.values() for u in clips]),
            encoder=recipe.encoder,
            replace=replace,
        )


@torch.inference_mode()
def self_test(net: CtcNet, recipe: CtcRecipe, utterances: list[Utterance]) -> SelfTest:
    """The longest clip of up to ten seconds, and what the net in training made of it."""
    net.eval()
    short = [u for u in utterances if u.clip.duration <= _SELF_TEST_S] or utterances[:1]
    audio = max(short, key=lambda u: u.clip.duration).audio[: int(_SELF_TEST_S * 16_000)]
    log_probs = net(*pad([net.features(audio)]))[0][0].numpy()
    return SelfTest(
        audio=audio,
        language=recipe.language,
        text=greedy(log_probs, recipe.letters()),
        log_probs=log_probs,
        tolerance=_BY_ENCODER if recipe.encoder else _BY_ITSELF,
    )
