"""A walk through CTC for one clip and one model: what each frame said, the best way through it, and where each character was heard."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipelines.audio.features import WINDOW
from pipelines.models.ports import Audio
from pipelines.nets import saved
from pipelines.nets.alphabet import Alphabet, frames_needed, plain
from pipelines.nets.ctc import CtcNet, pad
from pipelines.nets.decoding import greedy
from pipelines.nets.waveform import SPAN
from pipelines.units import SAMPLE_RATE
from training.common import audio
from training.ctc.align_picture import Frames, draw
from training.ctc.alignment import Alignment, forced

_HOP_S = 0.01


def align(clip: Path, model: Path, picture: Path, text: str | None = None) -> str:
    """Draw the alignment of `clip` into `picture` (PNG, SVG or PDF by its ending) and return it in words.

    `model`: a folder as `pipelines.nets.saved` writes it. `text`: what is said; without it, what the model understands. Raises
    DataError (clip, or too few frames for the text), ModelError, UnknownCharacter.
    """
    net, config = saved.load(model)
    alphabet = config.alphabet
    sound = audio.load(clip)
    log_probs = heard(net, sound)
    understood = greedy(log_probs, alphabet)
    text = plain(text) if text is not None else understood
    found = forced(log_probs, alphabet.encode(text))
    frames = frames_of(net)
    draw(
        sound,
        log_probs,
        found,
        alphabet,
        text,
        frames,
        picture,
        title=f"{clip.name}, {config.net.net} over {config.net.input}",
    )
    return in_words(found, log_probs, alphabet, text, understood, frames)


def heard(net: CtcNet, sound: Audio) -> NDArray[np.float32]:
    """Log probabilities (T', V) of one clip."""
    with torch.inference_mode():
        return net(*pad([net.features(sound)]))[0][0].numpy()


def frames_of(net: CtcNet) -> Frames:
    """When an output frame is: it stands for the middle of the windows it was made from."""
    step = net.settings.stride * _HOP_S
    window = (SPAN if net.waveform else WINDOW) / SAMPLE_RATE
    return Frames(start=(window - _HOP_S) / 2, step=step)


def in_words(
    found: Alignment, log_probs: NDArray[np.float32], alphabet: Alphabet, text: str, understood: str, frames: Frames
) -> str:
    """The alignment as a person would read it off the picture."""
    label = alphabet.encode(text)
    written = "".join(_sign(alphabet, number) for number in found.path)
    lines = [
        f'"{text}": {len(label)} characters, which need {frames_needed(label)} frames; '
        f"there are {len(log_probs)} of {frames.step * 1000:.0f} ms.",
        f"Best path   {written}",
        f'Collapsed   {text}   (first repeats become one, then blanks "·" become none)',
        f"This path has probability {_percent(found.log_best)}; all paths that are collapsed to this text together "
        f"{_percent(found.log_total)}. The loss is the negative logarithm of the latter: {-found.log_total + 0.0:.3f}.",
        f'Taking the likeliest character of each frame gives "{understood}"'
        + (", the same." if understood == text else ", which is not the same."),
        "",
        "character   from s   to s   frames   probability",
    ]
    for span in found.spans:
        first, after = frames.time(span.first), frames.time(span.last + 1)
        name = _sign(alphabet, span.number)
        lines.append(
            f"{name:^9}   {first:6.2f} {after:6.2f}   {span.last - span.first + 1:6d}   {span.probability:11.2f}"
        )
    return "\n".join(lines)


def _sign(alphabet: Alphabet, number: int) -> str:
    character = alphabet.decode([number])
    return "·" if not character else "␣" if character == " " else character


def _percent(log_p: float) -> str:
    p = 100 * float(np.exp(log_p))
    return f"{p:.0f} %" if p >= 1 else f"{p:.1g} %"
