"""Networks of `training/ctc` behind `pipelines.models.ports.SpeechToText`."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipelines.adapters.stt.context import FRAMES_PER_SECOND, FULL
from pipelines.errors import ModelError
from pipelines.models.ports import Audio, Transcript
from pipelines.nets.alphabet import Words
from pipelines.nets.ctc import pad
from pipelines.nets.decoding import Beam, BeamSettings, chosen, greedy
from pipelines.nets.saved import load
from pipelines.units import SAMPLE_RATE

_MIN_SAMPLES = SAMPLE_RATE // 20  # no word is shorter
_FRAME = SAMPLE_RATE // FRAMES_PER_SECOND
_MARGIN = FRAMES_PER_SECOND  # single words keep their ends in it
_MAX_SAMPLES = 30 * SAMPLE_RATE  # attention takes memory by the square of it


def states(encoder: Path, *, threads: int) -> Callable[[Audio], NDArray[np.float32]]:
    """What the Whisper in the folder `encoder` makes of a clip, with a second of silence behind it. Raises ModelError."""
    from pipelines.adapters.stt.whisper import Whisper  # most of these nets need none, and it takes a second

    whisper = Whisper(encoder, threads=threads)
    return lambda audio: whisper.states(audio, min(FULL, -(-len(audio) // _FRAME) + _MARGIN))


class Ctc:
    """Serves all calls, from one thread at a time; keeps nothing between calls. Same audio, same text."""

    def __init__(self, folder: Path, *, threads: int, encoder: Path | None = None) -> None:
        """`folder`: `config.json` and `model.safetensors`, as `pipelines.nets.saved` writes them. `threads`: of the CPU; torch has one
        number for the whole process. `encoder`: the folder of the Whisper that it hears through, if it does. Raises ModelError when a file is missing or broken.
        """
        torch.set_num_threads(threads)
        self._net, self._config = load(folder)
        if encoder is None and self._config.net.input == "states":
            raise ModelError(f"{folder} hears through an encoder, and its card names none: export it again.")
        if encoder is not None:
            self._net.hear_through(states(encoder, threads=threads))
        self._alphabet = self._config.alphabet
        beam, name = self._config.beam, self._config.language_model
        self._beam: Beam | None = None
        if beam or name:
            self._beam = Beam(self._alphabet, beam or BeamSettings(), language_model=folder / name if name else None)
        self.log_probs(np.zeros(SAMPLE_RATE, np.float32))  # the first run allocates: not while a caller waits

    def transcribe(self, audio: Audio, *, languages: Sequence[str], final: bool, hot_words: str = "") -> Transcript:
        """Words in up to 30 s of audio: by beam search for a final, if the folder asks for one, else greedily.

        `languages`: ISO 639-1; the first that the net was trained on is answered, for it cannot tell them apart. `hot_words` change
        nothing: a net that writes characters has no place for them. Raises ModelError, also when it knows none of the languages.
        """
        known = [language for language in languages if language in self._config.languages]
        if not known:
            raise ModelError(
                f"this network was trained on {', '.join(self._config.languages)}, not on {', '.join(languages)}."
            )
        if audio.size > _MAX_SAMPLES:
            raise ModelError(f"this network takes at most 30 s at once, not {audio.size / SAMPLE_RATE:.1f} s.")
        if audio.size < _MIN_SAMPLES:
            return Transcript("", known[0], 1 / len(known))
        try:
            log_probs = self.log_probs(audio)
        except RuntimeError as error:
            raise ModelError("the network failed.") from error
        text = self._read(log_probs, final)
        return Transcript(text, known[0], 1 / len(known))

    def _read(self, log_probs: NDArray[np.float32], final: bool) -> str:
        if final and self._config.one and isinstance(self._alphabet, Words):
            return chosen(log_probs, self._alphabet)
        return self._beam(log_probs) if final and self._beam else greedy(log_probs, self._alphabet)

    def log_probs(self, audio: Audio) -> NDArray[np.float32]:
        """What the net thinks of each frame, shape (T', V): the exact thing to compare before and after an export."""
        features, lengths = pad([self._net.features(audio)])
        with torch.inference_mode():
            return self._net(features, lengths)[0][0].numpy()
