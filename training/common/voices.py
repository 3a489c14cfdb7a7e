"""Voices for synthesized data, by a short name.

    pico                            SVOX Pico
    espeak-ng                       eSpeak NG in the language asked for; espeak-ng:fr+f3 one of its variants
    kokoro:ff_siwis                 a voice of Kokoro; kokoro:if_sara@DIR one whose file lies in DIR, beside the model;
                                    kokoro:af_heart+ff_siwis a voice halfway between two (or more)
    piper:piper-en_US-joe-medium    a voice of the model store; piper@DIR one in a folder

`?` and settings may follow: pico?pitch=0.8&speed=0.9, kokoro:am_adam@DIR?accent=french (`accents.py`; English only). Models come from
the store (`allo models pull`).
"""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from pipelines.models.ports import TextToSpeech
from pipelines.models.store import Store
from training.common.accents import ACCENTS
from training.common.errors import DataError

_KOKORO = "kokoro-82m-int8"
_SETTINGS = {"pico": {"speed", "pitch"}, "espeak-ng": {"speed"}, "kokoro": {"speed", "accent"}, "piper": {"speed"}}


def open_voice(name: str, language: str, *, store: Store | None = None, threads: int = 1) -> TextToSpeech:
    """The voice called `name`, in `language` (ISO 639-1). Raises DataError if there is no voice of that name, ModelError if
    it is not installed or does not speak the language."""
    place, _, query = name.partition("?")
    place, _, folder = place.partition("@")
    kind, _, voice = place.partition(":")
    if kind not in _SETTINGS:
        raise DataError(f"no voice is called {name!r}. Kinds: {', '.join(_SETTINGS)}; such as kokoro:ff_siwis or pico.")
    settings = _settings(name, kind, query)
    if kind == "pico":
        from pipelines.adapters.tts.pico import Pico

        return Pico(language=language, **settings)
    if kind == "espeak-ng":
        from pipelines.adapters.tts.espeak_ng import EspeakNg

        return EspeakNg(voice=voice or language, **settings)
    if not voice and not (kind == "piper" and folder):
        raise DataError(f"{name!r} does not say which voice. Write {kind}:VOICE.")
    if kind == "kokoro":
        from pipelines.adapters.tts.kokoro import Kokoro

        place = Path(folder) if folder else (store or Store()).path(_KOKORO)
        if "accent" in settings and language != "en":
            raise DataError(f"{name!r}: accents are of English, not of {language!r}.")
        return Kokoro(place, voice=voice, language=language, threads=threads, **settings)
    from pipelines.adapters.tts.piper import Piper

    return Piper(Path(folder) if folder else (store or Store()).path(voice), threads=threads, **settings)


def _settings(name: str, kind: str, query: str) -> dict[str, Any]:
    try:
        said = dict(parse_qsl(query, strict_parsing=bool(query)))
        settings: dict[str, Any] = {key: float(value) for key, value in said.items() if key != "accent"}
    except ValueError:
        raise DataError(f"{name!r}: what follows the ? is not like speed=0.9&pitch=0.8.") from None
    if "accent" in said:
        if said["accent"] not in ACCENTS:
            raise DataError(f"{name!r}: no accent is called {said['accent']}. There are {', '.join(ACCENTS)}.")
        settings["accent"] = ACCENTS[said["accent"]]
    if unknown := sorted(settings.keys() - _SETTINGS[kind]):
        raise DataError(
            f"{name!r}: {kind} has no setting {', '.join(unknown)}. It has {', '.join(sorted(_SETTINGS[kind]))}."
        )
    return settings


def speaker_of(name: str) -> str:
    """The speaker that clips of this voice are by: its name without the folder, in letters that a folder can have."""
    place, _, query = name.partition("?")
    kept = place.partition("@")[0] + (f"?{query}" if query else "")
    return "".join(c if c.isalnum() or c in "-_.+=" else "-" for c in kept)
