"""A call in which somebody else speaks on the caller's line, of real voices through a telephone, with the real encoder and words by heart."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import soundfile

from pipelines.adapters.speaker.resemblyzer import Resemblyzer
from pipelines.audio.g711 import encode
from pipelines.audio.resample import resample
from pipelines.frames import TELEPHONE, Encoding
from pipelines.models.ports import Transcript
from pipelines.replay.answers import Judges, ModelAnswers
from pipelines.replay.audio_files import caller_dump
from pipelines.replay.dump import Dump
from pipelines.replay.virtual import run
from pipelines.turns.policy import CallSettings, Phrases
from server.config import Config
from server.settings import measured
from tests.helpers.hearing import telephone, weights
from tests.helpers.replay import Loudness
from tests.load.words_heard import Listener

CLIPS = Path(__file__).parents[1] / "load" / "clips"
_TURN = Path(__file__).parents[1] / "data" / "turn"
_SILENT = Phrases(greeting="", prompt="", goodbye="", apology="", fillers=())
_PAUSE_S = 2.0
_PROBE = 1_600  # samples by which a recording is known

SCENES = {
    "en": (
        (CLIPS / "en_hes_tuesday.flac", "I would like an appointment on Tuesday morning."),
        (CLIPS / "en_number_name.flac", "Where did you put the keys?"),
        (CLIPS / "en_number.flac", "My number is five five five."),
    ),
    "fr": (
        (CLIPS / "fr_hes_mardi.flac", "Je voudrais un rendez-vous mardi."),
        (_TURN / "fr_letter.flac", "La lettre Z en langage des signes."),
        (CLIPS / "fr_hes_carte.flac", "Est-ce que j'apporte ma carte ?"),
    ),
}
"""By language: recordings, the second by another than the first and the third, and what the recogniser says of them."""


class _Words:
    """A recogniser that knows the recordings: it says the words of the one that it hears."""

    def __init__(self, scene: Sequence[tuple[Path, str]]) -> None:
        self._known = [(telephone(path), words) for path, words in scene]

    def transcribe(self, audio, *, languages, final, hot_words=""):
        loudest = int(np.abs(audio).argmax())
        piece = audio[max(0, min(loudest, len(audio) - _PROBE)) :][:_PROBE]
        likeness = [_like(sound, piece) for sound, _ in self._known]
        return Transcript(self._known[int(np.argmax(likeness))][1], languages[0])


def _like(sound, piece) -> float:
    """The highest correlation of `piece` with a stretch of `sound`."""
    power = np.convolve(np.square(sound), np.ones(len(piece), np.float32), "valid")
    return float((np.abs(np.correlate(sound, piece)) / np.sqrt(power + 1e-3)).max())


def encoder() -> Resemblyzer:
    """The test is skipped where its weights are not there."""
    return Resemblyzer(weights("resemblyzer", "pretrained.pt"))


def two_voices(language: str, *, follow: bool) -> Dump:
    """The call of a scene; `follow`: with voices told apart while it goes on."""
    model = encoder()
    settings = CallSettings(languages=(language,), phrases={language: _SILENT}, follow=follow, speculate=False)
    settings = measured(settings, Config().models, None, model)
    line = [np.zeros(8_000, np.int16)]
    for path, _ in SCENES[language]:
        samples, rate = soundfile.read(path, dtype="int16")
        line += [resample(samples, rate, 8_000), np.zeros(round(_PAUSE_S * 8_000), np.int16)]
    wire = encode(np.concatenate(line), Encoding.MULAW)
    judges = Judges(speaker=model if follow else None)
    answers = ModelAnswers(
        Loudness(), _Words(SCENES[language]), Listener(), (language,), speak=lambda action: [], judges=judges
    )
    dump = run(caller_dump(TELEPHONE, wire, settings, "line"), answers)
    return msgspec.structs.replace(dump, complete=True)
