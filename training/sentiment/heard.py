"""Sentiment end to end: a hidden layer on what Whisper's encoder makes of the sound, and no words in between. Measured beside the way over the words,
on the same clips; not served."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean

import numpy as np
import torch

from pipelines.adapters.stt import context
from pipelines.adapters.stt.whisper import Whisper
from training.common import audio
from training.common.errors import DataError
from training.common.synthesis import synthesize
from training.common.voices import open_voice, speaker_of
from training.sentiment import measures, nets
from training.sentiment.data import Parts, Sentence
from training.sentiment.recipe import SentimentRecipe

Say = Callable[[str], None]
Voices = Mapping[str, Sequence[str]]
"""By language."""

_ASIDE = 8  # one in so many sentences, in all voices, chooses the step


class Ear:
    """Clips of sentences, and what the encoder makes of them. A sentence's `source` is the clip that says it."""

    def __init__(self, whisper: Whisper, folder: Path, say: Say = print) -> None:
        self._whisper, self._folder, self._say = whisper, folder, say
        self._known: dict[str, torch.Tensor] = {}

    def said(self, sentences: Sequence[Sentence], voices: Voices) -> list[Sentence]:
        """Each sentence by each voice of its language. Raises DataError, ModelError."""
        found = []
        for language, names in voices.items():
            mine = {s.text: s for s in sentences if s.language == language}
            for name in names:
                clips, problems = synthesize(
                    list(mine), speaker_of(name), open_voice(name, language), self._folder, language=language, line=True
                )
                for problem in problems:
                    self._say(f"left out: {problem}")
                found += [Sentence(c.text, mine[c.text].label, language, str(c.audio)) for c in clips]
        return found

    def vector(self, sentence: Sentence) -> torch.Tensor:
        """(1, 2 size): mean and spread over the frames that hold the clip, not the silence behind it."""
        if sentence.source not in self._known:
            features = self._whisper.features(audio.load(Path(sentence.source)))
            plan = context.plans(features.shape[1], final=True, beam=1)[0]
            encoded = np.array(self._whisper.encode(features, plan.frames), np.float32)[0]
            heard = encoded[: max(1, features.shape[1] // 2)]  # the encoder leaves every second frame out
            self._known[sentence.source] = torch.from_numpy(np.concatenate([heard.mean(0), heard.std(0)]))[None]
        return self._known[sentence.source].clone()


def end_to_end(
    recipe: SentimentRecipe, parts: Parts, taught_by: Voices, voices: Voices, ear: Ear, out: Path, say: Say = print
) -> dict[str, dict[str, float]]:
    """Taught on the telephone sentences in voices `taught_by`, measured on those never taught in `voices`, which must be others; by language, shares
    from 0 to 1: the mean over the seeds, the bounds of the first. Raises DataError, ModelError."""
    if both := {name for names in taught_by.values() for name in names} & {
        n for names in voices.values() for n in names
    }:
        raise DataError(f"{', '.join(sorted(both))}: who is measured must not be heard in training. Name other voices.")
    torch.set_num_threads(1)
    taught = ear.said([s for s in parts.train if s.source.startswith("phone_")], taught_by)
    texts = sorted({s.text for s in taught})
    order = np.random.default_rng(recipe.data.seed).permutation(len(texts))
    aside = {texts[i] for i in order[: len(order) // _ASIDE]}
    models = []
    for seed in recipe.seeds:
        torch.manual_seed(seed)
        groups = ([s for s in taught if s.text not in aside], [s for s in taught if s.text in aside])
        models.append(nets.on_vectors(ear.vector, *groups, recipe, seed, out / "end_to_end" / str(seed)))
    found = {}
    for language, names in voices.items():
        if not names:
            continue
        tests = ear.said(parts.tests[f"phone_{language}"], {language: names})
        truth = np.array([s.label for s in tests])
        said = [model.logits(tests).argmax(1) for model in models]
        low, high = measures.interval(truth, said[0])
        found[language] = {
            "taught": len(groups[0]),
            "sentences": len(tests),
            "accuracy": mean(measures.accuracy(truth, each) for each in said),
            "low": low,
            "high": high,
            "macro_f1": mean(measures.macro_f1(truth, each) for each in said),
        }
    return found
