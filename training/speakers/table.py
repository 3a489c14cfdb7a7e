"""`allo train speakers-table`: several encoders on the same utterances of people that none of ours was trained on."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.models.ports import Audio
from pipelines.units import SAMPLE_RATE
from training.speakers import conditions, measures
from training.speakers.conditions import Heard
from training.speakers.data import Parts

Embed = Callable[[Audio], NDArray[np.float32]]

FALSE_ACCEPTS = 0.01
"""Of the validation's other speakers, at the threshold that the tests are judged by."""

CONDITIONS: Mapping[str, tuple[str, tuple[str, ...], str]] = {
    "clean": ("English, 3 to 6 s", ("en_speechocean762", "en_librispeech"), "clean"),
    "noisy": ("English, one of the two in noise, 10 dB", ("en_speechocean762", "en_librispeech"), "noisy"),
    "short": ("English, 2 s", ("en_speechocean762", "en_librispeech"), "short"),
    "enrolled": ("English, enrolled from three", ("en_speechocean762", "en_librispeech"), "enrolled"),
    "french": ("French, two people", ("fr_tuxpaint",), "clean"),
    "french_voices": ("French, synthesized voices", ("kokoro",), "french"),
    "across": ("one voice in French and in English, synthesized", ("kokoro",), "across"),
    "feelings": ("German, acted feelings", ("emotion_emodb",), "clean"),
}
"""By name: what it is called, its groups, how its trials are made (`conditions.verification`)."""

_THRESHOLDS = {"clean": "clean", "noisy": "noisy", "short": "short", "enrolled": "clean"}


def measure(embed: Embed, parts: Parts, noises: Sequence[Audio], *, draws: int = measures.DRAWS) -> dict[str, Any]:
    """What one encoder makes of the test's speakers, by condition, and the validation's thresholds."""
    timed = _Timed(embed)
    tested, chosen = (
        [conditions.hear(group, timed, noises) for group in conditions.groups(clips)]
        for clips in (parts.test, parts.validation)
    )
    thresholds = {
        way: measures.threshold_at(measures.rates(conditions.verification(chosen, way)), FALSE_ACCEPTS)
        for way in ("clean", "noisy", "short")
    }
    figures: dict[str, Any] = {"thresholds": thresholds, "cpu_ms_per_s": timed.cpu_ms_per_s}
    for name, (_, groups, way) in CONDITIONS.items():
        heard = [each for each in tested if each.group.name in groups]
        if conditions.verification(heard, way).both:
            figures[name] = judged(heard, way, thresholds[_THRESHOLDS.get(name, "clean")], draws)
    return figures


def judged(heard: Sequence[Heard], way: str, threshold: float, draws: int) -> dict[str, Any]:
    """The figures of one condition. Rates are parts of 1; `*_low` and `*_high` hold 95 of 100 draws of speakers."""
    trials = conditions.verification(heard, way)
    found = measures.rates(trials)
    misses, false = measures.errors_at(trials, threshold)
    figures: dict[str, Any] = {
        "speakers": len(np.unique(np.concatenate((trials.first, trials.second)))),
        "targets": int(trials.targets.sum()),
        "others": int((~trials.targets).sum()),
        "eer_threshold": measures.equal_error(found)[1],
        "misses": misses,
        "false_accepts": false,
    }
    kinds: dict[str, Callable[[measures.Rates], float]] = {
        "eer": lambda rates: measures.equal_error(rates)[0],
        "dcf_0.01": lambda rates: measures.detection_cost(rates, 0.01),
        "dcf_0.05": lambda rates: measures.detection_cost(rates, 0.05),
    }
    for name, figure in kinds.items():
        figures[name] = figure(found)
        if (limits := measures.bounds(trials, figure, draws=draws)) is not None:
            figures[f"{name}_low"], figures[f"{name}_high"] = limits
    return figures


class _Timed:
    """An encoder with its processor time."""

    def __init__(self, embed: Embed) -> None:
        self._embed, self._cpu_s, self._audio_s = embed, 0.0, 0.0

    def __call__(self, audio: Audio) -> NDArray[np.float32]:
        began = time.process_time()
        voice = self._embed(audio)
        self._cpu_s += time.process_time() - began
        self._audio_s += audio.size / SAMPLE_RATE
        return voice

    @property
    def cpu_ms_per_s(self) -> float:
        """Of audio."""
        return 1_000 * self._cpu_s / max(self._audio_s, 1e-9)


def markdown(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """A table for each condition's figures, encoders as rows."""
    lines = []
    for name, (title, _, _) in CONDITIONS.items():
        shown = {encoder: figures[name] for encoder, figures in rows.items() if name in figures}
        if not shown:
            continue
        one = next(iter(shown.values()))
        lines += [
            f"**{title}** ({one['speakers']} speakers, {one['targets']} trials of one person, {one['others']} of two)",
            "",
            "| encoder | EER % | minDCF 0.01 | minDCF 0.05 | EER's threshold | at the validation's threshold: misses, false accepts % |",
            "|---|---|---|---|---|---|",
        ]
        for encoder, f in shown.items():
            lines.append(
                f"| {encoder} | {_bounded(f, 'eer', 100, 1)} | {_bounded(f, 'dcf_0.01', 1, 2)} | {_bounded(f, 'dcf_0.05', 1, 2)} "
                f"| {f['eer_threshold']:.2f} | {100 * f['misses']:.1f}, {100 * f['false_accepts']:.1f} |"
            )
        lines.append("")
    lines += ["| encoder | CPU ms for a second of audio | thresholds: clean, noisy, 2 s |", "|---|---|---|"]
    for encoder, figures in rows.items():
        values = ", ".join(f"{figures['thresholds'][way]:.2f}" for way in ("clean", "noisy", "short"))
        lines.append(f"| {encoder} | {figures['cpu_ms_per_s']:.1f} | {values} |")
    return "\n".join(lines)


def _bounded(figures: Mapping[str, Any], name: str, scale: float, digits: int) -> str:
    said = f"{scale * figures[name]:.{digits}f}"
    if f"{name}_low" not in figures:
        return said
    return f"{said} ({scale * figures[f'{name}_low']:.{digits}f} to {scale * figures[f'{name}_high']:.{digits}f})"
