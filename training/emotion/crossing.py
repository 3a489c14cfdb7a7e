"""Each speaker left out in turn: what a model makes of people it has never heard, and of callers who are calm."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from pipelines.audio.emotion_frames import emotion_frames
from pipelines.audio.prosody import functionals
from training.common import audio, telephony
from training.common.audio import to_float
from training.emotion import linear, measures
from training.emotion.data import Spoken, by_speaker, callers, noise, read, variations
from training.emotion.recipe import EmotionRecipe

Floats = NDArray[np.float64]
Say = Callable[[str], None]

_CALLER_S = 10  # of a long recording the first ten seconds: about an utterance


@dataclass
class Prepared:
    """`inputs[i][v]`: what a model sees of variation v of clip i; `calm`: the same of the callers, one a clip."""

    spoken: list[Spoken]
    inputs: list[list[NDArray[np.float32]]]
    calm: dict[str, list[NDArray[np.float32]]]

    @property
    def labels(self) -> NDArray[np.int64]:
        return np.array([each.label for each in self.spoken])

    @property
    def speakers(self) -> list[str]:
        return [each.clip.speaker for each in self.spoken]


@dataclass
class Crossed:
    """`logits` (clips, labels) of speakers who were left out; `calm`: mean over the folds of what each made of the callers
    (probability of anger); `caught`: share of the unseen speakers' angry clips above that fold's own threshold; `parameters`: of one of the models."""

    logits: Floats
    calm: dict[str, Floats]
    caught: float
    alarms: dict[str, float]
    parameters: int


Fitted = Callable[[Sequence[NDArray[np.float32]]], Floats]


def extractor(recipe: EmotionRecipe) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """What turns audio into what the recipe's net sees."""
    if recipe.net.kind == "ssl":
        from pipelines.adapters.emotion.ssl import Encoder

        return Encoder(recipe.net.base)
    return functionals if recipe.net.linear else emotion_frames


def prepare(recipe: EmotionRecipe, data: Path, say: Say = print) -> Prepared:
    """Read, vary, and turn into numbers. Raises DataError, ModelError."""
    spoken = read(recipe, data, say)
    see = extractor(recipe)
    noises = [audio.load(clip.audio) for clip in noise(recipe, data)]
    inputs = [[see(to_float(v)) for v in row] for row in variations(spoken, recipe.augment, recipe.data.seed, noises)]
    calm = {
        name: [see(telephony.plain(audio.load(clip.audio)[: _CALLER_S * 16_000])) for clip in clips]
        for name, clips in callers(recipe, data, say).items()
    }
    return Prepared(spoken, inputs, calm)


def fit(
    recipe: EmotionRecipe, prepared: Prepared, places: Sequence[int], seed: int, out: Path
) -> tuple[Fitted, object]:
    """A model taught on the clips at `places`: what it makes of inputs, and the model itself."""
    if recipe.net.linear:
        rows = [(x, prepared.spoken[i].label) for i in places for x in prepared.inputs[i]]
        vectors = np.array([x for x, _ in rows], np.float64)
        model = linear.fit(vectors, np.array([label for _, label in rows]), recipe.net)
        return lambda inputs: model.logits(np.array(inputs, np.float64)), model
    from training.emotion import net

    trained = net.fit([prepared.inputs[i] for i in places], prepared.labels[list(places)].tolist(), recipe, seed, out)
    return lambda inputs: net.logits(trained, inputs), trained


def cross(recipe: EmotionRecipe, prepared: Prepared, seed: int, out: Path, say: Say = print) -> Crossed:
    """Train once for each speaker, on all the others."""
    labels, angry = prepared.labels, recipe.labels.index("anger")
    logits = np.zeros((len(labels), len(recipe.labels)))
    folds = []
    groups = by_speaker(prepared.spoken)
    for speaker, aside in groups.items():
        places = [i for name, some in groups.items() if name != speaker for i in some]
        model, trained = fit(recipe, prepared, places, seed, out / speaker)
        logits[aside] = model([prepared.inputs[i][0] for i in aside])
        folds.append((aside, {name: model(clips) for name, clips in prepared.calm.items()}))
        said = logits[aside].argmax(1)
        say(
            f"  {speaker}: unweighted average recall {100 * measures.uar(labels[aside], said, len(recipe.labels)):.1f} %"
        )
    caught, calm, alarms = [], [], []
    for aside, heard in folds:
        others = np.setdiff1d(np.arange(len(labels)), aside)
        t = measures.temperature(logits[others], labels[others])
        p = {name: softmax(found / t, axis=1)[:, angry] for name, found in heard.items()}
        calm.append(p)
        if p:
            bar = measures.threshold(p, recipe.false_alarms)
            hit = softmax(logits[aside] / t, axis=1)[:, angry] >= bar
            caught += hit[labels[aside] == angry].tolist()
            alarms.append(measures.alarms_unseen(p, recipe.false_alarms))
    names = calm[0]
    return Crossed(
        logits=logits,
        calm={name: np.mean([p[name] for p in calm], axis=0) for name in names},
        caught=float(np.mean(caught)) if caught else float("nan"),
        alarms={name: float(np.mean([each[name] for each in alarms])) for name in names},
        parameters=trained.parameters_count,
    )
