"""`allo train denoise-table`: denoisers beside each other on the same noisy telephone calls, as the server runs them.

Speakers and noises are those of no recipe's training. Every clip is mixed with every noise at every ratio and heard over the plain
line; each denoiser then hears it as a stream, 32 ms at a time. Rows are written as they are measured, so a run that is killed goes on.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.adapters import kinds
from pipelines.adapters.denoise.keeping import Keeping
from pipelines.errors import ModelError
from pipelines.models import exported
from pipelines.models.ports import Audio, Denoiser, SpeechToText
from pipelines.models.store import Store
from training.common import audio, manifests, telephony
from training.common.errors import DataError
from training.common.manifests import Clip, Limits
from training.common.measures import word_errors
from training.denoise.data import named
from training.denoise.measures import lacking, measure
from training.denoise.noises import babble, piece, rms
from training.denoise.recipe import TableSettings

Say = Callable[[str], None]
_WINDOW = 512  # samples: what a call hands over, a window of its voice detector
_VOICES = 4


@dataclass(frozen=True)
class Row:
    """One system in one noise at one ratio (nan: no noise), clip by clip."""

    system: str
    noise: str
    snr_db: float
    clips: list[str]
    measures: list[dict[str, float]]
    words: list[tuple[int, int]]
    """Errors and words, of the clips that were transcribed."""
    cpu_ms: float
    """Processor time a second of audio."""


@dataclass(frozen=True)
class Case:
    """A clip, and what may be said about it."""

    clip: Clip
    clean: Audio
    """Over the plain line."""
    noisy: Audio


def systems(settings: TableSettings, models: Sequence[Path], say: Say) -> Iterator[tuple[str, Denoiser | None]]:
    """None at all, the packaged ones that are installed, and exported folders; each also with each floor."""
    yield "none", None
    store = Store()
    for name in settings.packaged:
        try:
            denoiser = kinds.load("denoise", store.registry[name].kind, store.path(name))
        except ModelError as error:
            say(f"{name} is left out: {error}")
            continue
        yield from _floors(name, denoiser, settings.keep_db)
    for folder in models:
        card = exported.read_manifest(folder)
        yield from _floors(card.name, kinds.load("denoise", card.kind, folder), settings.keep_db)


def _floors(name: str, denoiser: Denoiser, keeps: Sequence[float]) -> Iterator[tuple[str, Denoiser]]:
    yield name, denoiser
    for keep_db in keeps:
        yield f"{name} {keep_db:g} dB", Keeping(denoiser, keep_db)


def chosen(settings: TableSettings, data: Path) -> list[Clip]:
    """The clips that are measured: as many of each manifest, going round its speakers."""
    limits = Limits(min_s=0.0, max_s=600.0)
    found: list[Clip] = []
    for name in settings.speech:
        by_speaker: dict[str, list[Clip]] = {}
        for clip in manifests.read_all([data / name], limits):
            if settings.min_s <= clip.duration <= settings.max_s:
                by_speaker.setdefault(clip.speaker, []).append(clip)
        if not by_speaker:
            raise DataError(f"{name} has no clip of {settings.min_s:g} to {settings.max_s:g} s. Set min_s and max_s.")
        turns = [clip for round_ in zip(*_padded(by_speaker), strict=True) for clip in round_ if clip is not None]
        found += turns[: settings.clips]
    return found


def _padded(by_speaker: dict[str, list[Clip]]) -> list[list[Clip | None]]:
    most = max(map(len, by_speaker.values()))
    return [[*clips, *[None] * (most - len(clips))] for clips in by_speaker.values()]


class Scene:
    """The clips with their noises: the same for every system."""

    def __init__(self, settings: TableSettings, data: Path) -> None:
        self.clips = chosen(settings, data)
        self._speech = [audio.load(clip.audio) for clip in self.clips]
        self._sounds = {name: audio.load(path) for name, path in named(settings.noise, data).items()}
        if unknown := sorted(set(settings.noises) - set(self._sounds) - {"babble"}):
            raise DataError(
                f"No noise is called {', '.join(unknown)}. There are babble, {', '.join(sorted(self._sounds))}."
            )

    def cases(self, noise: str, snr_db: float | None) -> list[Case]:
        """Every clip in `noise`; None: the line alone."""
        made = []
        for number, (clip, speech) in enumerate(zip(self.clips, self._speech, strict=True)):
            clean = telephony.plain(speech)
            if snr_db is None:
                made.append(Case(clip, clean, clean))
                continue
            rng = np.random.default_rng([number, len(noise)])  # at every ratio the same noise
            sound = (
                self._babble(clip, len(speech), rng)
                if noise == "babble"
                else piece(self._sounds[noise], len(speech), rng)
            )
            mixed = speech + sound * np.float32(rms(speech) * 10 ** (-snr_db / 20) / max(rms(sound), 1e-9))
            made.append(Case(clip, clean, telephony.plain(np.clip(mixed, -1, 1))))
        return made

    def _babble(self, clip: Clip, length: int, rng: np.random.Generator) -> Audio:
        others = [i for i, other in enumerate(self.clips) if other.speaker != clip.speaker]
        return babble(
            [self._speech[i] for i in rng.choice(others, min(_VOICES, len(others)), replace=False)], length, rng
        )


def cleaned(denoiser: Denoiser | None, noisy: Audio) -> Audio:
    """`noisy` as a call's stream, in time with what went in and of the same length."""
    if denoiser is None:
        return noisy
    late = len(noisy) + denoiser.delay
    line = np.concatenate((noisy, np.zeros(denoiser.delay + -late % _WINDOW, np.float32)))
    state, out = denoiser.initial_state(), []
    for at in range(0, len(line), _WINDOW):
        clean, state = denoiser.denoise(line[at : at + _WINDOW], state)
        out.append(clean)
    return np.concatenate(out)[denoiser.delay :][: len(noisy)]


