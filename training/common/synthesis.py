"""Recordings made by voices, so that a vocabulary can be taught before anyone has recorded it.

A clip's file is named by its sentence and the voice that says it, so what is there already is not made again: a run
that was stopped goes on where it was, and a changed sentence or voice is made anew. Clips come in a fixed order: voice
by voice, each through all sentences.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile

from pipelines.audio.resample import resample
from pipelines.errors import ModelError
from pipelines.models.ports import TextToSpeech
from pipelines.units import SAMPLE_RATE
from training.common import manifests, telephony
from training.common.audio import to_float, to_int16, trimmed
from training.common.errors import DataError
from training.common.manifests import Clip, Limits, Problem

_LEAST = 200  # of int16: what is quieter throughout is silence


def read_texts(path: Path) -> list[str]:
    """Sentences in a file: one a line, or JSON lines with `text`; empty lines are left out, each sentence comes once.
    Raises DataError that lists every line that cannot be used."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error
    texts, problems = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        text = _text(line)
        if text:
            texts.append(text)
        else:
            problems.append(str(Problem(path, number, 'no text; a line is a sentence, or JSON with "text".')))
    manifests.refuse(problems, "stop", print)
    if not texts:
        raise DataError(f"{path}: holds no sentence.")
    return list(dict.fromkeys(texts))


def _text(line: str) -> str:
    if not line.lstrip().startswith("{"):
        return " ".join(line.split())
    try:
        text = json.loads(line)["text"]
    except (ValueError, KeyError, TypeError):
        return ""
    return " ".join(text.split()) if isinstance(text, str) else ""


def synthesize(
    texts: Sequence[str],
    speaker: str,
    voice: TextToSpeech,
    folder: Path,
    *,
    language: str,
    limits: Limits = manifests.LIMITS,
    line: bool = False,
    trim_db: float = 0.0,
    made: Callable[[], None] = lambda: None,
) -> tuple[list[Clip], list[str]]:
    """`texts` spoken by `voice`, as 16 kHz FLAC below `folder/speaker`; (clips, what was left out and why).

    `line`: the voice is heard through a good telephone line, to go with recordings that were. `trim_db`: the silence before and after is cut off,
    as in `audio.trimmed`; 0 keeps it. `made` is called after each sentence. Left out are sentences of which the voice makes no sound, or that
    become shorter or longer than the limits."""
    (folder / speaker).mkdir(parents=True, exist_ok=True)
    clips, problems = [], []
    for text in texts:
        said = [voice.identity, text, *["line"] * line, *[f"trim {trim_db:g}"] * bool(trim_db)]
        key = hashlib.sha256("\n".join(said).encode()).hexdigest()[:16]
        path = folder / speaker / f"{key}.flac"
        try:
            if not path.exists():
                _speak(voice, text, path, line, trim_db)
            seconds = soundfile.info(path).duration
            if not limits.min_s <= seconds <= limits.max_s:
                raise DataError(f"lasts {seconds:.1f} s, not {limits.min_s:g} to {limits.max_s:g} s")
            clips.append(Clip(audio=path, text=text, language=language, speaker=speaker, duration=seconds))
        except (ModelError, DataError, soundfile.SoundFileError) as error:
            problems.append(f"{speaker}: {text!r}: {error}")
        made()
    return clips, problems


def _speak(voice: TextToSpeech, text: str, path: Path, line: bool, trim_db: float) -> None:
    pieces = list(voice.synthesize(text))
    sound = to_int16(np.concatenate(pieces)) if pieces else np.zeros(0, np.int16)
    if not len(sound) or np.abs(sound.astype(np.int32)).max() < _LEAST:
        raise DataError("the voice makes no sound of it")
    sound = resample(sound, voice.sample_rate, SAMPLE_RATE)
    if line:
        sound = to_int16(telephony.plain(to_float(sound)))
    if trim_db:
        sound = to_int16(trimmed(to_float(sound), trim_db))
    partial = path.with_suffix(".partial")
    soundfile.write(partial, sound, SAMPLE_RATE, format="FLAC")
    partial.replace(path)
