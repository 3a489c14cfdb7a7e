"""`allo serve` whose recogniser and voice cost nothing: every stretch of speech is the same sentence, every chunk a hum of its length.

    python -m tests.load.scripted_server serve --config FILE

Twenty real recognisers do not fit two cores; with these, what remains is the server and whatever else is switched on.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pipelines.models.ports import Audio, Transcript
from server import engines
from server.cli import main

_HEARD = "I would like to come on Tuesday morning please."
_SECONDS_A_WORD = 0.35


class ScriptedRecogniser:
    """Hears one sentence in everything."""

    def transcribe(self, audio: Audio, *, languages: Sequence[str], final: bool, hot_words: str = "") -> Transcript:
        return Transcript(_HEARD, languages[0])


class HummingVoice:
    """Hums for as long as the words would take."""

    sample_rate = 8_000
    identity = "hum"

    def synthesize(self, text: str) -> Iterator[Audio]:
        samples = round(len(text.split()) * _SECONDS_A_WORD * self.sample_rate)
        yield (0.1 * np.sin(2 * np.pi * 200 * np.arange(samples) / self.sample_rate)).astype(np.float32)


def _scripted(*_: Any) -> ScriptedRecogniser:
    return ScriptedRecogniser()


def _humming(*_: Any) -> HummingVoice:
    return HummingVoice()


if __name__ == "__main__":
    engines.load_stt, engines.load_voice = _scripted, _humming
    main()
