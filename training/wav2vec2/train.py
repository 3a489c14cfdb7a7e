"""Fine-tune a network that hears waveforms and writes letters, by a recipe, and export it for the server."""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from transformers import FeatureExtractionMixin, PreTrainedModel, PreTrainedTokenizerBase

from pipelines.adapters.stt.wav2vec2 import FILES, fewest_samples, scores, written
from pipelines.models.self_test import MAX_SAMPLES, SelfTest
from training.common import audio, loop
from training.common.errors import DataError
from training.common.export import Data, export, provenance, require_free
from training.wav2vec2 import checkpoint, vocabulary
from training.wav2vec2.data import Batches, Say, Split, Utterance, heard, line, split
from training.wav2vec2.evaluate import listen
from training.wav2vec2.settings import Recipe


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    say: Say = print,
    fresh: bool = False,
    replace: bool = False,
    quiet: bool = False,
) -> Path:
    """Run the recipe on the manifests below `data`, and return the exported folder, `out / recipe.name`.

    A run that `out` already holds goes on from its last checkpoint unless `fresh`; `replace`: an exported folder there goes.
    Raises DataError, ModelError, RecipeError.
    """
    require_free(out / recipe.name, replace)
    torch.set_num_threads(recipe.threads)
    for seed in (random.seed, np.random.seed, torch.manual_seed):  # the new head, and the masks inside the network
        seed(recipe.loop.seed)
    parts = split(recipe.data, data, say)
    everyone = [*parts.train, *parts.validation, *parts.test]
    characters = recipe.data.letters or vocabulary.letters(clip.text for clip in everyone)
    net, features, tokenizer = checkpoint.load(recipe.base, recipe.net, characters)
    say(
        f"writes {len(tokenizer)} symbols: {' '.join(sorted(set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens)))}"
    )

    def usable(clips) -> list[Utterance]:
        return heard(
            clips,
            lambda text: vocabulary.encode(text, tokenizer),
            lambda samples: int(net._get_feat_extract_output_lengths(samples)),  # what transformers' own loss asks
            on_bad=recipe.data.on_bad,
            say=say,
        )

    learned, watched = usable(parts.train), usable(parts.validation)
    outcome = loop.train(
        net,
        loss=lambda network, batch: network(**batch).loss,
        batches=Batches(
            learned,
            features,
            recipe.channel,
            recipe.data.batch,
            recipe.loop.seed,
            fewest=_samples_of(recipe.net.mask_frames + 1, net),
        ),
        evaluate=lambda network: listen(
            network, features, tokenizer, watched, recipe.channel, recipe.languages[0]
        ).measures(),
        watch=recipe.watch,
        settings=recipe.loop,
        out=out,
        fresh=fresh,
        quiet=quiet,
    )
    if not PartialState().is_main_process:
        return out / recipe.name  # the first process measures and exports
    figures = {
        "steps": outcome.steps,
        "best_step": outcome.best_step,
        "skipped_steps": outcome.skipped,
        "validation": listen(net, features, tokenizer, watched, recipe.channel, recipe.languages[0]).figures(),
    }
    tested = usable(parts.test) if parts.test else []
    if tested:
        figures["test"] = listen(net, features, tokenizer, tested, recipe.channel, recipe.languages[0]).figures()
    for name in ("validation", "test"):
        if name in figures:
            found = figures[name]
            say(
                f"{name}: {found['wer']:.1f} % of words wrong ({found['wer_low']:.1f} to {found['wer_high']:.1f}), "
                f"{found['cer']:.1f} % of characters, {found['clips']} clips"
            )
    return _export(recipe, parts, figures, net, features, tokenizer, tested or watched, out, replace)


def _export(
    recipe: Recipe,
    parts: Split,
    figures: dict,
    net: PreTrainedModel,
    features: FeatureExtractionMixin,
    tokenizer: PreTrainedTokenizerBase,
    unseen: Sequence[Utterance],
    out: Path,
    replace: bool,
) -> Path:
    net = net.cpu().eval()
    plain = out / "checkpoint"  # what transformers reads: another training may begin here
    for part in (net, features, tokenizer):
        part.save_pretrained(plain)
    return export(
        out / recipe.name,
        name=recipe.name,
        port="stt",
        kind="wav2vec2",
        licence=recipe.licence,
        note=recipe.note,
        weights={name: plain / name for name in FILES},
        provenance=provenance(
            data=_data(recipe, parts),
            seed=recipe.loop.seed,
            recipe=recipe.model_dump(mode="json"),
            figures=figures,
            languages=recipe.languages,
            base=recipe.base,
        ),
        self_test=_self_test(recipe, net, features, tokenizer, unseen),
        replace=replace,
    )


def _self_test(recipe, net, features, tokenizer, unseen: Sequence[Utterance]) -> SelfTest:
    """What the trained network, not the exported one, makes of a clip that it never saw."""
    short = [utterance for utterance in unseen if len(utterance.samples) <= MAX_SAMPLES]
    if not short:
        raise DataError(
            f"No clip held aside is shorter than {MAX_SAMPLES // 16_000} s: there is none for the self-test."
        )
    clip = line(audio.to_float(short[0].samples), recipe.channel)
    log_probs = scores(clip, net, features)
    text = written(log_probs, tokenizer)
    return SelfTest(audio=clip, language=recipe.languages[0], text=text, log_probs=log_probs)


def _data(recipe: Recipe, parts: Split) -> list[Data]:
    licence = "; ".join(dict.fromkeys(recipe.data.licences.get(name, "not said") for name in recipe.data.manifests))
    return [
        Data(
            manifest=", ".join(recipe.data.manifests),
            hours=sum(clip.duration for clip in clips) / 3600,
            clips=len(clips),
            licence=licence,
            role=role,
        )
        for role, clips in (("train", parts.train), ("validation", parts.validation), ("test", parts.test))
        if clips
    ]


def _samples_of(frames: int, net: PreTrainedModel) -> int:
    """Samples that give at least so many frames: a mask must not be longer than a batch."""
    stride = int(np.prod(getattr(net.config, "conv_stride", (1,))))
    return fewest_samples(net.config) + (frames - 1) * stride
