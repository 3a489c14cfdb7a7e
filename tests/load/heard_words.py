"""Which words of a cut reply were truly in the caller's ear: its own audio, aligned with its own text.

Forced alignment by Whisper's cross-attention (Radford et al. 2022; OpenAI's `timing.py`): the words are given, only
their times are asked, so that nothing can be misrecognised. A word counts as heard when half of it was.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.audio import pad_or_trim
from faster_whisper.tokenizer import Tokenizer

from pipelines.audio.resample import resample
from pipelines.replay.dump import Dump
from pipelines.units import SECOND
from server.caller.ear import Pcm
from tests.load.turn_counts import Piece, audio_of, words_of

_RATE = 16_000
_FRAME = 160  # samples of a feature frame


class Aligner:
    """Whisper, as a clock for words. `folder`: its weights (multilingual)."""

    def __init__(self, folder: Path) -> None:
        self._model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)

    def words(self, pcm: Pcm, rate: int, text: str, language: str) -> list[tuple[str, float, float]]:
        """(word with its space, start, end) of `text` as spoken in `pcm` (int16 at `rate`, under 30 s), in seconds."""
        model = self._model
        audio = resample(pcm, rate, _RATE).astype(np.float32) / 32_768
        tokenizer = Tokenizer(model.hf_tokenizer, True, task="transcribe", language=language)
        features = model.feature_extractor(audio)
        encoded = model.encode(pad_or_trim(features))
        tokens = tokenizer.encode(" " + text)
        [words] = model.find_alignment(tokenizer, [tokens], encoded, len(audio) // _FRAME)
        return [(word["word"], float(word["start"]), float(word["end"])) for word in words]


def truly_heard(dump: Dump, found: Sequence[Piece], reply: int, aligner: Aligner) -> str:
    """The words of `reply` that were in the ear, fillers left out. `found`: what of its audio was, see `pieces`."""
    rate, heard = dump.meta.outbound.sample_rate, []
    for chunk, (text, language) in sorted(words_of(dump, reply).items()):
        pcm = audio_of(dump, reply, chunk)
        played = sum(piece.heard for piece in found if (piece.reply, piece.chunk) == (reply, chunk))
        if not played:
            continue
        if played >= len(pcm) * SECOND // rate:
            heard.append(text)
            continue
        words = aligner.words(pcm, rate, text, language)
        heard.append("".join(word for word, start, end in words if (start + end) / 2 * SECOND <= played).strip())
    return " ".join(filter(None, heard))
