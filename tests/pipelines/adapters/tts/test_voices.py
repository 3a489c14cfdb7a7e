import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipelines.adapters.tts.kokoro import Kokoro
from pipelines.adapters.tts.piper import Piper
from pipelines.errors import ModelError
from pipelines.models.ports import TextToSpeech
from tests.helpers.voice import weights

PIPER, KOKORO = "piper-en_US-joe-medium", "kokoro-82m-int8"


def speech(voice: TextToSpeech, text: str) -> list[np.ndarray]:
    pieces = list(voice.synthesize(text))
    assert all(p.dtype == np.float32 and p.ndim == 1 and np.abs(p).max() <= 1.0 for p in pieces)
    return pieces


def test_piper_speaks_sentence_by_sentence() -> None:
    voice = Piper(weights(PIPER), threads=1)
    pieces = speech(voice, "Good morning. How may I help you?")
    assert len(pieces) == 2
    assert voice.sample_rate == 22_050
    assert all(0.4 < len(p) / voice.sample_rate < 3 and np.sqrt(np.mean(p**2)) > 0.01 for p in pieces)
    assert list(voice.synthesize("")) == []


def test_piper_speaks_at_the_speed_asked_for() -> None:
    plain, fast = (Piper(weights(PIPER), speed=speed) for speed in (1.0, 2.0))
    (slow_audio,), (fast_audio,) = (speech(voice, "The practice is open from nine to five.") for voice in (plain, fast))
    assert 0.35 < len(fast_audio) / len(slow_audio) < 0.7
    assert plain.identity != fast.identity


def test_kokoro_speaks_french() -> None:
    voice = Kokoro(weights(KOKORO), voice="ff_siwis", language="fr", threads=1)
    (audio,) = speech(voice, "Bien sûr.")
    assert 0.5 < len(audio) / voice.sample_rate < 2.5
    assert np.sqrt(np.mean(audio**2)) > 0.01
    assert list(voice.synthesize("")) == []
    # Symbols that the model knows under another spelling, or with their accent.
    assert voice._tokens("ɡaʁsˈɔ̃") == [92, 43, 128, 61, 156, 76, 17]
    assert voice._tokens("c\u0327dʒ-a") == [78, 82, 43]


def test_kokoro_has_the_symbols_of_both_languages() -> None:
    voice = Kokoro(weights(KOKORO), voice="af_heart", language="en", threads=1)
    assert voice._tokens("tʃˈeɪ") == [133, 156, 24]
    assert voice.identity != Kokoro(weights(KOKORO), voice="ff_siwis", language="fr").identity


def test_kokoro_speaks_with_an_accent() -> None:
    plain, other = (
        Kokoro(weights(KOKORO), voice="af_heart", language="en", accent=accent)
        for accent in ((), (("θ", "s"), ("ɹ", "ʁ")))
    )
    assert other._tokens("θɹˈiː") == plain._tokens("sʁˈi") != plain._tokens("θɹˈiː")
    assert other.identity != plain.identity


def test_kokoro_speaks_halfway_between_two_voices() -> None:
    one, other, between = (
        Kokoro(weights(KOKORO), voice=voice, language="en") for voice in ("af_heart", "ff_siwis", "af_heart+ff_siwis")
    )
    np.testing.assert_allclose(between._styles, (one._styles + other._styles) / 2)
    assert len({one.identity, other.identity, between.identity}) == 3
    (audio,) = speech(between, "Seven.")
    assert np.sqrt(np.mean(audio**2)) > 0.01
    with pytest.raises(ModelError, match="nobody"):
        Kokoro(weights(KOKORO), voice="af_heart+nobody", language="en")


@pytest.mark.parametrize("kind", ["piper", "kokoro"])
def test_missing_or_broken_weights_are_one_clear_error(kind: str, tmp_path: Path) -> None:
    def load() -> object:
        if kind == "piper":
            return Piper(tmp_path)
        return Kokoro(tmp_path, voice="ff_siwis", language="fr")

    with pytest.raises(ModelError, match="allo models pull"):
        load()
    (tmp_path / "model_quantized.onnx").write_bytes(b"no model")
    (tmp_path / "model_quantized.onnx.json").write_bytes(b"{}")
    with pytest.raises(ModelError):
        load()


def test_kokoro_refuses_what_it_cannot_speak(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'de'"):
        Kokoro(tmp_path, voice="ff_siwis", language="de")
    with pytest.raises(ModelError, match="nobody"):
        Kokoro(weights(KOKORO), voice="nobody", language="fr")


def test_importing_an_adapter_loads_no_library() -> None:
    code = "import sys; from pipelines.adapters.tts import kokoro, piper; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"piper", "onnxruntime"} & set(run.stdout.split())
