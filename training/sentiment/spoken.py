"""Sentiment of what a recogniser heard: the test sentences said by voices, through a telephone, understood, judged."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pipelines.adapters.sentiment.answer import LABELS
from pipelines.models.ports import SentimentAnalyzer, SpeechToText
from training.common import audio, measures
from training.common.synthesis import synthesize
from training.common.voices import open_voice, speaker_of
from training.sentiment.data import Sentence
from training.sentiment.measures import accuracy, interval, macro_f1

Say = Callable[[str], None]


def spoken(
    sentences: Sequence[Sentence],
    language: str,
    voices: Sequence[str],
    stt: SpeechToText,
    model: SentimentAnalyzer,
    out: Path,
    say: Say = print,
) -> dict[str, float]:
    """Every voice says every sentence of `language`; figures on the written sentences and on what was heard, shares from 0 to 1."""
    mine = [s for s in sentences if s.language == language]
    truth, written, heard, words = [], [], [], []
    for name in voices:
        voice = open_voice(name, language)
        clips, problems = synthesize([s.text for s in mine], speaker_of(name), voice, out, language=language, line=True)
        for problem in problems:
            say(f"left out: {problem}")
        labels = {s.text: s.label for s in mine}
        for clip in clips:
            text = stt.transcribe(audio.load(clip.audio), languages=[language], final=True).text
            words.append(measures.word_errors(clip.text, text, language))
            truth.append(labels[clip.text])
            written.append(_label(model, clip.text, language))
            heard.append(_label(model, text, language))
    truth_, written_, heard_ = (np.array(each) for each in (truth, written, heard))
    return {
        "sentences": len(truth),
        "word_errors": measures.rate(words),
        "written": accuracy(truth_, written_),
        "heard": accuracy(truth_, heard_),
        "heard_interval": interval(truth_, heard_),
        "heard_macro_f1": macro_f1(truth_, heard_),
    }


def _label(model: SentimentAnalyzer, text: str, language: str) -> int:
    found = model.analyze(text, language)
    return LABELS.index(max(LABELS, key=found.__getitem__))
