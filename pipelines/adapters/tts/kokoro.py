"""Kokoro-82M (https://huggingface.co/hexgrad/Kokoro-82M, Apache-2.0): StyleTTS 2 with an iSTFT decoder, 24 kHz.

About 0.3 s for every second of speech on two idle cores: speak by clause, and keep what recurs. Phonemes come from
eSpeak NG (GPL-3.0, see `espeak`); the model was trained on those of misaki (https://github.com/hexgrad/misaki), whose
spelling of them is restored here."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipelines.adapters.tts import espeak
from pipelines.adapters.tts.onnx import fingerprint, open_session
from pipelines.errors import ModelError
from pipelines.models.ports import Audio

_MODEL = "model_quantized.onnx"
_MAX_TOKENS = 509  # the style table has 510 rows, one for each number of tokens

_VOCABULARY = {  # the token of each symbol, from the model's config.json
    symbol: token
    for first, symbols in (
        (1, ';:,.!?'), (9, '—…"()“”'), (16, ' \u0303ʣʥʦʨᵝꭧAI'), (31, "O"), (33, "Q"), (35, "ST"), (39, "W"),
        (41, "Yᵊabcdef"), (50, "hijklmnopqrstuvwxyzɑɐɒæ"), (75, "βɔɕç"), (80, "ɖðʤə"), (85, "ɚɛɜ"), (90, "ɟ"),
        (92, "ɡ"), (99, "ɥ"), (101, "ɨɪʝ"), (110, "ɯɰŋɳɲɴø"), (118, "ɸθœ"), (123, "ɹ"), (125, "ɾɻ"), (128, "ʁɽʂʃʈʧ"),
        (135, "ʊʋ"), (138, "ʌɣɤ"), (142, "χʎ"), (147, "ʒʔ"), (156, "ˈˌː"), (162, "ʰ"), (164, "ʲ"), (169, "↓"),
        (171, "→↗↘"), (177, "ᵻ"),
    )
    for token, symbol in enumerate(symbols, first)
}  # fmt: skip

# misaki writes an affricate or a diphthong as one symbol.
_MISAKI = {
    "fr": (("dʒ", "ʤ"), ("tʃ", "ʧ"), ("-", "")),
    "en": (
        ("eɪ", "A"), ("aɪ", "I"), ("oʊ", "O"), ("əʊ", "Q"), ("aʊ", "W"), ("ɔɪ", "Y"), ("dʒ", "ʤ"), ("tʃ", "ʧ"),
        ("ɜːɹ", "ɜɹ"), ("ɚ", "əɹ"), ("ɐ", "ə"), ("r", "ɹ"), ("x", "k"), ("ʔ", "t"), ("ː", ""), ("-", ""),
    ),
}  # fmt: skip


class Kokoro:
    """One Kokoro voice in one language.

    `folder` holds the model and `<voice>.bin`, its styles; `voice`: its name, or several joined by "+" for a voice
    halfway between them; `language`: "en" or "fr"; `threads`: CPU threads of one synthesis; `speed`: 1 is the voice's
    own pace; `accent`: sounds (eSpeak's IPA) that it says as others, replaced in their order."""

    sample_rate = 24_000

    def __init__(
        self,
        folder: Path,
        *,
        voice: str,
        language: str,
        threads: int = 1,
        speed: float = 1.0,
        accent: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Raises ModelError when a file is missing or broken, or the language is none of Kokoro's here."""
        if language not in _MISAKI:
            raise ModelError(f"Kokoro speaks {' and '.join(_MISAKI)} here, not {language!r}.")
        self._language = language
        self._session = open_session(folder / _MODEL, threads)
        files = [folder / f"{name}.bin" for name in voice.split("+")]
        try:
            styles = [np.fromfile(file, np.float32).reshape(_MAX_TOKENS + 1, 1, 256) for file in files]
        except (OSError, ValueError) as error:
            raise ModelError(f"the Kokoro voice {voice!r} in {folder} cannot be read: {error}") from error
        self._styles = np.mean(styles, axis=0)
        self._sounds = (*accent, *_MISAKI[language])
        self.identity = f"kokoro:{fingerprint(folder / _MODEL, *files)}:{language}:{speed:g}"
        if accent:
            self.identity += ":" + ",".join(f"{ours}>{theirs}" for ours, theirs in accent)
        self._speed = np.array([speed], np.float32)

    def synthesize(self, text: str) -> Iterator[Audio]:
        """Float32 mono audio in [-1, 1], one piece for each sentence. Raises ModelError."""
        try:
            for phonemes in espeak.sentences(text, self._language):
                tokens = self._tokens(phonemes)
                if tokens:
                    yield self._speak(tokens)
        except Exception as error:  # of espeak's bridge and of onnxruntime, which share no base
            raise ModelError(f"Kokoro could not speak: {type(error).__name__}") from error

    def _tokens(self, phonemes: str) -> list[int]:
        phonemes = phonemes.replace("c\u0327", "ç")  # the one letter the vocabulary has with its accent
        for ours, other in self._sounds:
            phonemes = phonemes.replace(ours, other)
        # What the vocabulary lacks is left out, as the reference implementation does.
        return [_VOCABULARY[symbol] for symbol in phonemes if symbol in _VOCABULARY][:_MAX_TOKENS]

    def _speak(self, tokens: list[int]) -> Audio:
        feeds = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": self._styles[len(tokens)],
            "speed": self._speed,
        }
        return self._session.run(None, feeds)[0].reshape(-1)
