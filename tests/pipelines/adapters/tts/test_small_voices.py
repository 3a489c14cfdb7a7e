"""Pico and eSpeak NG, whose voices come with their packages: skipped where those are not installed."""

import shutil

import numpy as np
import pytest

from pipelines.adapters.tts.espeak_ng import EspeakNg
from pipelines.adapters.tts.pico import Pico
from pipelines.errors import ModelError
from pipelines.models.ports import TextToSpeech


def voice(kind: str, language: str = "fr", speed: float = 1.0) -> TextToSpeech:
    if kind == "pico":
        pytest.importorskip("py_nanotts")
        return Pico(language=language, speed=speed)
    if not shutil.which("espeak-ng"):
        pytest.skip("the program espeak-ng is not installed")
    return EspeakNg(voice=language, speed=speed)


KINDS = pytest.mark.parametrize("kind", ["pico", "espeak-ng"])


def seconds(voice: TextToSpeech, text: str) -> float:
    return sum(map(len, voice.synthesize(text))) / voice.sample_rate


@KINDS
@pytest.mark.parametrize(("language", "text"), [("fr", "Bonjour, ça va être long ?"), ("en", "Good morning to you.")])
def test_they_speak_both_languages(kind, language, text):
    pieces = list(voice(kind, language).synthesize(text))
    audio = np.concatenate(pieces)
    assert audio.dtype == np.float32
    assert audio.ndim == 1
    assert 0.02 < np.sqrt(np.mean(audio**2)) < 0.5
    assert np.abs(audio).max() <= 1.0
    assert 0.8 < len(audio) / voice(kind).sample_rate < 4.0


@KINDS
def test_longer_texts_last_longer_and_a_pace_is_kept(kind):
    short, long = "Bonjour.", "Bonjour, le cabinet est ouvert du lundi au vendredi."
    assert seconds(voice(kind), long) > 1.5 * seconds(voice(kind), short)
    assert seconds(voice(kind, speed=1.5), long) < 0.85 * seconds(voice(kind), long)


@KINDS
def test_nothing_to_say_gives_no_sound(kind):
    assert sum(map(len, voice(kind).synthesize(""))) == 0


@KINDS
def test_the_identity_tells_voices_and_paces_apart(kind):
    identities = {voice(kind).identity, voice(kind, "en").identity, voice(kind, speed=0.8).identity}
    assert len(identities) == 3
    assert voice(kind).identity in identities


@KINDS
def test_a_voice_that_is_not_there_is_one_clear_error(kind):
    with pytest.raises(ModelError, match="xx"):
        voice(kind, "xx")


def test_a_program_that_is_not_there_says_how_to_get_it(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ModelError, match="apt install espeak-ng"):
        EspeakNg(voice="fr")


def test_picos_pitch_is_another_voice():
    pytest.importorskip("py_nanotts")

    def pitch(voice: Pico) -> float:
        """Hz of the strongest repetition between 60 and 400 Hz."""
        audio = np.concatenate(list(voice.synthesize("Ah, bonne année, maman.")))
        spectrum = np.abs(np.fft.rfft(audio, 1 << 18)) ** 2
        same = np.fft.irfft(spectrum)[: 16_000 // 60]
        first = 16_000 // 400
        return 16_000 / (first + int(np.argmax(same[first:])))

    assert pitch(Pico(language="fr", pitch=0.7)) < 0.85 * pitch(Pico(language="fr"))
    assert Pico(language="fr", pitch=0.7).identity != Pico(language="fr").identity
