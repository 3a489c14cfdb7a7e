"""Interruptions and murmurs said by voices, since nobody has recorded them: each voice says lines of `texts/` that are drawn for it."""

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from training.common import manifests, synthesis
from training.common.manifests import Clip, Limits
from training.common.voices import open_voice, speaker_of
from training.overlap.recipe import Part, VoiceSettings

TEXTS = Path(__file__).parent / "texts"
LANGUAGES = ("en", "fr")
KINDS = ("interruptions", "murmurs")
_TRIM_DB = 40.0
_LIMITS = Limits(min_s=0.08, max_s=4.0)

Say = Callable[[str], None]


def manifest(folder: Path, part: Part, kind: str, language: str) -> Path:
    """Where the clips of one kind lie."""
    return folder / f"{part}_{kind}_{language}.jsonl"


def drawn(voice: str, kind: str, language: str, count: int) -> list[str]:
    """The lines that this voice says: always the same."""
    texts = synthesis.read_texts(TEXTS / f"{kind}_{language}.txt")
    rng = np.random.default_rng(zlib.crc32(f"{voice} {kind} {language}".encode()))
    return [texts[place] for place in sorted(rng.permutation(len(texts))[:count])]


def speak(settings: VoiceSettings, parts: Sequence[Part], folder: Path, kokoro: Path | None, say: Say = print) -> None:
    """Leave a manifest for each part, kind and language below `folder`. What is there already is not said again. `kokoro`: a folder with the
    voices that the store does not hold, beside the model. Raises DataError or ModelError when a voice cannot be opened."""
    for part in parts:
        found: dict[tuple[str, str], list[Clip]] = {(kind, language): [] for kind in KINDS for language in LANGUAGES}
        for name in getattr(settings, part):
            for language in LANGUAGES:
                called = name.replace("*", language)
                opened = f"{called}@{kokoro}" if kokoro and called.startswith("kokoro:") else called
                voice = open_voice(opened, language)
                for kind in KINDS:
                    count = settings.count(part, kind, name)
                    clips, wrong = synthesis.synthesize(
                        drawn(called, kind, language, count),
                        speaker_of(called),
                        voice,
                        folder,
                        language=language,
                        limits=_LIMITS,
                        trim_db=_TRIM_DB,
                    )
                    found[kind, language] += clips
                    for line in wrong:
                        say(line)
            for (kind, language), clips in found.items():
                manifests.write(manifest(folder, part, kind, language), clips)
            say(f"{part}: {name}")
