"""Voice activity detectors side by side, on speakers and noises that ours was not trained on.

Four questions, each with a truth that no detector gave:

1. Windows. Mixtures of test speakers and test noises over a good telephone line: the clean recording's energy says where speech is
   (windows within 64 ms of an edge are left out, since nobody agrees on edges). Meetings: people's segments. Area under the ROC curve.
2. Noise alone and music on hold: how often a minute a call would take it for a caller (`turns/speech.py`, default settings).
3. Single words: how many a call would not hear at all.
4. The first sound of those words, whose place is known: how many ms of it are cut off, before the pre-roll gives them back; and how
   late the end is seen.

A detector that was trained several times gets the mean in its cells (its bounds are the mean's), and each training's figure behind it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.models.ports import Audio, VoiceActivity
from pipelines.turns.policy import CallSettings
from pipelines.turns.speech import Speech, SpeechStarted, SpeechStopped
from training.common import audio, manifests, ranking, telephony
from training.common.manifests import Limits
from training.common.seeds import each
from training.vad.data import Mixer, Noise, prepare
from training.vad.labels import energy_db, probabilities
from training.vad.recipe import MixSettings, VadRecipe

RATE = 16_000
_HISS = 4e-4
_COLLAR = 1_024  # samples around an edge that are not judged
_WORDS = {"English digits": "en_spoken_digits/manifest.jsonl", "French words": "fr_words_ktuberling/manifest.jsonl"}
_MEETINGS = "en_meetings_ami/manifest.jsonl"
_MIXTURES = 60
_ANY = Limits(min_s=0.1, max_s=600.0, text=False)

Detectors = Mapping[str, Sequence[VoiceActivity]]
"""By name, each with its trainings; the first name is the one that the last is compared with."""
Groups = list[tuple[NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True)
class Judged:
    """A recording on the line, and its windows: 1 speech, 0 none, -1 not judged."""

    audio: Audio
    truth: NDArray[np.int8]


def compare(
    recipe: VadRecipe,
    data: Path,
    detectors: Detectors,
    *,
    music: Path | None = None,
    picture: Path | None = None,
    mixtures: int = _MIXTURES,
) -> str:
    """The tables, in Markdown. `music`: a folder of more recordings without speech; `mixtures`: of 10 s, for each condition."""
    parts = prepare(recipe.data, data, None, lambda _: None)
    backgrounds: dict[str, list[Noise]] = {"noise": parts.test_noises}
    backgrounds["music"] = [n for n in parts.test_noises if "music_on_hold" in str(_folder(recipe, data, n.name))]
    backgrounds["noise"] = [n for n in parts.test_noises if n not in backgrounds["music"]]
    more = [Noise(file.name, audio.load(file)) for file in sorted(music.glob("*.*"))] if music else []

    sets: dict[str, list[Judged]] = {}
    for language in ("en", "fr"):
        spoken = [one for one in parts.test if one.clip.language == language]
        if not spoken:
            continue
        for name, mix, noises in _conditions(backgrounds):
            mixer = Mixer(spoken, noises, [], mix, seed=91)
            mixed = [mixer(number, 10.0) for number in range(mixtures)]
            sets[f"{language}, {name}"] = [Judged(telephony.plain(m.audio), _windows(m.speech)) for m in mixed]
    if (data / _MEETINGS).is_file():
        sets["en, meetings (people's segments)"] = list(_meetings(data / _MEETINGS))

    said = {
        name: {s: [_groups(vad, judged) for vad in trainings] for s, judged in sets.items()}
        for name, trainings in detectors.items()
    }
    lines = [*_areas(sets, said), ""]
    silent = {"noise": backgrounds["noise"], "music on hold": [*backgrounds["music"], *more]}
    lines += [*_false_alarms(silent, detectors), ""]
    lines += _words(data, detectors)
    if picture:
        draw(said, picture)
    return "\n".join(lines)


def _folder(recipe: VadRecipe, data: Path, name: str) -> Path | None:
    return next((data / m for m in recipe.data.noises if (data / m).with_name(name).is_file()), None)


def _conditions(backgrounds: Mapping[str, list[Noise]]) -> Iterator[tuple[str, MixSettings, list[Noise]]]:
    """(name, what is mixed, noises). All of them go over the line that `compare` adds."""
    same = {"speechless": 0.0, "room": 0.0, "wide_band": 1.0, "level_db": (-28.0, -24.0), "made_up": 0.0}
    yield "quiet", MixSettings(**same, quiet=1.0), []
    for name, db in (("noise", 10.0), ("noise", 0.0), ("music", 10.0)):
        if backgrounds[name]:
            yield f"{name} {db:g} dB", MixSettings(**same, quiet=0.0, babble=0.0, snr_db=(db, db)), backgrounds[name]
    yield "far voices 15 dB", MixSettings(**same, quiet=0.0, babble=1.0, babble_snr_db=(15.0, 15.0)), []


def _windows(speech: NDArray[np.int8]) -> NDArray[np.int8]:
    """Truth of windows of 512 samples; those near an edge are not judged."""
    edges = np.flatnonzero(np.diff(speech))
    truth = speech[: speech.size // 512 * 512].reshape(-1, 512)
    out = np.where((truth == 1).all(axis=1), 1, np.where((truth == 0).all(axis=1), 0, -1)).astype(np.int8)
    for edge in edges:
        out[max(0, (edge - _COLLAR) // 512) : (edge + _COLLAR) // 512 + 1] = -1
    return out


def _meetings(manifest: Path) -> Iterator[Judged]:
    for line in manifest.read_text().splitlines():
        row = json.loads(line)
        heard = audio.load(manifest.parent / row["audio"])
        speech = np.zeros(heard.size, np.int8)
        for segment in row["segments"]:
            speech[int(segment["start"] * RATE) : int(segment["end"] * RATE)] = 1
        loud = 10 ** (-26 / 20) / max(float(np.sqrt(np.square(heard[speech == 1]).mean())), 1e-6)  # as a line would
        yield Judged(telephony.plain(np.clip(heard * np.float32(loud), -1, 1)), _windows(speech))


def _groups(vad: VoiceActivity, judged: Sequence[Judged]) -> Groups:
    found = []
    for heard, one in zip(probabilities(vad, [j.audio for j in judged]), judged, strict=True):
        truth = one.truth[: len(heard)]
        found.append((heard[: truth.size][truth == 1], heard[: truth.size][truth == 0]))
    return found


def _areas(sets: Mapping[str, list[Judged]], said: Mapping[str, Mapping[str, list[Groups]]]) -> list[str]:
    names = list(said)
    rows = [
        f"| area under the ROC curve, windows | {' | '.join(names)} | {names[-1]} - {names[0]} |",
        "|---" * (len(names) + 2) + "|",
    ]
    for s in sets:
        cells = []
        for name in names:
            low, high = ranking.area_interval(*said[name][s])
            areas = [_area(groups) for groups in said[name][s]]
            cells.append(f"{np.mean(areas):.3f} ({low:.3f} to {high:.3f}){each(areas, 3)}")
        low, high = ranking.difference_interval(said[names[-1]][s], said[names[0]][s])
        rows.append(f"| {s} | {' | '.join(cells)} | {low:+.3f} to {high:+.3f} |")
    return rows


def _area(groups: Groups) -> float:
    return ranking.area(*(np.concatenate(part) for part in zip(*groups, strict=True)))


def _false_alarms(silent: Mapping[str, list[Noise]], detectors: Detectors) -> list[str]:
    rows = [
        "| nobody speaks | level | min | "
        + " | ".join(f"{n}: starts a minute | % taken for speech" for n in detectors)
        + " |",
        "|---" * (3 + 2 * len(detectors)) + "|",
    ]
    for kind, level in product(silent, (-40, -26)):
        if noises := silent[kind]:
            heard = [telephony.plain(_at(n.audio, level)) for n in noises]
            minutes = sum(h.size for h in heard) / RATE / 60
            cells = []
            for trainings in detectors.values():
                starts, shares = [], []
                for vad in trainings:
                    stretches = [s for p in probabilities(vad, heard) for s in utterances(p, vad.window)]
                    starts.append(len(stretches) / minutes)
                    shares.append(100 * sum(last - first for first, last in stretches) / RATE / 60 / minutes)
                cells += [f"{np.mean(figures):.1f}{each(figures, 1)}" for figures in (starts, shares)]
            rows.append(f"| {kind} | {level} dBFS | {minutes:.1f} | {' | '.join(cells)} |")
    return rows


def _at(heard: Audio, level_db: float) -> Audio:
    rms = float(np.sqrt(np.square(heard, dtype=np.float64).mean()))
    return np.clip(heard * np.float32(10 ** (level_db / 20) / max(rms, 1e-9)), -1, 1)


def utterances(p_speech: Iterable[float], window: int) -> list[tuple[int, int]]:
    """From and to, in samples, as a call with default settings takes them."""
    speech, found, first = Speech(CallSettings(), window), [], 0
    at = 0
    for p in p_speech:
        change = speech.window_analyzed(at, p)
        at += window
        if isinstance(change, SpeechStarted):
            first = change.first
        elif isinstance(change, SpeechStopped):
            found.append((first, change.last))
    if speech.speaking:
        found.append((first, at))
    return found


def _words(data: Path, detectors: Detectors) -> list[str]:
    rows = [
        "| single words, quiet line | level | n | | " + " | ".join(detectors) + " |",
        "|---" * (4 + len(detectors)) + "|",
    ]
    for kind, manifest in _WORDS.items():
        if not (data / manifest).is_file():
            continue
        clips = [audio.load(c.audio) for c in manifests.read_all([data / manifest], _ANY)]
        for level in (-45, -26):
            placed = [_placed(clip, level, number) for number, clip in enumerate(clips)]
            columns = [[_column(vad, placed) for vad in trainings] for trainings in detectors.values()]
            for title in columns[0][0]:
                cells = ["; ".join(column[title] for column in trainings) for trainings in columns]
                rows.append(f"| {kind} | {level} dBFS | {len(clips)} | {title} | {' | '.join(cells)} |")
    return rows


def _column(vad: VoiceActivity, placed: Sequence[tuple[Audio, tuple[int, int]]]) -> dict[str, str]:
    """What one detector made of words on a line."""
    heard = probabilities(vad, [line for line, _ in placed])
    found = [_heard(p, vad.window, truth) for p, (_, truth) in zip(heard, placed, strict=True)]
    missed, hits = [one is None for one in found], [one for one in found if one is not None]
    column = {"not heard, %": f"{100 * np.mean(missed):.1f} ({_share(missed)})"}
    for place, title in enumerate(("start cut off", "end seen late")):
        ms = np.array([hit[place] for hit in hits])
        middle = f"{np.median(ms):.0f} ({np.percentile(ms, 95):.0f})" if hits else "-"
        column[f"{title}, median ms (95th percentile)"] = middle
    return column


def _placed(word: Audio, level: float, number: int) -> tuple[Audio, tuple[int, int]]:
    """A word in 2 s of quiet line before and 1 s after, and where it is: what is within 30 dB of its loudest 10 ms."""
    decibels = energy_db(word)
    loud = np.flatnonzero(decibels > decibels.max() - 30)
    first, last = int(loud[0]) * 160, int(loud[-1] + 1) * 160
    before = 2 * RATE + (number * 97) % 512  # windows fall anywhere on words
    line = np.random.default_rng(number).normal(0, _HISS, before + word.size + RATE).astype(np.float32)
    line[before : before + word.size] += _at(word, level)
    return telephony.plain(line), (before + first, before + last)


def _heard(p_speech: NDArray[np.float32], window: int, truth: tuple[int, int]) -> tuple[float, float] | None:
    """(ms of the start that are cut off, ms by which the end is seen late); None if it was not heard."""
    first, last = truth
    hits = [(a, b) for a, b in utterances(p_speech, window) if b > first and a < last]
    if not hits:
        return None
    return 1_000 * max(0, hits[0][0] - first) / RATE, 1_000 * (hits[-1][1] - last) / RATE


def _share(hits: Sequence[bool]) -> str:
    """95 % bounds of a share (Wilson's)."""
    n, p, z = len(hits), float(np.mean(hits)), 1.96
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (100 * (middle + side) / (1 + z * z / n) for side in (-half, half))
    return f"{abs(low):.1f} to {high:.1f}"


def draw(said: Mapping[str, Mapping[str, list[Groups]]], picture: Path) -> None:
    """ROC curves, a panel for each condition; of each detector's first training."""
    from matplotlib.figure import Figure

    names = list(next(iter(said.values())))
    columns = 4
    figure = Figure(figsize=(3.2 * columns, 3.2 * -(-len(names) // columns)), layout="constrained")
    panels = figure.subplots(-(-len(names) // columns), columns, squeeze=False).ravel()
    for panel, condition in zip(panels, names, strict=False):
        for (name, sets), colour in zip(said.items(), ("#9a9aa6", "#D55E00"), strict=False):
            positive, negative = (np.concatenate(part) for part in zip(*sets[condition][0], strict=True))
            false, true = ranking.curve(positive, negative)
            panel.plot(100 * false, 100 * true, color=colour, label=f"{name} {ranking.area(positive, negative):.3f}")
        panel.set(title=condition, xlim=(0, 30), ylim=(70, 100))
        panel.title.set_fontsize(9)
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(frameon=False, fontsize=8, loc="lower right")
    for panel in panels[len(names) :]:
        panel.axis("off")
    figure.supxlabel("windows without speech taken for speech, %")
    figure.supylabel("windows of speech found, %")
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=130, facecolor="white")
