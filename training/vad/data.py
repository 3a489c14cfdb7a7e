"""From recordings to mixtures whose speech is known by construction: clean pieces laid on a line of noise, music or far voices."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from pipelines.models.ports import Audio, VoiceActivity
from training.common import audio, manifests, splits, telephony
from training.common.errors import DataError
from training.common.manifests import Clip, Limits
from training.vad import sounds
from training.vad.labels import HOP, labels
from training.vad.recipe import DataSettings, MixSettings

Say = Callable[[str], None]
RATE = 16_000
_LIMITS = Limits(min_s=0.1, max_s=600.0, text=False)


@dataclass(frozen=True)
class Spoken:
    """A clean recording and where it is speech: `speech` is 1, 0 or -1 (unsure) for each sample."""

    clip: Clip
    audio: Audio
    speech: NDArray[np.int8]
    level: float
    """Root mean square of what is speech."""


@dataclass(frozen=True)
class Noise:
    name: str
    audio: Audio


@dataclass(frozen=True)
class Mixed:
    """What comes out of the line, and where somebody speaks in it (by sample)."""

    audio: Audio
    speech: NDArray[np.int8]


@dataclass(frozen=True)
class Prepared:
    train: list[Spoken]
    validation: list[Spoken]
    test: list[Spoken]
    noises: list[Noise]
    test_noises: list[Noise]
    rooms: list[Audio]


def prepare(settings: DataSettings, data: Path, teacher: VoiceActivity | None, say: Say = print) -> Prepared:
    """Read, split and label. Raises DataError, which lists all that is wrong."""
    parts = divided(settings, data)
    for name, clips in parts.items():
        say(
            f"{name}: {len(clips)} clips, {sum(c.duration for c in clips) / 60:.1f} min, {len({c.speaker for c in clips})} speakers"
        )
    spoken = {name: _spoken(clips, teacher) for name, clips in parts.items()}
    noises = [
        Noise(c.audio.name, audio.load(c.audio))
        for c in manifests.read_all([data / m for m in settings.noises], _LIMITS)
    ]
    names = {noise.name for noise in noises}
    if unknown := sorted(set(settings.test_noises) - names):
        raise DataError(f"data.test_noises: no file is called {', '.join(unknown)}. Files: {', '.join(sorted(names))}.")
    rooms = (
        [audio.load(c.audio) for c in manifests.read_all([data / m for m in settings.rooms], _LIMITS)]
        if settings.rooms
        else []
    )
    return Prepared(
        **spoken,
        noises=[n for n in noises if n.name not in settings.test_noises],
        test_noises=[n for n in noises if n.name in settings.test_noises],
        rooms=rooms,
    )


def divided(settings: DataSettings, data: Path) -> dict[str, list[Clip]]:
    """ "train", "validation" and "test", with no speaker in two of them."""
    clips = manifests.read_all([data / name for name in settings.speech], _LIMITS)
    only = manifests.read_all([data / name for name in settings.test_speech], _LIMITS) if settings.test_speech else []
    tested = {clip.speaker for clip in only} | set(settings.test_speakers)
    rest = [clip for clip in clips if clip.speaker not in tested]
    named = [clip for clip in clips if clip.speaker in tested]
    rest, drawn = splits.by_speaker(rest, settings.test, settings.seed) if settings.test else (rest, [])
    train, validation = splits.by_speaker(rest, settings.validation, settings.seed)
    return {"train": train, "validation": validation, "test": [*drawn, *named, *only]}


def _spoken(clips: Sequence[Clip], teacher: VoiceActivity | None) -> list[Spoken]:
    """Without the recordings in which no speech is found."""
    heard = [audio.load(clip.audio) for clip in clips]
    found = []
    for clip, samples, label in zip(clips, heard, labels(heard, teacher), strict=True):
        speech = np.zeros(samples.size, np.int8)
        speech[: label.size * HOP] = np.repeat(label, HOP)
        if (speech == 1).any():
            level = float(np.sqrt(np.square(samples[speech == 1], dtype=np.float64).mean()))
            found.append(Spoken(clip, samples, speech, level))
    return found


class Mixer:
    """Mixture number i of a seed is always the same."""

    def __init__(
        self,
        spoken: Sequence[Spoken],
        noises: Sequence[Noise],
        rooms: Sequence[Audio],
        settings: MixSettings,
        seed: int,
    ) -> None:
        self._spoken, self._noises, self._rooms = list(spoken), list(noises), list(rooms)
        self._settings, self._seed = settings, seed
        self._line = telephony.Telephone(settings.telephone)

    def __call__(self, number: int, seconds: float) -> Mixed:
        s = self._settings
        rng = np.random.default_rng([self._seed, zlib.crc32(b"vad"), number])
        samples = int(seconds * RATE)
        clean, speech = np.zeros(samples, np.float32), np.zeros(samples, np.int8)
        if rng.random() >= s.speechless:
            self._speak(rng, clean, speech)
        clean = clean * np.float32(10 ** (rng.uniform(*s.level_db) / 20))
        mixed = clean + self._background(rng, samples)
        if rng.random() >= s.wide_band:
            mixed = self._line(mixed, rng)
        return Mixed(np.clip(mixed[:samples], -1, 1).astype(np.float32), speech)

    def _speak(self, rng: np.random.Generator, clean: Audio, speech: NDArray[np.int8]) -> None:
        """Pieces of one recording after another, speech at level 1, with pauses between."""
        at = int(rng.uniform(0.1, 2.5) * RATE)
        while at < clean.size:
            one = self._spoken[rng.integers(len(self._spoken))]
            first, last = self._piece(rng, one)
            last = min(last, first + clean.size - at)
            piece = one.audio[first:last] / one.level
            fade = min(80, piece.size // 2)
            ramp = np.linspace(0, 1, fade, dtype=np.float32)
            piece = piece.copy()
            piece[:fade] *= ramp
            piece[piece.size - fade :] *= ramp[::-1]
            clean[at : at + piece.size] += piece
            speech[at : at + piece.size] = one.speech[first:last]
            at += piece.size + int(rng.choice((0.2, 0.5, 1.0, 3.0)) * rng.uniform(0.5, 1.5) * RATE)
        if self._rooms and rng.random() < self._settings.room:
            room = telephony.direct(self._rooms[rng.integers(len(self._rooms))])
            wet = signal.fftconvolve(clean, room)[: clean.size]
            clean[:] = wet * np.sqrt(np.square(clean).mean() / max(np.square(wet).mean(), 1e-12))

    def _piece(self, rng: np.random.Generator, one: Spoken) -> tuple[int, int]:
        """A short word as callers say, or several seconds."""
        if rng.random() < self._settings.short:
            length = int(rng.uniform(0.15, 0.8) * RATE)
            inside = np.flatnonzero(one.speech == 1)
            first = max(0, int(inside[rng.integers(inside.size)]) - length // 2)
        else:
            length = int(rng.uniform(1.5, 8.0) * RATE)
            first = int(rng.integers(max(1, one.audio.size - length)))
        return first, min(one.audio.size, first + length)

    def _background(self, rng: np.random.Generator, samples: int) -> Audio:
        """At its loudness: as far below speech of the mean level as the ratio drawn says."""
        s = self._settings
        if rng.random() < s.quiet:
            return np.zeros(samples, np.float32)
        level = 10 ** (rng.uniform(*s.level_db) / 20)
        if rng.random() < s.babble:
            sound, snr = self._babble(rng, samples), rng.uniform(*s.babble_snr_db)
        elif rng.random() < s.made_up or not self._noises:
            sound, snr = sounds.sound(rng, samples), rng.uniform(*s.snr_db)
        else:
            noise = self._noises[rng.integers(len(self._noises))].audio
            sound, snr = telephony.piece(_tuned(rng, noise), samples, rng), rng.uniform(*s.snr_db)
        loudness = float(np.sqrt(np.square(sound, dtype=np.float64).mean()))
        return sound * np.float32(level * 10 ** (-snr / 20) / max(loudness, 1e-9))

    def _babble(self, rng: np.random.Generator, samples: int) -> Audio:
        """Three to eight voices at once."""
        out = np.zeros(samples, np.float32)
        for _ in range(int(rng.integers(3, 9))):
            one = self._spoken[rng.integers(len(self._spoken))]
            out += telephony.piece(one.audio, samples, rng) / one.level
        return out


def _tuned(rng: np.random.Generator, noise: Audio) -> Audio:
    """The same noise at another pitch and pace, by up to a third: few recordings become many."""
    percent = int(rng.integers(75, 135))
    length = min(noise.size, 20 * RATE)
    first = int(rng.integers(max(1, noise.size - length)))
    return signal.resample_poly(noise[first : first + length], 100, percent).astype(np.float32)
