"""Where somebody speaks, from the probabilities of voice activity; and the windows in which one asks who."""

from collections.abc import Sequence

import numpy as np

from pipelines.audio.features import level
from pipelines.models.ports import Audio, VoiceActivity
from pipelines.units import SAMPLE_RATE

Span = tuple[float, float]
"""From, to: seconds."""


def p_speech(audio: Audio, vad: VoiceActivity) -> list[float]:
    """A probability for each whole window of `vad`. The clip is made as loud as others first: meetings may be recorded at -40 dB."""
    audio, state, found = level(audio), vad.initial_state(), []
    for start in range(0, audio.size - vad.window + 1, vad.window):
        [p], [state] = vad.analyze([audio[start : start + vad.window]], [state])
        found.append(p)
    return found


def spans(
    probabilities: Sequence[float],
    window_s: float,
    *,
    on: float = 0.5,
    off: float = 0.35,
    pause_s: float = 0.5,
    least_s: float = 0.2,
    pad_s: float = 0.1,
) -> list[Span]:
    """Stretches of speech: begun by a probability of `on`, ended by `pause_s` below `off`; shorter ones than `least_s` are none."""
    found: list[Span] = []
    start: int | None = None
    quiet = 0
    for i, p in enumerate([*probabilities, *[0.0] * (int(pause_s / window_s) + 1)]):
        if start is None:
            if p >= on:
                start, quiet = i, 0
        elif p >= off:
            quiet = 0
        else:
            quiet += 1
            if quiet * window_s >= pause_s:
                end = i + 1 - quiet
                if (end - start) * window_s >= least_s:
                    found.append((start * window_s, end * window_s))
                start = None
    whole = len(probabilities) * window_s
    return _padded(found, pad_s, whole)


def _padded(found: Sequence[Span], pad_s: float, whole: float) -> list[Span]:
    out: list[Span] = []
    for start, end in found:
        start, end = max(0.0, start - pad_s), min(whole, end + pad_s)
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], end)
        else:
            out.append((start, end))
    return out


def windows(speech: Sequence[Span], length_s: float, step_s: float) -> list[Span]:
    """Windows of `length_s` every `step_s` within each stretch, the last one ending with it; a shorter stretch is one window."""
    found: list[Span] = []
    for start, end in speech:
        if end - start <= length_s:
            found.append((start, end))
            continue
        count = int(np.ceil((end - start - length_s) / step_s - 1e-9)) + 1
        found += [
            (first, first + length_s) for first in (min(start + i * step_s, end - length_s) for i in range(count))
        ]
    return found


def cut(audio: Audio, span: Span) -> Audio:
    """The samples of a span."""
    return audio[round(span[0] * SAMPLE_RATE) : round(span[1] * SAMPLE_RATE)]
