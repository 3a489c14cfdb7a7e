"""A net that listens: audio in small pieces, characters as soon as they are certain; and how long that takes.

"lstm" and "gru" are causal: they keep their memory between pieces and need nothing of the future. "mlp" and "cnn" look a fixed number
of frames ahead, so they answer that much later, and some frames back, which are kept. The output is that of the whole clip, frame by
frame. "bilstm", "cnn_bilstm", "transformer" and "conformer" look at all of the utterance at each frame and cannot listen, nor can a net whose input is `levelled`: while the
caller speaks, they can only be run again over all that he has said so far, and `keep_up` measures them so.
"""

import time

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from pipelines.audio.features import HOP, WINDOW, Floats
from pipelines.nets.ctc import CtcNet, pad
from pipelines.nets.recurrent import Recurrent, State
from pipelines.nets.waveform import SPAN
from pipelines.units import SAMPLE_RATE


class Stream:
    """One utterance through a causal net. Raises ValueError for a net that is not."""

    def __init__(self, net: CtcNet) -> None:
        if not net.causal:
            name = f"{net.settings.net}, levelled," if net.settings.levelled else net.settings.net
            raise ValueError(f"a {name} looks at the whole utterance; it cannot listen to it in pieces")
        self._net = net
        self._span = SPAN if net.waveform else WINDOW
        self._samples = np.zeros(0, np.float32)
        self._begun = False
        self._state: State | None = None
        self._frames = torch.zeros(1, 0, net.settings.width)  # those that coming outputs still look at
        self._answered = 0  # of `_frames`: their outputs are out

    def push(self, audio: Floats) -> NDArray[np.float32]:
        """Log probabilities (frames, V) that can be told now, after `audio` (n,), any n. Often of 0 frames."""
        self._samples = np.concatenate((self._samples, audio))
        group = self._net.settings.stride * HOP
        groups = (self._samples.size - self._span + HOP) // group if self._samples.size >= self._span else 0
        if not groups:
            return self._body(None, last=False)
        ready = self._samples[: groups * group - HOP + self._span]
        self._samples = self._samples[groups * group :]
        return self._body(ready, last=False)

    def finish(self) -> NDArray[np.float32]:
        """The rest, now that nothing follows. The stream is then over."""
        rest = self._samples if self._samples.size >= self._span or not self._begun else None
        return self._body(rest, last=True)

    def _body(self, audio: Floats | None, *, last: bool) -> NDArray[np.float32]:
        net = self._net
        with torch.inference_mode():
            if audio is not None:
                self._begun = True
                joined, _ = net.joined(*pad([net.features(audio)]))
                self._frames = torch.cat((self._frames, joined), dim=1)
            if isinstance(net.body, Recurrent):
                return self._remembered()
            return self._looked_around(last)

    def _remembered(self) -> NDArray[np.float32]:
        frames, self._frames = self._frames, self._frames[:, :0]
        if not frames.shape[1]:
            return _nothing(self._net)
        seen, self._state = self._net.body.step(frames, self._state)
        return self._net.characters(seen)[0].numpy()

    def _looked_around(self, last: bool) -> NDArray[np.float32]:
        body, held = self._net.body, self._frames.shape[1]
        until = held if last else max(self._answered, held - body.future)
        if until == self._answered:
            return _nothing(self._net)
        seen = body(self._frames, torch.ones(1, held, dtype=torch.bool))[:, self._answered : until]
        # The first frame of what is kept sees zeros before it where there were others: nobody asks for it again.
        keep = max(0, until - body.past)
        self._frames, self._answered = self._frames[:, keep:], until - keep
        return self._net.characters(seen)[0].numpy()


def _nothing(net: CtcNet) -> NDArray[np.float32]:
    return np.zeros((0, net.head.out_features), np.float32)


class Pace(msgspec.Struct, frozen=True):
    """How a net kept up with a caller."""

    causal: bool
    """Whether it listened (`Stream`), or was run again over all so far at each piece."""
    real_time_factor: float
    """Seconds of work for a second of speech; above 1 it falls behind. Of a net that is not causal it grows with the utterance."""
    slowest: float
    """Seconds of work for the slowest piece."""
    waits: float | None
    """Seconds of sound after its own that a frame waits for, besides its window; None: for the end of the utterance."""


def keep_up(net: CtcNet, audio: Floats, *, piece: float = 0.02) -> Pace:
    """Feed `audio` (n,) in pieces of `piece` seconds and take the time, with the threads that torch has (`torch.set_num_threads`).

    As fast as it goes, not at the pace of speech: the caller would be waited for in between.
    """
    size = round(piece * SAMPLE_RATE)
    stream = Stream(net) if net.causal else None
    if stream:
        Stream(net).push(audio[: SAMPLE_RATE // 2])  # the first run allocates
    taken = []
    for first in range(0, audio.size, size):
        began = time.perf_counter()
        if stream:
            stream.push(audio[first : first + size])
            if first + size >= audio.size:
                stream.finish()
        else:
            with torch.inference_mode():
                net(*pad([net.features(audio[: first + size])]))
        taken.append(time.perf_counter() - began)
    waits = net.body.future * net.settings.stride * HOP / SAMPLE_RATE if net.causal else None
    return Pace(net.causal, sum(taken) / (audio.size / SAMPLE_RATE), max(taken), waits)