def row(
    system: str,
    denoiser: Denoiser | None,
    cases: Sequence[Case],
    noise: str,
    snr_db: float | None,
    stt: SpeechToText | None,
    words: int,
) -> Row:
    """One line of the table. `words`: clips of each language that are transcribed."""
    started, out = time.process_time(), []
    for case in cases:
        out.append(cleaned(denoiser, case.noisy))
    spent = time.process_time() - started
    seconds = sum(len(case.noisy) for case in cases) / telephony.RATE
    heard: list[tuple[int, int]] = []
    asked: dict[str, int] = {}
    for case, clean in zip(cases, out, strict=True):
        language = case.clip.language
        if stt is None or asked.get(language, 0) >= words:
            continue
        asked[language] = asked.get(language, 0) + 1
        text = stt.transcribe(clean, languages=[language], final=True).text
        errors = word_errors(case.clip.text, text, language)
        heard.append((errors.errors, errors.total))
    return Row(
        system=system,
        noise=noise,
        snr_db=float("nan") if snr_db is None else snr_db,
        clips=[case.clip.audio.name for case in cases],
        measures=[measure(case.clean, clean) for case, clean in zip(cases, out, strict=True)],
        words=heard,
        cpu_ms=1_000 * spent / seconds,
    )


def run(
    settings: TableSettings, data: Path, out: Path, models: Sequence[Path], *, stt: str, words: int, say: Say = print
) -> str:
    """Measure what is not measured yet, and write `out/table.md`. `stt`: a recogniser of the model store. Raises DataError, ModelError."""
    from training.denoise.report import report

    for package in lacking():
        say(f"{package} is not installed, its measure is left out. Run: pip install {package}")
    scene = Scene(settings, data)
    out.mkdir(parents=True, exist_ok=True)
    file = out / "rows.jsonl"
    rows = [_read(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {(each.system, each.noise, str(each.snr_db)) for each in rows}
    recogniser = _stt(stt) if words else None
    conditions: list[tuple[str, float | None]] = [("quiet", None)]
    conditions += [(noise, snr_db) for noise in settings.noises for snr_db in settings.snr_db]
    parameters: dict[str, int] = {}
    denoisers = list(systems(settings, models, say))
    for noise, snr_db in conditions:
        cases = scene.cases(noise, snr_db)
        for name, denoiser in denoisers:
            if (name, noise, str(float("nan") if snr_db is None else snr_db)) in done:
                continue
            rows.append(row(name, denoiser, cases, noise, snr_db, recogniser, words))
            with file.open("a") as stream:
                stream.write(json.dumps(asdict(rows[-1])) + "\n")
            say(f"{noise} {snr_db} dB: {name}")
    for folder in models:
        card = exported.read_card(folder)
        parameters[card.name] = int(card.provenance.figures.get("parameters", 0))
    text = report(rows, parameters)
    (out / "table.md").write_text(text)
    return text


def _read(line: str) -> Row:
    found: dict[str, Any] = json.loads(line)
    return Row(**found | {"words": [tuple(each) for each in found["words"]]})


def _stt(name: str) -> SpeechToText:
    store = Store()
    return kinds.load("stt", store.registry[name].kind, store.path(name), threads=1, beam=1)
