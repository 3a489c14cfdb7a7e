"""Words to IPA with eSpeak NG, as bundled by piper-tts (GPL-3.0: kept behind this adapter, imported when first used).

eSpeak keeps one voice for the whole process, so everyone who uses it in this process does so under `LOCK`."""

import threading
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from piper.phonemize_espeak import EspeakPhonemizer

LOCK = threading.Lock()

VOICES = {"en": "en-us", "fr": "fr"}
"""eSpeak's voice for each ISO 639-1 language code."""


def sentences(text: str, language: str) -> list[str]:
    """IPA of each sentence of `text`, with stress marks and punctuation, accents apart from their letters (NFD)."""
    with LOCK:
        phonemes = _phonemizer().phonemize(VOICES[language], text)
    return ["".join(sentence) for sentence in phonemes]


@lru_cache(maxsize=1)
def _phonemizer() -> "EspeakPhonemizer":
    from piper.phonemize_espeak import EspeakPhonemizer

    return EspeakPhonemizer()
