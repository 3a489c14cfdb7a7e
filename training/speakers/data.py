"""From manifests to batches: who is trained on and who is tested, clips through many lines, crops of one length."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import signal

from pipelines.models.ports import Audio, SpeakerEncoder
from pipelines.speakers.frames import voice_frames
from pipelines.units import SAMPLE_RATE
from training.common import audio, manifests, splits, telephony
from training.common.errors import DataError
from training.common.manifests import Clip, Limits
from training.speakers.recipe import DataSettings, Variety

Frames = NDArray[np.float32]
Say = Callable[[str], None]
Piece = tuple[Clip, ...]

_LIMITS = Limits(min_s=0.1, max_s=600.0, text=False)
_SILENT_DB = 35.0
_PIECE_S = 4.0
_TAUGHT = 5 * SAMPLE_RATE


def clips_of(names: Sequence[str], settings: DataSettings, data: Path, say: Say = print) -> list[Clip]:
    """The usable lines of manifests, with or without a text, that name a speaker. Raises DataError."""
    if not names:
        return []
    found = manifests.read_all([data / name for name in names], _LIMITS, on_bad=settings.on_bad, say=say)
    return [clip for clip in found if clip.speaker]


@dataclass(frozen=True)
class Parts:
    """Clips by role."""

    train: list[Clip]
    validation: list[Clip]
    test: list[Clip]


def divided(settings: DataSettings, data: Path, say: Say = print) -> Parts:
    """No speaker is in two of the three."""
    clips = clips_of(settings.split, settings, data, say)
    rest, test = splits.by_speaker(clips, drawn([c.speaker for c in clips], settings.test_share, settings.seed))
    share = settings.validation_share / (1 - settings.test_share)
    rest, validation = splits.by_speaker(rest, drawn([c.speaker for c in rest], share, settings.seed + 1))
    train = clips_of(settings.train, settings, data, say)
    aside = set(settings.aside)
    if unknown := sorted(aside - {clip.speaker for clip in train}):
        raise DataError(f"data.aside: no clip of data.train is by {', '.join(unknown)}.")
    test = [*test, *(c for c in train if c.speaker in aside), *clips_of(settings.test, settings, data, say)]
    train = [*rest, *(c for c in train if not aside & {c.speaker, *_mixed(c.speaker)})]
    if both := sorted({c.speaker for c in train} & {c.speaker for c in [*test, *validation]}):
        raise DataError(f"{', '.join(both)}: trained on and tested. Name a set in one of train, split and test.")
    return Parts(limited(train, settings.longest_s), validation, test)


def drawn(speakers: Sequence[str], share: float, seed: int) -> list[str]:
    """About `share` of the different `speakers`, at least one."""
    names = sorted(set(speakers))
    order = np.random.default_rng(seed).permutation(len(names))
    return [names[i] for i in order[: max(1, round(share * len(names)))]]


def _mixed(speaker: str) -> set[str]:
    """The voices of `kokoro-a+b`, each by its own name."""
    kind, _, parts = speaker.partition("-")
    return {f"{kind}-{part}" for part in parts.split("+")} if "+" in parts else set()


def limited(clips: Sequence[Clip], longest_s: float) -> list[Clip]:
    """As many clips of each speaker as `longest_s` holds, in their order; at least one."""
    sums: dict[str, float] = {}
    kept = []
    for clip in clips:
        if not (so_far := sums.get(clip.speaker, 0.0)) or so_far + clip.duration <= longest_s:
            kept.append(clip)
            sums[clip.speaker] = so_far + clip.duration
    return kept


def sounds(names: Sequence[str], data: Path, part: int | None = None) -> list[Audio]:
    """Noises or rooms. `part`: 0 every second one, beginning with the first; 1 the others; None all."""
    found = manifests.read_all([data / name for name in names], Limits(0.01, 600.0, text=False)) if names else []
    return [audio.load(clip.audio) for clip in (found if part is None else found[part::2])]


def spoken(clip: Clip) -> Audio:
    """The clip without the silence before and after."""
    return audio.trimmed(audio.load(clip.audio), _SILENT_DB)


class Batches:
    """Batch i of an epoch: crops of one length by `batch` different speakers. A function of (seed, epoch, place)."""

    def __init__(
        self,
        clips: Sequence[Clip],
        variety: Variety,
        line: telephony.Telephone,
        batch: int,
        seed: int,
        steps: int = 100,
        teacher: SpeakerEncoder | None = None,
    ) -> None:
        """`steps`: batches in an epoch. `teacher`: whose voices of the recordings themselves come along."""
        self.variety, self.line, self.batch, self.seed, self.steps = variety, line, batch, seed, steps
        self.teacher = teacher
        self._voices: dict[tuple[Piece, int], Frames] = {}
        names = sorted({clip.speaker for clip in clips})
        self.people = [joined([clip for clip in clips if clip.speaker == name]) for name in names]
        self._heard: dict[Piece, Audio] = {}
        self._made: dict[tuple[Piece, int, int], NDArray[np.float16]] = {}

    @property
    def speakers(self) -> int:
        """Different speeds of one person count as different speakers."""
        return len(self.people) * len(self.variety.speeds)

    def __call__(self, epoch: int) -> "Epoch":
        return Epoch(self, epoch)

    def frames(self, piece: "Piece", speed: int, number: int) -> NDArray[np.float16]:
        """Variation `number` of a piece at a speed, made when first asked for and kept."""
        key = (piece, speed, number)
        if key not in self._made:
            rng = np.random.default_rng([self.seed, zlib.crc32(piece[0].audio.name.encode()), speed, number])
            sound = self.line(self._sound(piece, speed), rng)
            self._made[key] = voice_frames(sound).astype(np.float16)
        return self._made[key]

    def voices(self, chosen: Sequence[tuple["Piece", int]]) -> Frames:
        """What the teacher makes of the first seconds of pieces at their speeds, without a line: (n, size)."""
        new = [key for key in dict.fromkeys(chosen) if key not in self._voices]
        if new and self.teacher is not None:
            sounds = [self._sound(*key)[:_TAUGHT] for key in new]
            all_at_once = getattr(self.teacher, "embed_all", lambda clips: [self.teacher.embed(clip) for clip in clips])
            self._voices |= dict(zip(new, all_at_once(sounds), strict=True))
        return np.stack([self._voices[key] for key in chosen])

    def _sound(self, piece: "Piece", speed: int) -> Audio:
        if piece not in self._heard:
            self._heard[piece] = np.concatenate([spoken(clip) for clip in piece])
        return faster(self._heard[piece], self.variety.speeds[speed])


class Epoch(Sequence):
    """The batches of one epoch, made when asked for."""

    def __init__(self, batches: Batches, number: int) -> None:
        self._batches, self._number = batches, number

    def __len__(self) -> int:
        return self._batches.steps

    def __getitem__(self, place: int) -> dict[str, torch.Tensor]:
        b, variety = self._batches, self._batches.variety
        rng = np.random.default_rng([b.seed, self._number, place])
        length = round(100 * rng.uniform(*variety.crop_s))
        rows, used = [], []
        chosen = rng.choice(b.speakers, b.batch, replace=b.speakers < b.batch)
        for speaker in chosen:
            person, speed = divmod(int(speaker), len(variety.speeds))
            pieces = b.people[person]
            piece = pieces[rng.integers(len(pieces))]
            frames = b.frames(piece, speed, int(rng.integers(variety.variations)))
            used.append((piece, speed))
            rows.append(masked(cropped(frames, length, rng).astype(np.float32), variety.masks, rng))
        batch = {
            "frames": torch.from_numpy(np.stack(rows)),
            "speakers": torch.from_numpy(chosen),
            "step": torch.tensor(self._number * len(self) + place),
        }
        return batch | {"voices": torch.from_numpy(b.voices(used))} if b.teacher else batch


def joined(clips: Sequence[Clip]) -> list[Piece]:
    """One person's clips in pieces of four seconds and more, as far as they last: single words are joined."""
    pieces: list[Piece] = []
    held: list[Clip] = []
    for clip in clips:
        held.append(clip)
        if sum(c.duration for c in held) >= _PIECE_S:
            pieces.append(tuple(held))
            held = []
    if held:
        pieces[-1:] = [(*pieces[-1], *held)] if pieces else [tuple(held)]
    return pieces


def faster(sound: Audio, speed: float) -> Audio:
    """Pitch and pace `speed` times as high, as a tape does: another throat."""
    percent = round(100 * speed)
    return sound if percent == 100 else signal.resample_poly(sound, 100, percent).astype(np.float32)


def cropped(frames: NDArray, length: int, rng: np.random.Generator) -> NDArray:
    """`length` frames from a random place; a shorter clip is repeated."""
    if len(frames) < length:
        frames = np.tile(frames, (-(-length // len(frames)), 1))
    start = int(rng.integers(len(frames) - length + 1))
    return frames[start : start + length]


def masked(frames: Frames, masks: int, rng: np.random.Generator) -> Frames:
    """SpecAugment (Park et al. 2019): up to a tenth of the time and a sixth of the bands set to the mean, 0."""
    for _ in range(masks):
        long, wide = int(rng.integers(len(frames) // 10 + 1)), int(rng.integers(frames.shape[1] // 6 + 1))
        start, low = int(rng.integers(len(frames) - long)), int(rng.integers(frames.shape[1] - wide))
        frames[start : start + long] = 0
        frames[:, low : low + wide] = 0
    return frames
