"""Words to IPA with eSpeak NG, as bundled by piper-tts (GPL-3.0: kept behind this adapter, imported when first used).

eSpeak keeps one voice for the whole process, so everyone who uses it in this process does so under `LOCK`."""

import threading

LOCK = threading.Lock()

VOICES = {"en": "en-us", "fr": "fr"}
"""eSpeak's voice for each ISO 639-1 language code."""


def sentences(text: str, language: str) -> list[str]:
    """IPA of each sentence of `text`, with stress marks and punctuation, accents apart from their letters (NFD)."""
    from piper.phonemize_espeak import EspeakPhonemizer

    with LOCK:
        phonemes = EspeakPhonemizer().phonemize(VOICES[language], text)
    return ["".join(sentence) for sentence in phonemes]
